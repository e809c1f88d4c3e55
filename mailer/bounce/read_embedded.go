package bounce

import "strings"

// embeddedStatus reads the fields of a delivery-status part that stand in the text itself: gateways flatten parts.
// Only complete groups count there, and only where a program wrote the mail: people quote reports to talk about them.
func (w *walk) embeddedStatus(m *Mail, h letterhead, n *notice, level int) bool {
	first := -1
	for i := range n.lines {
		t := n.lines[i].text
		if hasFold(t, "final-recipient:") || hasFold(t, "original-recipient:") || hasFold(t, "reporting-mta:") {
			first = i
			break
		}
	}
	if first < 0 {
		return false
	}
	for first > 0 && !n.lines[first-1].blank() && nameLen(n.lines[first-1].text) > 0 {
		first-- // Action and Status may stand before the recipient
	}
	var b strings.Builder
	for _, l := range n.lines[first:] {
		if !l.flat && b.Len() > 0 && nameLen(l.text) == 0 {
			b.WriteByte('\t')
		}
		b.WriteString(l.text)
		b.WriteByte('\n')
	}
	rep := w.readStatusText(b.String(), n.lines[first].part)
	whole := rep.records[:0]
	for _, r := range rep.records {
		if firstAddress(r.final, r.original) != "" && r.action != "" && r.status != "" {
			r.off, r.diagOff = -1, -1
			whole = append(whole, r)
		}
	}
	rep.records = whole
	if len(whole) == 0 {
		return false
	}
	n.lines = n.lines[:first] // what stands before is the notice
	w.addStatus(m, rep, h, n, level)
	return true
}

// innerReport looks for a report inside what is returned: some gateways wrap another host's report in one of their own
// that names nobody.
func (w *walk) innerReport(m *Mail, h letterhead, n *notice, level int) bool {
	for i := level + 1; i < len(w.parts); i++ {
		p := &w.parts[i]
		if isStatusType(p.ctype) && p.mail != level && w.statusReports(m, p.mail, i) {
			return true
		}
	}
	for i := level + 1; i < len(w.parts); i++ {
		p := &w.parts[i]
		if p.mail != i || p.depth > maxDepth/2 || !w.letterhead(i).daemon {
			continue
		}
		var inner Mail
		inner.From, inner.Date = m.From, m.Date
		if w.decideLevel(&inner, i) && inner.Kind == KindBounce && inner.Reports[0].Recipient != "" {
			inner.Subject = m.Subject
			*m = inner
			return true
		}
	}
	at := strings.Index(n.returned, "Final-Recipient:")
	if at < 0 || n.marked && len(n.lines) == 0 {
		return false
	}
	start := strings.LastIndex(n.returned[:at], "\n\n") + 1
	text := n.returned[start:min(len(n.returned), start+maxHeader)]
	rep := w.readStatusText(text, n.lines[0].part)
	whole := rep.records[:0]
	for _, r := range rep.records {
		if r.final != "" && r.action != "" && r.status != "" {
			r.off, r.diagOff = -1, -1
			whole = append(whole, r)
		}
	}
	if rep.records = whole; len(whole) == 0 {
		return false
	}
	w.addStatus(m, rep, h, n, level)
	return true
}

// afterMark skips the marker line and blank lines before a returned header.
func afterMark(s string) string {
	if nameLen(s[:lineEnd(s, 0)]) == 0 {
		s = s[lineEnd(s, 0):]
	}
	return s
}
