package diag

import (
	"slices"
	"strings"
	"time"

	"github.com/resetd/resetd/internal/ledger"
)

// seenFor is how long after the last day that reports tell of they still speak for what happens: they come a day late, and not from
// everybody every day.
const seenFor = 7 * 24 * time.Hour

// received lets what receivers report in bulk stand beside a refusal for authentication. Reports are claims: they make a cause likely,
// never certain, and only those whose reporter signed them, and only where neither the host nor our own look at DNS names the fault. The
// others are shown as what they are.
func (v *view) received(m *ledger.Message, refused time.Time, out finding) finding {
	domain := v.senderOf(m)
	if domain == "" || refused.IsZero() {
		return out
	}
	open := false // the cause says that something did not pass, and not what
	switch out.cause {
	case "sender.dmarc_rejected", "sender.unauthenticated", "sender.provider_requirements":
		open = true
	case "sender.dkim_key_mismatch", "sender.dkim_broken_in_transit", "sender.spf_fail", "sender.spf_permerror":
	default:
		return out
	}
	seen, ok := v.seenAt("dmarc", domain, refused)
	if !ok || len(seen.Check.Causes) == 0 {
		return out
	}
	out.facts = append([]ledger.Fact{seen}, out.facts...)
	if !open || !seen.Check.Seen.Signed {
		return out
	}
	switch cause := seen.Check.Causes[0]; {
	case cause == "sender.dkim_broken_in_transit" && v.signed(m) && !v.keyInDoubt(domain, refused):
		out.cause, out.conf = cause, Likely
		out.says = "{host|Their host} refused our mail[: {text}]. We signed it, and others report the same: {seen}"
	case cause == "sender.spf_fail":
		out.cause, out.conf = cause, Likely
		out.says = "{host|Their host} refused our mail[: {text}]. Others report why: {seen}"
	default:
		return out
	}
	out.vars = out.vars.with()
	out.vars["seen"] = saysSeen(seen.Check)
	if now, ok := v.seenAt("dmarc", domain, v.now); ok && now.Check.Seen.To.After(refused) && now.Check.Seen.Signed && len(now.Check.Causes) == 0 {
		out.facts = append(out.facts, now)
		return out.helpsNow("Receivers report since that our mail passes; another one can.")
	}
	return out
}

// seenAt is what receivers said of a domain's mail at a time. The days that they tell of count, not the time at which they did: reports
// come a day late, and a person may hand in last week's. A day on which all was well ends what was told of the days before.
func (v *view) seenAt(kind, domain string, at time.Time) (found ledger.Fact, ok bool) {
	for _, f := range v.in.Checks {
		if f.Check == nil || f.Check.Seen == nil || f.Check.Seen.Kind != kind || !strings.EqualFold(f.Check.Domain, domain) {
			continue
		}
		s := f.Check.Seen
		if s.From.After(at) || at.Sub(s.To) > seenFor {
			continue
		}
		if len(f.Check.Causes) > 0 || !ok || !s.To.After(at.Add(-day)) {
			found, ok = f, true
		}
	}
	return found, ok
}

// keyInDoubt: our own look at DNS, or the verification of a mail that we signed, said that the key is not there.
func (v *view) keyInDoubt(domain string, at time.Time) bool {
	if f, ok := v.checkAt(domain, at); ok && slices.Contains(f.Check.Causes, "sender.dkim_key_mismatch") {
		return true
	}
	return slices.ContainsFunc(v.in.Checks, func(f ledger.Fact) bool {
		return f.Check != nil && f.Check.Seen == nil && f.Check.Hash == "" && len(f.Check.Changes) == 0 && strings.EqualFold(f.Check.Domain, domain) &&
			slices.Contains(f.Check.Causes, "sender.dkim_key_mismatch") && at.Sub(f.At).Abs() <= day
	})
}

// junkSeen notes that receivers put our mail into quarantine, beside a mail that was accepted and left no trace. One that is the host of
// this mail, and signed its report, makes it likely.
func (v *view) junkSeen(m *ledger.Message) []finding {
	f := last(v.lastAccepted(m))
	domain := v.senderOf(m)
	if f.Attempt == nil || domain == "" || v.smart(f.Attempt) {
		return nil
	}
	seen, ok := v.seenAt("dmarc", domain, f.At)
	if !ok || seen.Check.Seen.Junk == 0 {
		return nil
	}
	out := finding{cause: "accepted.junk", conf: Possible, rank: note, facts: []ledger.Fact{f, seen}, vars: vars{"seen": saysSeen(seen.Check)},
		says: "The mail may lie in the junk folder. {seen}"}
	if s := seen.Check.Seen; s.Signed && slices.ContainsFunc(s.By, func(by string) bool {
		return strings.HasSuffix("."+strings.ToLower(f.Attempt.Host), "."+strings.ToLower(by))
	}) {
		out.conf = Likely
	}
	return one(out)
}

// tlsSeen adds what senders report about TLS on their way to the recipient's domain, where that is a domain of ours: nobody else's
// reports come to us.
func (v *view) tlsSeen(m *ledger.Message, out finding) finding {
	if out.cause != "tls.policy_failed" || len(out.facts) == 0 {
		return out
	}
	if seen, ok := v.seenAt("tls", domainOf(v.sentTo[m.ID]), last(out.facts).At); ok && len(seen.Check.Causes) > 0 {
		out.facts = append([]ledger.Fact{seen}, out.facts...)
	}
	return out
}

// returnsSeen is a blind spot: senders report that they cannot reach the domain of our return paths.
func (v *view) returnsSeen() string {
	for _, f := range slices.Backward(v.in.Checks) {
		if f.Check == nil || f.Check.Seen == nil || !f.Check.Seen.Returns {
			continue
		}
		if len(f.Check.Causes) == 0 || f.Check.Seen.To.Add(seenFor).Before(v.window()) {
			return ""
		}
		return "bounces may be missing: " + strings.TrimSuffix(saysSeen(f.Check), ".")
	}
	return ""
}
