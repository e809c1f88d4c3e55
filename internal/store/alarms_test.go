package store_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/resetd/resetd/internal/ledger"
)

// Ten workers that see the same mismatch tell it once; after its end it may be told again, though not at once.
func TestAlarmIsToldOnce(t *testing.T) {
	s, rdb := open(t)
	ctx := context.Background()
	tell := func(name string) int {
		var told atomic.Int32
		var all sync.WaitGroup
		for range 10 {
			all.Go(func() {
				first, err := s.Alarm(ctx, name, ledger.Fact{ID: ledger.NewEventID(), At: s.Now(), Event: ledger.Checked, Check: &ledger.Check{Domain: "d.example", Errors: []string{name}}})
				if err != nil {
					t.Error(err)
				}
				if first {
					told.Add(1)
				}
			})
		}
		all.Wait()
		return int(told.Load())
	}
	if a, b := tell("k1._domainkey.d.example"), tell("k2._domainkey.d.example"); a != 1 || b != 1 {
		t.Errorf("told %d and %d times", a, b)
	}
	facts, _, err := s.House(ctx)
	if err != nil || len(facts) != 2 {
		t.Fatalf("%d facts, %v", len(facts), err)
	}
	if n := tell("k1._domainkey.d.example"); n != 0 {
		t.Errorf("told %d times again", n)
	}
	keys, err := rdb.Keys(ctx, "rd:{house}:alarm:*").Result()
	if err != nil || len(keys) != 2 {
		t.Fatalf("%v, %v", keys, err)
	}
	if err := s.AlarmOver(ctx, "k1._domainkey.d.example"); err != nil {
		t.Fatal(err)
	}
	short := 0
	for _, k := range keys {
		if left := rdb.PTTL(ctx, k).Val(); left <= 0 {
			t.Errorf("an alarm without an end: %s", left)
		} else if left <= 5*time.Minute {
			short++
		}
	}
	if short != 1 {
		t.Errorf("%d alarms may be told again soon, want one", short)
	}
	if err := s.AlarmOver(ctx, "never told"); err != nil {
		t.Error(err)
	}
}
