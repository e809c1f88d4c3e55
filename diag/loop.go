package diag

import (
	"slices"
	"time"

	"github.com/resetd/resetd/diag/reply"
	"github.com/resetd/resetd/internal/ledger"
)

// LoopResult is what became of one link of the chain.
type LoopResult string

const (
	LoopOK         LoopResult = "ok"
	LoopFailed     LoopResult = "failed"
	LoopNotReached LoopResult = "not_reached" // the chain broke before it, or has not come so far
	LoopUnknown    LoopResult = "unknown"     // it could not be seen; Says tells why
)

// LoopLink is one link of the chain that a canary goes through.
type LoopLink struct {
	Name   string     `json:"link"` // one of LoopLinks
	Result LoopResult `json:"result"`
	At     time.Time  `json:"at,omitzero"`     // when it was decided; zero = not yet
	Millis int64      `json:"ms,omitempty"`    // what it took, from the link before it
	Says   string     `json:"says"`            // what was seen, or why it failed
	Cause  string     `json:"cause,omitempty"` // the cause that it leads to in the verdict of a person's mail
}

// LoopLinks names the links, in the order of the chain.
func LoopLinks() []string {
	return []string{"request", "queue", "send", "receive", "spf", "dkim", "dmarc", "body", "link", "page", "redeem", "return"}
}

// LoopRun is one loop check: a canary that went through the chain.
type LoopRun struct {
	Domain  string         `json:"domain"`
	Route   string         `json:"route"`
	Reset   ledger.ResetID `json:"reset"` // of the canary; its ledger holds every fact
	State   string         `json:"state"` // running, ok, failed; unknown where nothing failed and something that matters could not be seen
	Began   time.Time      `json:"began"`
	Ended   time.Time      `json:"ended,omitzero"` // zero = it runs
	Links   []LoopLink     `json:"links"`
	LastOK  time.Time      `json:"last_ok,omitzero"` // when a canary last went through on this way; zero = never, or not concluded
	Causes  []string       `json:"causes,omitempty"`
	Hops    []string       `json:"hops,omitempty"`    // hosts that passed it on, the first one first
	Claims  []string       `json:"claims,omitempty"`  // what they say of its authentication: evidence, never proof
	Changes []string       `json:"changes,omitempty"` // what is not as it was sent
}

// Failed are the names of the links that failed.
func (r LoopRun) Failed() []string {
	var out []string
	for _, l := range r.Links {
		if l.Result == LoopFailed {
			out = append(out, l.Name)
		}
	}
	return out
}

// Link finds one by its name; the zero value where there is none.
func (r LoopRun) Link(name string) LoopLink {
	for _, l := range r.Links {
		if l.Name == name {
			return l
		}
	}
	return LoopLink{}
}

// LoopInput is what a loop check is judged by.
type LoopInput struct {
	Now     time.Time
	Domain  string
	Route   string
	Smart   bool          // the route's host is a relay; else it is our own receiver
	Mailbox bool          // returned mail is fetched from a mailbox too: what our receiver did not get may have gone there
	Began   time.Time     // when it was asked for
	Within  time.Duration // how long the whole may take
	ID      ledger.ResetID
	Reset   *ledger.Reset // nil = its request is not in the record
	Queue   Queue
	Blind   []Blind
	Replies *reply.Book // what hosts' words mean; nil = the built-in rules
}

// chain is a run that is being judged.
type chain struct {
	LoopInput
	over bool
	run  LoopRun
	m    *ledger.Message // nil = none yet
	last time.Time       // when the newest link that is ok was decided
}

// Loop says how far a canary has come, link by link. It is a function of the canary's facts: asked again, it says the same.
func Loop(in LoopInput) LoopRun {
	c := &chain{LoopInput: in, over: in.Now.Sub(in.Began) >= in.Within, last: in.Began}
	c.run = LoopRun{Domain: in.Domain, Route: in.Route, Reset: in.ID, Began: in.Began}
	if in.Reset != nil {
		c.m = in.Reset.Newest()
	}
	c.request()
	c.queued()
	c.sent()
	c.received()
	c.opened()
	c.returned()
	c.conclude()
	return c.run
}

func (c *chain) add(l LoopLink) {
	if l.Result == LoopOK && !l.At.IsZero() {
		l.Millis = max(0, l.At.Sub(c.last).Milliseconds())
		c.last = l.At
	}
	l.At = l.At.UTC()
	c.run.Links = append(c.run.Links, l)
	if l.Cause != "" && !slices.Contains(c.run.Causes, l.Cause) {
		c.run.Causes = append(c.run.Causes, l.Cause)
	}
}

func (c *chain) ok(name string, at time.Time, says string) {
	c.add(LoopLink{Name: name, Result: LoopOK, At: at, Says: says})
}

func (c *chain) fails(name, cause string, at time.Time, says string) {
	c.add(LoopLink{Name: name, Result: LoopFailed, At: at, Says: says, Cause: cause})
}

func (c *chain) unknown(name, says string) {
	c.add(LoopLink{Name: name, Result: LoopUnknown, Says: says})
}

// pending is a link to which the chain has not come; says tells what it waits for.
func (c *chain) pending(name, says string) {
	if n := len(c.run.Links); n > 0 && c.run.Links[n-1].Result == LoopNotReached && !c.over && len(c.run.Failed()) == 0 {
		says = "The canary has not come so far."
	}
	c.add(LoopLink{Name: name, Result: LoopNotReached, Says: says})
}

// held tells whether a link is ok.
func (c *chain) held(name string) bool { return c.run.Link(name).Result == LoopOK }

// fact finds the newest fact of an event about the canary.
func (c *chain) fact(e ledger.Event) (found ledger.Fact, ok bool) {
	if c.Reset == nil {
		return found, false
	}
	for _, f := range slices.Backward(c.Reset.Facts) {
		if f.Event == e {
			return f, true
		}
	}
	return found, false
}

// step finds the first fact of a step: a second copy of the canary changes nothing.
func (c *chain) step(s ledger.LoopStep) (found ledger.Fact, ok bool) {
	if c.Reset == nil {
		return found, false
	}
	for _, f := range c.Reset.Facts {
		if f.Event == ledger.Checked && f.Check != nil && f.Check.Loop != nil && f.Check.Loop.Step == s {
			return f, true
		}
	}
	return found, false
}

// conclude decides how the whole came out. A run ends when each link is decided or can no longer be, or its time is over.
func (c *chain) conclude() {
	failed, open := false, false
	broken := false
	for _, l := range c.run.Links {
		switch l.Result {
		case LoopFailed:
			failed = true
			broken = broken || l.Name != "spf" && l.Name != "dkim" && l.Name != "dmarc" && l.Name != "body" && l.Name != "return"
		case LoopNotReached:
			// Behind a break nothing more is to come, but for the way back, which is tried by itself.
			open = open || !broken || l.Name == "return" && c.held("send")
		}
	}
	switch {
	case open && !c.over:
		c.run.State = "running"
		return
	case failed:
		c.run.State = "failed"
	case c.held("receive") && c.held("redeem"):
		c.run.State = "ok"
	default:
		c.run.State = "unknown"
	}
	c.run.Ended = c.Now.UTC()
}
