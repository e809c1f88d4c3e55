package store_test

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/resetd/resetd/internal/ledger"
	"github.com/resetd/resetd/internal/sim/redistest"
	"github.com/resetd/resetd/internal/store"
)

// lossy stands between a store and its Redis and can lose one reply: the server did what it was told, and the client never hears of it.
// The client library then sends the same command again.
type lossy struct {
	lose atomic.Int64 // counts replies down: the one that makes it 0 is lost
	lost atomic.Int64
}

func (l *lossy) serve(in net.Listener, to string, running *sync.WaitGroup) {
	for {
		client, err := in.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", to)
		if err != nil {
			client.Close()
			continue
		}
		running.Go(func() {
			io.Copy(server, client)
			server.Close()
		})
		running.Go(func() {
			defer client.Close()
			defer server.Close()
			buf := make([]byte, 64<<10)
			for {
				n, err := server.Read(buf)
				if err != nil {
					return
				}
				if l.lose.Add(-1) == 0 {
					l.lost.Add(1)
					return
				}
				if _, err := client.Write(buf[:n]); err != nil {
					return
				}
			}
		})
	}
}

// openLossy gives a store whose Redis lies behind a lossy line.
func openLossy(t *testing.T) (*store.Store, *lossy) {
	t.Helper()
	to := redistest.Start(t)
	in, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &lossy{}
	var running sync.WaitGroup
	running.Go(func() { l.serve(in, to, &running) })
	rdb, err := store.Open("redis://" + in.Addr().String() + "/0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		rdb.Close()
		in.Close()
		running.Wait()
	})
	return store.New(rdb, store.Options{Retention: 24 * time.Hour, Durability: "memory"}), l
}

// A redeem whose reply is lost is sent again by the client library. It is the same redeem: whoever asked for it must hear that it
// succeeded, or else the token is gone and nobody may set a password.
func TestRedeemWhoseReplyIsLost(t *testing.T) {
	s, line := openLossy(t)
	l := store.LedgerOf("shop", "jo@a.example")
	redeemed := func(id ledger.ResetID) ledger.Fact {
		return ledger.Fact{ID: ledger.NewEventID(), At: s.Now(), Event: ledger.Redeemed, Reset: id}
	}
	first := liveToken(s, l, ledger.NewResetID(l.Partition(), ledger.NewSeed()))
	if err := s.Inspect(t.Context(), first); err != nil { // the script is known to the server from here on
		t.Fatal(err)
	}
	f := redeemed(first.Reset)
	line.lose.Store(1)
	if err := s.Redeem(t.Context(), first, f); err != nil {
		t.Errorf("the redeem that used the token heard %v", err)
	}
	if line.lost.Load() != 1 {
		t.Fatalf("%d replies were lost", line.lost.Load())
	}
	if err := s.Redeem(t.Context(), first, redeemed(first.Reset)); err == nil || err.Error() != "used" {
		t.Errorf("another redeem heard %v", err)
	}
	if facts, err := s.Facts(t.Context(), l); err != nil || len(ledger.Fold(facts).Resets) != 1 || ledger.Fold(facts).Resets[0].Redeemed.ID != f.ID {
		t.Errorf("facts %+v, %v", facts, err)
	}

	// The same for its revival.
	back := ledger.Fact{ID: ledger.NewEventID(), At: s.Now(), Event: ledger.Reported, Reset: first.Reset, Report: &ledger.Report{Kind: "failed", Revived: true}}
	if ok, err := s.Revive(t.Context(), liveToken(s, l, ledger.NewResetID(l.Partition(), ledger.NewSeed())), time.Minute, back); ok || err != nil {
		t.Fatal("a token that nobody used was revived", err)
	}
	line.lose.Store(1)
	if ok, err := s.Revive(t.Context(), first, time.Minute, back); !ok || err != nil {
		t.Errorf("the revival heard %v, %v", ok, err)
	}
	if err := s.Inspect(t.Context(), first); err != nil {
		t.Errorf("after its revival: %v", err)
	}
}

// An audit entry whose confirmation is lost stands once in the trail.
func TestAuditWhoseReplyIsLost(t *testing.T) {
	s, line := openLossy(t)
	for i := range 5 {
		if i == 3 {
			line.lose.Store(2) // the first reply tells the head, the second that the entry is written
		}
		if err := s.Audit(t.Context(), store.Entry{By: "ann", Role: "support", Action: "resend"}); err != nil {
			t.Fatal(err)
		}
	}
	if line.lost.Load() != 1 {
		t.Fatalf("%d replies were lost", line.lost.Load())
	}
	if good, wrong, err := s.VerifyAudit(t.Context()); good != 5 || wrong != "" || err != nil {
		t.Errorf("%d entries, %q, %v", good, wrong, err)
	}
}
