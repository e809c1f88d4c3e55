package dnscheck

import (
	"crypto/ed25519"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// When DNS fails, nobody is told that all is well, nor that the domain is at fault.
func TestFailingDNSIsTemporary(t *testing.T) {
	ip := netip.MustParseAddr("192.0.2.1")
	for name, answer := range map[string]reply{
		"silence":  silent,
		"servfail": answerCode(dns.RcodeServerFailure),
		"refused":  answerCode(dns.RcodeRefused),
		"a lie":    answerWith(t, "other.example. 60 IN TXT \"v=spf1 +all\""),
		"a circle": func(q *dns.Msg, _ string, write func(*dns.Msg)) {
			answerWith(t, q.Question[0].Name+" 60 IN CNAME "+q.Question[0].Name)(q, "", write)
		},
		"cut for good": func(q *dns.Msg, _ string, write func(*dns.Msg)) {
			m := new(dns.Msg).SetReply(q)
			m.Truncated = true
			write(m)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := client(serve(t, answer).addr)
			c.Timeout = 60 * time.Millisecond
			if got := CheckSPF(t.Context(), c, SPFQuestion{IP: ip, MailFrom: "jo@sender.example"}); got.Result != SPFTempError {
				t.Errorf("SPF: %+v", got)
			}
			if got := CostSPF(t.Context(), c, "sender.example"); got.Unknown == "" || len(got.Records) > 0 {
				t.Errorf("SPF cost: %+v", got)
			}
			if got := CheckKey(t.Context(), c, "sender.example", Selector{Name: "s1", Public: ed25519.PublicKey(make([]byte, 32))}); got.Status != KeyUnknown {
				t.Errorf("DKIM: %+v", got)
			}
			if got := CheckDMARC(t.Context(), c, DMARCQuestion{Author: "sender.example", Envelope: "sender.example"}); got.TempError == "" || got.Found || got.Policy != "" {
				t.Errorf("DMARC: %+v", got)
			}
			if got := CheckMX(t.Context(), c, "sender.example"); got.Status != MXUnknown {
				t.Errorf("MX: %+v", got)
			}
			if got := CheckPTR(t.Context(), c, ip, "mail.sender.example"); !got.Unknown || got.HELOOK {
				t.Errorf("PTR: %+v", got)
			}
			if got, _ := CheckListing(t.Context(), c, Blocklists()[0], "192.0.2.1"); got.Status != ListUnknown {
				t.Errorf("DNSBL: %+v", got)
			}
			if got := CheckMTASTS(t.Context(), c, nil, "sender.example", nil); got.Status != STSUnknown {
				t.Errorf("MTA-STS: %+v", got)
			}
			if got := CheckTLSRPT(t.Context(), c, "sender.example"); !got.Unknown || got.Found {
				t.Errorf("TLS-RPT: %+v", got)
			}
			if got := CheckDANE(t.Context(), c, MX{Hosts: []MXHost{{Name: "mx.sender.example", Addrs: []netip.Addr{ip}}}}, 0); !got[0].Unknown || got[0].Binding {
				t.Errorf("DANE: %+v", got)
			}
			r := Check(t.Context(), Question{Domain: "sender.example", IPs: []netip.Addr{ip}, HELO: "mail.sender.example"},
				Deps{DNS: c, Lists: Blocklists(), Deadline: 2 * time.Second})
			for _, f := range r.Findings {
				if f.Severity == OK || f.Severity == Error && f.ID != "dkim.none" {
					t.Errorf("the report says %s %s: %s", f.Severity, f.ID, f.What)
				}
			}
			for _, req := range r.Requirements {
				if req.Met == MetYes {
					t.Errorf("the checklist says yes to %s", req.ID)
				}
			}
		})
	}
}

