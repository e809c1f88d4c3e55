package dnscheck

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
)

func TestCheckMX(t *testing.T) {
	tests := []struct {
		what, zone string
		want       MXStatus
		problem    string
	}{
		{"a host", "d.example. MX 10 mx.d.example.\nmx.d.example. A 8.8.8.8", MXHosts, ""},
		{"null MX", "d.example. MX 0 .", MXNull, ""},
		{"null MX beside another", "d.example. MX 0 .\nd.example. MX 10 mx.d.example.\nmx.d.example. A 8.8.8.8", MXHosts, "RFC 7505"},
		{"only an address", "d.example. A 8.8.8.8", MXImplicit, ""},
		{"only an IPv6 address", "d.example. AAAA 2a00::1", MXImplicit, ""},
		{"nothing", "d.example. TXT x", MXNone, ""},
		{"no domain", "", MXNoDomain, ""},
		{"hosts without address", "d.example. MX 10 mx.d.example.", MXDead, "no address"},
		{"a private address", "d.example. MX 10 mx.d.example.\nmx.d.example. A 10.0.0.1", MXHosts, "not on the Internet"},
		{"an alias", "d.example. MX 10 mx.d.example.\nmx.d.example. CNAME h.example.\nh.example. A 8.8.8.8", MXHosts, "alias"},
		{"an address for a name", "d.example. MX 10 192.0.2.1.", MXDead, "where a name belongs"},
		{"time-out", "d.example. FAILS timeout", MXUnknown, ""},
		{"the hosts time out", "d.example. MX 10 mx.d.example.\nmx.d.example. FAILS timeout", MXUnknown, "cannot be looked up"},
		{"one family fails, the other answers", "d.example. MX 10 mx.d.example.\nmx.d.example. A 8.8.8.8\nmx.d.example. FAILS servfail AAAA", MXHosts, ""},
		{"the implicit host times out", "d.example. TXT x\nd.example. FAILS timeout A", MXUnknown, ""},
	}
	for _, tt := range tests {
		got := CheckMX(t.Context(), newZone(t, tt.zone), "D.example.")
		problems := ""
		for _, h := range got.Hosts {
			problems += strings.Join(h.Problems, " ")
		}
		if got.Status != tt.want || got.Why == "" || !strings.Contains(problems, tt.problem) || tt.problem == "" && problems != "" {
			t.Errorf("%s: %+v", tt.what, got)
		}
	}
	got := CheckMX(t.Context(), newZone(t, "d.example. MX 20 b.example.\nd.example. MX 5 z.example.\nd.example. MX 20 a.example."), "d.example")
	if got.Hosts[0].Name != "z.example" || got.Hosts[1].Name != "a.example" || got.Hosts[2].Name != "b.example" {
		t.Errorf("order: %+v", got.Hosts)
	}
}

func TestCheckPTR(t *testing.T) {
	const rev = "1.2.0.192.in-addr.arpa."
	tests := []struct {
		what, zone string
		check      func(PTR) bool
	}{
		{"confirmed, and the HELO name", rev + " PTR mail.d.example.\nmail.d.example. A 192.0.2.1", func(p PTR) bool { return len(p.Confirmed) == 1 && p.HELOOK && p.HELOName && !p.Generic }},
		{"confirmed, HELO has another name of the same address", rev + " PTR out.d.example.\nout.d.example. A 192.0.2.1\nmail.d.example. A 192.0.2.1", func(p PTR) bool { return len(p.Confirmed) == 1 && p.HELOOK && !p.HELOName }},
		{"HELO leads elsewhere", rev + " PTR out.d.example.\nout.d.example. A 192.0.2.1\nmail.d.example. A 192.0.2.2", func(p PTR) bool { return len(p.Confirmed) == 1 && !p.HELOOK }},
		{"no name", "", func(p PTR) bool { return !p.Unknown && p.Names == nil && p.Why == "it has no name in reverse DNS" }},
		{"a name that leads elsewhere", rev + " PTR mail.d.example.\nmail.d.example. A 192.0.2.2", func(p PTR) bool { return !p.Unknown && len(p.Names) == 1 && p.Confirmed == nil }},
		{"a numbered name", rev + " PTR host-192-0-2-1.isp.example.\nhost-192-0-2-1.isp.example. A 192.0.2.1", func(p PTR) bool { return p.Generic && len(p.Confirmed) == 1 }},
		{"reverse DNS fails", rev + " FAILS servfail", func(p PTR) bool { return p.Unknown }},
		{"forward DNS fails", rev + " PTR mail.d.example.\nmail.d.example. FAILS timeout", func(p PTR) bool { return p.Unknown && p.Confirmed == nil }},
	}
	for _, tt := range tests {
		if got := CheckPTR(t.Context(), newZone(t, tt.zone), netip.MustParseAddr("192.0.2.1"), "mail.d.example"); !tt.check(got) {
			t.Errorf("%s: %+v", tt.what, got)
		}
	}
	z := newZone(t, "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa. PTR mail.d.example.\nmail.d.example. AAAA 2001:db8::1")
	if got := CheckPTR(t.Context(), z, netip.MustParseAddr("2001:db8::1"), "mail.d.example"); !got.HELOName {
		t.Errorf("IPv6: %+v", got)
	}
}

