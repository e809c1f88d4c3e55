package diag

import (
	"slices"
	"strings"

	"github.com/resetd/resetd/diag/reply"
	"github.com/resetd/resetd/internal/ledger"
)

// returned: a report that carries our signed return path says failed. It counts as a host's word.
func (v *view) returned(m *ledger.Message, f ledger.Fact) []finding {
	r := f.Return
	out := finding{conf: Certain, rank: mail, facts: append(v.lastAccepted(m), f)}
	out.vars = vars{"t": v.at(f.At), "host": or(r.RemoteHost, r.ReportedBy), "text": factText(f)}
	out.cause = r.Cause
	reading := reply.Reading{}
	if !exact(out.cause) && strings.TrimSpace(r.Status+r.Diagnostic) != "" {
		reading = v.in.Replies.Read(reply.Reply{Host: r.RemoteHost, Enhanced: r.Status, Text: r.Diagnostic})
		out.cause, out.conf = reading.Cause, confidenceOf(reading)
	}
	if other := v.forwardedTo(m, r); other != "" {
		out.cause, out.conf, out.vars["forward"] = "recipient.forward_failed", Likely, other
		return one(out)
	}
	out.cause, out.conf = v.nearer(m, out.cause, out.conf, r.Diagnostic)
	// A provider's events are proven by its key: what they name counts as its word. What mail says is written by strangers.
	if cause, rest, ok := Stated(r.Diagnostic); ok && cause != "" && r.Source != "smtp" && r.Source != "imap" && r.Source != "log" {
		out.cause, out.conf, out.vars["text"] = cause, Certain, quote(rest)
	}
	if out.cause == "recipient.forward_failed" {
		out.vars["forward"] = quote(r.Recipient)
	}
	if out.cause == "deferred.other" || out.cause == "deferred.remote_down" || out.cause == "deferred.greylisted" {
		out.cause = "deferred.expired" // the host that had it gave up waiting: it is not tried again
		out.vars["span"] = "its time"
	}
	if !exact(out.cause) {
		out.cause, out.conf = "accepted.returned", Certain
		if len(r.Unread) > 0 || reading.Cause == "unknown.unreadable_bounce" || out.vars["text"] == "" {
			out.cause = "unknown.unreadable_bounce"
		}
	}
	if out.cause == "recipient.mailbox_full" {
		out.notBefore = f.At.Add(roomAfter)
	}
	return one(v.tlsSeen(m, v.published(m, v.ofOwner(out, r.Status))))
}

// exact tells a cause that says more than that something came back.
func exact(cause string) bool {
	_, known := CauseOf(cause)
	return known && cause != "accepted.returned" && cause != "recipient.refused_other" && !strings.HasPrefix(cause, "unknown.")
}

// forwardedTo names the recipient of a return that is not ours: the mailbox passes its mail on. "" = it is ours, or not stated.
func (v *view) forwardedTo(m *ledger.Message, r *ledger.Return) string {
	if !Forwarded(v.sentTo[m.ID], r.Recipient) {
		return ""
	}
	return quote(r.Recipient)
}

// Forwarded reports whether a return about recipient tells of a mailbox to which the one that we wrote to passes its mail on. Hosts
// rewrite addresses within one organisation, so only another domain counts, and not the tenant names of Exchange Online.
func Forwarded(to, recipient string) bool {
	theirs, ours := domainOf(recipient), domainOf(to)
	return theirs != "" && ours != "" && theirs != ours && !strings.HasSuffix(theirs, "."+ours) && !strings.HasSuffix(ours, "."+theirs) &&
		!strings.HasSuffix(theirs, ".onmicrosoft.com")
}

// delayed: a host that took the mail reports that it still tries. It is the newest word only until a later report.
func (v *view) delayed(m *ledger.Message) []finding {
	f, ok := lastReturn(m, ledger.Bounced, "delayed")
	if !ok {
		return nil
	}
	if c, ok := lastReturn(m, ledger.Confirmed, ""); ok && c.At.After(f.At) {
		return nil
	}
	r := f.Return
	out := finding{cause: r.Cause, conf: Likely, rank: mail, facts: append(v.lastAccepted(m), f)}
	out.vars = vars{"t": v.at(f.At), "host": or(r.RemoteHost, r.ReportedBy), "text": factText(f), "next": ""}
	if !exact(out.cause) && r.Diagnostic != "" {
		out.cause = v.in.Replies.Read(reply.Reply{Host: r.RemoteHost, Enhanced: r.Status, Text: r.Diagnostic}).Cause
	}
	if !exact(out.cause) || out.cause == "deferred.expired" {
		out.cause = "deferred.other"
	}
	return one(out)
}

