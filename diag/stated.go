package diag

import (
	"slices"
	"strings"

	"github.com/resetd/resetd/internal/ledger"
)

// statedPrefix begins a detail that names a cause: "cause: link.other_browser; the session cookie was missing".
const statedPrefix = "cause:"

// Stated reads the cause that a report's detail names, and the words behind it. cause is "" where the detail names none; ok is false where
// it names one that a report may not: then the whole report is to be refused, since its sender meant something by it.
func Stated(detail string) (cause, rest string, ok bool) {
	detail = strings.TrimSpace(detail)
	if len(detail) < len(statedPrefix) || !strings.EqualFold(detail[:len(statedPrefix)], statedPrefix) {
		return "", detail, true
	}
	cause, rest, _ = strings.Cut(detail[len(statedPrefix):], ";")
	cause, rest = strings.ToLower(strings.TrimSpace(cause)), strings.TrimSpace(rest)
	return cause, rest, slices.Contains(Statable(), cause)
}

// Statable lists the causes that a report may name: those whose proof can lie where we cannot look. That an account is suspended, or a mailbox
// full, is never taken from a report: the directory and the host say so themselves.
func Statable() []string {
	return []string{
		"request.quota_exhausted", "request.blocked_source", "queue.stuck", "queue.gave_up",
		"suppressed.lookalike", "suppressed.old_address", "suppressed.unsubscribed", "suppressed.by_provider",
		"suppressed.sender_fault", "suppressed.complaint", "suppressed.soft_bounces",
		"sender.dkim_broken_in_transit", "deferred.provider_outage", "accepted.silently_dropped",
		"link.truncated", "link.rewritten", "link.other_browser", "link.dead_on_arrival", "link.too_many_attempts",
	}
}

// statedBy reads the cause that a report names; "" = none.
func statedBy(f ledger.Fact) (cause, rest string) {
	if f.Report == nil {
		return "", ""
	}
	if cause, rest, ok := Stated(f.Report.Detail); ok && cause != "" {
		return cause, rest
	}
	return "", ""
}

// plain leaves out the reports that name their cause themselves.
func (v *view) plain(reports []ledger.Fact) []ledger.Fact {
	return slices.DeleteFunc(reports, func(f ledger.Fact) bool { cause, _ := statedBy(f); return cause != "" })
}

// stated: the application, or a person, names a cause that only they can see. What lies before the last use of a link is over.
func stated(v *view) []finding {
	since := v.born
	if v.told == nil {
		since = v.now.Add(-day)
	}
	var out []finding
	for _, f := range v.facts {
		cause, rest := statedBy(f)
		if cause == "" || f.Event != ledger.Reported || reportedAt(f).Before(since) || v.used >= 0 && f.At.Before(v.facts[v.used].At) {
			continue
		}
		found := finding{cause: cause, conf: byReport(f), rank: mail, facts: []ledger.Fact{f}, vars: vars{"t": v.at(reportedAt(f)), "text": quote(rest)}}
		if strings.HasPrefix(cause, "link.") {
			found.rank = link
		}
		out = append(out, found)
	}
	return out
}

// nearer replaces a cause by the one that its circumstances name more closely.
func (v *view) nearer(m *ledger.Message, cause string, conf Confidence, text string) (string, Confidence) {
	text = strings.ToLower(text)
	switch cause {
	case "suppressed.by_provider":
		switch {
		case has(text, "unsubscrib", "opt-out", "opted out"):
			return "suppressed.unsubscribed", conf
		case has(text, "complain", "complaint", "spam report", "reported as spam"):
			return "suppressed.complaint", conf
		case has(text, "soft bounce", "soft-bounce", "softbounce"):
			return "suppressed.soft_bounces", conf
		}
	case "sender.dkim_key_mismatch", "sender.dmarc_rejected", "sender.unauthenticated", "sender.provider_requirements":
		// RFC 6376 section 6.1.3: a body hash that does not fit is no matter of keys; the body is another one than we signed.
		if v.signed(m) && has(text, "body hash", "bodyhash", "body-hash", "body has been altered", "body was altered") {
			return "sender.dkim_broken_in_transit", Likely
		}
	}
	return cause, conf
}

// signed tells whether a mail left with a signature of ours.
func (v *view) signed(m *ledger.Message) bool {
	for _, f := range v.ofMail(m, ledger.Composed) {
		if f.Composition != nil && len(f.Composition.Selectors) > 0 {
			return true
		}
	}
	return false
}
