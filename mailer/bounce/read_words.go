package bounce

import (
	"slices"
	"strings"
)

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
	subject := h.subTags&(tagSubject|tagDelay) != 0
	tags := n.tags
	if h.personal {
		// Who answers or forwards a notice quotes it; only words of the writer count.
		tags = 0
		for i := range n.lines {
			if n.lines[i].said {
				tags |= n.lines[i].tags
			}
		}
		cands = slices.DeleteFunc(slices.Clone(cands), func(c candidate) bool { return !n.lines[c.line].said })
	}
	strong := tags&(tagFailed|tagDelayed) != 0
	words := strong || tags&tagReason != 0
	attached := w.hasReturned(level) || n.marked
	best := bestRank(cands)
	switch {
	case h.failed != "" && strings.Contains(h.failed, "@"):
		return true
	case h.report && (words || subject || len(cands) > 0):
		return true
	case h.daemon && !h.personal && subject:
		return attached || best >= rankTranscript || best >= rankSentence && strong || h.subTags&tagFailed != 0 || words && (h.null || h.autoSubmitted != "")
	case h.daemon && !h.personal:
		return strong && (best >= rankTranscript || attached) || words && best >= rankTranscript && (attached || h.null)
	case h.daemon:
		return words && (best >= rankTranscript || attached)
	case h.personal:
		return false
	case h.null:
		return subject && words && (best > rankNone || attached) || words && best >= rankTranscript && attached
	}
	list := has(w.parts[level].hdr, "list-id") // people on lists talk about bounces
	return subject && words && (attached && (strong || !list) || !list && strong && best == rankListed)
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
	chosen := n.choose(cands, senders)
	chosen = w.mergeFailed(h, chosen)
	action := proseAction(h, n)
	if len(chosen) == 0 {
		f := finding{action: action, around: n.around(-1, len(n.lines), h), because: w.firstWords(n, h, level)}
		f.recipient = w.returnedRecipient(m)
		f.diagnostic, f.because = n.replyLine(f.because, "")
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
			n.fill(&f, c, until, h, len(chosen) == 1)
		} else {
			f.around = n.around(-1, len(n.lines), h)
			f.diagnostic, f.because = n.replyLine(w.headerEvidence(h.failedOff), "")
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
	if n.tags&tagDelivered != 0 && n.tags&(tagFailed|tagReason|tagDelayed) == 0 {
		return ActionDelivered
	}
	if n.tags&tagDelayed != 0 && n.tags&tagFinal == 0 || h.subTags&tagDelay != 0 && n.tags&tagFinal == 0 {
		return ActionDelayed
	}
	return ActionFailed
}

// fill gathers the words for one recipient: the rest of its line and the lines below it, up to line until. A paragraph
// with a code is the host's reply; without one, a paragraph that says "the error was", then whatever stands there. If the
// recipient stands alone, a reply elsewhere in the notice is its own too.
func (n *notice) fill(f *finding, c candidate, until int, h letterhead, alone bool) {
	at := c.line
	f.around = n.around(c.line, until, h)
	f.because = n.evidence(at)
	if c.diag >= 0 {
		at = c.diag
		f.diagnostic = n.multiline(at)
		if c.rank <= rankSentence && !smtpCode(f.diagnostic) && enhancedCode(f.diagnostic) == "" {
			f.diagnostic, f.because = n.replyLine(n.evidence(at), n.lines[at].text)
			return
		}
		f.because = n.evidence(at)
		if !alone && smtpCode(f.diagnostic) {
			f.around = nil // the words around are about others
		}
		return
	}
	own := c.rest
	if hasCode(own) {
		f.diagnostic = n.continued(own, at, until)
		if !alone && smtpCode(own) {
			f.around = nil
		}
		return
	}
	best, bestAt, bestScore := own, at, boolInt(len(own) > 3)
	seen := 0
	for i := at + 1; i < until && i < len(n.lines) && seen < 6; {
		if n.lines[i].blank() {
			i++
			continue
		}
		text, end := n.paragraph(i, until)
		first := i == at+1
		score := 0
		switch tags := n.tagsIn(i, end); {
		case hasCode(text):
			score = 4
		case tags&tagSaid != 0:
			score = 3
		case first || tags&(tagDelayed|tagList|tagContact) == 0:
			score = 1
		}
		if score == 3 && strings.HasSuffix(text, ":") { // "because:", and the reason in a paragraph of its own
			next := end
			for next < until && next < len(n.lines) && n.lines[next].blank() {
				next++
			}
			more, z := n.paragraph(next, until)
			text, end = text+" "+more, max(z, end)
			if hasCode(more) {
				score = 4
			}
		}
		if first && own != "" {
			text = own + " " + text
			score = max(score, boolInt(score > 0)*2)
		}
		if score > bestScore {
			best, bestAt, bestScore = text, i, score
			if score == 4 {
				bestAt = n.codeAt(i, end)
				break
			}
		}
		i = end
		seen++
	}
	if bestScore < 3 && (c.rank == rankLabel || alone) {
		if text, e := n.replyLine(n.evidence(bestAt), ""); text != "" {
			f.diagnostic, f.because = text, e
			return
		}
	}
	if best == "" { // "they do not accept mail from you:", and then the address
		best, bestAt = n.above(at)
	}
	f.diagnostic = best
	if best != own {
		f.because = n.evidence(bestAt)
	}
}