// claims: returns that do not fit our mail in recipient or return path. They act on nothing, and decide only where they name another
// recipient behind a mailbox that had taken the mail: a forward.
func claims(v *view) []finding {
	if v.mail == nil || v.told == nil {
		return nil
	}
	var out []finding
	for _, f := range v.mail.Returns {
		r := f.Return
		if f.Event != ledger.Bounced || r == nil || r.Matched || r.Action != "failed" {
			continue
		}
		c := finding{cause: r.Cause, conf: Possible, rank: note, facts: append(v.lastAccepted(v.mail), f),
			vars: vars{"t": v.at(f.At), "host": or(r.RemoteHost, r.ReportedBy), "text": factText(f), "next": ""}}
		if other := v.forwardedTo(v.mail, r); other != "" {
			c.cause, c.vars["forward"] = "recipient.forward_failed", other
			if r.Source == "smtp" && v.mail.State == ledger.Sent {
				c.conf, c.rank = Likely, mail // our receiver takes only return paths that we signed
			}
		}
		if !exact(c.cause) {
			c.cause = "accepted.returned"
		}
		out = append(out, c)
	}
	return out
}

// unread: something came back to our return path, and nothing in it could be read as a report.
func unread(v *view) []finding {
	if v.mail == nil || v.mail.State == ledger.IsFailed {
		return nil
	}
	for _, f := range slices.Backward(v.mail.Returns) {
		if f.Event == ledger.Bounced && f.By != "" {
			return nil // a person has read it
		}
		if f.Event == ledger.Bounced && f.Return != nil && f.Return.Action == "" {
			return one(finding{cause: "unknown.unreadable_bounce", conf: Certain, rank: mail, facts: append(v.lastAccepted(v.mail), f), vars: vars{"t": v.at(f.At)}})
		}
	}
	return nil
}

// servers: one host refuses what another one takes. Within a day both words stand; within a week it is an inference.
func servers(v *view) []finding {
	if v.mail == nil || v.gen.Address == "" {
		return nil
	}
	var took, refused ledger.Fact
	for _, f := range v.facts {
		a := f.Attempt
		if f.Event != ledger.Attempted || a == nil || v.smart(a) || a.Host == "" || v.now.Sub(f.At) > 7*day || v.sentTo[f.Message] != v.gen.Address {
			continue
		}
		switch {
		case a.Outcome == ledger.Accepted:
			took = f
		case a.Outcome == ledger.Rejected && (a.Stage == "rcpt" || a.Stage == "data" || a.Stage == "dot"):
			refused = f
		}
	}
	if took.Attempt == nil || refused.Attempt == nil || took.Attempt.Host == refused.Attempt.Host {
		return nil
	}
	if took.Message != v.mail.ID && refused.Message != v.mail.ID {
		return nil
	}
	f := finding{cause: "recipient.inconsistent_servers", conf: Likely, rank: mail, facts: []ledger.Fact{took, refused},
		vars: vars{"host": refused.Attempt.Host, "host2": took.Attempt.Host}}
	if apart := took.At.Sub(refused.At).Abs(); apart <= day {
		f.conf = Certain
	}
	if v.mail.State == ledger.Sent && took.Message == v.mail.ID {
		f.rank, f.conf = note, Possible // it got through: the difference explains nothing
	}
	return one(f)
}

// port25: hosts of unrelated domains do not answer the dial, and none came through.
func port25(v *view) []finding {
	silent := map[string]ledger.Fact{}
	for _, f := range v.facts {
		a := f.Attempt
		if f.Event != ledger.Attempted || a == nil || v.smart(a) || v.now.Sub(f.At) > day {
			continue
		}
		if a.Code > 0 || a.Outcome == ledger.Accepted || a.Outcome == ledger.Ambiguous {
			return nil
		}
		if NotAnswered(*a) {
			silent[domainOf(v.sentTo[f.Message])] = f
		}
	}
	delete(silent, "")
	if f, ok := v.sameForAll(); ok {
		return one(f)
	}
	if len(silent) < 2 || v.mail == nil || v.mail.State != ledger.Waiting && v.mail.State != ledger.IsExpired {
		return nil
	}
	out := finding{cause: "network.port25_blocked", conf: Likely, rank: mail, vars: vars{"n": "two or more"}}
	for _, f := range v.facts {
		if s, ok := silent[domainOf(v.sentTo[f.Message])]; ok && s.ID == f.ID {
			out.facts = append(out.facts, f)
		}
	}
	return one(out)
}

// NotAnswered tells a dial that nobody answered: refused ones were.
func NotAnswered(a ledger.Attempt) bool {
	return a.Outcome == ledger.Unreachable && a.Stage == "dial" && a.Code == 0 && has(strings.ToLower(a.Text), "timeout", "timed out", "deadline")
}

// sameForAll: this mail's host does not answer the dial, and in that time those of other people's providers did not either.
func (v *view) sameForAll() (finding, bool) {
	if v.mail == nil || v.mail.State != ledger.Waiting && v.mail.State != ledger.IsExpired {
		return finding{}, false
	}
	f, ok := telling(v.mail)
	if !ok || !NotAnswered(*f.Attempt) || v.smart(f.Attempt) {
		return finding{}, false
	}
	for _, u := range v.in.Unanswered {
		if !f.At.Before(u.Since.Add(-slack)) && (u.Until.IsZero() || !f.At.After(u.Until.Add(slack))) {
			return finding{cause: "network.port25_blocked", conf: Likely, rank: mail, facts: []ledger.Fact{f}, vars: vars{"n": "several"}}, true
		}
	}
	return finding{}, false
}
