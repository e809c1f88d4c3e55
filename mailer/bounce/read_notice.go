package bounce

import "strings"

// line is one line of a notice.
type line struct {
	text string // without quote marks, blanks at both ends trimmed
	part int
	off  int // into the decoded part; -1 = the text was made from HTML
	tags tag
	flat bool // no blank before it
	said bool // by the writer: no quote mark before it
}

func (l *line) blank() bool { return l.text == "" }

// notice is what a mail says in its own words, up to where the returned mail begins.
type notice struct {
	lines    []line
	tags     tag
	returned string // what follows the mark of the returned mail, "" = none
	marked   bool   // a mark was found
}

const maxLines = 3000

// noticeAt is readNotice, but reads the mail's own notice only once.
func (w *walk) noticeAt(level int) *notice {
	if level > 0 {
		return w.readNotice(level)
	}
	if w.own == nil {
		w.own = w.readNotice(0)
	}
	return w.own
}

// readNotice collects the text parts of the mail at level.
func (w *walk) readNotice(level int) *notice {
	n := &notice{lines: make([]line, 0, 48)}
	plain := false // a text/plain part that says something was seen
	for i := range w.parts {
		p := &w.parts[i]
		if p.mail != level || p.preamble || isHeaders(p.ctype) || i != level && isBareMail(p.hdr) {
			continue
		}
		switch p.ctype {
		case "text/plain", "text/enriched", "text/richtext", "text", "plain/text":
			before := len(n.lines)
			w.addText(n, i, w.content(i), true)
			for _, l := range n.lines[before:] {
				plain = plain || len(l.text) > 20
			}
		case "text/html":
			if !plain {
				w.addText(n, i, plainHTML(w.content(i)), false)
			}
		}
	}
	if n.empty() {
		for i := range w.parts {
			if w.parts[i].mail == level && w.parts[i].preamble {
				w.addText(n, i, w.content(i), true)
			}
		}
	}
	return n
}

// isBareMail recognises a part that is the returned mail itself, put there without a message/rfc822 around it.
func isBareMail(hdr []field) bool {
	return has(hdr, "from") && (has(hdr, "to") || has(hdr, "received") || has(hdr, "message-id"))
}

func (n *notice) empty() bool {
	for i := range n.lines {
		if !n.lines[i].blank() {
			return false
		}
	}
	return true
}

// addText splits text into lines, tags them and stops where the returned mail begins.
func (w *walk) addText(n *notice, part int, text string, offsets bool) {
	t := table()
	st := 0
	said := false
	if len(n.lines) > 0 {
		n.lines = append(n.lines, line{part: part, off: -1})
	}
	for pos := 0; pos < len(text); {
		if len(n.lines) >= maxLines {
			w.unread("more than 3,000 lines of notice text; the rest was not read")
			return
		}
		end := lineEnd(text, pos)
		raw := strings.TrimRight(text[pos:end], " \t\n")
		s := strings.TrimLeft(raw, " \t")
		quoted := false
		if strings.HasPrefix(s, ">") && !strings.HasPrefix(s, ">>>") {
			s = strings.TrimLeft(s, "> \t")
			quoted = true
		}
		if isRuler(s) {
			s = ""
		}
		l := line{text: s, part: part, off: -1, flat: len(raw) > 0 && raw[0] != ' ' && raw[0] != '\t', said: !quoted}
		if offsets {
			l.off = pos + len(raw) - len(s)
		}
		if l.blank() {
			st = 0
			n.lines = append(n.lines, l)
			pos = end
			continue
		}
		folded := fold(s)
		if said && (t.start.prefix(strings.TrimLeft(folded, "-=*#_:|<[~+> \t")) != 0 && len(s) < 100 || l.flat && isTrace(text, pos, end)) {
			n.marked = true
			n.returned = text[pos:]
			return
		}
		l.tags, st = t.any.run(st, folded)
		n.tags |= l.tags
		said = true
		n.lines = append(n.lines, l)
		pos = end
	}
}

// isRuler recognises a line that is drawn, not written.
func isRuler(s string) bool {
	for i := 0; i < len(s); i++ {
		if strings.IndexByte("-=*#_~+|. \t", s[i]) < 0 {
			return false
		}
	}
	return true
}

// run feeds one line and a line break, and returns the tags of the phrases that end in it.
func (a *automaton) run(st int, s string) (tag, int) {
	var t tag
	blank := st != 0
	if blank {
		st = int(a.next[st*a.classes+int(a.class[' '])])
		t = a.tags[st]
	}
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c == ' ' || c == '\t' {
			if blank {
				continue
			}
			blank, c = true, ' '
		} else {
			blank = false
		}
		st = int(a.next[st*a.classes+int(a.class[c])])
		t |= a.tags[st]
	}
	return t, st
}

// isTrace reports whether the header of a mail begins here: programs without a marker line just append it.
func isTrace(text string, pos, end int) bool {
	s := text[pos:end]
	switch s[0] | 0x20 {
	case 'r':
		return hasFold(s, "received: from ") || hasFold(s, "received: by ") || hasFold(s, "received: (") ||
			hasFold(s, "received:from ") || hasFold(s, "received:by ") || hasFold(s, "return-path: <") || hasFold(s, "return-path:<")
	case 'm', 'd', 'f', 's', 't', 'x':
		if !hasFold(s, "message-id: <") && !hasFold(s, "message-id:<") && !hasFold(s, "mime-version: 1") && !hasFold(s, "date: ") && !hasFold(s, "from: ") {
			return false
		}
	default:
		return false
	}
	// Two more fields must follow: "From: …" alone may be prose.
	for range 2 {
		for end < len(text) && (text[end] == ' ' || text[end] == '\t') {
			end = lineEnd(text, end)
		}
		if end >= len(text) {
			return false
		}
		next := lineEnd(text, end)
		if nameLen(text[end:next]) == 0 {
			return false
		}
		end = next
	}
	return true
}

// hasFold is strings.HasPrefix without regard to ASCII case; prefix is in lower case.
func hasFold(s, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
}
