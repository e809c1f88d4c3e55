package sim_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/resetd/resetd/internal/sim"
)

// look asks the world's server and writes the answer in one line: rcode, then the data of each record.
func look(t *testing.T, w *sim.World, network, name string, kind uint16) string {
	t.Helper()
	c := &dns.Client{Net: network, Timeout: 2 * time.Second}
	m, _, err := c.Exchange(new(dns.Msg).SetQuestion(dns.Fqdn(name), kind), w.Resolver())
	if err != nil {
		t.Fatalf("%s %s: %v", network, name, err)
	}
	out := dns.RcodeToString[m.Rcode]
	if m.Truncated {
		out += " truncated"
	}
	for _, rr := range m.Answer {
		out += " " + strings.TrimPrefix(rr.String(), rr.Header().String())
	}
	return out
}

func TestZone(t *testing.T) {
	w := newWorld(t)
	z := w.DNS()
	z.SetMX("Shop.example.", sim.MX{Preference: 10, Host: "MX1.shop.example"}, sim.MX{Preference: 20, Host: "mx2.shop.example"})
	z.SetA("mx1.shop.example", netip.MustParseAddr("127.9.9.9"), netip.MustParseAddr("::1"))
	z.SetTXT("_dmarc.policy.example", "v=DMARC1; p=reject", `a "quoted" \ one`)
	z.SetTXT("long._domainkey.shop.example", strings.Repeat("k", 300))
	z.SetTXT("huge.shop.example", strings.Repeat("h", 2000))
	z.SetNullMX("nomail.example")
	z.SetCNAME("www.shop.example", "mx1.shop.example")
	z.SetCNAME("loop.example", "loop.example")
	z.SetCNAME("dangling.example", "nowhere.example")
	z.SetPTR(netip.MustParseAddr("127.9.9.9"), "mx1.shop.example")
	z.SetA("sick.example", netip.MustParseAddr("127.9.9.8"))
	z.SetServfail("sick.example")
	z.SetRefused("closed.example")
	if err := z.Add("CAA.shop.example. 60 IN CAA 0 issue \"ca.example\""); err != nil {
		t.Fatal(err)
	}
	if err := z.Add("not a record"); err == nil {
		t.Error("nonsense was added")
	}
	for _, c := range []struct {
		name string
		kind uint16
		want string
	}{
		{"SHOP.example", dns.TypeMX, "NOERROR 10 mx1.shop.example. 20 mx2.shop.example."},
		{"mx1.shop.example", dns.TypeA, "NOERROR 127.9.9.9"},
		{"mx1.shop.example", dns.TypeAAAA, "NOERROR ::1"},
		{"_dmarc.policy.example", dns.TypeTXT, `NOERROR "v=DMARC1; p=reject" "a \"quoted\" \\ one"`},
		{"long._domainkey.shop.example", dns.TypeTXT, `NOERROR "` + strings.Repeat("k", 255) + `" "` + strings.Repeat("k", 45) + `"`},
		{"nomail.example", dns.TypeMX, "NOERROR 0 ."},
		{"www.shop.example", dns.TypeA, "NOERROR mx1.shop.example. 127.9.9.9"},
		{"loop.example", dns.TypeA, "SERVFAIL"},
		{"dangling.example", dns.TypeA, "NXDOMAIN nowhere.example."},
		{"9.9.9.127.in-addr.arpa", dns.TypePTR, "NOERROR mx1.shop.example."},
		{"caa.shop.example", dns.TypeCAA, `NOERROR 0 issue "ca.example"`},
		{"mx1.shop.example", dns.TypeMX, "NOERROR"},
		{"policy.example", dns.TypeTXT, "NOERROR"}, // nothing of its own, something below
		{"mx2.shop.example", dns.TypeA, "NXDOMAIN"},
		{"never.example", dns.TypeMX, "NXDOMAIN"},
		{"sick.example", dns.TypeA, "SERVFAIL"},
		{"closed.example", dns.TypeA, "REFUSED"},
		{"huge.shop.example", dns.TypeTXT, "NOERROR truncated"},
	} {
		if got := look(t, w, "udp", c.name, c.kind); got != c.want {
			t.Errorf("%s %s: got %s, want %s", c.name, dns.TypeToString[c.kind], got, c.want)
		}
	}
	if got := look(t, w, "tcp", "huge.shop.example", dns.TypeTXT); len(got) < 2000 || strings.Contains(got, "truncated") {
		t.Errorf("over TCP: %.60s", got)
	}
	if n := z.Queries("HUGE.shop.example."); n != 2 {
		t.Errorf("%d queries counted, want 2", n)
	}
}

func TestZoneChangesWhileRunning(t *testing.T) {
	w := newWorld(t)
	z := w.DNS()
	h := w.Host("mx.a.example", sim.Accept())
	w.Domain("a.example", h)
	check := func(want string) {
		t.Helper()
		if got := look(t, w, "udp", "a.example", dns.TypeMX); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	check("NOERROR 10 mx.a.example.")
	if got, want := look(t, w, "udp", h.Name(), dns.TypeA), fmt.Sprint("NOERROR ", h.IP()); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	z.SetServfail("A.example")
	check("SERVFAIL")
	z.SetHealthy("a.example")
	check("NOERROR 10 mx.a.example.")
	z.SetMX("a.example")
	check("NOERROR") // the host's name is still below it
	z.SetTXT("gone.example", "x")
	z.Remove("gone.example")
	if got := look(t, w, "udp", "gone.example", dns.TypeTXT); got != "NXDOMAIN" {
		t.Errorf("removed: %s", got)
	}
}

func TestZoneTimeoutIsSilence(t *testing.T) {
	w := newWorld(t)
	w.DNS().SetTimeout("silent.example")
	for _, network := range []string{"udp", "tcp"} {
		c := &dns.Client{Net: network, Timeout: 30 * time.Millisecond}
		if m, _, err := c.Exchange(new(dns.Msg).SetQuestion("silent.example.", dns.TypeA), w.Resolver()); err == nil {
			t.Errorf("%s: an answer: %v", network, m)
		}
	}
}
