package ledger_test

import (
	"encoding/json"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/resetd/resetd/internal/ledger"
)

var t0 = time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC)

const reset, first, second = ledger.ResetID("rst_a"), ledger.MessageID("msg_1"), ledger.MessageID("msg_2")

// at makes a fact of the one reset, s seconds after the beginning.
func at(s int, m ledger.MessageID, e ledger.Event, change func(*ledger.Fact)) ledger.Fact {
	f := ledger.Fact{ID: ledger.NewEventID(), At: t0.Add(time.Duration(s) * time.Second), Event: e, Reset: reset, Message: m}
	if change != nil {
		change(&f)
	}
	return f
}

func issued(s, gen int, m ledger.MessageID) ledger.Fact {
	return at(s, m, ledger.Issued, func(f *ledger.Fact) {
		f.Issue = &ledger.Issue{Generation: gen, TTL: 3600, Until: f.At.Add(ledger.MaxLife), Account: "u1", Address: "jo@a.example", Route: "mx"}
	})
}

func tried(s, try int, m ledger.MessageID, o ledger.Outcome, next int) ledger.Fact {
	return at(s, m, ledger.Attempted, func(f *ledger.Fact) {
		f.Attempt = &ledger.Attempt{Try: try, Route: "mx", Outcome: o}
		if next > 0 {
			f.Attempt.Next = t0.Add(time.Duration(next) * time.Second)
		}
	})
}

func dialed(s, try int, m ledger.MessageID) ledger.Fact {
	return at(s, m, ledger.Dialed, func(f *ledger.Fact) { f.Attempt = &ledger.Attempt{Try: try, Route: "mx"} })
}

func returned(s int, m ledger.MessageID, e ledger.Event, action string, matched bool) ledger.Fact {
	return at(s, m, e, func(f *ledger.Fact) { f.Return = &ledger.Return{Action: action, Matched: matched} })
}

func asked(s int, m ledger.MessageID) ledger.Fact {
	return at(s, m, ledger.Requested, func(f *ledger.Fact) { f.Ask = &ledger.Ask{Realm: "shop", Login: "jo@a.example"} })
}

