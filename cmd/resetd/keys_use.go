package main

import (
	"context"
	"time"

	"github.com/resetd/resetd/diag/dnscheck"
	"github.com/resetd/resetd/internal/config"
	"github.com/resetd/resetd/internal/store"
)

// seenLimit is how long a command waits for the store that knows which keys are in use: without it, it says that it does not know.
const seenLimit = 2 * time.Second

// withUse marks in a question which keys a daemon signs with, as its store knows it. Where the store cannot be asked from here, because it runs
// inside of the daemon or does not answer, the keys are marked as unasked.
func withUse(ctx context.Context, cfg *config.Config, q dnscheck.Question) dnscheck.Question {
	seen, err := seenKeys(ctx, cfg)
	if err != nil {
		for i := range q.Selectors {
			q.Selectors[i].Use = dnscheck.KeyUnasked
		}
		return q
	}
	return store.InUse(q, func(id string) bool { return !seen[id].IsZero() })
}

func seenKeys(ctx context.Context, cfg *config.Config) (map[string]time.Time, error) {
	if cfg.Store.Redis == "" {
		return nil, store.ErrNotFound
	}
	rdb, err := store.Open(string(cfg.Store.Redis))
	if err != nil {
		return nil, err
	}
	defer rdb.Close()
	ctx, cancel := context.WithTimeout(ctx, seenLimit)
	defer cancel()
	return store.New(rdb, store.Options{Durability: "memory"}).SeenKeys(ctx)
}

// useSays tells whether mail is signed with a key.
func useSays(use dnscheck.KeyUse) string {
	switch use {
	case dnscheck.KeyPending:
		return "pending, not yet in use: mail is signed with it once its record is seen"
	case dnscheck.KeyUnasked:
		return "whether mail is signed with it yet, only the daemon's store knows, which was not asked"
	}
	return "in use"
}
