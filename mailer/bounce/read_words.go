package bounce

import "strings"

// letterhead is what the header of a mail tells about who wrote it and why.
type letterhead struct {
	from, subject     string // decoded
	fromTags, subTags tag
	null              bool // empty return path: nobody wants an answer
	daemon            bool
	personal          bool   // a reply or forward by its subject
	failed            string // X-Failed-Recipients
	failedOff         int
	autoSubmitted     string
	report            bool // multipart/report; report-type=delivery-status, whatever its parts are
}

func (w *walk) letterhead(level int) letterhead {
	hdr := w.parts[level].hdr
	t := table()
	h := letterhead{
		from:          decodeWords(get(hdr, "from")),
		subject:       decodeWords(get(hdr, "subject")),
		autoSubmitted: lower(firstWord(get(hdr, "auto-submitted"))),
	}
	h.fromTags = t.any.tagsOf(fold(h.from))
	h.subTags = t.any.tagsOf(fold(h.subject))
	if f, ok := find(hdr, "return-path"); ok {
		v := strings.TrimSpace(f.value)
		h.null = v == "<>" || v == "" || strings.Contains(lower(v), "mailer-daemon") || strings.Contains(v, "double-bounce@")
	}
	h.daemon = h.fromTags&tagDaemon != 0 || strings.Trim(h.from, "<> ") == "" && h.null
	if f, ok := find(hdr, "x-failed-recipients"); ok {
		h.failed, h.failedOff = unfold(f.value), f.off
	}
	h.personal = isPersonal(h.subject)
	ct := w.parts[level]
	h.report = ct.ctype == "multipart/report" && strings.HasSuffix(lower(param(ct.params, "report-type")), "-status")
	return h
}

// isPersonal reports whether a subject begins with the marks that mail programs set when a person answers or forwards.
func isPersonal(s string) bool {
	i := strings.IndexAny(s, ":：")
	if i < 0 || i > 6 {
		return false
	}
	switch lower(strings.TrimSpace(s[:i])) {
	case "re", "aw", "fw", "fwd", "wg", "sv", "vs", "antw", "tr", "rv", "res", "enc", "r", "i", "odp", "doorst", "ynt", "回复", "转发", "答复":
		return true
	}
	return false
}

// isFailure decides from words whether a mail without a machine-readable part is a failure notice.
func (w *walk) isFailure(h letterhead, n *notice, cands []candidate, level int) bool {
	subject := h.subTags & (tagSubject | tagDelay)
	words := n.tags & (tagFailed | tagDelayed)
	attached := w.hasReturned(level) || n.marked
	best := bestRank(cands)
	switch {
	case h.failed != "" && strings.Contains(h.failed, "@"):
		return true
	case h.report && (words != 0 || subject != 0 || len(cands) > 0):
		return true
	case h.daemon && !h.personal:
		return subject != 0 && (words != 0 || len(cands) > 0 || attached) || words != 0 && (len(cands) > 0 || attached || h.null)
	case h.daemon:
		return words != 0 && (best >= rankTranscript || attached)
	case h.personal:
		return false
	case h.null:
		return subject != 0 && words != 0 && (len(cands) > 0 || attached) || words != 0 && best >= rankTranscript && attached
	}
	return subject != 0 && words != 0 && (attached || best >= rankTranscript)
}

// hasReturned reports whether another mail, or the header of one, is attached.
func (w *walk) hasReturned(level int) bool {
	for i := range w.parts {
		p := &w.parts[i]
		if i != level && p.mail == level && (isMessage(p.ctype) || isHeaders(p.ctype)) {
			return true
		}
	}
	return false
}

// senders are the addresses that a failure notice about our mail must not be about: whom it was sent to, and who sent
// the returned mail.
func (w *walk) senders(m *Mail, level int) []string {
	var out []string
	add := func(s string) {
		for pos := 0; len(out) < 20; {
			a, ok := nextAddress(s, pos)
			if !ok {
				return
			}
			out = append(out, a.text)
			pos = a.end
		}
	}
	add(decodeWords(get(w.parts[level].hdr, "to")))
	add(m.Returned.From)
	return out
}

