package diag

import (
	"strings"
	"time"

	"github.com/resetd/resetd/diag/reply"
	"github.com/resetd/resetd/internal/ledger"
)

// roomAfter is when a full mailbox is worth another mail: people do not make room at once.
const roomAfter = 4 * time.Hour

// failed: refused by a host, returned, or not to be built.
func (v *view) failed(m *ledger.Message) []finding {
	if m.Failure != nil {
		return v.unbuilt(m)
	}
	if f, ok := lastReturn(m, ledger.Bounced, "failed"); ok {
		return v.returned(m, f)
	}
	if f, ok := telling(m); ok {
		return v.read(m, f)
	}
	return one(finding{cause: "recipient.refused_other", conf: Possible, rank: mail})
}

// read says what one dialogue means.
func (v *view) read(m *ledger.Message, f ledger.Fact) []finding {
	a := f.Attempt
	out := finding{conf: Certain, rank: mail, facts: []ledger.Fact{f}, notBefore: m.NextAt}
	out.vars = vars{"t": v.at(firstOf(m, a.Outcome)), "host": a.Host, "text": replyText(a), "next": v.at(m.NextAt), "queue": a.QueueID}
	if keptByPolicy(a) {
		return one(v.tlsSeen(m, v.byPolicy(m, out, a)))
	}
	switch a.Outcome {
	case ledger.Accepted:
		return v.accepted(m)
	case ledger.Ambiguous:
		return v.ambiguous(m)
	case ledger.NoHost:
		return v.noHost(out, a)
	case ledger.NoDNS:
		return v.noDNS(out, a)
	case ledger.Unreachable:
		if a.Code > 0 {
			break // it spoke before it broke off
		}
		out.cause, out.conf = "deferred.remote_down", Likely
		if v.smart(a) {
			out.cause, out.conf = "relay.unreachable", Certain
		}
		return v.outage(m, one(out))
	case ledger.Blocked:
		fs := v.blocked(out, a)
		fs[0] = v.tlsSeen(m, fs[0])
		return fs
	}
	r := v.in.Replies.Read(reply.Reply{Host: a.Host, Stage: a.Stage, Code: a.Code, Enhanced: a.Enhanced, Text: a.Text})
	out.cause, out.conf = v.attribute(r, a)
	out.cause, out.conf = v.nearer(m, out.cause, out.conf, a.Text)
	if out.cause == "deferred.remote_down" {
		out.vars["how"] = "answers, but takes no mail"
	}
	return v.outage(m, one(v.tlsSeen(m, v.published(m, v.ofOwner(v.timed(out, m, r), a.Enhanced)))))
}

// attribute fits a reading to whose host it was and whether it was for good.
func (v *view) attribute(r reply.Reading, a *ledger.Attempt) (string, Confidence) {
	cause, conf := r.Cause, confidenceOf(r)
	own := v.smart(a)
	switch {
	case own && cause == "recipient.relay_denied":
		return "relay.auth_failed", Likely // our relay does not let us through
	case !own && cause == "relay.auth_failed":
		return "recipient.relay_denied", conf // a stranger's host that wants a login does not serve the domain
	case !own && cause == "relay.unreachable":
		return "deferred.remote_down", conf
	case !own && cause == "relay.sender_refused" && privateRelay(domainOf(v.address())):
		return "recipient.private_relay", Likely // Apple's words for a sender that nobody registered
	case own && cause == "deferred.remote_down":
		return "relay.unreachable", Likely
	}
	if _, known := CauseOf(cause); !known || strings.HasPrefix(cause, "unknown.") {
		cause = "recipient.refused_other"
	}
	rejected := a.Outcome == ledger.Rejected
	switch {
	case rejected && (cause == "deferred.other" || cause == "deferred.remote_down" || cause == "deferred.expired" || cause == "deferred.ambiguous"):
		return "recipient.refused_other", Certain
	case !rejected && cause == "recipient.refused_other":
		return "deferred.other", Certain
	case cause == "recipient.refused_other" || cause == "deferred.other":
		return cause, Certain // that a host said so is sure, even if its words say nothing
	}
	return cause, conf
}

// privateRelay tells the domains under which Apple hides its users' addresses.
func privateRelay(domain string) bool {
	return domain == "privaterelay.appleid.com" || domain == "private.icloud.com"
}

// timed says when another try can fare better.
func (v *view) timed(out finding, m *ledger.Message, r reply.Reading) finding {
	booked := !m.NextAt.IsZero()
	switch out.cause {
	case "recipient.mailbox_full":
		if !booked {
			out.notBefore = last(out.facts).At.Add(roomAfter)
		}
	case "deferred.greylisted", "sender.low_reputation":
		if !booked && r.RetryAfter > 0 {
			out.notBefore = last(out.facts).At.Add(r.RetryAfter)
		}
	}
	if !booked && out.cause == "deferred.greylisted" && m.State != ledger.Waiting {
		out.helps, out.because = HelpsYes, "Nothing more is booked for this mail; a new one passes once the wait is over."
	}
	return out
}

