package ledger

import (
	"cmp"
	"slices"
	"time"
)

// State is what has become of a message or a reset. States are folded from facts and never stored beside them.
type State string

const (
	Waiting   State = "waiting"   // an attempt is due, booked or under way
	Sent      State = "sent"      // a host took it, and nothing came back
	Unsure    State = "ambiguous" // a host may have it: the reply to the final dot was lost
	IsRefused State = "refused"   // decided that no mail is sent
	IsFailed  State = "failed"    // refused by a host, returned, or not to be built
	IsExpired State = "expired"   // no host took it while its token lived
	Withdrawn State = "cancelled" // taken back by a person or by a resend
	Used      State = "redeemed"  // resets only
)

// MaxLife is the longest that a token can live, counted from Issued.
const MaxLife = 24 * time.Hour

// Reset is one ask and all that became of it.
type Reset struct {
	ID       ResetID
	Asked    Fact // the Requested fact; zero when retention took it
	State    State
	Messages []*Message // oldest first
	Gens     []Generation
	Refusal  *Refusal // of the newest message, when it was refused
	Redeemed *Fact    // the last Redeemed fact that was not revived
	Facts    []Fact   // all of them, by time
}

// Message is one mail of a reset.
type Message struct {
	ID       MessageID
	State    State
	Route    string
	Born     time.Time // asked for, or resent
	Gen      int       // the generation of the token it carries; 0 = none yet
	NextAt   time.Time // when the next attempt is booked; zero = none
	InFlight bool      // an attempt began and has not ended
	Tries    int
	Attempts []Fact // Attempted, by time
	Returns  []Fact // Bounced, Complained, AutoReplied, Confirmed
	Refusal  *Refusal
	Failure  *Failure
	Delay    *Delay // the newest Postponed, when nothing has happened since
	Resend   *Fact  // the Resent fact that made it; nil = the first
	lastTry  time.Time
}

// Generation is one value of a reset's token.
type Generation struct {
	Issue
	N        int
	IssuedAt time.Time
	Accepted time.Time // latest acceptance known of a mail that carries it; zero = none
}

// Expires says when the generation's token dies: its life counts from the latest acceptance, at most MaxLife from Issued.
func (g Generation) Expires() time.Time {
	if g.Accepted.IsZero() {
		return g.Until
	}
	if t := g.Accepted.Add(g.TTL.Duration()); t.Before(g.Until) {
		return t
	}
	return g.Until
}

// Newest is the message that rules look at; nil when the reset has none.
func (r *Reset) Newest() *Message {
	if len(r.Messages) == 0 {
		return nil
	}
	return r.Messages[len(r.Messages)-1]
}

// Message finds one of the reset's messages; nil = none such.
func (r *Reset) Message(id MessageID) *Message {
	for _, m := range r.Messages {
		if m.ID == id {
			return m
		}
	}
	return nil
}

// Gen is the newest generation; the zero value when no token was issued.
func (r *Reset) Gen() Generation {
	if len(r.Gens) == 0 {
		return Generation{}
	}
	return r.Gens[len(r.Gens)-1]
}

// Generation finds one by its number.
func (r *Reset) Generation(n int) (Generation, bool) {
	for _, g := range r.Gens {
		if g.N == n {
			return g, true
		}
	}
	return Generation{}, false
}

// Timeline is a ledger folded: its resets in the order they were asked, and the facts that belong to no reset.
type Timeline struct {
	Resets []*Reset
	Loose  []Fact // Reported, Suppressed, Released without a reset, by time
}

// Reset finds one; nil = none such.
func (t *Timeline) Reset(id ResetID) *Reset {
	for _, r := range t.Resets {
		if r.ID == id {
			return r
		}
	}
	return nil
}

// Newest is the reset asked last; nil = nobody asked.
func (t *Timeline) Newest() *Reset {
	if len(t.Resets) == 0 {
		return nil
	}
	return t.Resets[len(t.Resets)-1]
}

// Fold adds up facts. Their order may be any: late facts (a bounce of last week) are sorted by time first. The timeline may point into facts,
// which are never changed.
func Fold(facts []Fact) Timeline {
	byTime := func(a, b Fact) int { return a.At.Compare(b.At) }
	if !slices.IsSortedFunc(facts, byTime) { // as they mostly come; the caller's order is the caller's
		facts = slices.Clone(facts)
		slices.SortStableFunc(facts, byTime)
	}
	var t Timeline
	byID := make(map[ResetID]*Reset)
	seen := make(map[EventID]bool, len(facts))
	many := make(map[ResetID]int) // a fact is large: the slices of them are made once
	for i := range facts {
		many[facts[i].Reset]++
	}
	for i := range facts {
		f := &facts[i]
		if f.ID != "" && seen[f.ID] {
			continue // written twice by a writer that tried again
		}
		seen[f.ID] = true
		if f.Reset == "" {
			t.Loose = append(t.Loose, *f)
			continue
		}
		r := byID[f.Reset]
		if r == nil {
			r = &Reset{ID: f.Reset, Facts: make([]Fact, 0, many[f.Reset])}
			byID[f.Reset] = r
			t.Resets = append(t.Resets, r)
		}
		r.add(f)
	}
	for _, r := range t.Resets {
		r.settle()
	}
	slices.SortFunc(t.Resets, func(a, b *Reset) int {
		return cmp.Or(a.bornAt().Compare(b.bornAt()), cmp.Compare(a.ID, b.ID))
	})
	return t
}