// above returns the nearest paragraph over line at that may tell why, and its first line: not one that only announces
// the list, nor one that every notice holds.
func (n *notice) above(at int) (string, int) {
	for range 4 {
		end := at
		for end > 0 && n.lines[end-1].blank() {
			end--
		}
		start := end
		for start > 0 && !n.lines[start-1].blank() {
			start--
		}
		if start == end {
			break
		}
		tags := n.tagsIn(start, end)
		if tags&(tagFinal|tagDelayed) == 0 && (tags&tagList == 0 || tags&tagSaid != 0) {
			return n.join(start, end), start
		}
		at = start
	}
	return "", 0
}

// evidence quotes a line of the notice.
func (n *notice) evidence(i int) evidence {
	l := &n.lines[i]
	return evidence{part: l.part, off: l.off, text: l.text}
}

// continued adds the lines that a reply wraps onto.
func (n *notice) continued(s string, at, until int) string {
	end := at + 1
	for end < until && end < at+10 && end < len(n.lines) && !n.lines[end].blank() && !n.lines[end].flat {
		end++
	}
	if rest := n.join(at+1, end); rest != "" {
		return s + " " + rest
	}
	return s
}

func (n *notice) tagsIn(i, end int) tag {
	var t tag
	for ; i < end; i++ {
		t |= n.lines[i].tags
	}
	return t
}

func hasCode(s string) bool { return smtpCode(s) || enhancedCode(s) != "" }

// paragraph joins the lines from i to the next blank one; end is the line after it.
func (n *notice) paragraph(i, until int) (text string, end int) {
	size := 0
	for end = i; end < until && end < len(n.lines) && !n.lines[end].blank(); end++ {
		size += len(n.lines[end].text) + 1
	}
	if size <= 4*maxDiagnostic {
		return n.join(i, end), end
	}
	last := i
	for size = 0; size < 2*maxDiagnostic; last++ {
		size += len(n.lines[last].text) + 1
	}
	return n.join(i, last), end
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
func smtpCode(s string) bool { return codeIndex(s) >= 0 }

// codeIndex returns where the first SMTP failure code in s stands, -1 = none.
func codeIndex(s string) int {
	for i := 0; i+3 < len(s); i++ {
		if (s[i] == '5' || s[i] == '4') && digits(s[i:]) == 3 && s[i+1] <= '7' && (s[i+3] == ' ' || s[i+3] == '-') &&
			(i == 0 || strings.IndexByte(" :(>\"'=[", s[i-1]) >= 0) {
			return i
		}
	}
	return -1
}

// multiline joins the lines of one reply: "550-first", "550 last", and what wraps without a code.
func (n *notice) multiline(i int) string {
	end := i + 1
	for end < len(n.lines) && end < i+20 && !n.lines[end].blank() {
		s := n.lines[end].text
		if side(s) == client || hasFold(s, "while talking to") || hasFold(s, "... while talking to") || isReply(s) && (!isReply(n.lines[i].text) || smtpDigits(s) != smtpDigits(n.lines[i].text)) {
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
			return n.telling(at+1, end), true
		case k == 1 && at > 0:
			start := at
			for ; start > 0 && size < 2*maxDiagnostic; start-- {
				size += len(n.lines[start-1].text) + 1
			}
			return n.telling(start, at+1), true
		case k == 1, k == 2 && at > 0:
			return h.subject, true
		}
		return "", false
	}
}

// telling joins the lines that may tell a reason: what every notice says ("I've given up", "please contact") may not.
func (n *notice) telling(a, b int) string {
	var s strings.Builder
	for i := a; i < b; i++ {
		l := &n.lines[i]
		if l.blank() || isBoilerplate(l) {
			continue
		}
		if s.Len() > 0 {
			s.WriteByte(' ')
		}
		s.WriteString(clip(l.text, 2*maxDiagnostic))
	}
	return s.String()
}

// isBoilerplate recognises lines that notices of one program all hold, whatever happened.
func isBoilerplate(l *line) bool {
	if l.tags&tagSaid != 0 || hasCode(l.text) {
		return false
	}
	return l.tags&tagFinal != 0 || l.tags&(tagDelayed|tagContact) != 0 && l.tags&tagFailed == 0
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

// replyLine returns the first line that looks like a host's reply, else what follows "the error was", for notices that
// name no recipient beside it; words and other are what is returned when there is neither.
func (n *notice) replyLine(other evidence, words string) (string, evidence) {
	for i := range n.lines {
		l := &n.lines[i]
		if !l.blank() && hasCode(l.text) {
			return n.multiline(i), n.evidence(i)
		}
	}
	for i := range n.lines {
		l := &n.lines[i]
		if l.tags&tagSaid != 0 && l.tags&tagList == 0 {
			text, end := n.paragraph(i, len(n.lines))
			for k := end + 1; strings.HasSuffix(text, ":") && k < len(n.lines); k++ { // the words stand in the next paragraph
				if more, _ := n.paragraph(k, len(n.lines)); more != "" {
					return more, n.evidence(k)
				}
			}
			return text, n.evidence(i)
		}
	}
	return words, other
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
