package worker_test

import (
	"crypto/ed25519"
	"encoding/base64"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/resetd/resetd/diag/dnscheck"
	"github.com/resetd/resetd/internal/ledger"
	"github.com/resetd/resetd/internal/sim"
	"github.com/resetd/resetd/mailer"
	"github.com/resetd/resetd/worker"
)

// dkimPair is a key of the tests and its record.
type dkimPair struct {
	selector, record string
	key              ed25519.PrivateKey
}

func newPair(selector string) dkimPair {
	pub, key, _ := ed25519.GenerateKey(nil)
	return dkimPair{selector, "v=DKIM1; k=ed25519; p=" + base64.StdEncoding.EncodeToString(pub), key}
}

func (b *bench) eventually(what string, ok func() bool) {
	b.t.Helper()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if ok() {
			return
		}
	}
	b.t.Fatalf("never: %s", what)
}

// A key that is in the configuration before its record is published waits; once its record was seen it signs beside the old one, and goes
// on signing when its record is gone, which the next check tells.
func TestKeysSignOnceTheirRecordWasSeen(t *testing.T) {
	older, newer := newPair("s2025"), newPair("s2026")
	b := newBench(t, func(w *worker.Worker) {
		w.Signers = func(string) []mailer.Signer {
			return []mailer.Signer{{Domain: "us.example", Selector: older.selector, Key: older.key}, {Domain: "us.example", Selector: newer.selector, Key: newer.key}}
		}
		w.Domains = []dnscheck.Question{{Domain: "us.example", EnvelopeDomain: "bounces.us.example",
			Selectors: []dnscheck.Selector{{Name: older.selector, Public: older.key.Public()}, {Name: newer.selector, Public: newer.key.Public()}}}}
		w.SeekKeys = 50 * time.Millisecond
		w.AccountLimit.N = 100
		w.Merge = 0
	}, jo())
	b.stop()
	b.worker.DNS = dnscheck.Deps{DNS: &dnscheck.Resolver{Servers: []string{b.world.Resolver()}}}
	mx := b.world.Host("mx.there.example", sim.Accept())
	b.world.Domain("there.example", mx)
	b.world.DNS().SetTXT("s2025._domainkey.us.example", older.record)
	b.start()

	seen := func(selector string) func() bool {
		return func() bool {
			m, err := b.store.SeenKeys(t.Context())
			for id := range m {
				if strings.HasPrefix(id, selector+"._domainkey.us.example ") {
					return true
				}
			}
			return err != nil
		}
	}
	var noted []string // what DNS said with each mail
	signed := func() []string {
		id := b.ask("jo@there.example", b.store.Now())
		r := b.until(id, "sent", state(ledger.Sent))
		for _, f := range r.Facts {
			if f.Composition != nil {
				noted = append(noted, f.Composition.DNS)
				return f.Composition.Selectors
			}
		}
		return nil
	}
	b.eventually("the old key's record is seen", seen("s2025"))
	if got := signed(); !slices.Equal(got, []string{"s2025._domainkey.us.example"}) {
		t.Errorf("before the new record is published: %v", got)
	}
	b.world.DNS().SetTXT("s2026._domainkey.us.example", newer.record)
	b.eventually("the new key's record is seen", seen("s2026"))
	both := []string{"s2025._domainkey.us.example", "s2026._domainkey.us.example"}
	if got := signed(); !slices.Equal(got, both) {
		t.Errorf("with both published: %v", got)
	}
	b.world.DNS().Remove("s2025._domainkey.us.example")
	b.stop()
	b.worker = newWorkerLike(b.worker)
	b.start()
	b.eventually("the check tells that a key in use has lost its record", func() bool {
		facts, _, err := b.store.House(t.Context())
		return err == nil && slices.ContainsFunc(facts, func(f ledger.Fact) bool {
			return f.Check != nil && f.Check.Severity == "error" && slices.Contains(f.Check.Causes, "sender.dkim_key_mismatch")
		})
	})
	if got := signed(); !slices.Equal(got, both) {
		t.Errorf("a key in use goes on signing: %v", got)
	}
	b.eventually("a signed mail that does not verify is an alarm", func() bool {
		facts, _, err := b.store.House(t.Context())
		return err == nil && slices.ContainsFunc(facts, func(f ledger.Fact) bool {
			return f.Check != nil && f.Check.Hash == "" && strings.Contains(strings.Join(f.Check.Errors, " "), "s2025._domainkey.us.example")
		})
	})
	if at, err := b.store.Signing(t.Context()); err != nil || len(at) != 2 {
		t.Errorf("who signs: %v, %v", at, err)
	}
	for i, hash := range noted {
		kept, err := b.store.DNS(t.Context(), hash)
		if err != nil || !slices.ContainsFunc(kept[hash].Records, func(r dnscheck.Record) bool { return r.Name == "s2025._domainkey.us.example" }) {
			t.Errorf("mail %d: what DNS said is not kept: %q, %v", i, hash, err)
		}
	}
	if len(noted) != 3 || noted[0] == noted[2] {
		t.Errorf("DNS was another for the last mail: %q", noted)
	}
}

// newWorkerLike is another process with the same configuration.
func newWorkerLike(w *worker.Worker) *worker.Worker {
	return &worker.Worker{Name: "w2", Redis: w.Redis, Store: w.Store, Tokens: w.Tokens, Sealer: w.Sealer, Paths: w.Paths, Mailer: &mailer.Deliverer{Resolver: w.Mailer.Resolver}, Log: w.Log,
		Realms: w.Realms, Templates: w.Templates, Routes: w.Routes, Signers: w.Signers, PublicURL: w.PublicURL, Domains: w.Domains, DNS: w.DNS,
		Retry: w.Retry, AccountLimit: w.AccountLimit, SeekKeys: w.SeekKeys}
}