func TestCheckListing(t *testing.T) {
	zen, dbl := Blocklists()[0], Blocklists()[1]
	tests := []struct {
		what, zone, subject string
		list                Blocklist
		want                ListStatus
		why                 string
	}{
		{"clear", "", "192.0.2.1", zen, ListClear, ""},
		{"listed", "1.2.0.192.zen.spamhaus.org. A 127.0.0.4\n1.2.0.192.zen.spamhaus.org. TXT \"see \\007 there\"", "192.0.2.1", zen, ListListed, "XBL"},
		{"listed twice", "1.2.0.192.zen.spamhaus.org. A 127.0.0.2\n1.2.0.192.zen.spamhaus.org. A 127.0.0.10", "192.0.2.1", zen, ListListed, "PBL: provider says no mail from here; SBL"},
		{"listed with an unknown code", "1.2.0.192.zen.spamhaus.org. A 127.0.0.77", "192.0.2.1", zen, ListListed, "127.0.0.77"},
		{"our resolver is refused", "1.2.0.192.zen.spamhaus.org. A 127.255.255.254", "192.0.2.1", zen, ListRefused, "resolver"},
		{"any 127.255.255.x is a refusal", "1.2.0.192.zen.spamhaus.org. A 127.255.255.9", "192.0.2.1", zen, ListRefused, "resolver"},
		{"a resolver that answers everything", "1.2.0.192.zen.spamhaus.org. A 198.51.100.1", "192.0.2.1", zen, ListBroken, "none that a blocklist gives"},
		{"a list that lists everything", "1.2.0.192.zen.spamhaus.org. A 127.0.0.2\n1.0.0.127.zen.spamhaus.org. A 127.0.0.2", "192.0.2.1", zen, ListBroken, "everything"},
		{"time-out", "1.2.0.192.zen.spamhaus.org. FAILS timeout", "192.0.2.1", zen, ListUnknown, "cannot be asked"},
		{"IPv6", "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.zen.spamhaus.org. A 127.0.0.3", "2001:db8::1", zen, ListListed, "CSS"},
		{"a domain", "d.example.dbl.spamhaus.org. A 127.0.1.4", "d.example", dbl, ListListed, "phishing"},
		{"a list of domains asked about nothing else", "d.example.dbl.spamhaus.org. A 127.0.1.4\ninvalid.dbl.spamhaus.org. A 127.0.1.2", "d.example", dbl, ListBroken, "everything"},
	}
	for _, tt := range tests {
		got, ok := CheckListing(t.Context(), newZone(t, tt.zone), tt.list, tt.subject)
		if !ok || got.Status != tt.want || !strings.Contains(got.Why, tt.why) || strings.ContainsRune(got.Reason, '\a') {
			t.Errorf("%s: %+v", tt.what, got)
		}
	}
	if _, ok := CheckListing(t.Context(), newZone(t, ""), dbl, "192.0.2.1"); ok {
		t.Error("a list of domains was asked about an address")
	}
	if _, ok := CheckListing(t.Context(), newZone(t, ""), zen, "d.example"); ok {
		t.Error("a list of addresses was asked about a domain")
	}
}

// The tables are data: every line must be read.
func TestTables(t *testing.T) {
	lines := func(s string) int {
		n := 0
		for line := range strings.Lines(s) {
			if !strings.HasPrefix(line, "#") {
				n++
			}
		}
		return n
	}
	lists := Blocklists()
	if len(lists) != lines(blocklistTable) || len(lists) == 0 {
		t.Errorf("%d lists of %d lines", len(lists), lines(blocklistTable))
	}
	for _, b := range lists {
		if b.Weight.rank() == OK.rank() || len(b.Codes) == 0 || !strings.HasPrefix(b.Delist, "https://") || cleanDomain(b.Zone) != b.Zone {
			t.Errorf("%+v", b)
		}
		for code := range b.Codes {
			if ip, err := netip.ParseAddr(code); err != nil || ip.As4()[0] != 127 || slices.Contains(b.Refused, ip) {
				t.Errorf("%s: code %q", b.Zone, code)
			}
		}
	}
	reqs := Requirements()
	if len(reqs) != lines(requirementTable) || len(reqs) == 0 {
		t.Errorf("%d requirements of %d lines", len(reqs), lines(requirementTable))
	}
	for _, r := range reqs {
		if len(r.Since) != len("2024-02-01") || !strings.HasPrefix(r.Source, "https://") || r.Who != "all" && r.Who != "bulk" {
			t.Errorf("%+v", r)
		}
	}
}

func TestCheckTLSRPT(t *testing.T) {
	for zone, want := range map[string]string{
		"": "no TLS-RPT record",
		`_smtp._tls.d.example. TXT "v=TLSRPTv1; rua=mailto:a@d.example,https://r.example/x"`:                                                 "wanted",
		`_smtp._tls.d.example. TXT "v=TLSRPTv1;rua=ftp://x"`:                                                                                 "names no",
		`_smtp._tls.d.example. TXT "v=TLSRPTv1"`:                                                                                             "names no",
		`_smtp._tls.d.example. TXT "v=TLSRPTv2; rua=mailto:a@d.example"`:                                                                     "no TLS-RPT record",
		"_smtp._tls.d.example. TXT \"v=TLSRPTv1; rua=mailto:a@d.example\"\n_smtp._tls.d.example. TXT \"v=TLSRPTv1; rua=mailto:b@d.example\"": "2 TLS-RPT",
		"_smtp._tls.d.example. FAILS servfail":                                                                                               "cannot be looked up",
	} {
		got := CheckTLSRPT(t.Context(), newZone(t, zone), "d.example")
		if !strings.Contains(got.Why, want) || got.Found != (want == "wanted") {
			t.Errorf("%s: %+v", zone, got)
		}
	}
}
