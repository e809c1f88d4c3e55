package dnscheck

import (
	"net/netip"
	"strings"
	"testing"
	"time"
)

// The trace tells the story: which term was looked at, what was asked, why it did not match, how many look-ups that took.
func TestSPFTrace(t *testing.T) {
	z := newZone(t, `
sender.example. TXT "v=spf1 mx include:_spf.relay.example exists:%{ir}.list.example ~all"
sender.example. MX 10 mx.sender.example.
mx.sender.example. A 192.0.2.25
_spf.relay.example. TXT "v=spf1 ip4:198.51.100.0/24 -all"`)
	got := CheckSPF(t.Context(), z, SPFQuestion{IP: netip.MustParseAddr("203.0.113.9"), MailFrom: "jo@sender.example"})
	want := []SPFStep{
		{0, "sender.example", "mx", "no match", "192.0.2.25", 1, false, "sender.example", ""},
		{0, "sender.example", "include:_spf.relay.example", "entered", "", 2, false, "_spf.relay.example", ""},
		{1, "_spf.relay.example", "ip4:198.51.100.0/24", "no match", "the network of the term", 2, false, "", ""},
		{1, "_spf.relay.example", "-all", "match", "", 2, false, "", ""},
		{0, "sender.example", "include:_spf.relay.example", "no match", `203.0.113.9 matches "-all" of _spf.relay.example`, 2, false, "_spf.relay.example", ""},
		{0, "sender.example", "exists:%{ir}.list.example", "no match", "", 3, true, "9.113.0.203.list.example", "nxdomain"},
		{0, "sender.example", "~all", "match", "", 3, false, "", ""},
	}
	if got.Result != SPFSoftFail || got.Matched != "~all" || got.Lookups != 3 || got.VoidLookups != 1 || len(got.Trace) != len(want) {
		t.Fatalf("%+v", got)
	}
	for i, w := range want {
		if got.Trace[i] != w {
			t.Errorf("step %d: got %+v, want %+v", i, got.Trace[i], w)
		}
	}
}

func TestSPFReasons(t *testing.T) {
	ip := netip.MustParseAddr("192.0.2.1")
	tests := []struct{ zone, from, helo, why string }{
		{`sender.example. TXT "v=spf1 -all"` + "\n" + `sender.example. TXT "v=spf1 ~all"`, "jo@sender.example", "", "2 SPF records"},
		{`sender.example. TXT "v=spf1 ip4:192.0.2.256 -all"`, "jo@sender.example", "", `"ip4:192.0.2.256" has no such address`},
		{`sender.example. TXT "v=spf1 ipv4:192.0.2.1 -all"`, "jo@sender.example", "", "no mechanism that SPF knows"},
		{`sender.example. TXT "v=spf1 include:none.example -all"`, "jo@sender.example", "", "without an SPF record"},
		{`sender.example. TXT "v=spf1 redirect=none.example"`, "jo@sender.example", "", "without an SPF record"},
		{"sender.example. FAILS servfail", "jo@sender.example", "", "cannot be read"},
		{"", "jo@localhost", "", "not fully qualified"},
		{"", "", "[192.0.2.1]", "not fully qualified"},
		{"", "jo@sender.example", "", "publishes no SPF record"},
		{`helo.example. TXT "v=spf1 a -all"` + "\nhelo.example. A 192.0.2.1", "", "helo.example", `matches "a" of helo.example`},
	}
	for _, tt := range tests {
		got := CheckSPF(t.Context(), newZone(t, tt.zone), SPFQuestion{IP: ip, MailFrom: tt.from, HELO: tt.helo})
		if !strings.Contains(got.Why, tt.why) {
			t.Errorf("%s: %s (%s), want …%s…", tt.zone, got.Result, got.Why, tt.why)
		}
	}
	if got := CheckSPF(t.Context(), newZone(t, ""), SPFQuestion{MailFrom: "jo@sender.example"}); got.Result != SPFNone {
		t.Errorf("no address: %+v", got)
	}
	// A mapped address is the IPv4 address that it carries.
	if got := CheckSPF(t.Context(), newZone(t, `sender.example. TXT "v=spf1 ip4:192.0.2.1 -all"`), SPFQuestion{IP: netip.MustParseAddr("::ffff:192.0.2.1"), MailFrom: "jo@sender.example"}); got.Result != SPFPass {
		t.Errorf("mapped: %+v", got)
	}
}

