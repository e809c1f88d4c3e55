package mailer

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/resetd/resetd/diag/dnscheck"
	"github.com/resetd/resetd/internal/ledger"
)

func mustIP(s string) netip.Addr { return netip.MustParseAddr(s) }

func TestTargets(t *testing.T) {
	mx := func(hosts ...string) []*net.MX {
		var out []*net.MX
		for i, h := range hosts {
			out = append(out, &net.MX{Host: h + ".", Pref: uint16(10 * (i + 1))})
		}
		return out
	}
	many := make([]*net.MX, 30)
	manyIP := map[string][]string{}
	for i := range many {
		h := fmt.Sprintf("m%02d.example", i)
		many[i] = &net.MX{Host: h + ".", Pref: uint16(i)}
		manyIP[h] = nil
	}
	timeout := &net.DNSError{Err: "i/o timeout", IsTimeout: true, IsTemporary: true}
	servfail := &net.DNSError{Err: "server misbehaving", IsTemporary: true}
	public := Route{MX: true, HELO: "us.example"}
	for _, c := range []struct {
		name  string
		route Route
		z     zone
		want  string // "host ip, …" or "outcome: text"
	}{
		{"by preference", public, zone{mx: map[string][]*net.MX{"d.example": mx("a.example", "b.example")},
			ip: map[string][]string{"b.example": {"9.9.9.2"}, "a.example": {"9.9.9.1"}}}, "a.example 9.9.9.1, b.example 9.9.9.2"},
		{"no MX", public, zone{ip: map[string][]string{"d.example": {"2620:fe::1", "9.9.9.1"}}}, "d.example 2620:fe::1, d.example 9.9.9.1"},
		{"null MX", public, zone{mx: map[string][]*net.MX{"d.example": {{Host: "."}}}}, "no_host: the domain accepts no mail (null MX, RFC 7505)"},
		{"no such domain", public, zone{}, "no_host: the name has no address, or does not exist"},
		{"MX without address", public, zone{mx: map[string][]*net.MX{"d.example": mx("a.example")}}, "no_host: the name has no address, or does not exist"},
		{"MX times out", public, zone{fail: map[string]error{"mx d.example": timeout}}, "no_dns: MX: DNS did not answer in time"},
		{"servfail", public, zone{fail: map[string]error{"mx d.example": servfail}}, "no_dns: MX: server misbehaving"},
		{"one of two hosts unknown today", public, zone{mx: map[string][]*net.MX{"d.example": mx("a.example", "b.example")},
			fail: map[string]error{"b.example": servfail}}, "no_dns: address: server misbehaving"},
		{"one of two hosts gone", public, zone{mx: map[string][]*net.MX{"d.example": mx("a.example", "b.example")},
			ip: map[string][]string{"b.example": {"9.9.9.2"}}}, "b.example 9.9.9.2"},
		{"we are the best", public, zone{mx: map[string][]*net.MX{"d.example": mx("us.example", "b.example")},
			ip: map[string][]string{"b.example": {"9.9.9.2"}}}, "no_host: the domain's best mail host is ourselves: the mail would loop"},
		{"for ourselves, and we are the best", Route{MX: true, HELO: "us.example", ToUs: true}, zone{mx: map[string][]*net.MX{"d.example": mx("us.example")},
			ip: map[string][]string{"us.example": {"9.9.9.1"}}}, "us.example 9.9.9.1"},
		{"we are the second", public, zone{mx: map[string][]*net.MX{"d.example": mx("a.example", "us.example", "c.example")},
			ip: map[string][]string{"a.example": {"9.9.9.1"}, "c.example": {"9.9.9.3"}}}, "a.example 9.9.9.1"},
		{"loopback", public, zone{ip: map[string][]string{"d.example": {"127.0.0.1"}}}, "blocked: the mail host's address is not a public one"},
		{"loopback behind IPv6", public, zone{ip: map[string][]string{"d.example": {"::ffff:10.0.0.1"}}}, "blocked: the mail host's address is not a public one"},
		{"one of two is private", public, zone{ip: map[string][]string{"d.example": {"10.0.0.1", "9.9.9.1"}}}, "d.example 9.9.9.1"},
		{"private allowed", Route{MX: true, AllowPrivate: true}, zone{ip: map[string][]string{"d.example": {"127.0.0.1"}}}, "d.example 127.0.0.1"},
		{"many addresses of several hosts", public, zone{mx: map[string][]*net.MX{"d.example": mx("a.example", "b.example")},
			ip: map[string][]string{"a.example": {"2620:fe::1", "2620:fe::2", "2620:fe::3", "9.9.9.1"}, "b.example": {"9.9.9.2"}}},
			"a.example 2620:fe::1, a.example 9.9.9.1, b.example 9.9.9.2"},
		{"one address twice", public, zone{mx: map[string][]*net.MX{"d.example": mx("a.example", "b.example")},
			ip: map[string][]string{"a.example": {"9.9.9.1"}, "b.example": {"9.9.9.1"}}}, "a.example 9.9.9.1"},
		{"thirty hosts", public, zone{mx: map[string][]*net.MX{"d.example": many}, ip: map[string][]string{"m20.example": {"9.9.9.1"}}},
			"no_host: the name has no address, or does not exist"},
		{"relay by name", Route{Smarthost: "relay.example:587"}, zone{ip: map[string][]string{"relay.example": {"127.0.0.1"}}}, "relay.example 127.0.0.1"},
		{"relay by address", Route{Smarthost: "[::1]:587"}, zone{}, "::1 ::1"},
		{"relay gone", Route{Smarthost: "relay.example:587"}, zone{}, "no_dns: the name has no address, or does not exist"},
		{"relay without port", Route{Smarthost: "relay.example"}, zone{}, "blocked: the route's smarthost is not host:port"},
	} {
		t.Run(c.name, func(t *testing.T) {
			list, why := targets(t.Context(), c.z, c.route, "d.example", 5)
			var got []string
			for _, x := range list {
				got = append(got, x.host+" "+x.ip.String())
			}
			s := strings.Join(got, ", ")
			if why != nil {
				s = string(why.outcome) + ": " + why.text
			}
			if s != c.want {
				t.Errorf("got %s, want %s", s, c.want)
			}
		})
	}
}

