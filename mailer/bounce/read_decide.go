package bounce

import (
	"strings"

	"github.com/resetd/resetd/diag/reply"
)

// decide says what a mail is. The machine-readable parts decide where they are there; words decide otherwise.
func decide(w *walk) Mail {
	m := Mail{Kind: KindNone}
	if len(w.parts) == 0 {
		return m
	}
	w.envelope(&m)
	if !w.decideLevel(&m, 0) {
		// A person or a list may have passed the report on as an attachment.
		for i := 1; i < len(w.parts) && w.parts[i].depth <= 4; i++ {
			if w.parts[i].mail == i && w.decideLevel(&m, i) {
				break
			}
		}
	}
	m.Unread = w.notes
	return m
}

// envelope fills in who wrote, when and about which mail.
func (w *walk) envelope(m *Mail) {
	hdr := w.parts[0].hdr
	m.From = strings.Clone(lowerDomain(clip(addressIn(decodeWords(get(hdr, "from"))), maxAddress)))
	m.Subject = strings.Clone(clip(redact(decodeWords(get(hdr, "subject"))), maxDiagnostic))
	if f, ok := find(hdr, "date"); ok {
		m.Date = parseDate(f.value)
	}
}

// decideLevel looks at the parts that belong to the mail at index level; parts of mails inside it do not count.
func (w *walk) decideLevel(m *Mail, level int) bool {
	for i := range w.parts {
		p := &w.parts[i]
		if p.mail != level {
			continue
		}
		switch {
		case p.ctype == "message/feedback-report":
			w.feedbackPart(m, level, i)
			return true
		case isStatusType(p.ctype):
			if w.statusReports(m, level, i) {
				return true
			}
		case p.ctype == "message/disposition-notification", p.ctype == "message/global-disposition-notification":
			return true // a receipt (RFC 8098) says nothing about delivery
		}
	}
	return w.decideWords(m, level)
}

// isStatusType recognises message/delivery-status, its RFC 6533 form and the misspellings of mangling gateways.
func isStatusType(ctype string) bool {
	return strings.HasPrefix(ctype, "message/") && strings.HasSuffix(ctype, "-status")
}

// decideWords reads a mail that holds no machine-readable part.
func (w *walk) decideWords(m *Mail, level int) bool {
	if w.eventMail(m, level) {
		return true
	}
	h := w.letterhead(level)
	n := w.readNotice(level)
	if w.complaintWords(m, h, n, level) {
		return true
	}
	if !h.daemon && h.failed == "" && w.autoReply(m, h, n, level) {
		return true
	}
	if (h.daemon || h.null || h.report) && !h.personal && w.embeddedStatus(m, h, n, level) {
		return true
	}
	domain := ""
	if i := strings.LastIndexByte(m.From, '@'); i >= 0 {
		domain = m.From[i+1:]
	}
	cands := n.candidates(domain)
	if !w.isFailure(h, n, cands, level) {
		return w.autoReply(m, h, n, level)
	}
	if bestRank(cands) < rankLine && h.failed == "" && w.innerReport(m, h, n, level) {
		return true
	}
	w.matching(m, level)
	if m.Returned.From == "" && n.returned != "" {
		m.Returned = returnedHeader(w.block(afterMark(n.returned)))
		if id := m.Returned.MessageID; id != "" {
			m.MessageIDs = addOnce(m.MessageIDs, id)
		}
	}
	w.proseReports(m, h, n, cands, level)
	m.Kind = kindOf(m.Reports)
	return true
}

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

func bestRank(cands []candidate) rank {
	best := rankNone
	for _, c := range cands {
		best = max(best, c.rank)
	}
	return best
}

// afterMark skips the marker line and blank lines before a returned header.
func afterMark(s string) string {
	if nameLen(s[:lineEnd(s, 0)]) == 0 {
		s = s[lineEnd(s, 0):]
	}
	return s
}

// statusReports reads a delivery-status part into reports.
func (w *walk) statusReports(m *Mail, level, i int) bool {
	rep := w.readStatus(i)
	if len(rep.records) == 0 {
		return false
	}
	w.addStatus(m, rep, w.letterhead(level), nil, level)
	return true
}

// addStatus gives each record its meaning. Where a record is too vague, the words of the notice n beside it help; nil
// is read when needed.
func (w *walk) addStatus(m *Mail, rep statusReport, h letterhead, n *notice, level int) {
	m.EnvelopeID = strings.Clone(clip(rep.envelopeID, maxDiagnostic))
	w.matching(m, level)
	var cands []candidate
	m.Reports = make([]Report, 0, len(rep.records))
	for _, rec := range rep.records {
		f := finding{
			recipient:  firstAddress(rec.final, rec.original, rec.actual),
			original:   rec.original,
			action:     statusAction(rec.action, rec.status),
			status:     rec.status,
			diagnostic: rec.diagnostic,
			remote:     rec.remote,
			reporter:   rep.reportingMTA,
			because:    w.statusEvidence(rec),
		}
		if f.diagnostic == "" {
			f.diagnostic = rec.comment
		}
		if rec.retryUntil != "" {
			f.retryUntil = parseDate(rec.retryUntil)
		}
		if strings.HasPrefix(f.recipient, "@") {
			f.recipient = ""
		}
		r := w.report(f, m.Date)
		mute := r.Reason == reply.ReasonUnknown || r.Status == "" || vague(r.Status) || !hasWords(rec.diagnostic)
		if r.Recipient == "" || mute && failing(r.Action) {
			if n == nil {
				n = w.readNotice(level)
			}
			if cands == nil {
				cands = n.candidates("")
			}
			if len(cands) < 200 { // long lists carry their reasons in their own records
				r = w.enrich(f, r, h, n, cands, len(rep.records), m)
			}
		}
		m.Reports = append(m.Reports, r)
	}
	m.Kind = kindOf(m.Reports)
}

