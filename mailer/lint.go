package mailer

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"github.com/emersion/go-message"
)

// once are the fields that must stand exactly once.
var once = []string{"From", "To", "Subject", "Date", "Message-ID", "MIME-Version", "Content-Type", "Auto-Submitted", "X-Resetd-Message"}

// maxLine is RFC 5321 section 4.5.3.1.6 without its CRLF.
const maxLine = 998

// Lint reads a mail of ours as a receiver would and says what is wrong with it: line endings and lengths, octets beyond 7 bits (in the
// To field alone UTF-8 may stand, RFC 6532), missing or doubled fields, and parts from which the link does not come out whole.
func Lint(raw []byte, link string) error {
	no := func(why string) error { return fmt.Errorf("%w: %s", ErrMalformed, why) }
	if err := lintLines(raw); err != nil {
		return err
	}
	e, err := message.Read(bytes.NewReader(raw))
	if err != nil {
		return no("it does not parse")
	}
	for _, name := range once {
		if n := e.Header.FieldsByKey(name).Len(); n != 1 {
			return no(fmt.Sprintf("%s stands %d times", name, n))
		}
	}
	mr := e.MultipartReader()
	if kind, _, err := e.Header.ContentType(); err != nil || kind != "multipart/alternative" || mr == nil {
		return no("it is no multipart/alternative")
	}
	want := []string{"text/plain", "text/html"}
	for i := 0; ; i++ {
		part, err := mr.NextPart()
		if err == io.EOF {
			if i != len(want) {
				return no("it has too few parts")
			}
			return nil
		}
		if err != nil || i >= len(want) {
			return no("its parts do not parse, or are too many")
		}
		if kind, _, err := part.Header.ContentType(); err != nil || kind != want[i] {
			return no("part " + want[i] + " is not where it must be")
		}
		body, err := io.ReadAll(part.Body)
		if err != nil {
			return no(want[i] + " does not decode")
		}
		if i == 0 && !strings.Contains(string(body), link) || i == 1 && !linked(string(body), link) {
			return no("the link does not come out of " + want[i] + " whole")
		}
	}
}

func lintLines(raw []byte) error {
	no := func(line int, why string) error { return fmt.Errorf("%w: line %d: %s", ErrMalformed, line, why) }
	inHeader, inTo := true, false
	for n := 1; len(raw) > 0; n++ {
		i := bytes.IndexByte(raw, '\n')
		if i < 1 || raw[i-1] != '\r' {
			return no(n, "does not end in CRLF")
		}
		line := raw[:i-1]
		raw = raw[i+1:]
		if len(line) > maxLine {
			return no(n, "longer than 998 bytes")
		}
		if len(line) == 0 {
			inHeader = false
		}
		if inHeader && line[0] != ' ' && line[0] != '\t' {
			inTo = bytes.HasPrefix(line, []byte("To:"))
		}
		for _, c := range line {
			if c == 0 || c == '\r' || c >= 0x80 && !(inHeader && inTo) {
				return no(n, "holds an octet that 7-bit mail does not have")
			}
		}
	}
	return nil
}