func TestCostSPF(t *testing.T) {
	tests := []struct {
		what, zone string
		lookups    int
		atLeast    bool
	}{
		{"addresses only", `sender.example. TXT "v=spf1 ip4:192.0.2.1 -all"`, 0, false},
		{"twelve", `sender.example. TXT "v=spf1 a mx include:a.example include:b.example -all"
a.example. TXT "v=spf1 a:1.a.example a:2.a.example a:3.a.example a:4.a.example ?all"
b.example. TXT "v=spf1 mx exists:%{i}.b.example ptr redirect=c.example"
c.example. TXT "v=spf1 ip4:192.0.2.1 -all"`, 12, false},
		{"an unread include", `sender.example. TXT "v=spf1 include:gone.example -all"`, 1, true},
		{"an include with a macro", `sender.example. TXT "v=spf1 include:%{d2}.x.example -all"`, 1, true},
		{"a circle", `sender.example. TXT "v=spf1 include:sender.example -all"`, 1, true},
		{"a redirect behind all is never followed", `sender.example. TXT "v=spf1 -all redirect=a.example"`, 0, false},
	}
	for _, tt := range tests {
		z := newZone(t, tt.zone)
		got := CostSPF(t.Context(), z, "sender.example")
		if got.Lookups != tt.lookups || got.AtLeast != tt.atLeast || z.count("TXT") > 11 {
			t.Errorf("%s: %+v after %d queries, want %d", tt.what, got, z.count("TXT"), tt.lookups)
		}
	}
}

func TestSPFAdvice(t *testing.T) {
	ips := []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")}
	for got, want := range map[string]string{
		newSPF(ips): "v=spf1 ip4:192.0.2.1 ip6:2001:db8::1 ~all",
		allowIPs("v=spf1 include:x.example -all", ips[:1]):                         "v=spf1 ip4:192.0.2.1 include:x.example -all",
		mergeSPF([]string{"v=spf1 a mx -all", "v=spf1 mx include:x.example ~all"}): "v=spf1 a mx include:x.example ~all",
		mergeSPF([]string{"v=spf1 a", "v=spf1 +all"}):                              "v=spf1 a ~all",
		replaceAll("v=spf1 a +all", "-all"):                                        "v=spf1 a -all",
		txtRecord("Sender.Example.", `a"b\`):                                       `sender.example. IN TXT "a\"b\\"`,
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		if _, err := parseSPF(strings.TrimPrefix(got, "x")); strings.HasPrefix(got, "v=spf1") && err != nil {
			t.Errorf("%q: %v", got, err)
		}
	}
}

func FuzzSPF(f *testing.F) {
	f.Add("v=spf1 a mx:x.example/24//64 ip4:192.0.2.0/24 ip6:2001:db8::/32 include:%{d2}.y.example exists:%{ir}.%{l1r-}.z.example ptr redirect=w.example exp=e.example -all")
	f.Add("v=spf1 a:%{d}/0//0 ?all unknown=%{c}%%%_%-")
	f.Add("v=spf1 %{%{ a:%{s9999999999999999999999r.-+,/_=} a:.. a://")
	z := newZone(f, "x.example. A 192.0.2.1\ny.example. TXT \"v=spf1 -all\"\ne.example. TXT \"%{c} %{t}\"")
	f.Fuzz(func(t *testing.T, record string) {
		if !isSPF(record) {
			return
		}
		rec, err := parseSPF(record)
		if err != nil {
			return
		}
		e := &spfEval{dns: z, q: SPFQuestion{HELO: "helo.example"}, ip: netip.MustParseAddr("2001:db8::1"), local: "jo.x-y", sender: "sender.example", now: time.Unix(1e9, 0)}
		for _, m := range rec.mechanisms {
			if m.spec != "" {
				if _, err := e.target(t.Context(), m.spec, "sender.example"); err != nil {
					t.Errorf("%q parsed, and does not expand: %v", m.spec, err)
				}
			}
			e.mechanism(t.Context(), m, "sender.example", 0)
		}
		if e.out.Lookups > spfMaxLookups {
			t.Errorf("%d look-ups", e.out.Lookups)
		}
	})
}

func BenchmarkSPF(b *testing.B) {
	z := newZone(b, `
sender.example. TXT "v=spf1 mx include:_spf.relay.example ~all"
sender.example. MX 10 mx.sender.example.
mx.sender.example. A 192.0.2.25
_spf.relay.example. TXT "v=spf1 ip4:198.51.100.0/24 ip4:203.0.113.0/24 -all"`)
	b.ReportAllocs()
	for b.Loop() {
		if got := CheckSPF(b.Context(), z, SPFQuestion{IP: netip.MustParseAddr("203.0.113.9"), MailFrom: "jo@sender.example"}); got.Result != SPFPass {
			b.Fatal(got)
		}
		z.asked = z.asked[:0]
	}
}
