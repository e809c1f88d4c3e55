package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/resetd/resetd/internal/sim"
	"github.com/resetd/resetd/internal/sim/redistest"
)

// rotate makes the pair, and refuses until each server shows its records; then it says the lines for the configuration. retire refuses
// while the key is configured or signs.
func TestRotateAndRetire(t *testing.T) {
	world, err := sim.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { world.Close() })
	in := &installation{t: t, redis: redistest.Start(t), resolver: world.Resolver(), accounts: []string{account("u1", "jo@home.example")},
		routes: "[[route]]\nname = \"out\"\nmx = true\n"}
	file := in.write()
	dir := filepath.Join(in.dir, "next")
	out, code, _ := runCLI2(t, "keys", "dkim", "list", "-config", file)
	if code != exitBadNews || !strings.Contains(out, "absent") || !strings.Contains(out, "s-rsa._domainkey.us.example") {
		t.Errorf("list: exit %d: %s", code, out)
	}
	rotate := func() (string, int, string) {
		return runCLI2(t, "keys", "dkim", "rotate", "-config", file, "-domain", "us.example", "-selector", "n", "-out", dir)
	}
	out, code, msg := rotate()
	if code != exitBadNews || !strings.Contains(out, "n-rsa._domainkey.us.example.") || !strings.Contains(msg, "not visible") {
		t.Fatalf("first: exit %d: %s %s", code, out, msg)
	}
	before, err := os.ReadFile(filepath.Join(dir, "n-rsa.pem"))
	if err != nil {
		t.Fatal(err)
	}
	keys, err := readPair("n", dir)
	if err != nil {
		t.Fatal(err)
	}
	world.DNS().SetTXT("n-rsa._domainkey.us.example", keys[0].record)
	if _, code, _ = rotate(); code != exitBadNews {
		t.Errorf("with one of two records: exit %d", code)
	}
	world.DNS().SetTXT("n-ed._domainkey.us.example", keys[1].record)
	out, code, msg = rotate()
	if code != 0 || !strings.Contains(out, `selector = "n-rsa"`) || !strings.Contains(out, `selector = "n-ed"`) {
		t.Errorf("with both: exit %d: %s %s", code, out, msg)
	}
	if after, err := os.ReadFile(filepath.Join(dir, "n-rsa.pem")); err != nil || string(after) != string(before) {
		t.Error("rotating again made another key")
	}

	retire := func(selector string) (string, int, string) {
		return runCLI2(t, "keys", "dkim", "retire", selector, "-config", file, "-domain", "us.example")
	}
	if _, code, msg := retire("s-rsa"); code != exitBadNews || !strings.Contains(msg, "configur") {
		t.Errorf("a configured key: exit %d %s", code, msg)
	}
	if out, code, msg := retire("old"); code != 0 || !strings.Contains(out, "old._domainkey.us.example.") {
		t.Errorf("a key that nobody uses: exit %d %s %s", code, out, msg)
	}
}