// What a row of facts adds up to, whatever the order in which they were written.
func TestStates(t *testing.T) {
	base := []ledger.Fact{asked(0, first), issued(1, 1, first), dialed(2, 1, first)}
	cases := map[string]struct {
		facts []ledger.Fact
		state ledger.State
		next  int // seconds; 0 = none
	}{
		"just asked":                     {base[:1], ledger.Waiting, -1},
		"under way":                      {base, ledger.Waiting, -1},
		"accepted":                       {append(base, tried(3, 1, first, ledger.Accepted, 0)), ledger.Sent, 0},
		"deferred":                       {append(base, tried(3, 1, first, ledger.Deferred, 60)), ledger.Waiting, 60},
		"deferred, then accepted":        {append(base, tried(3, 1, first, ledger.Deferred, 60), tried(61, 2, first, ledger.Accepted, 0)), ledger.Sent, 0},
		"rejected":                       {append(base, tried(3, 1, first, ledger.Rejected, 0)), ledger.IsFailed, 0},
		"no such domain":                 {append(base, tried(3, 1, first, ledger.NoHost, 0)), ledger.IsFailed, 0},
		"one host down, next accepted":   {append(base, tried(3, 1, first, ledger.Unreachable, 0), tried(4, 1, first, ledger.Accepted, 0)), ledger.Sent, 0},
		"reply lost, booked again":       {append(base, tried(3, 1, first, ledger.Ambiguous, 60)), ledger.Unsure, 60},
		"reply lost, rests":              {append(base, tried(3, 1, first, ledger.Ambiguous, 0)), ledger.Unsure, 0},
		"reply lost, then unreachable":   {append(base, tried(3, 1, first, ledger.Ambiguous, 60), tried(61, 2, first, ledger.Unreachable, 200)), ledger.Unsure, 200},
		"reply lost, then reported":      {append(base, tried(3, 1, first, ledger.Ambiguous, 60), returned(9, first, ledger.Confirmed, "delivered", true)), ledger.Sent, 0},
		"accepted, then bounced":         {append(base, tried(3, 1, first, ledger.Accepted, 0), returned(9, first, ledger.Bounced, "failed", true)), ledger.IsFailed, 0},
		"a bounce whose clock is behind": {append(base, returned(2, first, ledger.Bounced, "failed", true), tried(3, 1, first, ledger.Accepted, 0)), ledger.IsFailed, 0},
		"accepted, then a forged bounce": {append(base, tried(3, 1, first, ledger.Accepted, 0), returned(9, first, ledger.Bounced, "failed", false)), ledger.Sent, 0},
		"accepted, then delayed":         {append(base, tried(3, 1, first, ledger.Accepted, 0), returned(9, first, ledger.Bounced, "delayed", true)), ledger.Sent, 0},
		"expired":                        {append(base, tried(3, 1, first, ledger.Deferred, 86401), at(86401, first, ledger.Expired, nil)), ledger.IsExpired, 0},
		"reply lost, then expired":       {append(base, tried(3, 1, first, ledger.Ambiguous, 60), at(86401, first, ledger.Expired, nil)), ledger.Unsure, 0},
		"cancelled":                      {append(base, tried(3, 1, first, ledger.Deferred, 60), at(9, first, ledger.Cancelled, nil)), ledger.Withdrawn, 0},
		"sent, then cancelled too late":  {append(base, tried(3, 1, first, ledger.Accepted, 0), at(9, first, ledger.Cancelled, nil)), ledger.Sent, 0},
		"refused":                        {append(base[:1:1], at(1, first, ledger.Refused, func(f *ledger.Fact) { f.Refusal = &ledger.Refusal{Why: ledger.WhySSO} })), ledger.IsRefused, 0},
		"not to be built":                {append(base[:2:2], at(2, first, ledger.Failed, func(f *ledger.Fact) { f.Failure = &ledger.Failure{Why: "template_error"} })), ledger.IsFailed, 0},
		"directory silent": {append(base[:1:1], at(1, first, ledger.Postponed, func(f *ledger.Fact) {
			f.Delay = &ledger.Delay{Why: "directory_unavailable", Next: t0.Add(61 * time.Second)}
		})), ledger.Waiting, 61},
		"resent while the first is failed": {append(base, tried(3, 1, first, ledger.Rejected, 0), at(9, second, ledger.Resent, func(f *ledger.Fact) { f.Resend = &ledger.Resend{From: first, Gen: 1} })), ledger.Waiting, -1},
		"redeemed":                         {append(base, tried(3, 1, first, ledger.Accepted, 0), at(9, "", ledger.Redeemed, func(f *ledger.Fact) { f.Redemption = &ledger.Redemption{Gen: 1} })), ledger.Used, 0},
		"redeemed, and revived": {append(base, tried(3, 1, first, ledger.Accepted, 0), at(9, "", ledger.Redeemed, func(f *ledger.Fact) { f.Redemption = &ledger.Redemption{Gen: 1} }),
			at(10, "", ledger.Reported, func(f *ledger.Fact) { f.Report = &ledger.Report{Kind: "failed", Revived: true} })), ledger.Sent, 0},
		"redeemed, and the app failed too late": {append(base, tried(3, 1, first, ledger.Accepted, 0), at(9, "", ledger.Redeemed, func(f *ledger.Fact) { f.Redemption = &ledger.Redemption{Gen: 1} }),
			at(10, "", ledger.Reported, func(f *ledger.Fact) { f.Report = &ledger.Report{Kind: "failed"} })), ledger.Used, 0},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			for range 3 {
				facts := append([]ledger.Fact(nil), c.facts...)
				rand.Shuffle(len(facts), func(i, j int) { facts[i], facts[j] = facts[j], facts[i] })
				facts = append(facts, facts[0]) // a writer that tried again
				tl := ledger.Fold(facts)
				r := tl.Reset(reset)
				if r == nil || r.State != c.state {
					t.Fatalf("state %+v, want %s", r, c.state)
				}
				next := r.Newest().NextAt
				if c.next == 0 && !next.IsZero() || c.next > 0 && !next.Equal(t0.Add(time.Duration(c.next)*time.Second)) {
					t.Errorf("next attempt at %v, want %d s", next, c.next)
				}
				if len(r.Facts) != len(c.facts) {
					t.Errorf("%d facts, want %d: one that was written twice counts once", len(r.Facts), len(c.facts))
				}
			}
		})
	}
}

