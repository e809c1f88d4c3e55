package store_test

import (
	"errors"
	"testing"
	"time"

	"github.com/resetd/resetd/internal/ledger"
	"github.com/resetd/resetd/internal/store"
)

// A loop check is on the list until it is ended, and the newest outcome of its lane stays.
func TestLoops(t *testing.T) {
	s, _ := open(t)
	ctx := t.Context()
	run := ledger.NewResetID(3, ledger.NewSeed())
	if err := s.BeginLoop(ctx, "us.example by out", run); err != nil {
		t.Fatal(err)
	}
	running, err := s.RunningLoops(ctx)
	if err != nil || len(running) != 1 || s.Now().Sub(running[run]) > time.Minute {
		t.Fatalf("%v, %v", running, err)
	}
	if err := s.EndLoop(ctx, "us.example by out", run, []byte(`{"state":"ok"}`)); err != nil {
		t.Fatal(err)
	}
	if err := s.EndLoop(ctx, "", "rst_none", nil); err != nil {
		t.Fatal(err)
	}
	began := s.Now().Add(-time.Hour)
	if err := s.ReopenLoop(ctx, run, began); err != nil {
		t.Fatal(err)
	}
	if running, err = s.RunningLoops(ctx); err != nil || running[run].UnixMilli() != began.UnixMilli() {
		t.Errorf("reopened: %v, %v", running, err)
	}
	begun, err := s.LoopsBegun(ctx)
	if err != nil || len(begun) != 1 || begun["us.example by out"].IsZero() {
		t.Errorf("begun: %v, %v", begun, err)
	}
	results, err := s.LoopResults(ctx)
	if err != nil || string(results["us.example by out"]) != `{"state":"ok"}` || len(results) != 1 {
		t.Errorf("results: %v, %v", results, err)
	}
	if err := s.ForgetLane(ctx, "us.example by out"); err != nil {
		t.Fatal(err)
	}
	if results, err = s.LoopResults(ctx); err != nil || len(results) != 0 {
		t.Errorf("forgotten, and yet %v, %v", results, err)
	}
}

// The copy of a canary as it was sent is kept by its message, and for a time.
func TestSent(t *testing.T) {
	s, rdb := open(t)
	ctx := t.Context()
	id := ledger.NewMessageID(3, ledger.NewSeed())
	if _, err := s.Sent(ctx, id); !errors.Is(err, store.ErrNotFound) {
		t.Error(err)
	}
	if err := s.KeepSent(ctx, id, []byte("sealed")); err != nil {
		t.Fatal(err)
	}
	if b, err := s.Sent(ctx, id); err != nil || string(b) != "sealed" {
		t.Errorf("%q, %v", b, err)
	}
	keys, err := rdb.Keys(ctx, "rd:*sent*").Result()
	if err != nil || len(keys) != 1 || rdb.TTL(ctx, keys[0]).Val() <= 0 {
		t.Errorf("keys %q, %v", keys, err)
	}
}

// The way back of a route is blind from when a canary showed it until another one came through; what is known is written once, and its
// own end is told like that of every sensor.
func TestNoteSensor(t *testing.T) {
	s, _ := open(t)
	ctx := t.Context()
	sensor, lost := store.ReturnSensor+"out", s.Now().Add(-time.Hour)
	note := func(at time.Time, sees bool) {
		t.Helper()
		for range 2 {
			if err := s.NoteSensor(ctx, sensor, at, sees); err != nil {
				t.Fatal(err)
			}
		}
	}
	note(s.Now(), true) // nothing was lost
	note(lost, false)
	facts, blind, err := s.House(ctx)
	if err != nil || len(facts) != 1 || len(blind) != 1 || blind[0].Sensor != sensor || blind[0].From.UnixMilli() != lost.UnixMilli() || !blind[0].To.IsZero() {
		t.Fatalf("%+v, %+v, %v", facts, blind, err)
	}
	note(s.Now(), true)
	facts, blind, err = s.House(ctx)
	if err != nil || len(facts) != 2 || len(blind) != 1 || blind[0].To.IsZero() {
		t.Errorf("%+v, %+v, %v", facts, blind, err)
	}
}
