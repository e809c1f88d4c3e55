package diag

import (
	"slices"
	"strings"
	"time"

	"github.com/resetd/resetd/internal/ledger"
)

// looped lets a loop check decide what a refusal for authentication means: a canary went the same way as the person's mail, and what our
// own receiver saw of it is what theirs saw. Where host and canary name the same, that is certain; where the canary names what the host
// only hints at, likely. When a later canary goes through, another mail helps.
func (v *view) looped(m *ledger.Message, domain string, refused time.Time, out finding) (finding, bool) {
	at := refused
	if taken := v.lastAccepted(m); len(taken) > 0 {
		at = taken[0].At // it was on its way then; that it came back may be much later
	}
	f, ok := v.loopAt(domain, m.Route, at)
	if !ok {
		return out, false
	}
	cause := ""
	switch out.cause {
	case "sender.dkim_broken_in_transit", "sender.spf_fail", "sender.spf_permerror":
		if slices.Contains(f.Check.Causes, out.cause) {
			cause, out.conf = out.cause, Certain
		}
	case "sender.dmarc_rejected", "sender.unauthenticated", "sender.provider_requirements":
		for _, c := range []struct{ cause, why string }{
			{"sender.dkim_broken_in_transit", "something changes our mail on its way, so that its signature does not verify any more"},
			{"sender.spf_permerror", "our SPF record cannot be evaluated"},
			{"sender.spf_fail", "our SPF record leaves out the host that our mail comes from"},
		} {
			if cause == "" && slices.Contains(f.Check.Causes, c.cause) && (c.cause != "sender.dkim_broken_in_transit" || v.signed(m)) {
				cause, out.conf = c.cause, Likely
				out.says = "{host|Their host} refused our mail[: {text}]. The loop check by the same route shows why: " + c.why + "."
			}
		}
	}
	if cause == "" {
		return out, false
	}
	out.cause, out.facts = cause, append([]ledger.Fact{f}, out.facts...)
	if now, mended := v.loopMended(f, cause); mended {
		out.facts = append(out.facts, now)
		return out.helpsNow("It was mended since, as the newest loop check shows; another mail can pass."), true
	}
	return out, true
}

// changedOnTheWay: a host took the mail, nobody came to our page, and a canary that went the same way arrived changed. Its link does
// not lead to us, or it fails the tests by which receivers let mail in.
func changedOnTheWay(v *view) []finding {
	m := v.mail
	if v.told == nil || m == nil || m.State != ledger.Sent && m.State != ledger.Unsure || v.used >= 0 || v.visitedSince() {
		return nil
	}
	taken := v.lastAccepted(m)
	domain := v.senderOf(m)
	if len(taken) == 0 || domain == "" {
		return nil
	}
	if f, ok := lastReturn(m, ledger.Bounced, "failed"); ok && f.At.After(taken[0].At) {
		return nil // it came back, which says more
	}
	f, ok := v.loopAt(domain, m.Route, taken[0].At)
	if !ok {
		return nil
	}
	var found []finding
	say := func(cause string, conf Confidence, r rank, says string) {
		if !slices.Contains(f.Check.Causes, cause) {
			return
		}
		one := finding{cause: cause, conf: conf, rank: r, rests: "links", says: says, facts: append([]ledger.Fact{f}, taken...), vars: vars{"t": v.at(taken[0].At), "checked": v.at(f.At)}}
		if now, mended := v.loopMended(f, cause); mended {
			one.facts = append(one.facts, now)
			one = one.helpsNow("It was mended since, as the newest loop check shows; another mail arrives unchanged.")
		}
		found = append(found, one)
	}
	say("link.rewritten", Likely, mail, "A host took the mail at {t}, and on this way the link in our mails is replaced by another one, as the loop check of {checked} shows; our page was not reached.")
	conf, r := Possible, note
	if slices.Contains(f.Check.Loop.Failed, "dmarc") {
		conf, r = Likely, mail
	}
	if v.signed(m) {
		say("sender.dkim_broken_in_transit", conf, r, "A host took the mail at {t}. Something changes our mail on this way, so that its signature does not verify, as the loop check of {checked} shows: receivers may have put it away unseen.")
	}
	return found
}

// loopAt is the outcome of the loop check that was in force at a time on a way; where that one found nothing, the first one soon after.
func (v *view) loopAt(domain, route string, at time.Time) (found ledger.Fact, ok bool) {
	for _, f := range v.in.Checks {
		if !isLoop(f, domain, route) {
			continue
		}
		if f.At.After(at) && (ok && len(found.Check.Causes) > 0 || f.At.Sub(at) > checkGap) {
			break
		}
		found, ok = f, true
	}
	return found, ok
}

// loopMended finds the newest outcome on the way of another one, where the cause is gone. One that could not see is no proof.
func (v *view) loopMended(f ledger.Fact, cause string) (ledger.Fact, bool) {
	for _, g := range slices.Backward(v.in.Checks) {
		if isLoop(g, f.Check.Domain, f.Check.Loop.Route) {
			return g, g.Check.Loop.OK && !slices.Contains(g.Check.Causes, cause)
		}
	}
	return ledger.Fact{}, false
}

// isLoop tells the outcome of a loop check on a way.
func isLoop(f ledger.Fact, domain, route string) bool {
	return f.Check != nil && f.Check.Loop != nil && f.Check.Loop.Step == "" && strings.EqualFold(f.Check.Domain, domain) && f.Check.Loop.Route == route
}

// saysLoop tells a step of a loop check, or how one came out.
func saysLoop(c *ledger.Check) string {
	l := c.Loop
	switch l.Step {
	case ledger.LoopArrived:
		if l.Arrival == nil {
			return "The canary arrived at our receiver."
		}
		a := l.Arrival
		return "The canary arrived at our receiver" + led(" from ", quote(a.HELO)) + ": SPF " + or(a.SPF.Result, "not judged") + ", DKIM " + or(a.DKIM.Result, "not judged") + ", DMARC " +
			or(a.DMARC.Result, "not judged") + ", link " + or(a.Link, "not known") + led(". ", strings.Join(a.Changes, " ")) + endOf(strings.Join(a.Changes, " "))
	case ledger.LoopPage:
		return sentence(quote(l.Why))
	case ledger.LoopRedeem:
		return sentence(quote(l.Why))
	case ledger.LoopReturnSent:
		if l.OK {
			return "A mail to the canary's return path was handed over" + led(": ", quote(l.Why)) + endOf(l.Why)
		}
		return "A mail to the canary's return path was not taken" + led(": ", quote(l.Why)) + endOf(l.Why)
	}
	way := "The loop check of " + c.Domain + " by the route " + quote(l.Route)
	if len(l.Failed) == 0 {
		return way + ": every link that could be seen holds."
	}
	return way + " failed at " + strings.Join(l.Failed, ", ") + ". " + sentence(quote(strings.Join(c.Errors, " ")))
}

// endOf gives the full stop that a text lacks.
func endOf(s string) string {
	if strings.HasSuffix(s, ".") {
		return ""
	}
	return "."
}