// proseReports reads a notice without a machine-readable part.
func (w *walk) proseReports(m *Mail, h letterhead, n *notice, cands []candidate, level int) {
	senders := w.senders(m, level)
	chosen := choose(cands, senders)
	chosen = w.mergeFailed(h, chosen)
	action := proseAction(h, n)
	if len(chosen) == 0 {
		f := finding{action: action, around: n.around(-1, len(n.lines), h), because: w.firstWords(n, h, level)}
		f.recipient = w.returnedRecipient(m)
		f.diagnostic, f.because = n.codeLine(f.because)
		m.Reports = append(m.Reports, w.report(f, m.Date))
		return
	}
	m.Reports = make([]Report, 0, len(chosen))
	for k, c := range chosen {
		f := finding{recipient: c.addr, action: action}
		if c.line >= 0 {
			until := len(n.lines)
			if k+1 < len(chosen) && chosen[k+1].line > c.line {
				until = chosen[k+1].line
			}
			n.fill(&f, c, until, h)
		} else {
			f.around = n.around(-1, len(n.lines), h)
			f.because = evidence{part: level, off: h.failedOff, text: ""}
			f.diagnostic, f.because = n.codeLine(w.headerEvidence(h.failedOff))
		}
		m.Reports = append(m.Reports, w.report(f, m.Date))
	}
}

// mergeFailed prefers the addresses that the notice lists; X-Failed-Recipients fills in where it hides them.
func (w *walk) mergeFailed(h letterhead, chosen []candidate) []candidate {
	if h.failed == "" {
		return chosen
	}
	var out []candidate
	for pos := 0; len(out) < maxReports; {
		a, ok := nextAddress(h.failed, pos)
		if !ok {
			break
		}
		pos = a.end
		c := candidate{addr: a.text, line: -1, rank: rankListed, diag: -1}
		for _, x := range chosen {
			if strings.EqualFold(x.addr, a.text) {
				c = x
			}
		}
		out = append(out, c)
	}
	if len(chosen) >= len(out) && len(chosen) > 0 && chosen[0].rank == rankListed {
		return chosen
	}
	return out
}

// proseAction tells a warning from a final failure.
func proseAction(h letterhead, n *notice) Action {
	if n.tags&tagDelayed != 0 && n.tags&tagFinal == 0 || h.subTags&tagDelay != 0 && n.tags&tagFinal == 0 {
		return ActionDelayed
	}
	return ActionFailed
}

// fill gathers the words for one recipient: the rest of its line and the lines below it, up to line until.
func (n *notice) fill(f *finding, c candidate, until int, h letterhead) {
	l := &n.lines[c.line]
	f.because = evidence{part: l.part, off: l.off, text: l.text}
	if c.diag >= 0 {
		d := &n.lines[c.diag]
		f.diagnostic = d.text
		f.because = evidence{part: d.part, off: d.off, text: d.text}
		if isStatusLine(d.text) {
			f.diagnostic = n.multiline(c.diag)
		}
	} else {
		f.diagnostic = c.rest
		i := c.line + 1
		if c.rest == "" {
			for i < until && n.lines[i].blank() {
				i++
			}
		}
		text, at := n.paragraph(i, until)
		if text != "" && n.lines[at].tags&tagList == 0 {
			if f.diagnostic == "" {
				e := n.lines[n.codeAt(at, until)]
				f.because = evidence{part: e.part, off: e.off, text: e.text}
			}
			f.diagnostic = strings.TrimSpace(f.diagnostic + " " + text)
		}
	}
	f.around = n.around(c.line, until, h)
}

// paragraph joins the lines from i to the next blank one.
func (n *notice) paragraph(i, until int) (string, int) {
	start := i
	size := 0
	for ; i < until && i < len(n.lines) && !n.lines[i].blank() && size < 2*maxDiagnostic; i++ {
		size += len(n.lines[i].text) + 1
	}
	return n.join(start, i), start
}

func (n *notice) join(a, b int) string {
	if a >= b {
		return ""
	}
	if b == a+1 {
		return n.lines[a].text
	}
	var s strings.Builder
	for i := a; i < b; i++ {
		if n.lines[i].blank() {
			continue
		}
		if s.Len() > 0 {
			s.WriteByte(' ')
		}
		s.WriteString(clip(n.lines[i].text, 2*maxDiagnostic))
	}
	return s.String()
}