// Records made to make us work: never more look-ups than RFC 7208 allows.
func TestSPFHostileRecords(t *testing.T) {
	ip := netip.MustParseAddr("192.0.2.1")
	many := func(format string, n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, format, i)
		}
		return b.String()
	}
	endless := func(q *dns.Msg, _ string, write func(*dns.Msg)) { // each name includes a new one
		name := q.Question[0].Name
		answerWith(t, fmt.Sprintf("%s 60 IN TXT \"v=spf1 include:x%s -all\"", name, strings.TrimSuffix(name, ".")))(q, "", write)
	}
	zoneOf := func(text string) reply {
		z := newZone(t, text)
		return func(q *dns.Msg, _ string, write func(*dns.Msg)) {
			a := z.Lookup(t.Context(), strings.TrimSuffix(q.Question[0].Name, "."), q.Question[0].Qtype)
			m := new(dns.Msg).SetReply(q)
			m.RecursionAvailable, m.Answer = true, a.Records
			if a.Outcome == NXDomain {
				m.Rcode = dns.RcodeNameError
			}
			write(m)
		}
	}
	tests := []struct {
		what   string
		answer reply
		want   SPFResult
		most   int // messages that we may send
	}{
		{"includes without end", endless, SPFPermError, 11},
		{"an include of itself", zoneOf(`sender.example. TXT "v=spf1 include:sender.example -all"`), SPFPermError, 11},
		{"a redirect to itself", zoneOf(`sender.example. TXT "v=spf1 redirect=sender.example"`), SPFPermError, 11},
		{"eleven names", zoneOf(`sender.example. TXT "v=spf1 ` + many("a:h%d.sender.example ", 11) + `-all"` + "\n" + many("h%d.sender.example. A 198.51.100.1\n", 11)), SPFPermError, 11},
		{"three empty names", zoneOf(`sender.example. TXT "v=spf1 a:x.sender.example a:y.sender.example a:z.sender.example -all"`), SPFPermError, 4},
		{"eleven mail hosts", zoneOf(`sender.example. TXT "v=spf1 mx -all"` + "\n" + many("sender.example. MX 10 m%d.sender.example.\n", 11)), SPFPermError, 2},
		{"sixty reverse names", zoneOf(`sender.example. TXT "v=spf1 ptr -all"` + "\n" + many("1.2.0.192.in-addr.arpa. PTR h%d.else.example.\n", 60)), SPFFail, 12},
		{"60 kB of records, none of them SPF", cutAndLong(func(i int) string { return strings.Repeat("x", 230) }), SPFNone, 2},
		{"60 kB of SPF records", cutAndLong(func(i int) string { return "v=spf1 " + many("a:%d.x.example ", 12) + fmt.Sprint(i) }), SPFPermError, 2},
	}
	for _, tt := range tests {
		t.Run(tt.what, func(t *testing.T) {
			s := serve(t, tt.answer)
			got := CheckSPF(t.Context(), client(s.addr), SPFQuestion{IP: ip, MailFrom: "jo@sender.example"})
			if got.Result != tt.want || got.Lookups > spfMaxLookups || got.VoidLookups > spfMaxVoid+1 || s.total() > tt.most {
				t.Errorf("%s (%s), %d look-ups, %d void, %d messages; want %s, at most %d", got.Result, got.Why, got.Lookups, got.VoidLookups, s.total(), tt.want, tt.most)
			}
			s = serve(t, tt.answer)
			CostSPF(t.Context(), client(s.addr), "sender.example")
			if s.total() > 12 {
				t.Errorf("counting the cost took %d messages", s.total())
			}
		})
	}
}

// A record in several strings and of 60 kB in one is read as one; its length alone is no fault.
func TestSPFLongRecord(t *testing.T) {
	var b strings.Builder
	b.WriteString("v=spf1")
	for i := range 3000 {
		fmt.Fprintf(&b, " ip4:10.%d.%d.0/24", i/256, i%256)
	}
	b.WriteString(" ip4:192.0.2.1 -all")
	s := serve(t, func(q *dns.Msg, network string, write func(*dns.Msg)) {
		m := new(dns.Msg).SetReply(q)
		rr := &dns.TXT{Hdr: dns.RR_Header{Name: q.Question[0].Name, Rrtype: dns.TypeTXT, Class: dns.ClassINET, Ttl: 60}}
		for text := b.String(); text != ""; {
			n := min(255, len(text))
			rr.Txt, text = append(rr.Txt, text[:n]), text[n:]
		}
		if m.Answer = []dns.RR{rr}; network == "udp" {
			m.Answer, m.Truncated = nil, true
		}
		write(m)
	})
	got := CheckSPF(t.Context(), client(s.addr), SPFQuestion{IP: netip.MustParseAddr("192.0.2.1"), MailFrom: "jo@sender.example"})
	if got.Result != SPFPass || len(got.Trace) > spfMaxTrace+1 {
		t.Errorf("%s (%s), %d steps", got.Result, clip(got.Why, 100), len(got.Trace))
	}
}

// A whole check of a domain whose DNS answers nothing ends by its deadline and knows nothing.
func TestCheckDeadline(t *testing.T) {
	s := serve(t, silent)
	r := Check(t.Context(), Question{Domain: "sender.example", IPs: []netip.Addr{netip.MustParseAddr("9.9.9.9")}},
		Deps{DNS: &Resolver{Servers: []string{s.addr}, Timeout: time.Hour, Deadline: time.Hour}, Lists: Blocklists(), Deadline: 100 * time.Millisecond})
	for _, l := range r.Lookups {
		if l.Outcome != Timeout {
			t.Errorf("%+v", l)
		}
	}
	if r.DMARC.TempError == "" || r.MX.Status != MXUnknown || r.SPF[0].Result != SPFTempError {
		t.Errorf("%+v", r)
	}
}
