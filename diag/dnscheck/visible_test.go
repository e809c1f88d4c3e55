package dnscheck_test

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"net/netip"
	"testing"

	"github.com/resetd/resetd/diag/dnscheck"
	"github.com/resetd/resetd/internal/sim"
)

// A record is visible only when each server that the zone names shows it, not only the resolver, whose cache may be ahead or behind.
func TestKeyEverywhere(t *testing.T) {
	front, err := sim.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { front.Close() })
	behind, err := sim.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { behind.Close() })
	public, _, _ := ed25519.GenerateKey(nil)
	record := "v=DKIM1; k=ed25519; p=" + base64.StdEncoding.EncodeToString(public)
	at := netip.MustParseAddrPort(behind.Resolver())
	for _, r := range []string{"us.example. 60 IN NS ns1.us.example.", "us.example. 60 IN NS ns2.us.example.", "ns1.us.example. 60 IN A " + at.Addr().String()} {
		if err := front.DNS().Add(r); err != nil {
			t.Fatal(err)
		}
	}
	front.DNS().SetTXT("n._domainkey.us.example", record)
	e := dnscheck.Everywhere{DNS: &dnscheck.Resolver{Servers: []string{front.Resolver()}}, Port: at.Port(), Allow: func(netip.Addr) bool { return true }}
	see := func() map[string]dnscheck.KeyStatus {
		m := map[string]dnscheck.KeyStatus{}
		for _, s := range e.CheckKey(context.Background(), "us.example", dnscheck.Selector{Name: "n", Public: public}) {
			m[s.Where] = s.Key.Status
		}
		return m
	}
	if m := see(); len(m) != 3 || m["the resolver"] != dnscheck.KeyMatch || m["ns1.us.example"] != dnscheck.KeyAbsent || m["ns2.us.example"] != dnscheck.KeyUnknown {
		t.Errorf("before the first server has it: %v", m)
	}
	behind.DNS().SetTXT("n._domainkey.us.example", record)
	if m := see(); m["ns1.us.example"] != dnscheck.KeyMatch {
		t.Errorf("after: %v", m)
	}
	e.Allow = nil
	if m := see(); m["ns1.us.example"] != dnscheck.KeyUnknown {
		t.Errorf("a server on a loopback address was asked: %v", m)
	}
}
