package diag

import (
	"strconv"
	"time"

	"github.com/resetd/resetd/internal/ledger"
)

// lateness and heartbeats, in the terms of the queue.
const (
	overdue  = 15 * time.Second // a due mail that nobody has taken by now is late
	silent   = 15 * time.Second // a worker without a heartbeat for this long is gone
	dialogue = 15 * time.Minute // no dialogue lasts longer
	vanished = 2 * time.Minute  // the reconciler has looked several times by now
)

// heldBack: sending is paused, or nobody works. It concerns a mail that still waits, whatever a host said before.
func heldBack(v *view) []finding {
	if v.told == nil || v.refusal != nil {
		return nil
	}
	m := v.mail
	if m == nil {
		m = &ledger.Message{State: ledger.Waiting, Born: v.born, NextAt: v.born}
	}
	neverTried := m.State == ledger.IsExpired && len(m.Attempts) == 0
	if m.State != ledger.Waiting && !neverTried {
		return nil
	}
	var out []finding
	q := v.in.Queue
	hold, route := q.Paused, ""
	if hold == nil {
		if h, ok := q.RoutePaused[m.Route]; ok {
			hold, route = &h, m.Route
		}
	}
	if hold != nil {
		out = append(out, finding{cause: "queue.paused", conf: Certain, rank: mail, facts: v.loose(ledger.Paused),
			vars: vars{"by": quote(hold.By), "reason": quote(hold.Reason), "route": route, "since_pause": v.at(hold.Since)}})
	}
	if v.noWorker() {
		late := v.now.Sub(m.NextAt)
		if m.NextAt.IsZero() {
			late = v.now.Sub(m.Born)
		}
		f := finding{cause: "queue.no_worker", conf: Certain, rank: mail, vars: vars{"t": v.at(m.NextAt), "seen": v.at(q.WorkerSeen)}}
		switch {
		case late > overdue, late >= 0 && q.OldestDue > overdue:
			out = append(out, f)
		case late < 0:
			f.conf, f.rank = Likely, note // it will be missed when its time comes
			out = append(out, f)
		}
	}
	return out
}

func (v *view) noWorker() bool {
	q := v.in.Queue
	return q.Workers <= 0 && (q.WorkerSeen.IsZero() || v.now.Sub(q.WorkerSeen) > silent)
}

// waiting: an attempt is due, booked or under way.
func (v *view) waiting(m *ledger.Message) []finding {
	if d := m.Delay; d != nil && d.Why == "quota" {
		f := last(v.ofMail(m, ledger.Postponed))
		return one(finding{cause: "request.quota_exhausted", conf: Certain, rank: mail, facts: []ledger.Fact{f}, notBefore: m.NextAt,
			vars: vars{"t": v.at(f.At), "route": quote(d.Route), "n": counted(d.Count), "limit": d.Limit, "next": v.at(m.NextAt)}})
	}
	q, late := v.in.Queue, v.now.Sub(m.NextAt)
	if f, ok := telling(m); ok {
		said := v.read(m, f)
		if m.InFlight || !v.overdue(m) {
			return said
		}
		// Its time has come and gone: what a host said before is not what it waits for now.
		for i := range said {
			said[i].rank, said[i].conf, said[i].notBefore, said[i].vars = note, Possible, time.Time{}, said[i].vars.with("next", "")
		}
		return append(v.neglected(m, late), said...)
	}
	if m.Delay != nil && m.Delay.Why == "directory_unavailable" {
		return nil // told by silentDirectory
	}
	f := finding{cause: "queue.waiting", conf: Certain, rank: trace, notBefore: m.NextAt, vars: vars{"step": "the next try", "next": v.at(m.NextAt)}}
	if d := m.Delay; d != nil && d.Detail != "" {
		f.vars["step"] = "the next try (" + quote(d.Detail) + ")"
	}
	f.facts = v.ofMail(m, ledger.Postponed)
	switch {
	case m.InFlight:
		dialed := last(v.ofMail(m, ledger.Dialed))
		f.vars["step"], f.vars["next"], f.facts = "a try is under way since "+or(v.at(dialed.At), "now"), "", []ledger.Fact{dialed}
		f.notBefore = time.Time{}
		if v.now.Sub(dialed.At) <= dialogue {
			return one(f)
		}
		late = v.now.Sub(dialed.At) - dialogue
	case late <= max(2*q.Wakes, overdue):
		if late >= 0 {
			f.vars["step"], f.vars["next"] = "a worker takes it within seconds", ""
			f.notBefore = time.Time{}
		}
		return one(f)
	}
	return v.neglected(m, late)
}

