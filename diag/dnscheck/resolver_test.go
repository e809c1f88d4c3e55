package dnscheck

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// Each way in which DNS answers, or fails to, is told apart.
func TestResolverOutcomes(t *testing.T) {
	long := strings.Repeat("x", 230)
	withSOA := func(rcode int) reply {
		return func(q *dns.Msg, _ string, write func(*dns.Msg)) {
			m := new(dns.Msg).SetReply(q)
			m.Rcode, m.RecursionAvailable = rcode, true
			m.Ns = rrs(t, "example. 60 IN SOA ns.example. h.example. 1 2 3 4 5")
			write(m)
		}
	}
	tests := []struct {
		what    string
		answer  reply
		want    Outcome
		why     string
		aliases int
	}{
		{"records", answerWith(t, "a.example. 60 IN TXT hello"), Found, "", 0},
		{"other case in the answer", answerWith(t, "A.EXAMPLE. 60 IN TXT hello"), Found, "", 0},
		{"no such name", withSOA(dns.RcodeNameError), NXDomain, "no such name", 0},
		{"no such record", withSOA(dns.RcodeSuccess), NoData, "no record", 0},
		{"no such record, without a SOA", answerWith(t), NoData, "no record", 0},
		{"servfail", answerCode(dns.RcodeServerFailure), ServFail, "SERVFAIL", 0},
		{"refused", answerCode(dns.RcodeRefused), Refused, "REFUSED", 0},
		{"not authoritative", answerCode(dns.RcodeNotAuth), Lame, "NOTAUTH", 0},
		{"a strange code", answerCode(13), Broken, "RCODE", 0},
		{"silence", silent, Timeout, "in time", 0},
		{"a referral", func(q *dns.Msg, _ string, write func(*dns.Msg)) {
			m := new(dns.Msg).SetReply(q)
			m.Ns = rrs(t, "example. 60 IN NS ns.example.")
			write(m)
		}, Lame, "elsewhere", 0},
		{"another question", func(q *dns.Msg, _ string, write func(*dns.Msg)) {
			m := new(dns.Msg).SetReply(q)
			m.Question[0].Name = "evil.example."
			m.Answer = rrs(t, "a.example. 60 IN TXT lie")
			write(m)
		}, Broken, "another question", 0},
		{"another id", func(q *dns.Msg, _ string, write func(*dns.Msg)) {
			m := new(dns.Msg).SetReply(q)
			m.Id ^= 1
			m.Answer = rrs(t, "a.example. 60 IN TXT lie")
			write(m)
		}, Broken, "another question", 0},
		{"the question thrown back", func(q *dns.Msg, _ string, write func(*dns.Msg)) { write(q) }, Broken, "another question", 0},
		{"a forgery, then the truth", func(q *dns.Msg, _ string, write func(*dns.Msg)) {
			m := new(dns.Msg).SetReply(q)
			m.Id ^= 1
			m.Answer = rrs(t, "a.example. 60 IN TXT lie")
			write(m)
			answerWith(t, "a.example. 60 IN TXT hello")(q, "", write)
		}, Found, "", 0},
		{"records of another name", answerWith(t, "b.example. 60 IN TXT lie"), Broken, "another name", 0},
		{"records of another type", answerWith(t, "a.example. 60 IN A 192.0.2.1"), Broken, "another name", 0},
		{"an alias with its records", answerWith(t, "a.example. 60 IN CNAME b.example.", "b.example. 30 IN TXT hello"), Found, "", 1},
		{"an alias to be asked for", func(q *dns.Msg, _ string, write func(*dns.Msg)) {
			if q.Question[0].Name == "a.example." {
				answerWith(t, "a.example. 60 IN CNAME b.example.")(q, "", write)
				return
			}
			answerWith(t, "b.example. 60 IN TXT hello")(q, "", write)
		}, Found, "", 1},
		{"an alias of nothing", func(q *dns.Msg, _ string, write func(*dns.Msg)) {
			m := new(dns.Msg).SetReply(q)
			m.Rcode, m.RecursionAvailable = dns.RcodeNameError, true
			m.Answer = rrs(t, "a.example. 60 IN CNAME b.example.")
			write(m)
		}, NXDomain, "alias", 1},
		{"an alias of itself", answerWith(t, "a.example. 60 IN CNAME a.example."), Broken, "circle", 0},
		{"aliases in a circle", answerWith(t, "a.example. 60 IN CNAME b.example.", "b.example. 60 IN CNAME a.example."), Broken, "circle", 1},
		{"aliases without end", func(q *dns.Msg, _ string, write func(*dns.Msg)) {
			answerWith(t, q.Question[0].Name+" 60 IN CNAME x."+q.Question[0].Name)(q, "", write)
		}, Broken, "circle or too far", maxAliases},
		{"60 kB over TCP", cutAndLong(func(i int) string { return long }), Found, "", 0},
		{"cut over TCP as well", func(q *dns.Msg, _ string, write func(*dns.Msg)) {
			m := new(dns.Msg).SetReply(q)
			m.Truncated = true
			write(m)
		}, Broken, "even over TCP", 0},
		{"cut, and TCP is silent", func(q *dns.Msg, network string, write func(*dns.Msg)) {
			if network == "udp" {
				m := new(dns.Msg).SetReply(q)
				m.Truncated = true
				write(m)
			}
		}, Timeout, "over TCP", 0},
		{"no EDNS0", func(q *dns.Msg, _ string, write func(*dns.Msg)) {
			if q.IsEdns0() != nil {
				answerCode(dns.RcodeFormatError)(q, "", write)
				return
			}
			answerWith(t, "a.example. 60 IN TXT hello")(q, "", write)
		}, Found, "", 0},
	}
	for _, tt := range tests {
		t.Run(tt.what, func(t *testing.T) {
			s := serve(t, tt.answer)
			a := client(s.addr).Lookup(t.Context(), "A.Example.", dns.TypeTXT)
			if a.Outcome != tt.want || !strings.Contains(a.Why, tt.why) || len(a.Aliases) != tt.aliases {
				t.Errorf("got %s (%s), aliases %v; want %s (…%s…), %d", a.Outcome, a.Why, a.Aliases, tt.want, tt.why, tt.aliases)
			}
			if a.Outcome != Found && (len(a.Records) > 0 || a.TTL != 0 || a.AD) {
				t.Errorf("a failure with records: %+v", a)
			}
			if a.Outcome == Found && (len(a.Texts()) == 0 || a.TTL == 0) {
				t.Errorf("found nothing: %+v", a)
			}
			if a.Name != "a.example" || a.Outcome.Absent() && a.Outcome.Temporary() {
				t.Errorf("%+v", a)
			}
		})
	}
}

