package diag

import (
	"strings"

	"github.com/resetd/resetd/internal/ledger"
)

// accepted: a host took the mail. What is known after that is often nothing, and then that is what we say.
func (v *view) accepted(m *ledger.Message) []finding {
	f := last(v.lastAccepted(m))
	a := f.Attempt
	if a == nil {
		a = &ledger.Attempt{}
	}
	out := finding{cause: "accepted.no_further_trace", conf: Certain, rank: trace, rests: "bounces", facts: v.lastAccepted(m)}
	out.vars = vars{"t": v.at(f.At), "host": a.Host, "queue": a.QueueID}
	confirmed, ok := lastReturn(m, ledger.Confirmed, "")
	if ok {
		out.facts = append(out.facts, confirmed)
		switch confirmed.Return.Action {
		case "delivered", "":
			out.vars["handed"] = "delivered"
			out.rests = ""
		case "relayed", "expanded":
			out.vars["handed"] = "passed on"
		}
	}
	if answer, came := lastReturn(m, ledger.AutoReplied, ""); came {
		out.facts, out.rests = append(out.facts, answer), ""
		if answer.Return.Cause == "recipient.moved" {
			return one(finding{cause: "recipient.moved", conf: Likely, rank: mail, facts: out.facts, vars: vars{"text": factText(answer)}})
		}
	} else if !ok {
		if since, blind := v.stillBlind("bounces"); blind {
			out.cause, out.conf, out.rests, out.vars["blind"] = "unknown.bounces_not_arriving", Certain, "", v.at(since)
			return one(out)
		}
		if v.smart(a) {
			if silent, ok := v.silentProvider(m, f); ok {
				return one(silent)
			}
			out.cause, out.rests = "unknown.handed_to_relay", ""
		}
		if thrown, ok := v.dropped(f); ok {
			return []finding{thrown, out}
		}
	}
	return one(out)
}

// arrived: a person, or a complaint, tells where an accepted mail ended up.
func arrived(v *view) []finding {
	m := v.mail
	if m == nil || m.State != ledger.Sent && m.State != ledger.Unsure {
		return nil
	}
	var out []finding
	say := func(cause string, conf Confidence, f ledger.Fact) {
		found := finding{cause: cause, conf: conf, rank: mail, facts: append(v.lastAccepted(m), f), vars: vars{"t": v.at(f.At)}}
		if f.Event == ledger.Reported {
			found.vars["t"] = v.at(reportedAt(f))
		}
		out = append(out, found)
	}
	junk, held, lost := last(v.reports(v.born, "found_in_junk")), last(v.reports(v.born, "quarantined")), last(v.reports(v.born, "not_found_anywhere"))
	if junk.ID != "" {
		say("accepted.junk", Likely, junk)
	}
	if held.ID != "" {
		say("accepted.quarantined", Likely, held)
	}
	if f, ok := lastReturn(m, ledger.Complained, ""); ok && (f.Return.Action == "" || f.Return.Action == "complaint") {
		say("accepted.junk", Likely, f)
	}
	if lost.ID != "" && junk.ID == "" && held.ID == "" {
		if f, ok := lastReturn(m, ledger.Confirmed, "delivered"); ok {
			say("accepted.user_rule", Likely, lost)
			out[len(out)-1].vars["t"] = v.at(f.At)
			out[len(out)-1].facts = append(out[len(out)-1].facts, f)
		}
	}
	return append(append(out, v.junkSeen(m)...), v.usualPlaces(m)...)
}

// usualPlaces notes where a mail that was accepted without a trace usually is, by the host that took it.
func (v *view) usualPlaces(m *ledger.Message) []finding {
	if v.used >= 0 {
		return nil
	}
	facts := v.lastAccepted(m)
	if len(facts) == 0 || v.smart(facts[0].Attempt) {
		return nil
	}
	cause, says := "accepted.junk", "The mail may lie in the junk folder."
	if gateway(facts[0].Attempt.Host) {
		cause, says = "accepted.quarantined", "Their mail gateway may hold the mail in quarantine, where only their IT sees it."
	}
	return one(finding{cause: cause, says: says, conf: Possible, rank: note, facts: facts})
}

// gateway tells hosts that keep what they do not like in a quarantine.
func gateway(host string) bool {
	return has(strings.ToLower(host), "mimecast", "pphosted", "ppe-hosted", "barracuda", "protection.outlook", "messagelabs", "iphmx", "trendmicro", "hornetsecurity", "retarus")
}