// overdue tells whether a mail's time came long ago, though nothing is known to hold it.
func (v *view) overdue(m *ledger.Message) bool {
	return !m.NextAt.IsZero() && v.now.Sub(m.NextAt) > max(2*v.in.Queue.Wakes, vanished) && !v.noWorker() && !v.held(m)
}

// neglected: nobody takes a mail whose time has come, though workers live.
func (v *view) neglected(m *ledger.Message, late time.Duration) []finding {
	if v.noWorker() || v.held(m) {
		return nil // told by heldBack
	}
	q := v.in.Queue
	f := finding{cause: "queue.backlog", conf: Certain, rank: mail, facts: v.ofMail(m, ledger.Postponed), vars: vars{"t": v.at(m.NextAt)}}
	if late > vanished && q.Due == 0 && q.Waiting == 0 && q.InFlight == 0 {
		return one(finding{cause: "queue.lost", conf: Likely, rank: mail, facts: asked(v.told), vars: vars{"t": v.at(m.Born)}})
	}
	if q.Due > 1 {
		f.vars["n"] = strconv.Itoa(q.Due - 1)
	}
	return one(f)
}

// held tells whether a pause keeps a mail back.
func (v *view) held(m *ledger.Message) bool {
	if v.in.Queue.Paused != nil {
		return true
	}
	_, ok := v.in.Queue.RoutePaused[m.Route]
	return ok
}

// cancelled: a person took the mail back. One that a resend took back is never the newest.
func (v *view) cancelled(m *ledger.Message) []finding {
	f := last(v.ofMail(m, ledger.Cancelled))
	return one(finding{cause: "queue.cancelled", conf: Certain, rank: mail, facts: []ledger.Fact{f},
		vars: vars{"t": v.at(f.At), "by": quote(f.By), "reason": quote(f.Reason)}})
}

// unbuilt: the mail came to its end without any host having a say.
func (v *view) unbuilt(m *ledger.Message) []finding {
	f := last(v.ofMail(m, ledger.Failed))
	out := finding{conf: Certain, rank: mail, facts: []ledger.Fact{f}, vars: vars{"t": v.at(f.At), "text": quote(m.Failure.Detail)}}
	switch m.Failure.Why {
	case "bad_link":
		out.cause = "compose.bad_link"
	case "not_configured":
		out.cause = "compose.not_configured"
	case "queue_lost":
		out.cause, out.vars["t"] = "queue.lost", v.at(m.Born)
	case "gave_up":
		return v.gaveUp(m, out)
	default:
		out.cause = "compose.template_error"
	}
	return one(out)
}

// gaveUp: the schedule ended. What the last host said explains more, if it names anything nearer than "later".
func (v *view) gaveUp(m *ledger.Message, end finding) []finding {
	end.cause, end.vars["n"] = "queue.gave_up", strconv.Itoa(max(m.Tries, len(m.Attempts)))
	end.vars["t"] = v.at(last(end.facts).At)
	return v.endedBy(m, end)
}

// endedBy puts a mail's end beside what the last host said: an obstacle with a name comes first, "not now" behind the end.
func (v *view) endedBy(m *ledger.Message, end finding) []finding {
	f, ok := telling(m)
	if !ok {
		return one(end)
	}
	end.vars["text"] = or(end.vars["text"], replyText(f.Attempt))
	end.facts = append(end.facts, f)
	said := v.read(m, f)
	for i := range said {
		said[i].notBefore, said[i].vars = time.Time{}, said[i].vars.with("next", "")
		if temporary(said[i].cause) {
			said[i].rank, said[i].conf = note, Possible
		}
	}
	return append(said, end)
}

// expired: the link's life ended before any host took the mail.
func (v *view) expired(m *ledger.Message) []finding {
	f := last(v.ofMail(m, ledger.Expired))
	end := finding{cause: "deferred.expired", conf: Certain, rank: mail, facts: []ledger.Fact{f}, vars: vars{"t": v.at(f.At)}}
	if d := f.At.Sub(m.Born); d > time.Minute {
		end.vars["span"] = span(d)
	}
	return v.endedBy(m, end)
}

// temporary tells the causes that only say "not now".
func temporary(cause string) bool {
	switch cause {
	case "deferred.greylisted", "deferred.remote_down", "deferred.other", "deferred.ambiguous", "deferred.expired":
		return true
	}
	return false
}

func asked(r *ledger.Reset) []ledger.Fact {
	if r == nil || r.Asked.ID == "" {
		return nil
	}
	return []ledger.Fact{r.Asked}
}

// loose gives the newest fact of a kind that belongs to no reset.
func (v *view) loose(e ledger.Event) []ledger.Fact {
	for i := len(v.in.Timeline.Loose) - 1; i >= 0; i-- {
		if f := v.in.Timeline.Loose[i]; f.Event == e {
			return []ledger.Fact{f}
		}
	}
	return nil
}