// Octets that are no message are passed over on UDP, and end a TCP exchange.
func TestResolverGarbage(t *testing.T) {
	garbage := []byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}
	s := serveRaw(t, func(q *dns.Msg, network string, write func([]byte)) {
		write(garbage)
		write(garbage[:5])
		if q.Question[0].Name == "good.example." {
			m := new(dns.Msg).SetReply(q)
			m.Answer = rrs(t, "good.example. 60 IN TXT hello")
			raw, _ := m.Pack()
			write(raw)
		}
	})
	if a := client(s.addr).Lookup(t.Context(), "good.example", dns.TypeTXT); a.Outcome != Found {
		t.Errorf("garbage before the answer: %+v", a)
	}
	if a := client(s.addr).Lookup(t.Context(), "bad.example", dns.TypeTXT); a.Outcome != Broken {
		t.Errorf("garbage only: %+v", a)
	}
	flood := serve(t, func(q *dns.Msg, _ string, write func(*dns.Msg)) {
		m := new(dns.Msg).SetReply(q)
		m.Id ^= 1
		for range 3 * maxStray {
			write(m)
		}
	})
	if a := client(flood.addr).Lookup(t.Context(), "a.example", dns.TypeTXT); a.Outcome != Broken {
		t.Errorf("a flood of forgeries: %+v", a)
	}
}

// The AD bit counts only if it stands on every message of a chain; the TTL is the least.
func TestResolverADAndTTL(t *testing.T) {
	s := serve(t, func(q *dns.Msg, _ string, write func(*dns.Msg)) {
		m := new(dns.Msg).SetReply(q)
		m.RecursionAvailable, m.AuthenticatedData = true, q.AuthenticatedData
		switch q.Question[0].Name {
		case "safe.example.":
			m.Answer = rrs(t, "safe.example. 300 IN CNAME x.example.", "x.example. 40 IN A 192.0.2.1", "x.example. 50 IN A 192.0.2.2")
		case "half.example.":
			m.Answer = rrs(t, "half.example. 20 IN CNAME y.example.")
		case "y.example.":
			m.AuthenticatedData = false
			m.Answer = rrs(t, "y.example. 300 IN A 192.0.2.1")
		}
		write(m)
	})
	c := client(s.addr)
	if a := c.Lookup(t.Context(), "safe.example", dns.TypeA); !a.AD || a.TTL != 40*time.Second || len(a.Addrs()) != 2 {
		t.Errorf("%+v", a)
	}
	if a := c.Lookup(t.Context(), "half.example", dns.TypeA); a.AD || a.TTL != 20*time.Second || len(a.Addrs()) != 1 {
		t.Errorf("%+v", a)
	}
}

// What is believed of DNSSEC unasked comes from this machine, and not from a forwarder on it that is known to validate nothing.
func TestWhoseADCounts(t *testing.T) {
	for servers, want := range map[string]bool{
		"127.0.0.1:53": true, "[::1]:53": true, "127.0.0.53:53": true, "127.0.0.1:53 [::1]:53": true,
		"127.0.0.11:53": false, "127.0.0.1:53 127.0.0.11:53": false, "127.0.0.1:53 192.0.2.53:53": false, "localhost:53": false,
	} {
		if got := onLoopback(strings.Fields(servers)); got != want {
			t.Errorf("%s: %t", servers, got)
		}
	}
}

