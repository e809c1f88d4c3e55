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
			if w.parts[i].mail == i && w.decideForwarded(&m, i) {
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
		if w.parts[i].mail != level {
			continue
		}
		switch w.parts[i].ctype {
		case "message/delivery-status", "message/global-delivery-status":
			if w.statusReports(m, level, i) {
				w.matching(m, level)
				return true
			}
		}
	}
	h := w.letterhead(level)
	n := w.readNotice(level)
	domain := ""
	if i := strings.LastIndexByte(m.From, '@'); i >= 0 {
		domain = m.From[i+1:]
	}
	cands := n.candidates(domain)
	if !w.isFailure(h, n, cands, level) {
		return false
	}
	w.matching(m, level)
	if m.Returned.From == "" && n.returned != "" {
		m.Returned = returnedHeader(w.block(afterMark(n.returned)))
	}
	w.proseReports(m, h, n, cands, level)
	m.Kind = kindOf(m.Reports)
	return true
}

// afterMark skips the marker line and blank lines before a returned header.
func afterMark(s string) string {
	if nameLen(s[:lineEnd(s, 0)]) == 0 {
		s = s[lineEnd(s, 0):]
	}
	return s
}

func (w *walk) decideForwarded(m *Mail, level int) bool { return w.decideLevel(m, level) }

// statusReports reads a delivery-status part into reports.
func (w *walk) statusReports(m *Mail, level, i int) bool {
	rep := w.readStatus(i)
	if len(rep.records) == 0 {
		return false
	}
	m.EnvelopeID = strings.Clone(clip(rep.envelopeID, maxDiagnostic))
	for _, rec := range rep.records {
		f := finding{
			recipient:  firstAddress(rec.final, rec.original, rec.actual),
			original:   rec.original,
			action:     statusAction(rec.action, rec.status),
			status:     rec.status,
			diagnostic: rec.diagnostic,
			remote:     rec.remote,
			reporter:   rep.reportingMTA,
			because:    evidence{part: i, off: rec.off, text: lineOf(w.content(i), rec.off)},
		}
		if rec.diagnostic != "" {
			f.because.off, f.because.text = rec.diagOff, lineOf(w.content(i), rec.diagOff)
		}
		if rec.retryUntil != "" {
			f.retryUntil = parseDate(rec.retryUntil)
		}
		m.Reports = append(m.Reports, w.report(f, m.Date))
	}
	m.Kind = kindOf(m.Reports)
	return true
}

// lineOf returns the line of text that begins at off.
func lineOf(text string, off int) string {
	return strings.TrimRight(text[off:lineEnd(text, off)], "\n")
}

// firstAddress prefers a value that is an address.
func firstAddress(values ...string) string {
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
	case "delay", "deferred", "transient":
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
		case p.mail == i && i != level && w.parts[p.parent].mail == level:
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

var _ = reply.ReasonUnknown
