package bounce

import (
	"strings"
	"unicode"

	"github.com/resetd/resetd/diag/reply"
)

// What a person sees of a mail that could not be read: enough to tell what it is about, and nothing that acts or could be used.
const (
	maxKept     = 20  // lines
	maxKeptLine = 300 // bytes of one
	mutedWord   = 20  // a word of letters and digits as long as this may be a piece of a secret that was wrapped
	someAddress = "[address]"
)

// baffling reports whether a person has to read the mail: it is none of the kinds, or fails without a reason.
func (m *Mail) baffling() bool {
	if m.Kind == KindNone {
		return true
	}
	for i := range m.Reports {
		if r := &m.Reports[i]; failing(r.Action) && r.Reason == reply.ReasonUnknown {
			return true
		}
	}
	return false
}

// kept are the first lines of the notice, without what it quotes: that is our own mail, with the live link.
func (n *notice) kept() []string {
	out := make([]string, 0, maxKept+1)
	for i := range n.lines {
		l := &n.lines[i]
		if l.blank() || !l.said {
			continue
		}
		if len(out) == maxKept {
			out = append(out, "[…]")
			break
		}
		out = append(out, muted(l.text))
	}
	if len(out) == 0 {
		return nil
	}
	return strings.Split(strings.Join(out, "\n"), "\n") // all in one copy: what is kept must not hold the mail in memory
}

// harmless reports whether there is nothing to take out of a line.
func harmless(s string) bool {
	run := 0
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c < ' ' || c >= 0x7f || c == '@' || c == '/' || c == '=' || c == '?' || c == '#' || c == ' ' && i+1 < len(s) && s[i+1] == ' ':
			return false
		case c == ' ':
			run = 0
		default:
			if run++; run >= mutedWord {
				return false
			}
		}
	}
	return true
}

// muted is a line for people's eyes: no control characters, no addresses, no link beyond its host, no secret.
func muted(s string) string {
	if len(s) <= maxKeptLine && harmless(s) {
		return s
	}
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(clip(s, 4*maxKeptLine), "?"))
	words := strings.Fields(s)
	for i, w := range words {
		words[i] = mutedOne(w)
	}
	return clip(strings.Join(words, " "), maxKeptLine)
}

func mutedOne(w string) string {
	if at := strings.Index(w, "://"); at >= 0 {
		at += len("://")
		if end := strings.IndexAny(w[at:], "/?#"); end >= 0 && at+end+1 < len(w) {
			w = w[:at+end+1] + redaction
		}
	}
	if strings.IndexByte(w, '@') >= 0 {
		w = withoutAddresses(w)
	}
	w = redact(w)
	for i := 0; i < len(w); i++ {
		n := tokenRun(w[i:])
		if n >= mutedWord && mixed(w[i:i+n]) {
			w, n = w[:i]+redaction+w[i+n:], len(redaction)
		}
		i += n
	}
	return w
}

// withoutAddresses leaves the marks around addresses standing. A word that still has an @ goes as a whole: in doubt it is one.
func withoutAddresses(w string) string {
	var b strings.Builder
	pos := 0
	for a, ok := nextAddress(w, 0); ok; a, ok = nextAddress(w, pos) {
		b.WriteString(w[pos:a.start])
		b.WriteString(someAddress)
		pos = a.end
	}
	b.WriteString(w[pos:])
	if s := b.String(); strings.IndexByte(s, '@') < 0 {
		return s
	}
	return someAddress
}