// A dead or sick server is passed over for the next.
func TestResolverNextServer(t *testing.T) {
	good := serve(t, answerWith(t, "a.example. 60 IN TXT hello"))
	for name, first := range map[string]string{
		"silent": serve(t, silent).addr, "servfail": serve(t, answerCode(dns.RcodeServerFailure)).addr, "closed": "127.0.0.1:1",
		"refused": serve(t, answerCode(dns.RcodeRefused)).addr,
	} {
		if a := client(first, good.addr).Lookup(t.Context(), "a.example", dns.TypeTXT); a.Outcome != Found {
			t.Errorf("%s: %+v", name, a)
		}
	}
}

func TestResolverNames(t *testing.T) {
	s := serve(t, func(q *dns.Msg, _ string, write func(*dns.Msg)) {
		answerWith(t, `a.example. 60 IN TXT "say \"hi\" \\ \195\188" " there"`)(q, "", func(m *dns.Msg) {
			m.Answer[0].Header().Name = q.Question[0].Name
			write(m)
		})
	})
	c := client(s.addr)
	for name, want := range map[string]Outcome{
		"": BadName, ".": BadName, "a..example": BadName, strings.Repeat("a", 64) + ".example": BadName, strings.Repeat("a.", 127) + "toolong": BadName,
		"bücher.example": Found, `we ird\na"me;(x)@.example`: Found, "_dmarc.a.example": Found,
	} {
		a := c.Lookup(t.Context(), name, dns.TypeTXT)
		if a.Outcome != want {
			t.Errorf("%q: %+v", name, a)
		}
		if want == Found && !slices.Equal(a.Texts(), []string{`say "hi" \ ü there`}) {
			t.Errorf("%q: %q", name, a.Texts())
		}
	}
	if a := c.Lookup(t.Context(), "bücher.example", dns.TypeTXT); a.Name != "xn--bcher-kva.example" {
		t.Errorf("%q", a.Name)
	}
}

func TestResolverEndsWithContext(t *testing.T) {
	s := serve(t, silent)
	r := &Resolver{Servers: []string{s.addr}, Timeout: time.Hour, Rounds: 1000, Deadline: time.Hour}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if a := r.Lookup(ctx, "a.example", dns.TypeTXT); a.Outcome != Timeout || a.Queries != 1 {
		t.Errorf("%+v", a)
	}
}

func TestNewResolver(t *testing.T) {
	for in, want := range map[string]string{"192.0.2.1": "192.0.2.1:53", "[2001:db8::1]": "[2001:db8::1]:53", "2001:db8::1": "[2001:db8::1]:53", "dns.example:5353": "dns.example:5353"} {
		r, err := NewResolver(in)
		if err != nil || r.Servers[0] != want {
			t.Errorf("%s: %v, %v", in, r, err)
		}
	}
}

// DNS that changes its mind: within one check, a question has one answer.
func TestSessionAsksOnce(t *testing.T) {
	n := 0
	s := serve(t, func(q *dns.Msg, _ string, write func(*dns.Msg)) {
		n++
		answerWith(t, fmt.Sprintf("a.example. 60 IN TXT answer-%d", n))(q, "", write)
	})
	ses := newSession(client(s.addr), 3)
	first := ses.Lookup(t.Context(), "a.example", dns.TypeTXT)
	if again := ses.Lookup(t.Context(), "A.example.", dns.TypeTXT); !slices.Equal(first.Texts(), again.Texts()) || s.total() != 1 {
		t.Errorf("%q, %q after %d questions", first.Texts(), again.Texts(), s.total())
	}
	for i := range 5 {
		ses.Lookup(t.Context(), fmt.Sprintf("%d.example", i), dns.TypeTXT)
	}
	if s.total() != 3 {
		t.Errorf("%d questions with a limit of 3", s.total())
	}
	if a := ses.Lookup(t.Context(), "more.example", dns.TypeTXT); a.Outcome != Spent || !a.Outcome.Temporary() {
		t.Errorf("%+v", a)
	}
}

func BenchmarkLookup(b *testing.B) {
	s := serve(b, answerWith(b, "a.example. 60 IN TXT hello"))
	c := client(s.addr)
	b.ReportAllocs()
	for b.Loop() {
		if a := c.Lookup(b.Context(), "a.example", dns.TypeTXT); a.Outcome != Found {
			b.Fatal(a)
		}
	}
}

// What is said of DNSSEC counts from this machine, or where the configuration says that the way is safe.
func TestOnLoopback(t *testing.T) {
	for servers, want := range map[string]bool{"127.0.0.1:53": true, "[::1]:53": true, "127.0.0.53:53": true, "9.9.9.9:53": false, "127.0.0.1:53 9.9.9.9:53": false, "localhost:53": false, "192.168.1.1:53": false} {
		if onLoopback(strings.Fields(servers)) != want {
			t.Errorf("%s: %v", servers, !want)
		}
	}
}
