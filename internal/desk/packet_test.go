package desk_test

import (
	"crypto/ed25519"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/resetd/resetd/diag/dnscheck"
	"github.com/resetd/resetd/internal/desk"
	"github.com/resetd/resetd/internal/ledger"
	"github.com/resetd/resetd/internal/store"
)

// The packet tells what the host said, and is for support and admin.
func TestPacketOfAReset(t *testing.T) {
	f := newDesk(t)
	id := f.ask("jo@a.example")
	var bad *desk.Bad
	if _, err := f.Packet(t.Context(), support, id); !errors.As(err, &bad) || bad.Code != "no_packet" {
		t.Errorf("of a mail that was never offered: %v", err)
	}
	tok := f.play(id, ledger.Accepted, func(a *ledger.Attempt) { a.QueueID = "4Fx1" })
	text, err := f.Packet(t.Context(), support, id)
	if err != nil || !strings.Contains(text, "4Fx1") || !strings.Contains(text, "mx.a.example") || strings.Contains(text, tok) {
		t.Errorf("%s %v", text, err)
	}
	if _, err := f.Packet(t.Context(), ops, id); !errors.Is(err, desk.ErrForbidden) {
		t.Errorf("by ops: %v", err)
	}
}

// What a packet says of us is what was seen and kept: the address and name of the dialogue, DNS as it stood when the mail was sent, names of
// addresses from the check; each missing part is said to be missing.
func TestPacketSaysWhoWeAre(t *testing.T) {
	kept := []dnscheck.Lookup{
		{Name: "bounces.us.example", Type: "TXT", Outcome: dnscheck.Found, Records: []string{`"v=spf1 ip4:1.1.1.1 -all"`}},
		{Name: "_dmarc.us.example", Type: "TXT", Outcome: dnscheck.Found, Records: []string{`"v=DMARC1; p=quarantine"`}},
		{Name: "_dmarc.bounces.us.example", Type: "TXT", Outcome: dnscheck.NXDomain},
		{Name: "_dmarc.example", Type: "TXT", Outcome: dnscheck.NXDomain},
		{Name: "r1._domainkey.us.example", Type: "TXT", Outcome: dnscheck.NXDomain},
	}
	ours := netip.MustParseAddr("1.1.1.1")
	report := dnscheck.Report{Domain: "us.example", At: time.Date(2026, 11, 24, 7, 0, 0, 0, time.UTC),
		PTR: []dnscheck.PTR{{IP: ours, Names: []string{"mail.us.example"}, Confirmed: []string{"mail.us.example"}}}, Lookups: kept[:4]}
	for _, c := range []struct {
		name    string
		dns     bool // of the send was kept
		report  bool
		attempt ledger.Attempt
		has     []string
		hasNot  []string
	}{
		{"all is known", true, true, ledger.Attempt{Local: "1.1.1.1", HELO: "mail.us.example"}, []string{
			"1.1.1.1\n", "mail.us.example, which leads back", "pass for bounces.us.example (ip4:1.1.1.1)", "p=quarantine at us.example; aligned: SPF yes, DKIM yes",
			"HELO:            mail.us.example", "s=r1; the published key does not verify it", "when the mail was sent", "@bounces.us.example"}, []string{"by our configuration", "not checked"}},
		{"another address than SPF allows", true, true, ledger.Attempt{Local: "9.9.9.9"}, []string{"9.9.9.9\n", "fail for bounces.us.example (-all)", "look up PTR of 9.9.9.9"}, nil},
		{"behind a NAT", true, true, ledger.Attempt{Local: "10.0.0.5"}, []string{"1.1.1.1 (by our configuration)"}, []string{"10.0.0.5"}},
		{"DNS of the send was not kept", false, true, ledger.Attempt{Local: "1.1.1.1"}, []string{"pass for bounces", "as DNS stood at 2026-11-24T07:00:00Z"}, nil},
		{"nothing was kept", false, false, ledger.Attempt{Local: "1.1.1.1"}, []string{"look up TXT of bounces.us.example", "look up TXT of _dmarc.us.example", "look up PTR of 1.1.1.1"}, []string{"as DNS stood"}},
		{"through a relay", true, true, ledger.Attempt{Local: "1.1.1.1", Smart: true, Host: "smtp.relay.example"}, []string{
			"from our relay smtp.relay.example", "judged for the relay's address; record: v=spf1"}, []string{"1.1.1.1\n"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newDesk(t)
			f.Us.Bounces = "bounces.us.example"
			f.ReturnPath = func(id ledger.MessageID) string { return "b." + string(id) + "@bounces.us.example" }
			f.Outside.Domains = []dnscheck.Question{{Domain: "us.example", IPs: []netip.Addr{ours}, Selectors: []dnscheck.Selector{{Name: "r1", Public: make(ed25519.PublicKey, 32)}}}}
			comp := ledger.Composition{MessageID: "<m@us.example>", From: "Us <no-reply@us.example>", Selectors: []string{"r1._domainkey.us.example"}}
			if c.dns {
				if err := f.Store.KeepDNS(t.Context(), "h1", dnscheck.Reading{Lookups: kept}); err != nil {
					t.Fatal(err)
				}
				comp.DNS = "h1"
			}
			if c.report {
				if _, err := f.Store.KeepReport(t.Context(), report, "", ""); err != nil {
					t.Fatal(err)
				}
			}
			text, err := f.Packet(t.Context(), support, f.offer(comp, c.attempt))
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range c.has {
				if !strings.Contains(text, s) {
					t.Errorf("lacks %q:\n%s", s, text)
				}
			}
			for _, s := range c.hasNot {
				if strings.Contains(text, s) {
					t.Errorf("has %q:\n%s", s, text)
				}
			}
		})
	}
}

// offer asks for jo, and lets a mail be composed and a host answer as told.
func (f *fixture) offer(comp ledger.Composition, a ledger.Attempt) ledger.ResetID {
	f.t.Helper()
	id := f.ask("jo@a.example")
	at, err := f.Store.Find(f.t.Context(), id)
	if err != nil {
		f.t.Fatal(err)
	}
	facts, err := f.Store.Facts(f.t.Context(), at.Ledger)
	if err != nil {
		f.t.Fatal(err)
	}
	tl := ledger.Fold(facts)
	m := tl.Reset(id).Newest()
	claim, err := f.Store.Claim(f.t.Context(), string(m.ID), "w", time.Minute)
	if err != nil {
		f.t.Fatal(err)
	}
	a.Try, a.Route, a.Outcome, a.Stage, a.Code = 1, "mx", ledger.Accepted, "dot", 250
	rows := []ledger.Fact{
		{Event: ledger.Issued, Issue: &ledger.Issue{Generation: 1, KeyID: "k1", TTL: 3600, Until: f.Store.Now().Add(ledger.MaxLife), Account: "u1", Address: "jo@a.example", Route: "mx"}},
		{Event: ledger.Composed, Composition: &comp},
		{Event: ledger.Attempted, Attempt: &a},
	}
	for i := range rows {
		rows[i].ID, rows[i].At, rows[i].Reset, rows[i].Message = ledger.NewEventID(), f.Store.Now(), id, m.ID
	}
	if err := f.Store.Settle(f.t.Context(), claim, store.Plan{Route: "mx"}, rows...); err != nil {
		f.t.Fatal(err)
	}
	return id
}
