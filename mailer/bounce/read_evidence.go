package bounce

import (
	"strings"
	"unicode/utf8"

	"github.com/resetd/resetd/diag/reply"
)

// evidence is a piece of text of a part that a statement rests on, not yet translated into a line of the input.
type evidence struct {
	part int
	off  int // into the decoded part; -1 = not known, the text was made from HTML
	abs  int // into the input, counts where text is ""; then the whole line there is meant
	text string
}

// headerEvidence quotes the header line at an offset of the input.
func (w *walk) headerEvidence(off int) evidence { return evidence{abs: off} }

const (
	maxEvidence = 240     // bytes of text quoted as a reason
	maxSearch   = 8 << 20 // bytes of encoded parts searched for quotes, in all
)

// because turns evidence into the line and the words of the input as it came. Where the part was encoded, the words
// are searched in its raw lines; where they cannot stand there (base64), the raw line is quoted.
func (w *walk) because(e evidence) reply.Because {
	if e.part < 0 || e.part >= len(w.parts) {
		return reply.Because{}
	}
	if e.text == "" {
		return w.quote(e.abs, strings.TrimRight(w.data[e.abs:lineEnd(w.data, e.abs)], "\n"))
	}
	p := &w.parts[e.part]
	first, _, _ := strings.Cut(strings.TrimLeft(e.text, " \t\n"), "\n")
	if p.verbatim && e.off >= 0 {
		off := p.body + e.off + len(e.text) - len(strings.TrimLeft(e.text, " \t\n"))
		return w.quote(off, first)
	}
	raw := w.data[p.body:min(p.end, p.body+maxText)]
	for _, piece := range pieces(first) {
		if w.searched > maxSearch {
			break
		}
		w.searched += len(raw)
		if i := strings.Index(raw, piece); i >= 0 {
			return w.quote(p.body+i, piece)
		}
	}
	return w.quoteLine(p.body + w.rawOffset(p, raw, max(e.off, 0)))
}

// rawOffset guesses where the text at off of a decoded part stands in its raw body.
func (w *walk) rawOffset(p *part, raw string, off int) int {
	off = min(off, len(p.text))
	if p.cte == "base64" || p.cte == "quoted-printable" || w.searched > maxSearch {
		// Encoded text grows evenly, so the share of the one is the share of the other.
		return len(raw) * off / max(len(p.text), 1)
	}
	// A charset keeps the lines.
	w.searched += len(raw)
	at := 0
	for range strings.Count(p.text[:off], "\n") {
		at = lineEnd(raw, at)
	}
	return at
}

// quoteLine quotes the line around off, or the next one that holds words: the longest run of it that is UTF-8.
func (w *walk) quoteLine(off int) reply.Because {
	start := strings.LastIndexByte(w.data[:off], '\n') + 1
	for start < len(w.data) && isBlank(w.data[start:lineEnd(w.data, start)]) {
		start = lineEnd(w.data, start)
	}
	if start >= len(w.data) {
		return reply.Because{}
	}
	text := strings.TrimRight(w.data[start:lineEnd(w.data, start)], "\n")
	text = text[:min(len(text), 4*maxEvidence)]
	best := ""
	for len(text) > 0 {
		n := 0
		for n < len(text) {
			r, size := utf8.DecodeRuneInString(text[n:])
			if r == utf8.RuneError && size <= 1 {
				break
			}
			n += size
		}
		if n > len(best) {
			best = text[:n]
		}
		text = text[min(n+1, len(text)):]
	}
	return w.quote(start, best)
}

// pieces returns parts of s that may stand unchanged in encoded text, the longest first, at most three.
func pieces(s string) []string {
	out := make([]string, 0, 3)
	for _, f := range strings.FieldsFunc(s, func(r rune) bool { return r >= 0x80 || strings.ContainsRune(`="<>&'`, r) }) {
		f = strings.TrimSpace(f)
		if len(f) > 60 {
			f = f[:60]
		}
		if len(f) < 6 {
			continue
		}
		out = append(out, f)
		for i := len(out) - 1; i > 0 && len(out[i]) > len(out[i-1]); i-- {
			out[i], out[i-1] = out[i-1], out[i]
		}
		if len(out) > 3 {
			out = out[:3]
		}
	}
	return out
}

// quote makes a Because of text that stands at off, cut before any secret, at a rune boundary and before bytes that
// are no UTF-8.
func (w *walk) quote(off int, text string) reply.Because {
	text = text[:min(len(text), 4*maxEvidence)] // a secret that begins in what is kept is seen whole enough
	if i := secretAt(text); i >= 0 {
		text = text[:i]
	}
	if len(text) > maxEvidence {
		text = text[:maxEvidence]
		for len(text) > 0 && !utf8.RuneStart(text[len(text)-1]) {
			text = text[:len(text)-1]
		}
		if n := len(text); n > 0 && text[n-1] >= 0x80 {
			text = text[:n-1]
		}
	}
	for i, r := range text {
		if r == utf8.RuneError {
			if _, n := utf8.DecodeRuneInString(text[i:]); n == 1 {
				text = text[:i]
				break
			}
		}
	}
	return reply.Because{Line: w.lineAt(off), Text: strings.Clone(strings.TrimSpace(text))}
}
