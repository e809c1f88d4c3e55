package sim

import (
	"context"
	"regexp"
	"strings"
)

// Alter changes each mail before whatever happens to it after the 250: a smarthost forwards it so. What was taken stays in the mailbox as it
// came. Combine it: Smarthost(SmarthostTimes{}).Alter(Footer("-- \r\nScanned.")).
func (b Behaviour) Alter(change func(raw []byte) []byte) Behaviour {
	then := b.Then
	if then == nil {
		return b
	}
	b.Then = func(ctx context.Context, h *Host, m Mail) {
		m.Raw = change(m.Raw)
		then(ctx, h, m)
	}
	return b
}

// Footer adds lines to the end of the plain text, as gateways do that must name a company's officers. A mail without parts gets it at its end.
func Footer(text string) func([]byte) []byte {
	return func(raw []byte) []byte {
		s := string(raw)
		kind := regexp.MustCompile(`(?i)boundary="?([^";\r\n]+)`).FindStringSubmatch(s)
		if kind == nil {
			return []byte(strings.TrimRight(s, "\r\n") + "\r\n" + text + "\r\n")
		}
		parts := strings.SplitN(s, "\r\n--"+kind[1], 3) // before the first part, the first, the rest
		if len(parts) < 3 {
			return raw
		}
		return []byte(parts[0] + "\r\n--" + kind[1] + parts[1] + "\r\n" + text + "\r\n--" + kind[1] + parts[2])
	}
}

// RewriteLinks puts a click tracker's address in the place of the link, in every part, as providers do that count clicks.
func RewriteLinks(tracker string) func([]byte) []byte {
	return func(raw []byte) []byte {
		link := Link(raw)
		if link == "" {
			return raw
		}
		// In quoted-printable a long link goes on in the next line.
		return []byte(strings.ReplaceAll(strings.ReplaceAll(string(raw), "=\r\n", ""), link, tracker))
	}
}
