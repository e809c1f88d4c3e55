package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"
)

// columns is how wide text for people is.
const columns = 100

// printer writes text for people: wrapped, with headings, in bold only on a terminal. Everything that it prints is made inert first.
type printer struct {
	w    io.Writer
	bold bool
}

func printerFor(cmd *cobra.Command) *printer {
	p := &printer{w: cmd.OutOrStdout()}
	if f, ok := p.w.(*os.File); ok && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" {
		if st, err := f.Stat(); err == nil {
			p.bold = st.Mode()&os.ModeCharDevice != 0
		}
	}
	return p
}

// inert makes text by strangers harmless on a terminal: mail hosts may answer with escape sequences, and marks of direction may turn a
// line around. Line breaks and tabs become spaces.
func inert(s string) string {
	var b strings.Builder
	for _, r := range strings.ToValidUTF8(s, "\uFFFD") {
		switch {
		case r == '\n' || r == '\r' || r == '\t':
			b.WriteByte(' ')
		case unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == '\u2028' || r == '\u2029':
			fmt.Fprintf(&b, "<U+%04X>", r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// heading begins a part.
func (p *printer) heading(s string) {
	fmt.Fprintln(p.w)
	p.strong(s)
}

// strong prints one paragraph in bold, where there is bold.
func (p *printer) strong(s string) {
	lines := wrap(inert(s), columns)
	for _, l := range lines {
		if p.bold {
			l = "\x1b[1m" + l + "\x1b[0m"
		}
		fmt.Fprintln(p.w, l)
	}
}

// item prints a paragraph behind a mark; its further lines stand under its first word. The mark is ours and printed as it is.
func (p *printer) item(mark, s string) {
	n := utf8.RuneCountInString(mark)
	for i, l := range wrap(inert(s), columns-n) {
		if i > 0 {
			mark = strings.Repeat(" ", n)
		}
		fmt.Fprintln(p.w, mark+l)
	}
}

// text prints a paragraph, all of it behind an indent.
func (p *printer) text(indent, s string) { p.item(indent, s) }

// quote prints text to be handed on, with a mark before each line; line breaks of its own are kept.
func (p *printer) quote(mark, s string) {
	for paragraph := range strings.SplitSeq(s, "\n") {
		for _, l := range wrap(inert(paragraph), columns-utf8.RuneCountInString(mark)) {
			fmt.Fprintln(p.w, mark+l)
		}
	}
}

// wrap breaks text at spaces. A word that is longer than a line stays whole: an address or an id is copied from here.
func wrap(s string, width int) []string {
	var lines []string
	line, n := "", 0
	for word := range strings.FieldsSeq(s) {
		w := utf8.RuneCountInString(word)
		if n > 0 && n+1+w > width {
			lines, line, n = append(lines, line), "", 0
		}
		if n > 0 {
			line, n = line+" ", n+1
		}
		line, n = line+word, n+w
	}
	return append(lines, line)
}