func confidenceOf(r reply.Reading) Confidence {
	switch r.Confidence {
	case reply.Certain:
		return Certain
	case reply.Likely:
		return Likely
	}
	return Possible
}

// firstOf is when a mail met an outcome first.
func firstOf(m *ledger.Message, o ledger.Outcome) time.Time {
	for _, f := range m.Attempts {
		if f.Attempt != nil && f.Attempt.Outcome == o {
			return f.At
		}
	}
	return time.Time{}
}

// noHost: DNS says that the domain does not exist, or that it takes no mail. The system's resolver gives one answer for "no such name" and "no
// address": then a name that an MX record holds tells that the domain exists, and for the domain itself both stay possible. A reserved
// name is said only where DNS holds nothing for it: private networks and tests do serve such names.
func (v *view) noHost(out finding, a *ledger.Attempt) []finding {
	text, domain := strings.ToLower(a.Text), domainOf(v.address())
	out.cause = "recipient.no_domain"
	service := out
	service.cause = "recipient.no_mail_service"
	switch {
	case v.smart(a):
		out.cause = "relay.unreachable" // the relay's own name is wrong
		return one(out)
	case has(text, "null mx", "accepts no mail", "takes no mail", "name no host", "would loop", "no mx"), a.Host != "" && domain != "" && !strings.EqualFold(a.Host, domain):
		return one(service)
	case reserved(domain):
		out.cause = "recipient.reserved_domain"
		service.cause, service.conf, service.rank = "recipient.no_domain", Possible, note
		return []finding{out, service}
	case text == "the name has no address": // dnscheck's word: the name exists
		return one(service)
	case has(text, "no address") && !has(text, "nxdomain"):
		out.conf, service.conf, service.rank = Likely, Possible, note
		return []finding{out, service}
	}
	return one(out)
}

// reserved tells names that no public DNS will ever serve mail for (RFC 2606, RFC 6761, RFC 6762, RFC 7686, RFC 9476).
func reserved(domain string) bool {
	for _, s := range []string{"test", "example", "invalid", "localhost", "local", "onion", "alt", "example.com", "example.net", "example.org"} {
		if domain == s || strings.HasSuffix(domain, "."+s) {
			return true
		}
	}
	return false
}

// noDNS: the look-up failed. One domain's failure may be its own; our relay's, or several domains', is our resolver's.
func (v *view) noDNS(out finding, a *ledger.Attempt) []finding {
	if v.smart(a) && has(a.Text, "does not exist", "no such host") {
		out.cause = "relay.unreachable" // DNS did answer: the relay has no such name
		return one(out)
	}
	domains := map[string]bool{}
	for _, f := range v.facts {
		if f.Event == ledger.Attempted && f.Attempt != nil && f.Attempt.Outcome == ledger.NoDNS && v.now.Sub(f.At) <= day {
			domains[domainOf(v.sentTo[f.Message])] = true
		}
	}
	ours := out
	ours.cause = "network.dns_failing"
	if _, blind := v.stillBlind("dns"); blind {
		return one(ours)
	}
	ours.conf = Likely
	if v.smart(a) || len(domains) > 1 {
		return one(ours)
	}
	out.cause, out.conf = "deferred.other", Likely
	out.says = "DNS gives no answer about {domain|the recipient's domain}[: {text}][; next try at {next}]."
	ours.conf, ours.rank = Possible, note
	return []finding{out, ours}
}

// blocked: we ended it, or did not begin: it was not safe, not bounded, or led nowhere.
func (v *view) blocked(out finding, a *ledger.Attempt) []finding {
	text := strings.ToLower(a.Text)
	out.conf = Likely
	switch {
	case has(text, "leads nowhere", "is not host:port"):
		out.cause, out.conf = "compose.not_configured", Certain
	case v.smart(a):
		out.cause, out.conf = "relay.unreachable", Certain
	case a.Stage == "starttls" || has(text, "tls", "certificate"):
		out.cause = "tls.policy_failed"
	case has(text, "not a public one"):
		out.cause = "recipient.no_mail_service" // their MX leads to an address that is nobody's on the Internet
	default:
		out.cause = "deferred.other"
	}
	return one(out)
}

// stopped tells a dialogue that we left ourselves because the worker was stopping: it says nothing of the host.
func stopped(a *ledger.Attempt) bool {
	return a.Outcome == ledger.Unreachable && a.Code == 0 && strings.Contains(a.Text, "stopped before the final dot")
}

func has(s string, words ...string) bool {
	for _, w := range words {
		if strings.Contains(s, w) {
			return true
		}
	}
	return false
}

// ambiguous: the final dot was sent, and the answer was lost.
func (v *view) ambiguous(m *ledger.Message) []finding {
	f := last(v.lastAccepted(m))
	out := finding{cause: "deferred.ambiguous", conf: Certain, rank: mail, notBefore: m.NextAt, vars: vars{"t": v.at(f.At)}}
	if f.Attempt != nil {
		out.vars["host"], out.facts = f.Attempt.Host, []ledger.Fact{f}
	}
	return one(out)
}