// Hosts of one preference share the load.
func TestEqualPreferenceIsShuffled(t *testing.T) {
	z := zone{mx: map[string][]*net.MX{"d.example": {{Host: "a.example.", Pref: 10}, {Host: "b.example.", Pref: 10}, {Host: "z.example.", Pref: 5}}},
		ip: map[string][]string{"a.example": {"9.9.9.1"}, "b.example": {"9.9.9.2"}, "z.example": {"9.9.9.9"}}}
	first := map[string]bool{}
	for range 200 {
		list, _ := targets(t.Context(), z, Route{MX: true}, "d.example", 5)
		if len(list) != 3 || list[0].host != "z.example" {
			t.Fatal(list)
		}
		first[list[1].host] = true
	}
	if len(first) != 2 {
		t.Error("always the same order")
	}
	if z.mx["d.example"][0].Host != "a.example." {
		t.Error("the resolver's own list was changed")
	}
}

// A stranger's MX leads no mail into our own networks.
func TestDeliverStaysOutside(t *testing.T) {
	text, err := os.ReadFile("../diag/dnscheck/testdata/addresses.txt")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		if len(f) < 2 || f[0] != "inside" {
			continue
		}
		n++
		z := zone{mx: map[string][]*net.MX{"shop.example": {{Host: "mx.shop.example.", Pref: 10}}}, ip: map[string][]string{"mx.shop.example": {f[1]}}}
		as := deliverer(t, z).Deliver(t.Context(), Route{Name: "mx", MX: true}, testEnvelope(), []byte(testMail))
		if len(as) != 1 || as[0].Outcome != ledger.Blocked || as[0].Stage != "dns" {
			t.Errorf("%s: %s", f[1], summary(as))
		}
		r := &Reacher{ReturnPath: func() string { return "b-x@bounces.example" }}
		if got := r.Reach(t.Context(), dnscheck.MXHost{Name: "mx.shop.example", Addrs: []netip.Addr{mustIP(f[1])}}); got.State != dnscheck.ReachUntried || got.IP.IsValid() || !strings.Contains(got.Why, "no address on the Internet") {
			t.Errorf("%s: a check of the receiver went there: %+v", f[1], got)
		}
	}
	if n == 0 {
		t.Fatal("the table is empty")
	}
}

func TestDeliverNoHost(t *testing.T) {
	d := deliverer(t, zone{})
	as := d.Deliver(t.Context(), Route{Name: "mx", MX: true}, testEnvelope(), []byte(testMail))
	if len(as) != 1 || as[0].Outcome != ledger.NoHost || as[0].Stage != "dns" || as[0].Host != "shop.example" || as[0].Text == "" {
		t.Errorf("%+v", as)
	}
}

func TestQueueID(t *testing.T) {
	for text, want := range map[string]string{
		"Ok: queued as 4XyZ1":               "4XyZ1",
		"OK id=1tF3bC-0001Ab-2X":            "1tF3bC-0001Ab-2X",
		"OK  1700000000 abc-123.45 - gsmtp": "abc-123.45",
		"<x@y.example> [InternalId=1234, Hostname=a.example] Queued mail for delivery": "1234",
		"1a2b3c4d Message accepted for delivery":                                       "1a2b3c4d",
		"ok 1700000000 qp 4321":                                                        "4321",
		"Ok 0102018c7f-aaaa-bbbb-cccc-000000":                                          "0102018c7f-aaaa-bbbb-cccc-000000",
		"Ok 010201aac7f0aaaa-1b2c3d4e-000000":                                          "010201aac7f0aaaa-1b2c3d4e-000000",
		"Message Queued (AB12.3)":                                                      "AB12.3",
		"thank you":                                                                    "",
	} {
		if got := queueID(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func TestClip(t *testing.T) {
	if got := clip("a\r\n\x00b\xff" + strings.Repeat("ü", 2000)); len(got) > 1024 || strings.ContainsAny(got, "\r\n\x00") || !strings.HasPrefix(got, "a   b\uFFFD") {
		t.Errorf("%q", got[:20])
	}
}
