package diag

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/resetd/resetd/internal/ledger"
)

// Trouble is an incident: one of many people.
type Trouble struct {
	ID       string    `json:"incident"` // "inc_…", given by the store
	Kind     Kind      `json:"kind"`
	Name     string    `json:"name"`
	Cause    string    `json:"cause"`          // the probable one
	Since    time.Time `json:"since"`          // as exact as a slice, or as the first failure in it
	Until    time.Time `json:"until,omitzero"` // zero = it goes on
	Seen     time.Time `json:"seen"`           // the last failure
	Size     int       `json:"size"`           // resets that failed because of it
	Tried    int       `json:"tried"`          // mails since then; one counts once in a slice
	Failed   int       `json:"failed"`
	Usual    float64   `json:"usual"` // the rate of failures before it
	Says     string    `json:"says"`
	Evidence []string  `json:"evidence"`
	// Change is the DNS record of ours that became another one and explains it; nil = none is known.
	Change *Blamed `json:"change,omitempty"`
}

// Key is what its mails have in common.
func (t Trouble) Key() Key { return Key{t.Kind, t.Name} }

// Holds tells whether a failing mail is one of this trouble's.
func (t Trouble) Holds(f Failing) bool {
	return f.has(t.Key()) && !apart(f.Cause, t.Cause) && !f.At.Before(t.Since.Add(-slack)) && (t.Until.IsZero() || !f.At.After(t.Until.Add(slack)))
}

// apart tells a mail that fails for another reason than a trouble's: a mailbox that is full or unknown is one person's, unless the trouble is that
// a provider says so of many. cause "" = not known yet.
func apart(own, cause string) bool {
	return cause != "" && own != cause && (theirAlone(own) || theirAlone(cause))
}

// theirAlone tells a cause that lies with one recipient.
func theirAlone(cause string) bool {
	row, ok := CauseOf(cause)
	return ok && strings.HasPrefix(cause, "recipient.") && row.Blame == "recipient" && cause != "recipient.refused_other"
}

// begun makes a trouble of a suspect. Its beginning is the first slice of an unbroken row with at least half the rate of now.
func (w Watch) begun(s suspect) Trouble {
	rate := w.count(s.key, s.from, time.Time{}).rate()
	since, found := s.from, false
	for _, c := range slices.Backward(w.Slices) {
		one := c.Keys[s.key]
		if s.key.Kind == OfReason {
			one.Tried = c.Total.Tried
		}
		if one.Tried+one.Failed == 0 {
			continue // nobody asked
		}
		if one.Failed > 0 && one.rate() >= rate/2 {
			since, found = c.Start, true
		} else if found {
			break
		}
	}
	for _, f := range w.Failing {
		if d := f.At.Sub(since); s.resets[f.Reset] && d >= 0 && d < Slice {
			since = f.At
			break
		}
	}
	since = w.reaching(s, since)
	return w.described(Trouble{Kind: s.key.Kind, Name: s.key.Name, Since: since, Usual: s.usual})
}

// reaching moves a beginning back until as many resets lie behind it as make a trouble: a moment without failures in between does not end it.
func (w Watch) reaching(s suspect, since time.Time) time.Time {
	seen := map[ledger.ResetID]bool{}
	for _, f := range slices.Backward(w.Failing) {
		if f.At.Before(s.from) || f.At.Before(since) && len(seen) >= fewestResets {
			break
		}
		if s.resets[f.Reset] {
			seen[f.Reset] = true
			if f.At.Before(since) {
				since = f.At
			}
		}
	}
	return since
}

// follow brings a trouble up to date, and ends it when mails pass again.
func (w Watch) follow(t Trouble) Trouble {
	t = w.described(t)
	latest := w.count(t.Key(), w.Now.Truncate(Slice).Add(-2*Slice), time.Time{})
	switch rate := float64(t.Failed) / float64(max(t.Tried, 1)); {
	case latest.Tried > 0 && passes(latest, t.Usual, rate):
		t.Until = w.Now
	case w.Now.Sub(later(t.Seen, t.Since)) > quiet:
		t.Until = later(t.Seen, t.Since)
	}
	if !t.Until.IsZero() {
		t.Says = t.sentence()
	}
	return t
}

