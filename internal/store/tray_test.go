package store_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/resetd/resetd/internal/ledger"
	"github.com/resetd/resetd/internal/store"
)

// The tray holds so much and no more: the oldest goes, and is counted; the same return lies there once.
func TestTray(t *testing.T) {
	s, _ := open(t)
	ctx := t.Context()
	at := s.Now()
	id := func(n int) ledger.ReturnID { return ledger.NewReturnID(1, ledger.Seed{byte(n), byte(n >> 8), 1}) }
	for n := range store.TrayKept + 2 {
		item := store.TrayItem{ID: id(n), At: at.Add(time.Duration(n) * time.Millisecond), Why: store.TrayUnread, Subject: fmt.Sprint(n)}
		for range 1 + n%2 {
			if err := s.PutTray(ctx, item); err != nil {
				t.Fatal(err)
			}
		}
	}
	items, err := s.Tray(ctx, 0, store.TrayKept+10)
	if err != nil || len(items) != store.TrayKept || items[0].Subject != fmt.Sprint(store.TrayKept+1) || items[store.TrayKept-1].Subject != "2" {
		t.Fatalf("%d items, %v", len(items), err)
	}
	if next, err := s.Tray(ctx, 100, 2); err != nil || len(next) != 2 || next[0].ID != items[100].ID {
		t.Errorf("a page: %+v, %v", next, err)
	}
	if c, err := s.Counters(ctx); err != nil || c["tray_dropped"] != 2 {
		t.Errorf("counted %v, %v", c, err)
	}

	item, err := s.TrayItem(ctx, id(5))
	if err != nil || item.Answer != nil {
		t.Fatalf("%+v, %v", item, err)
	}
	item.Answer = &store.TrayAnswer{By: "ops", Reason: "mailbox_full", At: at}
	if err := s.AnswerTray(ctx, item); err != nil {
		t.Fatal(err)
	}
	if err := s.PutTray(ctx, store.TrayItem{ID: id(5), At: at, Subject: "again"}); err != nil {
		t.Fatal(err)
	}
	if item, err = s.TrayItem(ctx, id(5)); err != nil || item.Answer == nil || item.Answer.Reason != "mailbox_full" {
		t.Errorf("%+v, %v", item, err)
	}
	for _, gone := range []int{0, 1, 5000} {
		if _, err := s.TrayItem(ctx, id(gone)); err != store.ErrNotFound {
			t.Errorf("item %d: %v", gone, err)
		}
		if err := s.AnswerTray(ctx, store.TrayItem{ID: id(gone)}); err != store.ErrNotFound {
			t.Errorf("answering item %d: %v", gone, err)
		}
	}

	// What is older than the retention goes with the next that comes.
	if err := s.PutTray(ctx, store.TrayItem{ID: id(6000), At: at.Add(-2 * s.Retention())}); err != nil {
		t.Fatal(err)
	}
	if err := s.PutTray(ctx, store.TrayItem{ID: id(6001), At: at}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.TrayItem(ctx, id(6000)); err != store.ErrNotFound {
		t.Errorf("an old one: %v", err)
	}
}
