package bounce

import (
	"strings"

	"github.com/resetd/resetd/diag/reply"
)

// Reasons of reports that tell of no failure; the words are those of the corpora's README.
const (
	reasonDelivered   reply.Reason = "delivered"
	reasonComplaint   reply.Reason = "complaint"
	reasonUnsubscribe reply.Reason = "unsubscribe"
	reasonAuthReport  reply.Reason = "auth_failure_report"
)

// feedbackPart reads a message/feedback-report part (RFC 5965; RFC 6591 for authentication failures).
func (w *walk) feedbackPart(m *Mail, level, i int) {
	fields := w.block(w.content(i))
	m.Kind = KindFeedback
	kind, ok := find(fields, "feedback-type")
	m.Feedback = feedbackWord(lower(firstWord(kind.value)))
	if !ok {
		m.Feedback = FeedbackComplaint // some senders leave the type out; the part itself says complaint
	}
	var rcpts []string
	for k := range fields {
		switch lower(fields[k].name) {
		case "original-rcpt-to", "removal-recipient", "x-hmxmroriginalrecipient":
			if a := addressIn(fields[k].value); a != "" {
				rcpts = addOnce(rcpts, a)
			}
		case "original-envelope-id":
			m.EnvelopeID = strings.Clone(clip(xtext(unfold(fields[k].value)), maxDiagnostic))
		}
		if len(rcpts) >= maxReports {
			break
		}
	}
	w.matching(m, level)
	text := w.content(i)
	e := evidence{part: i, text: text[:min(len(text), 200)]}
	if ok {
		e.off = kind.off
		e.text = lineOf(text, kind.off)
	}
	w.complaints(m, rcpts, e)
}

// feedbackWord maps Feedback-Type; "not-spam" and unknown types are feedback of no word of ours.
func feedbackWord(s string) string {
	switch {
	case s == "abuse", s == "fraud", s == "virus", s == "other", s == "miscategorized", s == "complaint":
		return FeedbackComplaint
	case strings.HasPrefix(s, "opt-out"), strings.HasPrefix(s, "unsubscribe"):
		return FeedbackUnsubscribe
	case strings.HasPrefix(s, "auth-failure"), s == "dmarc", s == "dkim", s == "spf":
		return FeedbackAuthFailure
	}
	return ""
}

// complaints makes a report for each recipient named; it has no action, for nothing failed.
func (w *walk) complaints(m *Mail, rcpts []string, e evidence) {
	m.Because = w.because(e)
	reason, cause := reasonComplaint, "suppressed.complaint"
	switch m.Feedback {
	case FeedbackUnsubscribe:
		reason, cause = reasonUnsubscribe, "suppressed.unsubscribed"
	case FeedbackAuthFailure:
		reason, cause = reasonAuthReport, "sender.unauthenticated"
	}
	for _, a := range rcpts {
		m.Reports = append(m.Reports, Report{
			Recipient: strings.Clone(lowerDomain(clip(a, maxAddress))), Reason: reason, Cause: cause, Because: m.Because,
		})
	}
}

// complaintWords recognises feedback without its part: Microsoft's programme forwards the mail under a subject of its
// own, and some gateways flatten the report into text.
func (w *walk) complaintWords(m *Mail, h letterhead, n *notice, level int) bool {
	kind := ""
	var at evidence
	for i := range n.lines {
		l := &n.lines[i]
		if hasFold(l.text, "feedback-type:") {
			kind = feedbackWord(lower(firstWord(l.text[len("feedback-type:"):])))
			at = evidence{part: l.part, off: l.off, text: l.text}
			break
		}
	}
	ct := w.parts[level]
	switch {
	case kind != "":
	case ct.ctype == "multipart/report" && hasFold(strings.TrimSpace(param(ct.params, "report-type")), "feedback-report"):
		kind = FeedbackComplaint
		f, _ := find(ct.hdr, "content-type")
		at = w.headerEvidence(f.off)
	case h.subTags&tagComplaint != 0 && !h.personal && (w.hasReturned(level) || n.tags&tagComplaint != 0):
		kind = FeedbackComplaint
		f, _ := find(ct.hdr, "subject")
		at = w.headerEvidence(f.off)
	default:
		return false
	}
	m.Kind, m.Feedback = KindFeedback, kind
	w.matching(m, level)
	var rcpts []string
	for i := range w.parts {
		if p := &w.parts[i]; p.mail == i && i != level {
			if a := addressIn(get(p.hdr, "x-hmxmroriginalrecipient")); a != "" {
				rcpts = append(rcpts, a)
			}
		}
	}
	w.complaints(m, rcpts, at)
	return true
}