// codeAt returns the first line of a paragraph that holds a code, else its first line.
func (n *notice) codeAt(i, until int) int {
	for k := i; k < until && k < len(n.lines) && !n.lines[k].blank(); k++ {
		if enhancedCode(n.lines[k].text) != "" || smtpCode(n.lines[k].text) {
			return k
		}
	}
	return i
}

// smtpCode reports whether s holds an SMTP failure code as a word.
func smtpCode(s string) bool {
	for i := 0; i+3 < len(s); i++ {
		if (s[i] == '5' || s[i] == '4') && digits(s[i:]) == 3 && s[i+1] <= '7' && (s[i+3] == ' ' || s[i+3] == '-') &&
			(i == 0 || strings.IndexByte(" :(>\"'=", s[i-1]) >= 0) {
			return true
		}
	}
	return false
}

// multiline joins the lines of one reply: "550-first", "550 last", and what wraps without a code.
func (n *notice) multiline(i int) string {
	end := i + 1
	for end < len(n.lines) && end < i+20 && !n.lines[end].blank() && !strings.HasPrefix(n.lines[end].text, ">>>") &&
		(!isStatusLine(n.lines[end].text) || replyCode(n.lines[end].text) == replyCode(n.lines[i].text)) {
		if isReply(n.lines[end].text) && !isReply(n.lines[i].text) {
			break
		}
		end++
	}
	return n.join(i, end)
}

// around returns texts that may tell the reason where a recipient's own lines do not: what follows, what stands
// before, and the subject.
func (n *notice) around(at, until int, h letterhead) func(int) (string, bool) {
	return func(k int) (string, bool) {
		size := 0
		switch {
		case k == 0:
			end := at + 1
			for ; end < until && size < 2*maxDiagnostic; end++ {
				size += len(n.lines[end].text) + 1
			}
			return n.join(at+1, end), true
		case k == 1 && at > 0:
			start := at
			for ; start > 0 && size < 2*maxDiagnostic; start-- {
				size += len(n.lines[start-1].text) + 1
			}
			return n.join(start, at+1), true
		case k == 1, k == 2 && at > 0:
			return h.subject, true
		}
		return "", false
	}
}

// texts is around for words that are at hand.
func texts(list ...string) func(int) (string, bool) {
	return func(k int) (string, bool) {
		if k >= len(list) {
			return "", false
		}
		return list[k], true
	}
}

// codeLine returns the first line that looks like a host's reply, for notices that name no recipient beside it.
func (n *notice) codeLine(other evidence) (string, evidence) {
	for i := range n.lines {
		l := &n.lines[i]
		if !l.blank() && (smtpCode(l.text) || enhancedCode(l.text) != "") {
			return n.multiline(i), evidence{part: l.part, off: l.off, text: l.text}
		}
	}
	for i := range n.lines {
		l := &n.lines[i]
		if l.tags&tagSaid != 0 && l.tags&tagList == 0 {
			text, at := n.paragraph(i, len(n.lines))
			return text, evidence{part: n.lines[at].part, off: n.lines[at].off, text: n.lines[at].text}
		}
	}
	return "", other
}

// firstWords returns the first line that says that something failed, else the subject.
func (w *walk) firstWords(n *notice, h letterhead, level int) evidence {
	for i := range n.lines {
		if l := &n.lines[i]; l.tags&(tagFailed|tagDelayed) != 0 {
			return evidence{part: l.part, off: l.off, text: l.text}
		}
	}
	if f, ok := find(w.parts[level].hdr, "subject"); ok {
		return w.headerEvidence(f.off)
	}
	if f, ok := find(w.parts[level].hdr, "from"); ok {
		return w.headerEvidence(f.off)
	}
	return evidence{part: -1}
}

// returnedRecipient names whom the returned mail was sent to, if that was one address.
func (w *walk) returnedRecipient(m *Mail) string {
	a, ok := nextAddress(m.Returned.To, 0)
	if !ok {
		return ""
	}
	if _, more := nextAddress(m.Returned.To, a.end); more {
		return ""
	}
	return a.text
}
