package bounce

import (
	"strings"
	"time"

	"github.com/resetd/resetd/diag/reply"
)

// Caps that stand before every parser. Real reports stay far below them.
const (
	maxParts = 64
	maxDepth = 8
	maxText  = 128 << 10 // bytes of decoded notice text looked at per mail
	maxTime  = 2 * time.Second
)

// part is one MIME entity, or one whole mail (RFC 2046). Offsets count into walk.data.
type part struct {
	hdr      []field
	head     int // where its header begins
	body     int // where its body begins
	end      int // where its body ends
	parent   int // index of the entity around it; -1 = none
	mail     int // index of the message/rfc822 (or the mail itself) that it belongs to
	depth    int
	ctype    string // lower case, "text/plain" when not said
	params   string // the rest of Content-Type, raw
	cte      string // lower case
	preamble bool   // text before the first boundary of a multipart, which has no header of its own
	decoded  bool   // text holds the decoded body
	text     string
	verbatim bool // text stands in the input as it is, so offsets into one are offsets into the other
}

// walk is a mail split into its parts.
type walk struct {
	data     string
	book     *reply.Book // what hosts' and programs' words mean
	parts    []part
	notes    []string
	until    time.Time // when it has taken too long
	budget   int       // decoded bytes that may still be looked at
	fields   int       // header fields kept so far, in all parts
	around   int       // texts around recipients gathered so far
	searched int       // bytes searched for quotes so far
	own      *notice   // what the mail itself says, once it was read; see noticeAt
	at       int       // for line: an offset whose line number is known …
	line     int       // … and that number, 1-based
}

// late tells, between steps, that the mail has taken too long. All steps are linear, so none should: it is for what nobody thought of.
func (w *walk) late() bool {
	if w.until.IsZero() || time.Now().Before(w.until) {
		return false
	}
	w.unread("reading took longer than 2 s; the rest was not read")
	return true
}

// unread notes, once, what was left out.
func (w *walk) unread(what string) {
	for _, n := range w.notes {
		if n == what {
			return
		}
	}
	w.notes = append(w.notes, what)
}

// open is a multipart whose closing boundary has not been seen.
type open struct {
	boundary string
	part     int
}

// walkMail finds all parts in one pass over the lines.
func walkMail(data string) *walk {
	w := &walk{data: data, parts: make([]part, 0, 8), budget: maxText, line: 1}
	var stack []open
	pos := w.entity(0, -1, 0, 0, &stack)
	for pos < len(data) {
		if len(stack) == 0 {
			break // a single part: its body is the rest
		}
		// Only a line that begins with "--" can matter.
		if !strings.HasPrefix(data[pos:], "--") {
			i := strings.Index(data[pos:], "\n--")
			if i < 0 {
				break
			}
			pos += i + 1
		}
		end := lineEnd(data, pos)
		k, final := match(stack, data[pos:end])
		if k < 0 {
			pos = end
			continue
		}
		host := stack[k].part
		w.closeFrom(host+1, pos) // what was opened after the multipart is inside it
		if final {
			w.parts[host].end = end
			stack = stack[:k]
			pos = end
			continue
		}
		stack = stack[:k+1]
		if len(w.parts) >= maxParts {
			w.unread("more than 64 parts; the others were not read")
			break
		}
		pos = w.entity(end, host, w.parts[host].mail, w.parts[host].depth+1, &stack)
	}
	w.closeFrom(0, len(data))
	return w
}

// closeFrom ends, at off, every part from index i on that is still open.
func (w *walk) closeFrom(i, off int) {
	for ; i < len(w.parts); i++ {
		if w.parts[i].end < 0 {
			w.parts[i].end = max(off, w.parts[i].body)
		}
	}
}

// match finds the innermost open multipart that line is a boundary of.
func match(stack []open, line string) (k int, final bool) {
	line = strings.TrimRight(line, " \t\n")
	for k = len(stack) - 1; k >= 0; k-- {
		rest, ok := strings.CutPrefix(line[2:], stack[k].boundary)
		if ok && (rest == "" || rest == "--") {
			return k, rest == "--"
		}
	}
	return -1, false
}

// entity reads a header at pos and opens what it announces. It returns where the following lines begin.
func (w *walk) entity(pos, parent, mail, depth int, stack *[]open) int {
	i := len(w.parts)
	p := part{head: pos, parent: parent, mail: mail, depth: depth, end: -1}
	if parent < 0 || isMessage(w.parts[parent].ctype) {
		p.mail = i
	}
	p.hdr, p.body = w.header(pos, *stack, parent < 0)
	p.setType()
	w.parts = append(w.parts, p)
	switch {
	case strings.HasPrefix(p.ctype, "multipart/"):
		b := param(p.params, "boundary")
		if b == "" || len(b) > 250 {
			break
		}
		if depth >= maxDepth {
			w.unread("parts nested deeper than 8; the inner ones were not read")
			break
		}
		*stack = append(*stack, open{strings.TrimRight(b, " \t"), i})
		if len(w.parts) < maxParts {
			w.parts = append(w.parts, part{head: p.body, body: p.body, end: -1, parent: i, mail: p.mail, depth: depth,
				ctype: "text/plain", preamble: true})
			return p.body
		}
	case isMessage(p.ctype):
		if p.cte == "base64" || p.cte == "quoted-printable" {
			break // not allowed by RFC 2046; read as text where needed
		}
		if depth >= maxDepth {
			w.unread("parts nested deeper than 8; the inner ones were not read")
			break
		}
		if len(w.parts) < maxParts {
			return w.entity(p.body, i, i, depth+1, stack)
		}
	}
	return p.body
}

// setType reads Content-Type and Content-Transfer-Encoding; the first of each counts, as most mail programs have it.
func (p *part) setType() {
	ct := get(p.hdr, "content-type")
	if i := strings.IndexAny(ct, "; \t"); i >= 0 { // some programs forget the semicolon
		ct, p.params = ct[:i], ct[i:]
	}
	p.ctype = lower(ct)
	if p.ctype == "" || !strings.Contains(p.ctype, "/") {
		if p.ctype != "" {
			p.params = ""
		}
		p.ctype = "text/plain"
	}
	cte := get(p.hdr, "content-transfer-encoding")
	if cte != "" {
		cte, _, _ = strings.Cut(cte, ";")
		p.cte = lower(strings.TrimSpace(cte))
	}
}

// isMessage reports whether a part of this type is a whole mail.
func isMessage(ctype string) bool {
	return ctype == "message/rfc822" || ctype == "message/global"
}

// lineEnd returns the offset after the line that begins at pos.
func lineEnd(s string, pos int) int {
	if i := strings.IndexByte(s[pos:], '\n'); i >= 0 {
		return pos + i + 1
	}
	return len(s)
}

// lineAt returns the 1-based line number of an offset. Calls with rising offsets cost one pass in all.
func (w *walk) lineAt(off int) int {
	off = min(max(off, 0), len(w.data))
	if off < w.at {
		w.at, w.line = 0, 1
	}
	w.line += strings.Count(w.data[w.at:off], "\n")
	w.at = off
	return w.line
}
