package bounce

import (
	"strings"

	"github.com/resetd/resetd/diag/reply"
)

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
	origin := len(rep.records) < 20 && w.tellsOrigin()
	m.Reports = make([]Report, 0, len(rep.records))
	for _, rec := range rep.records {
		if len(m.Reports) > 0 && w.late() {
			break
		}
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
		if origin {
			if n == nil {
				n = w.noticeAt(level)
			}
			if cands == nil {
				cands = n.candidates("")
			}
			for _, c := range cands {
				if strings.EqualFold(c.addr, f.recipient) && c.rank >= rankLine && f.alias == "" {
					f.alias = n.origin(c.line)
				}
			}
		}
		r := w.report(f, m.Date)
		mute := r.Reason == reply.ReasonUnknown || r.Status == "" || vague(r.Status) || !hasWords(rec.diagnostic)
		if r.Recipient == "" || mute && failing(r.Action) {
			if n == nil {
				n = w.noticeAt(level)
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
			f.diagnostic, f.fromNotice = g.diagnostic, true
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
