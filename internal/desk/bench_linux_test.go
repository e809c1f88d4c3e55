package desk_test

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/resetd/resetd/internal/desk"
	"github.com/resetd/resetd/internal/ledger"
	"github.com/resetd/resetd/internal/store"
)

// What support waits for, and how it grows: a real Redis read, the facts folded, and a verdict for each realm. own-ms/op is the processor time of
// this process, garbage collection and the talk with Redis included. The share of diag is in its own benchmark.
func BenchmarkWhy(b *testing.B) {
	for _, n := range []int{100, 1000, 10_000} {
		f := newDesk(b)
		f.history(n)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportAllocs()
			before := spent(b)
			for b.Loop() {
				if _, err := f.Why(b.Context(), support, desk.Question{Login: "jo@a.example", Realm: "shop"}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64((spent(b)-before).Microseconds())/1000/float64(b.N), "own-ms/op")
		})
	}
}

// spent is the processor time that this process has used.
func spent(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// history gives jo's ledger n facts: resets of five facts each, the newest just now.
func (f *fixture) history(n int) {
	f.t.Helper()
	l := store.LedgerOf("shop", "jo@a.example")
	at := f.Store.Now().Add(-time.Duration(n) * time.Second)
	var facts []ledger.Fact
	for len(facts) < n {
		seed := ledger.NewSeed()
		reset, m := ledger.NewResetID(l.Partition(), seed), ledger.NewMessageID(l.Partition(), seed)
		for _, x := range []ledger.Fact{
			{Event: ledger.Requested, Ask: &ledger.Ask{Realm: "shop", Login: "jo@a.example", Page: "https://shop.us.example/login", IP: "192.0.2.7", UserAgent: "Mozilla/5.0"}},
			{Event: ledger.Issued, Issue: &ledger.Issue{Generation: 1, KeyID: "k1", TTL: 3600, Until: at.Add(ledger.MaxLife), Account: "u1", Address: "jo@a.example", Route: "mx"}},
			{Event: ledger.Attempted, Attempt: &ledger.Attempt{Try: 1, Route: "mx", Host: "mx.a.example", Stage: "rcpt", Code: 450, Enhanced: "4.2.0", Text: "Greylisted", Outcome: ledger.Deferred, Next: at.Add(time.Minute)}},
			{Event: ledger.Attempted, Attempt: &ledger.Attempt{Try: 2, Route: "mx", Host: "mx.a.example", Stage: "dot", Code: 250, Enhanced: "2.0.0", Text: "Ok: queued as 4Fx1", QueueID: "4Fx1", Outcome: ledger.Accepted}},
			{Event: ledger.Opened, Visit: &ledger.Visit{Method: "GET", IP: "192.0.2.7", UserAgent: "Mozilla/5.0 (X11; Linux x86_64)"}},
		} {
			x.ID, x.At, x.Reset, x.Message = ledger.NewEventID(), at, reset, m
			at = at.Add(time.Second)
			facts = append(facts, x)
		}
	}
	for len(facts) > 0 {
		step := min(500, len(facts))
		if err := f.Store.Append(f.t.Context(), l, facts[:step]...); err != nil {
			f.t.Fatal(err)
		}
		facts = facts[step:]
	}
}