// hasWords tells a diagnostic that says something from a number or a code alone.
func hasWords(s string) bool {
	letters := 0
	for i := 0; i < len(s); i++ {
		if isLetter(s[i]) || s[i] >= 0x80 {
			if letters++; letters > 3 {
				return true
			}
		}
	}
	return false
}

func failing(a Action) bool { return a == ActionFailed || a == ActionDelayed }

// enrich reads again with what the notice says about the recipient.
func (w *walk) enrich(f finding, r Report, h letterhead, n *notice, cands []candidate, records int, m *Mail) Report {
	own := f.diagnostic
	if !hasWords(own) {
		own = ""
	}
	if r.Recipient == "" && records == 1 {
		if c := n.choose(cands, w.senders(m, 0)); len(c) == 1 {
			f.recipient = c[0].addr
		}
	}
	mine := func(c candidate) bool {
		return strings.EqualFold(c.addr, f.recipient) || strings.EqualFold(c.addr, f.original)
	}
	best := -1
	for k, c := range cands {
		if mine(c) && (best < 0 || !n.speaks(cands[best]) && n.speaks(c)) {
			best = k
		}
	}
	if best >= 0 {
		c, until := cands[best], len(n.lines)
		for _, next := range cands[best+1:] {
			if next.rank >= rankLine && !mine(next) {
				until = next.line
				break
			}
		}
		g := finding{}
		n.fill(&g, c, until, h, records == 1)
		if own == "" {
			f.diagnostic = g.diagnostic
			if g.diagnostic != "" {
				f.because = g.because
			}
		} else {
			next := g.around
			g.around = func(k int) (string, bool) {
				if k == 0 {
					return g.diagnostic, true
				}
				return next(k - 1)
			}
		}
		f.around = g.around
		return w.report(f, m.Date)
	}
	if records == 1 {
		f.around = n.around(-1, len(n.lines), h)
	} else {
		f.around = texts(h.subject)
	}
	return w.report(f, m.Date)
}

// statusEvidence is the diagnostic line of a record, else its first line.
func (w *walk) statusEvidence(rec statusRecord) evidence {
	if rec.off < 0 {
		text := rec.diagRaw
		if text == "" {
			text = firstAddress(rec.final, rec.original, rec.actual)
		}
		return evidence{part: rec.part, off: -1, text: text}
	}
	off := rec.off
	if rec.diagnostic != "" {
		off = rec.diagOff
	}
	return evidence{part: rec.part, off: off, text: lineOf(w.content(rec.part), off)}
}

// lineOf returns the line of text that begins at off.
func lineOf(text string, off int) string {
	return strings.TrimRight(text[off:lineEnd(text, off)], "\n")
}

// firstAddress prefers a value that is an address.
func firstAddress(values ...string) string {
	for _, v := range values {
		if i := strings.LastIndexByte(v, '@'); i > 0 && strings.IndexByte(v[i:], '.') > 0 {
			return v
		}
	}
	for _, v := range values {
		if strings.IndexByte(v, '@') > 0 {
			return v
		}
	}
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

// statusAction reads the Action field. RFC 3464 has five words; programs write others and leave it out.
func statusAction(action, status string) Action {
	switch action {
	case "delayed", "relayed", "delivered", "expanded", "failed":
		return Action(action)
	case "delay", "deferred", "transient", "expired":
		return ActionDelayed
	case "deliverable", "success", "succeeded", "deliver":
		return ActionDelivered
	case "relay":
		return ActionRelayed
	}
	if strings.HasPrefix(status, "2") {
		return ActionDelivered
	}
	return ActionFailed
}

// kindOf: one failed or delayed recipient makes it a bounce.
func kindOf(rs []Report) Kind {
	for i := range rs {
		if rs[i].Action == ActionFailed || rs[i].Action == ActionDelayed {
			return KindBounce
		}
	}
	return KindDelivered
}

// matching collects what helps to find our message: the returned header and every message id.
func (w *walk) matching(m *Mail, level int) {
	for i := range w.parts {
		p := &w.parts[i]
		switch {
		case p.mail == i && p.parent >= 0 && i != level && w.parts[p.parent].mail == level:
			m.Returned = returnedHeader(p.hdr)
		case p.mail != level:
			continue
		case isHeaders(p.ctype), isMessage(p.ctype) && p.cte != "" && (p.cte == "base64" || p.cte == "quoted-printable"):
			m.Returned = returnedHeader(w.block(w.content(i)))
		default:
			continue
		}
		if m.Returned.MessageID != "" || m.Returned.From != "" {
			break
		}
	}
	if m.Returned.MessageID != "" {
		m.MessageIDs = append(m.MessageIDs, m.Returned.MessageID)
	}
	hdr := w.parts[level].hdr
	m.MessageIDs = messageIDs(m.MessageIDs, get(hdr, "in-reply-to"))
	m.MessageIDs = messageIDs(m.MessageIDs, get(hdr, "references"))
}

// isHeaders reports whether a part of this type holds only the returned mail's header (RFC 6522 section 3).
func isHeaders(ctype string) bool {
	switch ctype {
	case "text/rfc822-headers", "text/rfc822-header", "message/rfc822-headers", "message/rfc822-header", "message/global-headers":
		return true
	}
	return false
}

// block reads a header block out of decoded text.
func (w *walk) block(text string) []field {
	sub := walk{data: text}
	hdr, _ := sub.header(0, nil, true)
	return hdr
}
