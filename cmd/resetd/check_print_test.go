package main

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/resetd/resetd/diag/dnscheck"
	"github.com/resetd/resetd/internal/sim"
)

// A domain with a bit of everything wrong, as an operator reads it; testdata/check.txt shows it.
func TestCheckText(t *testing.T) {
	world, err := sim.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { world.Close() })
	var selectors []dnscheck.Selector
	for i, name := range []string{"s2025", "s2026", "s2027"} {
		public := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{byte(i + 1)}, 32)).Public().(ed25519.PublicKey)
		s := dnscheck.Selector{Name: name, Public: public}
		record := "v=DKIM1; k=ed25519; p=" + base64.StdEncoding.EncodeToString(public)
		switch name {
		case "s2026":
			record = "v=DKIM1; k=ed25519; p="
		case "s2027":
			s.Use, record = dnscheck.KeyPending, ""
		}
		selectors = append(selectors, s)
		if record != "" {
			world.DNS().SetTXT(name+"._domainkey.acme.example", record)
		}
	}
	for _, record := range []string{
		"acme.example. MX 10 mx.acme.example.", "mx.acme.example. A 9.9.9.5", "bounces.acme.example. MX 10 mx.acme.example.",
		`bounces.acme.example. TXT "v=spf1 include:relay.example a:gone.acme.example ~all"`, `relay.example. TXT "v=spf1 ip4:9.9.9.1 -all"`,
		`_dmarc.acme.example. TXT "v=DMARC1; p=none"`, "1.9.9.9.in-addr.arpa. PTR mail.acme.example.", "mail.acme.example. A 9.9.9.1",
	} {
		if err := world.DNS().Add(record); err != nil {
			t.Fatal(err)
		}
	}
	r := dnscheck.Check(t.Context(), dnscheck.Question{Domain: "acme.example", EnvelopeDomain: "bounces.acme.example", HELO: "mail.acme.example", Selectors: selectors,
		IPs: []netip.Addr{netip.MustParseAddr("9.9.9.1"), netip.MustParseAddr("9.9.9.2")}},
		dnscheck.Deps{DNS: &dnscheck.Resolver{Servers: []string{world.Resolver()}}, Lists: dnscheck.Blocklists(), Now: func() time.Time { return time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC) },
			Receiver: func(_ context.Context, h dnscheck.MXHost) dnscheck.Reached {
				return dnscheck.Reached{Host: h.Name, State: dnscheck.ReachOther, Why: "another server answers there, or a receiver with other keys: it refuses a return path that we signed (550)"}
			}})
	var b bytes.Buffer
	(&printer{w: &b}).domain(r)
	if *updateText {
		if err := os.WriteFile("testdata/check.txt", b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("testdata/check.txt")
	if err != nil {
		t.Fatal(err)
	}
	if b.String() != string(want) {
		t.Errorf("it reads (go test ./cmd/resetd -update-text rewrites the file):\n%s", b.String())
	}
	for l := range strings.Lines(b.String()) {
		if n := len([]rune(strings.TrimSpace(l))); n > columns && !strings.Contains(l, "https://") && !strings.HasPrefix(l, "    ") {
			t.Errorf("a line of %d columns: %s", n, l)
		}
	}
}
