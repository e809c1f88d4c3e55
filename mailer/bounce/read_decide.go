package bounce

import "strings"

// decide says what a mail is. The machine-readable parts decide where they are there; words decide otherwise.
func decide(w *walk) Mail {
	m := Mail{Kind: KindNone}
	if len(w.parts) == 0 {
		return m
	}
	w.envelope(&m)
	if !w.decideLevel(&m, 0) {
		// A person or a list may have passed the report on as an attachment.
		for i := 1; i < len(w.parts) && w.parts[i].depth <= 4 && !w.late(); i++ {
			if w.parts[i].mail == i && w.decideLevel(&m, i) {
				break
			}
		}
	}
	if m.Kind == KindNone {
		w.answeredIDs(&m, 0) // a person's answer belongs to a case too
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
			if !w.letterhead(level).daemon { // Dovecot refuses with a receipt (RFC 5429 section 2.1.1)
				return true // any other receipt (RFC 8098) says nothing about delivery
			}
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
	n := w.noticeAt(level)
	if w.complaintWords(m, h, n, level) {
		return true
	}
	if w.listWords(m, h, n, level) {
		return true
	}
	if !h.daemon && h.failed == "" && !h.refuses(n) && w.autoReply(m, h, n, level) {
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
	w.returnedBelow(m, n)
	w.proseReports(m, h, n, cands, level)
	m.Kind = kindOf(m.Reports)
	return true
}

// returnedBelow takes the returned mail's header out of the text of a notice that just appends it.
func (w *walk) returnedBelow(m *Mail, n *notice) {
	if m.Returned.From != "" || n.returned == "" {
		return
	}
	m.Returned = returnedHeader(w.block(afterMark(n.returned)))
	if id := m.Returned.MessageID; id != "" {
		m.MessageIDs = addOnce(m.MessageIDs, id)
	}
}

func bestRank(cands []candidate) rank {
	best := rankNone
	for _, c := range cands {
		best = max(best, c.rank)
	}
	return best
}

// matching collects what helps to find our message: the returned header and every message id.
func (w *walk) matching(m *Mail, level int) {
	for i := range w.parts {
		p := &w.parts[i]
		switch {
		case p.mail == i && p.parent >= 0 && i != level && w.parts[p.parent].mail == level,
			p.mail == level && i != level && isBareMail(p.hdr):
			m.Returned = returnedHeader(p.hdr)
		case p.mail != level:
			continue
		case isHeaders(p.ctype), isMessage(p.ctype) && (p.cte == "base64" || p.cte == "quoted-printable"):
			m.Returned = returnedHeader(w.block(w.content(i)))
		default:
			continue
		}
		if m.Returned.MessageID != "" || m.Returned.From != "" {
			break
		}
	}
	w.collectIDs(m, level)
}

// collectIDs gathers message ids: of the returned mail, of the mail that this one answers, and, for want of both, of a
// field that the notice quotes.
func (w *walk) collectIDs(m *Mail, level int) {
	if id := m.Returned.MessageID; id != "" {
		m.MessageIDs = addOnce(m.MessageIDs, id)
	}
	w.answeredIDs(m, level)
	if len(m.MessageIDs) > 0 {
		return
	}
	for i := range w.parts {
		p := &w.parts[i]
		if p.mail != level || p.ctype != "text/plain" || p.preamble {
			continue
		}
		text := w.content(i)
		text = text[:min(len(text), 16<<10)]
		for at := indexFold(text, "message-id"); at >= 0 && len(m.MessageIDs) == 0; {
			m.MessageIDs = messageIDs(m.MessageIDs, text[at:min(len(text), lineEnd(text, at))])
			next := indexFold(text[at+1:], "message-id")
			if next < 0 {
				break
			}
			at += 1 + next
		}
	}
}

// answeredIDs gathers the ids of the mail that this one answers.
func (w *walk) answeredIDs(m *Mail, level int) {
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