func (r *Reset) bornAt() time.Time {
	if !r.Asked.At.IsZero() {
		return r.Asked.At
	}
	if len(r.Facts) > 0 {
		return r.Facts[0].At
	}
	return time.Time{}
}

// add takes one fact, in order of time, and keeps it.
func (r *Reset) add(f *Fact) {
	r.Facts = append(r.Facts, *f)
	switch f.Event {
	case Requested:
		r.Asked = *f
	case Redeemed:
		r.Redeemed = f
	case Reported:
		// A failed outcome revives the token: the redeem did not end in a new password.
		if f.Report != nil && f.Report.Revived {
			r.Redeemed = nil
		}
	case Issued:
		if f.Issue != nil {
			if _, have := r.Generation(f.Issue.Generation); !have {
				r.Gens = append(r.Gens, Generation{Issue: *f.Issue, N: f.Issue.Generation, IssuedAt: f.At})
			}
		}
	}
	if f.Message == "" {
		return
	}
	m := r.Message(f.Message)
	if m == nil {
		m = &Message{ID: f.Message, State: Waiting, Born: f.At, NextAt: f.At}
		r.Messages = append(r.Messages, m)
	}
	m.add(f, r)
}

func (m *Message) add(f *Fact, r *Reset) {
	switch f.Event {
	case Resent:
		m.Resend = f
		if f.Resend != nil {
			m.Gen, m.Route = f.Resend.Gen, f.Resend.Route
		}
	case Refused:
		m.State, m.Refusal, m.NextAt = IsRefused, f.Refusal, time.Time{}
	case Issued:
		if f.Issue != nil {
			m.Gen, m.Route = f.Issue.Generation, f.Issue.Route
		}
	case Postponed:
		m.Delay = f.Delay
		if f.Delay != nil {
			m.NextAt = f.Delay.Next
		}
		m.InFlight = false
	case Dialed:
		m.InFlight, m.lastTry, m.Delay = true, f.At, nil
		if f.Attempt != nil {
			m.Tries, m.Route = max(m.Tries, f.Attempt.Try), f.Attempt.Route
		}
	case Attempted:
		m.attempted(f, r)
	case Failed:
		m.State, m.Failure, m.NextAt, m.InFlight = IsFailed, f.Failure, time.Time{}, false
	case Expired:
		if m.State == Waiting || m.State == Unsure && !m.NextAt.IsZero() {
			if m.State == Waiting {
				m.State = IsExpired
			}
			m.NextAt, m.InFlight = time.Time{}, false
		}
	case Cancelled:
		m.NextAt, m.InFlight = time.Time{}, false
		if m.State == Waiting {
			m.State = Withdrawn
		}
	case Bounced:
		m.Returns = append(m.Returns, *f)
		if f.Return != nil && f.Return.Matched && f.Return.Action == "failed" && m.State != IsRefused {
			m.State, m.NextAt = IsFailed, time.Time{}
		}
	case Confirmed:
		m.Returns = append(m.Returns, *f)
		if f.Return != nil && f.Return.Matched {
			r.accept(m.Gen, f.At)
			// A delivery that is reported after a failure: whoever had the mail got it through after all.
			after := m.State == IsFailed && m.cameBack() && f.Return.Action == "delivered"
			if m.State == Waiting || m.State == Unsure || after {
				m.State, m.NextAt = Sent, time.Time{}
			}
		}
	case Complained, AutoReplied:
		m.Returns = append(m.Returns, *f)
	}
}

// cameBack says whether a host has given the message up. A provider tells times in whole seconds, so that a bounce may stand before
// the acceptance that it followed.
func (m *Message) cameBack() bool {
	return slices.ContainsFunc(m.Returns, func(f Fact) bool {
		return f.Event == Bounced && f.Return != nil && f.Return.Matched && f.Return.Action == "failed"
	})
}

func (m *Message) attempted(f *Fact, r *Reset) {
	m.Attempts = append(m.Attempts, *f)
	a := f.Attempt
	if a == nil {
		return
	}
	m.InFlight, m.Delay = false, nil
	m.Tries, m.Route = max(m.Tries, a.Try), a.Route
	switch a.Outcome {
	case Accepted:
		r.accept(m.Gen, f.At)
		m.NextAt = time.Time{}
		if !m.cameBack() {
			m.State = Sent
		}
	case Ambiguous:
		r.accept(m.Gen, f.At)
		if m.State == Withdrawn {
			m.State = Unsure // nothing more is booked for it
		} else if m.State != Sent {
			m.State, m.NextAt = Unsure, a.Next
		}
	case Rejected, NoHost:
		if m.State == Waiting && a.Next.IsZero() {
			m.State = IsFailed
		}
		m.NextAt = a.Next
	default:
		if m.State == Waiting || m.State == Unsure {
			m.NextAt = a.Next
		}
	}
}

func (r *Reset) accept(gen int, at time.Time) {
	for i := range r.Gens {
		if r.Gens[i].N == gen && at.After(r.Gens[i].Accepted) {
			r.Gens[i].Accepted = at
		}
	}
}

// settle decides the reset's state once all facts are in.
func (r *Reset) settle() {
	m := r.Newest()
	switch {
	case r.Redeemed != nil:
		r.State = Used
	case m != nil:
		r.State, r.Refusal = m.State, m.Refusal
	default:
		r.State = Waiting
	}
}
