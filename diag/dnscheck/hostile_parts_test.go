package dnscheck

import (
	"crypto/ed25519"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-msgauth/dkim"
	"github.com/miekg/dns"
)

// What signed mail and the clock that reads our records make of DNS that fails: a mail is neither good nor bad, and no record has changed.
func TestFailingDNSOfSignedMail(t *testing.T) {
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	signed := sign(t, testMail, key, dkim.SignOptions{})
	for name, answer := range map[string]reply{
		"silence": silent, "servfail": answerCode(dns.RcodeServerFailure), "refused": answerCode(dns.RcodeRefused),
		"a lie": answerWith(t, "other.example. 60 IN TXT \"v=DKIM1; p=\""),
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
			got, err := VerifyDKIM(t.Context(), []byte(signed), c, Caps{})
			if err != nil || len(got.Signatures) != 1 || got.Signatures[0].Result != DKIMTempError {
				t.Errorf("DKIM: %+v, %v", got, err)
			}
			q := Question{Domain: "sender.example", EnvelopeDomain: "b.sender.example", Selectors: []Selector{{Name: "s1", Public: key.Public()}}, IPs: []netip.Addr{netip.MustParseAddr("9.9.9.1")}}
			r := Snapshot(t.Context(), q, Deps{DNS: c})
			if len(r.Records) != 3 {
				t.Fatalf("%+v", r.Records)
			}
			var before []Standing
			for _, rec := range r.Records {
				if rec.Known() || rec.Cause() != "" {
					t.Errorf("%+v", rec)
				}
				rec.State = "match"
				before = append(before, Standing{Record: rec})
			}
			if _, changed := Follow(before, r, time.Now()); len(changed) > 0 {
				t.Errorf("a failure of DNS is a change: %+v", changed)
			}
		})
	}
}

// Answers of 60 kB, for everything that is asked: nothing passes by them, and their number bounds the work.
func TestHugeAnswers(t *testing.T) {
	public := ed25519.PublicKey(make([]byte, 32))
	for name, text := range map[string]string{
		"of nothing": strings.Repeat("x", 230), "of keys": "v=DKIM1; k=rsa; p=" + strings.Repeat("A", 200), "of SPF": "v=spf1 a:x.example" + strings.Repeat(" a:y.example", 15),
		"of policies": "v=DMARC1; p=none; rua=" + strings.Repeat("mailto:a@x.example,", 9), "of STS": "v=STSv1; id=1; x=" + strings.Repeat("y", 200),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, cutAndLong(func(i int) string { return fmt.Sprintf("%s%d", text, i) }))
			c := client(s.addr)
			if got := CheckSPF(t.Context(), c, SPFQuestion{IP: netip.MustParseAddr("9.9.9.1"), MailFrom: "sender.example"}); got.Result == SPFPass || got.Lookups > spfMaxLookups {
				t.Errorf("SPF: %+v", got)
			}
			if got := CheckKey(t.Context(), c, "sender.example", Selector{Name: "s1", Public: public}); got.Status == KeyMatch || len(got.Records) > 10 {
				t.Errorf("DKIM: %s, %d records", got.Status, len(got.Records))
			}
			if got := CheckDMARC(t.Context(), c, DMARCQuestion{Author: "a.b.c.d.e.f.g.h.i.sender.example", Envelope: "z.sender.example", Signers: []string{"y.sender.example"}}); got.Found || len(got.Queries) > maxWalk {
				t.Errorf("DMARC: %+v", got)
			}
			if got := CheckMX(t.Context(), c, "sender.example"); got.Status == MXHosts || got.Status == MXImplicit {
				t.Errorf("MX: %+v", got)
			}
			if got := CheckMTASTS(t.Context(), c, nil, "sender.example", nil); got.Status == STSValid || got.Policy != nil {
				t.Errorf("MTA-STS: %+v", got)
			}
			if n := s.total(); n > 120 { // each question twice: over UDP, and again over TCP
				t.Errorf("%d messages", n)
			}
		})
	}
}

// Two hundred mail hosts are looked up to the twentieth.
func TestManyMailHosts(t *testing.T) {
	var zone strings.Builder
	for i := range 200 {
		fmt.Fprintf(&zone, "sender.example. MX %d mx%d.sender.example.\nmx%d.sender.example. A 9.9.9.%d\n", i, i, i, i)
	}
	z := newZone(t, zone.String())
	if got := CheckMX(t.Context(), z, "sender.example"); got.Status != MXHosts || len(got.Hosts) != maxMXHosts || z.count("A") != maxMXHosts {
		t.Errorf("%d hosts, %d look-ups", len(got.Hosts), z.count("A"))
	}
}

// DNS that says something else each time it is asked: a check asks each question once, so that it cannot contradict itself, and says no more
// than what that one answer holds.
func TestFlippingDNS(t *testing.T) {
	s := goodSender(t)
	good, bad := newZone(t, s.zone), newZone(t, strings.ReplaceAll(strings.ReplaceAll(s.without("_domainkey").without("_dmarc").zone, "v=spf1 ip4:9.9.9.1", "v=spf1 ip4:8.8.8.8"), "MX 10 mail.sender.example.", "MX 0 ."))
	srv := newFlipper(good, bad)
	r := Check(t.Context(), s.q, Deps{DNS: srv, Lists: Blocklists()})
	for q, n := range srv.asked {
		if n > 1 {
			t.Errorf("%s was asked %d times", q, n)
		}
	}
	seen := map[string]string{}
	for _, f := range r.Findings {
		area, verdict, _ := strings.Cut(f.ID, ".")
		if area != "spf" && area != "dkim" && area != "mx" || f.Severity != OK && f.Severity != Error {
			continue
		}
		key := area + " " + f.Subject
		if other, ok := seen[key]; ok && other != verdict {
			t.Errorf("of %s the report says both %s and %s", key, other, verdict)
		}
		seen[key] = verdict
	}
	for _, k := range r.DKIM {
		if k.Status == KeyMatch && len(k.Records) == 0 || k.Status == KeyAbsent && len(k.Records) > 0 {
			t.Errorf("%+v", k)
		}
	}
}