// A token's life counts from the latest acceptance known, and ends 24 h after Issued at the latest.
func TestExpiry(t *testing.T) {
	base := []ledger.Fact{asked(0, first), issued(1, 1, first)}
	day := 1 + 24*3600
	for name, c := range map[string]struct {
		facts []ledger.Fact
		want  int
	}{
		"not accepted yet":            {base, day},
		"accepted":                    {append(base, tried(10, 1, first, ledger.Accepted, 0)), 10 + 3600},
		"moved by a delivered report": {append(base, tried(10, 1, first, ledger.Accepted, 0), returned(500, first, ledger.Confirmed, "delivered", true)), 500 + 3600},
		"not moved by a stranger's":   {append(base, tried(10, 1, first, ledger.Accepted, 0), returned(500, first, ledger.Confirmed, "delivered", false)), 10 + 3600},
		"accepted late, capped":       {append(base, tried(day-60, 1, first, ledger.Accepted, 0)), day},
		"a resend of the same token":  {append(base, tried(10, 1, first, ledger.Accepted, 0), issued(100, 1, second), tried(101, 1, second, ledger.Accepted, 0)), 101 + 3600},
		"an ambiguous end may be one": {append(base, tried(10, 1, first, ledger.Ambiguous, 0)), 10 + 3600},
		"a deferral is no acceptance": {append(base, tried(10, 1, first, ledger.Deferred, 60)), day},
	} {
		tl := ledger.Fold(c.facts)
		if got, want := tl.Reset(reset).Gen().Expires(), t0.Add(time.Duration(c.want)*time.Second); !got.Equal(want) {
			t.Errorf("%s: %v, want %v", name, got.Sub(t0), want.Sub(t0))
		}
	}
}

// link.dead_on_arrival: whenever within its day a mail is taken, its link lives from then on for a while.
func TestNoLinkIsDeadOnArrival(t *testing.T) {
	day := 1 + 24*3600
	for at := 2; at < day; at += 599 {
		tl := ledger.Fold([]ledger.Fact{asked(0, first), issued(1, 1, first), tried(at, 1, first, ledger.Accepted, 0)})
		if g := tl.Reset(reset).Gen(); !g.Expires().After(g.Accepted) {
			t.Fatalf("taken after %d s, and dead then", at)
		}
	}
}

// Ids carry their partition, have one spelling, and nothing else is one.
func TestIDs(t *testing.T) {
	id := ledger.NewResetID(63, ledger.NewSeed())
	if p, err := ledger.Partition(string(id)); p != 63 || err != nil {
		t.Error(p, err)
	}
	if got, err := ledger.ParseResetID(string(id)); got != id || err != nil {
		t.Error(got, err)
	}
	for _, bad := range []string{"", "rst_", string(id)[:31], string(id) + "a", "msg" + string(id)[3:], "rst_" + "7" + string(id)[5:], string(id)[:31] + "b", "RST_" + string(id)[4:]} {
		if _, err := ledger.ParseResetID(bad); err == nil {
			t.Errorf("%q is taken for an id", bad)
		}
	}
	s := ledger.NewSeed()
	same := s
	if s.Derive("a") == s.Derive("b") || s.Derive("a") != same.Derive("a") {
		t.Error("derived seeds")
	}
}

// A fact survives being written and read.
func TestFactsAreKeptWhole(t *testing.T) {
	f := tried(3, 2, first, ledger.Deferred, 60)
	f.Attempt.Text, f.Attempt.Began = "450 \x00 ü \"later\"", t0
	b, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	var got ledger.Fact
	if err := json.Unmarshal(b, &got); err != nil || got.ID != f.ID || !got.At.Equal(f.At) || *got.Attempt != *f.Attempt {
		t.Errorf("%+v, %v", got, err)
	}
}

func BenchmarkFold(b *testing.B) {
	var facts []ledger.Fact
	for i := range 200 {
		id := ledger.NewResetID(1, ledger.NewSeed())
		for _, f := range []ledger.Fact{asked(i*10, first), issued(i*10+1, 1, first), dialed(i*10+2, 1, first), tried(i*10+3, 1, first, ledger.Accepted, 0)} {
			f.Reset = id
			facts = append(facts, f)
		}
	}
	for b.Loop() {
		ledger.Fold(facts)
	}
}
