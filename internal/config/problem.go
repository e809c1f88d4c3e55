package config

import (
	"fmt"
	"io"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Problem is one thing wrong, and where.
type Problem struct {
	File string // as given to Load, or the file that it names; "environment" for a RESETD_ variable
	Line int    // from 1; 0 = the file as a whole
	Col  int    // caret, in bytes from 1; 0 = none
	Len  int    // bytes under the caret; at least 1 where Col is set
	Text string // the line, with secrets struck out and control characters replaced; "" = not shown
	What string // what is wrong, in one sentence without its full stop
	Try  string // what to do; may be ""
}

// Where is file:line:column, as editors and terminals jump to.
func (p Problem) Where() string {
	s := p.File
	if p.Line > 0 {
		s += fmt.Sprintf(":%d", p.Line)
		if p.Col > 0 {
			s += fmt.Sprintf(":%d", p.Col)
		}
	}
	return s
}

func (p Problem) Error() string { return p.Where() + ": " + p.What }

// Print writes the problem with its line, a caret and what to try.
func (p Problem) Print(w io.Writer) {
	fmt.Fprintf(w, "%s\n", p.Error())
	if p.Text != "" {
		fmt.Fprintf(w, "%5d | %s\n", p.Line, p.Text)
		if p.Col > 0 {
			fmt.Fprintf(w, "      | %s%s\n", blank(p.Text, p.Col-1), strings.Repeat("^", p.carets()))
		}
	}
	if p.Try != "" {
		fmt.Fprintf(w, "      = try: %s\n", p.Try)
	}
}

// carets is one per rune below the marked text, within the line.
func (p Problem) carets() int {
	from, to := min(p.Col-1, len(p.Text)), min(p.Col-1+p.Len, len(p.Text))
	return max(1, utf8.RuneCountInString(p.Text[from:max(from, to)]))
}

// blank is as wide as the first n bytes of s: tabs stay tabs.
func blank(s string, n int) string {
	return strings.Map(func(r rune) rune {
		if r == '\t' {
			return r
		}
		return ' '
	}, s[:min(n, len(s))])
}

// Problems is everything that start-up refuses, in the order of the file. It is an error.
type Problems []Problem

func (ps Problems) Error() string {
	var b strings.Builder
	for i, p := range ps {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(p.Error())
		if p.Try != "" {
			b.WriteString(" (" + p.Try + ")")
		}
	}
	return b.String()
}

var (
	// secret_sha256 is no secret, but where it is wrong it is often the secret itself.
	secretLine = regexp.MustCompile(`^(\s*"?(?:password|secret|secret_sha256|token|key|bearer)"?\s*=\s*)(.+)$`)
	secretIn   = regexp.MustCompile(`((?:^|[{,\s.])(?:password|secret|secret_sha256|token|key|bearer)\s*=\s*)("[^"]*"?|'[^']*'?)`)
	userInfo   = regexp.MustCompile(`://[^@/\s"']*@`)
)

// shown is a line of a file as it may be printed: on a terminal nothing in it acts, and what is secret is not in it. Lengths before the secret are kept, so that carets fit.
func shown(line string) string {
	const limit = 300
	line = strings.TrimRight(line, "\r")
	if m := secretLine.FindStringSubmatch(line); m != nil {
		line = m[1] + "…"
	}
	line = secretIn.ReplaceAllString(line, "${1}…")
	line = userInfo.ReplaceAllString(line, "://…@")
	if len(line) > limit {
		cut := limit
		for cut > 0 && !utf8.RuneStart(line[cut]) {
			cut--
		}
		line = line[:cut] + "…"
	}
	return inert(line)
}

// inert replaces what could act on a terminal or hide in a text.
func inert(s string) string {
	return strings.Map(func(r rune) rune {
		if r != '\t' && (unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == 0x2028 || r == 0x2029) {
			return '?'
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
}