func (w Watch) described(t Trouble) Trouble {
	if t.Cause == "" {
		t.Cause, _ = w.mostly(t.Holds)
	}
	ours := map[ledger.ResetID]bool{}
	others := map[Key]int{}
	for _, f := range w.Failing {
		if !t.Holds(f) {
			continue
		}
		t.Seen = later(t.Seen, f.At)
		if !ours[f.Reset] {
			for _, k := range f.Marks.Keys() {
				others[k]++
			}
		}
		ours[f.Reset] = true
	}
	// Up to the last failure: what passes after it is no part of the trouble.
	c := w.count(t.Key(), t.Since.Truncate(Slice), t.Seen.Truncate(Slice).Add(Slice))
	t.Tried, t.Failed = max(t.Tried, c.Tried), max(t.Failed, c.Failed)
	t.Size = max(t.Size, len(ours))
	cause, code := w.mostly(t.Holds)
	if t.Cause = or(cause, t.Cause); t.Kind == OfProvider && (t.Cause == "deferred.other" || t.Cause == "deferred.remote_down") {
		t.Cause = "deferred.provider_outage"
	}
	t.Change, t.Cause = w.blamed(t)
	if len(ours) > 0 {
		t.Evidence = w.evidence(t, cause, code, others, len(ours))
	}
	t.Says = t.sentence()
	return t
}

func (w Watch) evidence(t Trouble, cause, code string, others map[Key]int, n int) []string {
	out := []string{fmt.Sprintf("%d of %d mails failed since %s; some %s of 100 were to be expected.", t.Failed, t.Tried, minute(t.Since), percent(t.Usual))}
	out = append(out, fmt.Sprintf("What is said most: %s%s.", cause, led(" (", code, ")")))
	var shared []string
	for _, kind := range []Kind{OfProvider, OfSender, OfRoute, OfRealm} {
		for k, c := range others {
			if k.Kind == kind && k != t.Key() && float64(c) >= 0.9*float64(n) {
				shared = append(shared, string(kind)+" "+k.Name)
			}
		}
	}
	if len(shared) > 0 {
		out = append(out, "Nearly all of them also share: "+strings.Join(shared, ", ")+".")
	}
	sender := w.senderOf(t)
	for _, c := range w.Changes {
		d := t.Since.Sub(c.At)
		since := d <= 0 && sender != "" && strings.EqualFold(c.Domain, sender) && (t.Until.IsZero() || !c.At.After(t.Until))
		if d > -Slice && d < 2*time.Hour || since || t.Change != nil && c.At.Equal(t.Change.At) {
			out = append(out, minute(c.At)+": "+c.Says)
		}
	}
	return out
}

func (t Trouble) sentence() string {
	s := fmt.Sprintf("Since %s mails %s fail: %d resets so far", minute(t.Since), t.about(), t.Size)
	if !t.Until.IsZero() {
		s = fmt.Sprintf("From %s to %s mails %s failed: %d resets", minute(t.Since), minute(t.Until), t.about(), t.Size)
	}
	s += led(" (probable cause: ", t.Cause, ")") + "."
	if t.Change != nil {
		s += " " + minute(t.Change.At) + ": " + t.Change.Says
	}
	return s
}

func (t Trouble) about() string {
	switch t.Kind {
	case OfProvider:
		return "to " + named(t.Name)
	case OfSender:
		return "from " + t.Name
	case OfRoute:
		return "by the route " + t.Name
	case OfRealm:
		return "of the realm " + t.Name
	}
	return "everywhere"
}

func minute(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

func percent(p float64) string { return fmt.Sprintf("%.0f", 100*p) }

// IncidentOf finds the trouble that a case's newest failure belongs to; nil = none. Of several the newest is given.
func IncidentOf(in Input, troubles []Trouble) *Incident {
	if len(troubles) == 0 {
		return nil
	}
	v := look(&in)
	if v.told == nil || v.mail == nil {
		return nil
	}
	marks := Marks{Route: v.mail.Route}
	if in.Realm != nil {
		marks.Realm, marks.Sender = in.Realm.Name, domainOf(in.Realm.From)
	}
	var failing []Failing
	for _, f := range v.facts {
		if f.Message != v.mail.ID {
			continue
		}
		one := Failing{At: f.At, Reset: f.Reset, Marks: marks}
		switch {
		case f.Event == ledger.Attempted && f.Attempt != nil:
			one.Cause, one.Marks.Provider, one.Marks.Route = AttemptCause(in.Replies, *f.Attempt), ProviderOf(f.Attempt), f.Attempt.Route
		case f.Event == ledger.Bounced && f.Return != nil:
			one.Cause, one.Marks.Provider = ReturnCause(in.Replies, *f.Return), ProviderOf(&ledger.Attempt{Host: f.Return.RemoteHost})
		case f.Event == ledger.Postponed && f.Delay != nil && f.Delay.Why == "directory_unavailable":
			one.Cause = "account.directory_unavailable"
		case f.Event == ledger.Failed && f.Failure != nil:
			one.Cause = "compose." + f.Failure.Why
		}
		if one.Cause != "" {
			failing = append(failing, one)
		}
	}
	for _, t := range troubles {
		for _, f := range failing {
			if t.Holds(f) {
				return &Incident{ID: t.ID, Cause: t.Cause, Since: t.Since, Says: t.Says}
			}
		}
	}
	return nil
}
