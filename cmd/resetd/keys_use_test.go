package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/resetd/resetd/internal/config"
	"github.com/resetd/resetd/internal/sim"
	"github.com/resetd/resetd/internal/sim/redistest"
	"github.com/resetd/resetd/internal/store"
)

// Of two configured keys the record of one was seen: the other one is pending, which is no fault, until the store cannot be asked. A key in use
// whose record is gone is one.
func TestKeysInUseAndPending(t *testing.T) {
	world, err := sim.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { world.Close() })
	redis := redistest.Start(t)
	in := &installation{t: t, redis: redis, resolver: world.Resolver(), accounts: []string{account("u1", "jo@home.example")},
		routes: "[[route]]\nname = \"out\"\nmx = true\n"}
	file := in.write()
	text, err := os.ReadFile(filepath.Join(in.dir, "s-rsa.pem"))
	if err != nil {
		t.Fatal(err)
	}
	key, err := config.ParseDKIMKey(text)
	if err != nil {
		t.Fatal(err)
	}
	record, err := dkimRecord(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	world.DNS().SetTXT("s-rsa._domainkey.us.example", record)
	rdb, err := store.Open("redis://" + redis + "/0")
	if err != nil {
		t.Fatal(err)
	}
	defer rdb.Close()
	if _, err := store.New(rdb, store.Options{Durability: "memory"}).NoteKey(t.Context(), store.KeyID("us.example", "s-rsa", key.Public())); err != nil {
		t.Fatal(err)
	}

	list := func() (string, int) {
		out, code, _ := runCLI2(t, "keys", "dkim", "list", "-config", file)
		return strings.Join(strings.Fields(out), " "), code
	}
	if out, code := list(); code != 0 || !strings.Contains(out, "match s-rsa._domainkey.us.example: the record holds our key (in use).") || !strings.Contains(out, "(pending, not yet in use:") {
		t.Errorf("exit %d: %s", code, out)
	}
	check := func() string {
		out, _, _ := runCLI2(t, "check", "us.example", "-config", file)
		return strings.Join(strings.Fields(out), " ")
	}
	if out := check(); !strings.Contains(out, "NOTE dkim.pending s-ed._domainkey.us.example") || strings.Contains(out, "dkim.absent") {
		t.Error(out)
	}
	world.DNS().Remove("s-rsa._domainkey.us.example")
	if out, code := list(); code != exitBadNews || !strings.Contains(out, "absent s-rsa._domainkey.us.example: there is no key record") {
		t.Errorf("a key in use without its record: exit %d: %s", code, out)
	}

	// With no store to ask, it is said that the key may be pending.
	world.DNS().SetTXT("s-rsa._domainkey.us.example", record)
	in.redis = freePort(t)
	in.write()
	if out := check(); !strings.Contains(out, "WARNING dkim.pending s-ed._domainkey.us.example") || !strings.Contains(out, "pending, not yet in use") {
		t.Error(out)
	}
	if out, _ := list(); !strings.Contains(out, "only the daemon's store knows") {
		t.Error(out)
	}
}
