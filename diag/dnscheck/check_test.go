package dnscheck

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"math/big"
	"net/netip"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// sender is a domain that is in order: the tests break one thing at a time.
type sender struct {
	q    Question
	zone string
}

func goodSender(t testing.TB) sender {
	t.Helper()
	rsaKey := testRSA(t, 2048)
	edKey, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return sender{
		q: Question{
			Domain: "Sender.example", EnvelopeDomain: "bounce.sender.example", HELO: "mail.sender.example",
			Selectors:   []Selector{{Name: "r1", Public: &rsaKey.PublicKey}, {Name: "e1", Public: edKey}},
			IPs:         []netip.Addr{netip.MustParseAddr("9.9.9.1"), netip.MustParseAddr("2a00:1::1")},
			ReturnAddrs: []netip.Addr{netip.MustParseAddr("9.9.9.1")},
		},
		zone: `
sender.example. MX 10 mail.sender.example.
sender.example. TXT "v=spf1 -all"
mail.sender.example. A 9.9.9.1
mail.sender.example. AAAA 2a00:1::1
mail.sender.example. TXT "v=spf1 a -all"
bounce.sender.example. MX 10 mail.sender.example.
bounce.sender.example. TXT "v=spf1 ip4:9.9.9.1 ip6:2a00:1::1 -all"
_dmarc.sender.example. TXT "v=DMARC1; p=reject; rua=mailto:dmarc@sender.example"
_smtp._tls.sender.example. TXT "v=TLSRPTv1; rua=mailto:tls@sender.example"
1.9.9.9.in-addr.arpa. PTR mail.sender.example.
1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1.0.0.0.0.0.a.2.ip6.arpa. PTR mail.sender.example.
` + txtRecord("r1._domainkey.sender.example", "v=DKIM1; k=rsa; p="+b64key(t, &rsaKey.PublicKey)) + "\n" +
			txtRecord("e1._domainkey.sender.example", "v=DKIM1; k=ed25519; p="+b64key(t, edKey)) + "\n",
	}
}

func (s sender) check(t testing.TB) Report {
	t.Helper()
	return Check(t.Context(), s.q, Deps{DNS: newZone(t, s.zone), Lists: Blocklists(), Now: func() time.Time { return time.Unix(1.7e9, 0) }})
}

// without drops the lines that hold part.
func (s sender) without(part string) sender {
	var kept strings.Builder
	for line := range strings.Lines(s.zone) {
		if !strings.Contains(line, part) {
			kept.WriteString(line)
		}
	}
	s.zone = kept.String()
	return s
}

func (s sender) with(lines string) sender {
	s.zone += lines + "\n"
	return s
}

func find(r Report, id string) *Finding {
	for i := range r.Findings {
		if r.Findings[i].ID == id {
			return &r.Findings[i]
		}
	}
	return nil
}

func TestCheckGoodSender(t *testing.T) {
	r := goodSender(t).check(t)
	if r.Bad() || r.Severity != OK {
		t.Errorf("severity %s", r.Severity)
	}
	for _, f := range r.Findings {
		if f.Severity != OK {
			t.Errorf("%+v", f)
		}
	}
	for _, id := range []string{"spf.ok", "dkim.ok", "dmarc.ok", "mx.ok", "ptr.ok", "return.ok", "tls_rpt.ok"} {
		if find(r, id) == nil {
			t.Errorf("nothing is said about %s", id)
		}
	}
	for _, req := range r.Requirements {
		if req.Met != MetYes && req.Met != MetElsewhere {
			t.Errorf("%+v", req)
		}
	}
	if len(r.SPF) != 4 || r.SPF[0].Result != SPFPass || len(r.SPF[0].Trace) == 0 || len(r.Lookups) == 0 || len(r.Listings) == 0 {
		t.Errorf("%+v", r)
	}
}

// Each thing that can be wrong has a finding, a cause that exists, and a way to see it; where it says what to publish, publishing
// exactly that mends it.
func TestCheckFindings(t *testing.T) {
	catalogue, err := os.ReadFile("../causes.tsv")
	if err != nil {
		t.Fatal(err)
	}
	good := goodSender(t)
	shortKey := &rsa.PublicKey{N: new(big.Int).SetBit(big.NewInt(12345), 767, 1), E: 65537} // Go makes none of this length
	otherKey := b64key(t, testRSA(t, 2048).Public())
	const spf, dmarc, r1 = "bounce.sender.example. TXT", "_dmarc.sender.example. TXT", "r1._domainkey"
	tests := []struct {
		what   string
		sender sender
		id     string
		sev    Severity
		cause  string
		mended bool // publishing what it says, in place of the record, mends it
	}{
		{"no SPF", good.without(spf), "spf.missing", Error, "sender.unauthenticated", true},
		{"two SPF records", good.with(`bounce.sender.example. TXT "v=spf1 a ~all"`), "spf.several", Error, "sender.spf_permerror", true},
		{"SPF with a typo", good.without(spf).with(`bounce.sender.example. TXT "v=spf1 ipv4:9.9.9.1 -all"`), "spf.permerror", Error, "sender.spf_permerror", true},
		{"SPF without our address", good.without(spf).with(`bounce.sender.example. TXT "v=spf1 ip4:192.0.2.1 -all"`), "spf.fail", Error, "sender.spf_fail", true},
		{"SPF softfail", good.without(spf).with(`bounce.sender.example. TXT "v=spf1 ~all"`), "spf.fail", Error, "sender.spf_fail", true},
		{"SPF neutral", good.without(spf).with(`bounce.sender.example. TXT "v=spf1"`), "spf.fail", Error, "sender.spf_fail", true},
		{"twelve look-ups", good.without(spf).with(`bounce.sender.example. TXT "v=spf1 ip4:9.9.9.1 ip6:2a00:1::1 a mx a:1.x.example a:2.x.example a:3.x.example a:4.x.example a:5.x.example a:6.x.example a:7.x.example a:8.x.example a:9.x.example a:10.x.example -all"`), "spf.too_many_lookups", Warning, "", false},
		{"twelve look-ups before our addresses", good.without(spf).with(`bounce.sender.example. TXT "v=spf1 a:1.x.example a:2.x.example a:3.x.example a:4.x.example a:5.x.example a:6.x.example a:7.x.example a:8.x.example a:9.x.example a:10.x.example a:11.x.example ip4:9.9.9.1 ip6:2a00:1::1 -all"` + elevenHosts), "spf.too_many_lookups", Error, "sender.spf_permerror", false},
		{"the same, by address", good.without(spf).with(`bounce.sender.example. TXT "v=spf1 a:1.x.example a:2.x.example a:3.x.example a:4.x.example a:5.x.example a:6.x.example a:7.x.example a:8.x.example a:9.x.example a:10.x.example a:11.x.example ip4:9.9.9.1 ip6:2a00:1::1 -all"` + elevenHosts), "spf.permerror", Error, "sender.spf_permerror", true},
		{"SPF that includes itself", good.without(spf).with(`bounce.sender.example. TXT "v=spf1 include:bounce.sender.example -all"`), "spf.permerror", Error, "sender.spf_permerror", true},
		{"SPF that includes nothing", good.without(spf).with(`bounce.sender.example. TXT "v=spf1 include:gone.example -all"`), "spf.permerror", Error, "sender.spf_permerror", true},
		{"a void look-up", good.without(spf).with(`bounce.sender.example. TXT "v=spf1 a:gone.example ip4:9.9.9.1 ip6:2a00:1::1 -all"`), "spf.void", Warning, "", true},
		{"three void look-ups", good.without(spf).with(`bounce.sender.example. TXT "v=spf1 a:g1.example a:g2.example a:g3.example ip4:9.9.9.1 ip6:2a00:1::1 -all"`), "spf.permerror", Error, "sender.spf_permerror", true},
		{"nine look-ups", good.without(spf).with(`bounce.sender.example. TXT "v=spf1 ip4:9.9.9.1 ip6:2a00:1::1 a mx a:1.x.example a:2.x.example a:3.x.example a:4.x.example a:5.x.example a:6.x.example a:7.x.example -all"`), "spf.near_limit", Note, "", false},
		{"SPF for all the world", good.without(spf).with(`bounce.sender.example. TXT "v=spf1 ip4:9.9.9.1 ip6:2a00:1::1 +all"`), "spf.plus_all", Warning, "", true},
		{"SPF without an end", good.without(spf).with(`bounce.sender.example. TXT "v=spf1 ip4:9.9.9.1 ip6:2a00:1::1"`), "spf.no_all", Note, "", true},
		{"SPF by ptr", good.without(spf).with(`bounce.sender.example. TXT "v=spf1 ip4:9.9.9.1 ip6:2a00:1::1 ptr -all"`), "spf.ptr", Note, "", false},
		{"SPF unreadable now", good.with("bounce.sender.example. FAILS servfail TXT"), "spf.unknown", Warning, "network.dns_failing", false},
		{"an include unreadable now", good.without(spf).with(`bounce.sender.example. TXT "v=spf1 include:x.example -all"` + "\nx.example. FAILS timeout"), "spf.unknown", Warning, "network.dns_failing", false},
		{"the HELO name forbids us", good.without("mail.sender.example. TXT").with(`mail.sender.example. TXT "v=spf1 -all"`), "spf.helo", Warning, "", false},
		{"no key record", good.without(r1), "dkim.absent", Error, "sender.dkim_key_mismatch", true},
		{"another key", good.without(r1).with(txtRecord("r1._domainkey.sender.example", "v=DKIM1; p="+otherKey)), "dkim.other_key", Error, "sender.dkim_key_mismatch", true},
		{"a key of another kind", good.without(r1).with(txtRecord("r1._domainkey.sender.example", "v=DKIM1; k=ed25519; p="+b64key(t, good.q.Selectors[1].Public))), "dkim.wrong_type", Error, "sender.dkim_key_mismatch", true},
		{"a key of an algorithm that nobody knows", good.without(r1).with(txtRecord("r1._domainkey.sender.example", "v=DKIM1; k=dsa; p="+otherKey)), "dkim.wrong_type", Error, "sender.dkim_key_mismatch", true},
		{"two key records", good.with(txtRecord("r1._domainkey.sender.example", "v=DKIM1; p="+otherKey)), "dkim.several", Error, "sender.dkim_key_mismatch", true},
		{"a key that a panel cut", good.without(r1).with(txtRecord("r1._domainkey.sender.example", "v=DKIM1; k=rsa; p="+b64key(t, good.q.Selectors[0].Public)[:200])), "dkim.cut", Error, "sender.dkim_key_mismatch", true},
		{"a key that is none for mail", good.without(r1).with(txtRecord("r1._domainkey.sender.example", "v=DKIM1; s=tlsrpt; p="+b64key(t, good.q.Selectors[0].Public))), "dkim.unusable", Error, "sender.dkim_key_mismatch", true},
		{"something else in the place of a key", good.without(r1).with(`r1._domainkey.sender.example. TXT "hello"`), "dkim.unreadable", Error, "sender.dkim_key_mismatch", true},
		{"a short key of ours", good.signing(t, shortKey), "dkim.too_short", Error, "sender.dkim_key_mismatch", false},
		{"a weak key of ours", good.signing(t, &testRSA(t, 1024).PublicKey), "dkim.weak_key", Warning, "", false},
		{"a revoked key", good.without(r1).with(txtRecord("r1._domainkey.sender.example", "v=DKIM1; p=")), "dkim.revoked", Error, "sender.dkim_key_mismatch", true},
		{"a key of the test", good.without("e1._domainkey").with(txtRecord("e1._domainkey.sender.example", "v=DKIM1; k=ed25519; t=y; p="+b64key(t, good.q.Selectors[1].Public))), "dkim.testing", Warning, "", true},
		{"keys unreadable now", good.with("r1._domainkey.sender.example. FAILS timeout"), "dkim.unknown", Warning, "network.dns_failing", false},
		{"no DMARC", good.without(dmarc), "dmarc.missing", Warning, "sender.provider_requirements", true},
		{"two DMARC records", good.with(`_dmarc.sender.example. TXT "v=DMARC1; p=none"`), "dmarc.several", Error, "sender.provider_requirements", true},
		{"DMARC without a policy", good.without(dmarc).with(`_dmarc.sender.example. TXT "v=DMARC1; p=yes"`), "dmarc.invalid", Error, "sender.provider_requirements", true},
		{"DMARC unreadable now", good.with("_dmarc.sender.example. FAILS servfail"), "dmarc.unknown", Warning, "network.dns_failing", false},
		{"DMARC watches only", good.without(dmarc).with(`_dmarc.sender.example. TXT "v=DMARC1; p=none; rua=mailto:d@sender.example"`), "dmarc.policy_none", Note, "", true},
		{"DMARC reports to nobody", good.without(dmarc).with(`_dmarc.sender.example. TXT "v=DMARC1; p=reject"`), "dmarc.no_reports", Note, "", true},
		{"DMARC reports are refused", good.without(dmarc).with(`_dmarc.sender.example. TXT "v=DMARC1; p=reject; rua=mailto:d@reports.example"`), "dmarc.report_refused", Warning, "", true},
		{"DMARC is a test", good.without(dmarc).with(`_dmarc.sender.example. TXT "v=DMARC1; p=reject; t=y; rua=mailto:d@sender.example"`), "dmarc.test", Note, "", false},
		{"DMARC with pct=", good.without(dmarc).with(`_dmarc.sender.example. TXT "v=DMARC1; p=reject; pct=50; rua=mailto:d@sender.example"`), "dmarc.pct", Note, "", true},
		{"whether reports are allowed is unreadable now", good.without(dmarc).with(`_dmarc.sender.example. TXT "v=DMARC1; p=reject; rua=mailto:d@reports.example"` + "\nsender.example._report._dmarc.reports.example. FAILS timeout"), "dmarc.report_unknown", Note, "", false},
		{"strict SPF alignment", good.without(dmarc).with(`_dmarc.sender.example. TXT "v=DMARC1; p=reject; aspf=s"`), "dmarc.half_aligned", Note, "", false},
		{"DMARC with an unknown tag", good.without(dmarc).with(`_dmarc.sender.example. TXT "v=DMARC1; p=reject; zz=1"`), "dmarc.syntax", Warning, "", false},
		{"no MX", good.without("sender.example. MX").with("bounce.sender.example. MX 10 mail.sender.example."), "mx.none", Warning, "", false},
		{"no mail is taken", good.without("sender.example. MX").with("bounce.sender.example. MX 10 mail.sender.example.\nsender.example. MX 0 ."), "mx.null", Warning, "", false},
		{"a mail host that is an alias", good.without("\nsender.example. MX").with("sender.example. MX 5 alias.sender.example.\nalias.sender.example. CNAME mail.sender.example."), "mx.host", Warning, "", false},
		{"bounces go elsewhere", good.without("bounce.sender.example. MX").with("bounce.sender.example. MX 10 mx.else.example.\nmx.else.example. A 8.8.8.8"), "return.elsewhere", Error, "unknown.bounces_not_arriving", true},
		{"bounces go nowhere", good.without("bounce.sender.example. MX"), "return.unreachable", Error, "unknown.bounces_not_arriving", true},
		{"where bounces go is unreadable now", good.with("bounce.sender.example. FAILS timeout MX"), "return.unknown", Warning, "network.dns_failing", false},
		{"no reverse DNS", good.without("in-addr.arpa"), "ptr.missing", Error, "sender.no_reverse_dns", true},
		{"reverse DNS leads elsewhere", good.without("in-addr.arpa").with("1.9.9.9.in-addr.arpa. PTR host.else.example."), "ptr.missing", Error, "sender.no_reverse_dns", true},
		{"our HELO name has another address", good.without("mail.sender.example. A 9.9.9.1").with("mail.sender.example. A 9.9.9.9\n1.9.9.9.in-addr.arpa. PTR out.sender.example.\nout.sender.example. A 9.9.9.1"), "ptr.helo", Warning, "", true},
		{"a numbered name", good.without("in-addr.arpa").with("1.9.9.9.in-addr.arpa. PTR ip-9-9-9-1.isp.example.\nip-9-9-9-1.isp.example. A 9.9.9.1"), "ptr.generic", Warning, "", false},
		{"reverse DNS unreadable now", good.with("1.9.9.9.in-addr.arpa. FAILS refused"), "ptr.unknown", Warning, "network.dns_failing", false},
		{"blocklisted", good.with("1.9.9.9.zen.spamhaus.org. A 127.0.0.2"), "dnsbl.listed", Error, "sender.blocklisted", false},
		{"on no list", good, "dnsbl.ok", OK, "", false},
		{"a list that lists all the world", good.with("1.9.9.9.zen.spamhaus.org. A 127.0.0.2\n1.0.0.127.zen.spamhaus.org. A 127.0.0.2"), "dnsbl.broken", Note, "", false},
		{"a list is unreadable now", good.with("1.9.9.9.zen.spamhaus.org. FAILS timeout"), "dnsbl.unknown", Note, "", false},
		{"a list refuses our resolver", good.with("1.9.9.9.zen.spamhaus.org. A 127.255.255.254"), "dnsbl.refused", Note, "", false},
		{"MTA-STS without an id", good.with(`_mta-sts.sender.example. TXT "v=STSv1"`), "mta_sts.broken", Warning, "", false},
		{"no TLS-RPT", good.without("_smtp._tls"), "tls_rpt.none", Note, "", true},
	}
	for _, tt := range tests {
		t.Run(tt.what, func(t *testing.T) {
			r := tt.sender.check(t)
			f := find(r, tt.id)
			if f == nil {
				t.Fatalf("no finding %s in %+v", tt.id, r.Findings)
			}
			if f.Severity != tt.sev || f.Cause != tt.cause || f.What == "" || f.VerifyBy == "" && !strings.HasPrefix(f.ID, "dnsbl.") || f.Subject == "" {
				t.Errorf("%+v", f)
			}
			if strings.HasSuffix(f.ID, "unknown") != f.Temporary {
				t.Errorf("temporary: %+v", f)
			}
			if r.Severity != r.Findings[0].Severity || r.Severity.rank() > tt.sev.rank() {
				t.Errorf("the report says %s", r.Severity)
			}
			for _, f := range r.Findings {
				if f.Severity != OK && f.Who == "" {
					t.Errorf("nobody is said to feel %s: %s", f.ID, f.What)
				}
				if f.Cause != "" && !strings.Contains(string(catalogue), "\n"+f.Cause+"\t") {
					t.Errorf("%s: no such cause: %s", f.ID, f.Cause)
				}
			}
			if tt.mended {
				mended := publish(t, tt.sender, *f)
				if again := find(mended.check(t), tt.id); again != nil {
					t.Errorf("publishing %s did not help: %+v", f.Publish, again)
				}
			}
		})
	}
}

// elevenHosts are names of SPF records that have an address, so that looking them up is not void.
var elevenHosts = func() string {
	var b strings.Builder
	for i := range 11 {
		fmt.Fprintf(&b, "\n%d.x.example. A 8.8.8.8", i+1)
	}
	return b.String()
}()

// signing is the sender with a key of another length in the place of its first, published as it should be.
func (s sender) signing(t testing.TB, key *rsa.PublicKey) sender {
	t.Helper()
	s.q.Selectors = slices.Clone(s.q.Selectors)
	s.q.Selectors[0].Public = key
	return s.without("r1._domainkey").with(txtRecord("r1._domainkey.sender.example", "v=DKIM1; k=rsa; p="+b64key(t, key)))
}

// publish puts the records of a finding in the place of those of the same name and type, SPF and others told apart.
func publish(t testing.TB, s sender, f Finding) sender {
	t.Helper()
	if f.Publish == "" {
		t.Fatalf("%s says nothing to publish", f.ID)
	}
	for line := range strings.Lines(f.Publish) {
		w := strings.Fields(line)
		s = s.withAll(slices.DeleteFunc(slices.Collect(strings.Lines(s.zone)), func(old string) bool {
			o := strings.Fields(strings.Replace(old, " IN ", " ", 1))
			return len(o) > 1 && o[0] == w[0] && o[1] == w[2]
		}))
	}
	return s.with(f.Publish)
}

func (s sender) withAll(lines []string) sender {
	s.zone = strings.Join(lines, "")
	return s
}

func TestCheckWithoutAlignment(t *testing.T) {
	s := goodSender(t)
	s.q.EnvelopeDomain, s.q.Selectors = "relay.example", nil
	r := s.with("relay.example. TXT \"v=spf1 ip4:9.9.9.1 ip6:2a00:1::1 -all\"\nrelay.example. MX 10 mail.sender.example.").check(t)
	if f := find(r, "dmarc.not_aligned"); f == nil || f.Severity != Error || f.Cause != "sender.dmarc_rejected" || !strings.Contains(f.What, "relay.example") {
		t.Errorf("%+v", f)
	}
	if f := find(r, "dkim.none"); f == nil || f.Severity != Error {
		t.Errorf("%+v", f)
	}
	for _, req := range r.Requirements {
		want := map[string]Met{"spf_pass": MetYes, "spf_or_dkim": MetYes, "dkim_pass": MetNo, "spf_and_dkim": MetNo, "dmarc_aligned": MetNo, "dmarc_record": MetYes}[req.ID]
		if want != "" && req.Met != want {
			t.Errorf("%+v, want %s", req, want)
		}
	}
}

// A domain that is aligned, but passes nothing, fails DMARC all the same.
func TestCheckAlignedButFailing(t *testing.T) {
	s := goodSender(t).without("_domainkey").without("bounce.sender.example. TXT")
	r := s.check(t)
	f := find(r, "dmarc.not_aligned")
	if f == nil || f.Severity != Error || !strings.Contains(f.What, "SPF of bounce.sender.example does not pass") || !strings.Contains(f.What, "DKIM of sender.example does not pass") {
		t.Errorf("%+v", r.Findings)
	}
	for _, req := range r.Requirements {
		if req.ID == "dmarc_aligned" && req.Met != MetNo {
			t.Errorf("%+v", req)
		}
	}
}

func TestCheckThroughRelay(t *testing.T) {
	s := goodSender(t)
	s.q.IPs, s.q.HELO = nil, ""
	r := s.check(t)
	if r.Bad() || len(r.SPF) > 0 || len(r.PTR) > 0 {
		t.Errorf("%+v", r.Findings)
	}
	for _, req := range r.Requirements {
		if req.ID == "spf_pass" && req.Met != MetUnknown || req.ID == "reverse_dns" && req.Met != MetUnknown || req.ID == "dkim_pass" && req.Met != MetYes {
			t.Errorf("%+v", req)
		}
	}
}

func TestCheckWithoutDNS(t *testing.T) {
	r := Check(t.Context(), Question{Domain: "d.example", Recipient: true}, Deps{DNS: newZone(t, "d.example. FAILS timeout\n_mta-sts.d.example. FAILS timeout")})
	if !r.Silent() || r.Severity == OK {
		t.Errorf("silent %v: %+v", r.Silent(), r.Lookups)
	}
}

func TestCheckRecipient(t *testing.T) {
	tests := []struct{ zone, id, cause string }{
		{"d.example. MX 10 mx.d.example.\nmx.d.example. A 8.8.8.8", "mx.ok", ""},
		{"", "mx.no_domain", "recipient.no_domain"},
		{"d.example. MX 0 .", "mx.null", "recipient.no_mail_service"},
		{"d.example. TXT x", "mx.none", "recipient.no_mail_service"},
		{"d.example. MX 10 mx.d.example.", "mx.dead", "recipient.no_mail_service"},
		{"d.example. FAILS servfail", "mx.unknown", "network.dns_failing"},
	}
	for _, tt := range tests {
		z := newZone(t, tt.zone)
		r := Check(t.Context(), Question{Domain: "d.example", Recipient: true}, Deps{DNS: z})
		f := find(r, tt.id)
		if f == nil || f.Cause != tt.cause || r.Silent() {
			t.Errorf("%s: %+v", tt.zone, r.Findings)
		}
		if find(r, "spf.missing") != nil || len(r.Requirements) > 0 {
			t.Errorf("a recipient is judged as a sender: %+v", r.Findings)
		}
	}
	if r := Check(t.Context(), Question{Domain: "not a..domain"}, Deps{DNS: newZone(t, "")}); !r.Bad() || r.Findings[0].ID != "domain.invalid" {
		t.Errorf("%+v", r)
	}
}

// The hash is the same whenever DNS says the same, and another whenever a record changes.
func TestReportHash(t *testing.T) {
	s := goodSender(t)
	a, b := s.check(t), s.check(t)
	b.At = b.At.Add(time.Hour)
	for i := range b.Lookups {
		b.Lookups[i].TTL = i
	}
	slices.Reverse(b.Lookups)
	if a.Hash() != b.Hash() {
		t.Error("the same DNS hashes differently")
	}
	down, slow := s.with("r1._domainkey.sender.example. FAILS servfail").check(t), s.with("r1._domainkey.sender.example. FAILS timeout").check(t)
	if down.Hash() != slow.Hash() || down.Hash() == a.Hash() {
		t.Error("ways to fail should hash alike, and unlike an answer")
	}
	changed := s.without("_dmarc").with(`_dmarc.sender.example. TXT "v=DMARC1; p=quarantine; rua=mailto:dmarc@sender.example"`).check(t)
	if changed.Hash() == a.Hash() {
		t.Error("a changed record is not seen")
	}
}

func TestReportJSON(t *testing.T) {
	r := goodSender(t).with("1.9.9.9.zen.spamhaus.org. A 127.0.0.2").check(t)
	raw, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var back Report
	if err := json.Unmarshal(raw, &back); err != nil {
		t.Fatal(err)
	}
	if back.Hash() != r.Hash() || !reflect.DeepEqual(back.Findings, r.Findings) || !reflect.DeepEqual(back.SPF, r.SPF) || !reflect.DeepEqual(back.DMARC, r.DMARC) {
		t.Error("the report does not survive JSON")
	}
	for _, key := range []string{`"findings":`, `"who_feels_it":`, `"spf":[{"ip":"9.9.9.1","identity":"mail_from","result":"pass"`, `"met":"yes"`} {
		if !strings.Contains(string(raw), key) {
			t.Errorf("no %s in the JSON", key)
		}
	}
}

func BenchmarkCheck(b *testing.B) {
	s := goodSender(b)
	d := Deps{DNS: newZone(b, s.zone), Lists: Blocklists()}
	b.ReportAllocs()
	for b.Loop() {
		if r := Check(b.Context(), s.q, d); r.Bad() {
			b.Fatal(r.Findings)
		}
	}
}

// What strangers wrote into DNS reaches people without tricks for their terminal, and a report stays small.
func TestReportIsTame(t *testing.T) {
	s := goodSender(t).without("TXT").without("in-addr.arpa").without(" MX ")
	r := s.with(`
bounce.sender.example. TXT "v=spf1 a:\027[31mred -all"
bounce.sender.example. TXT "v=spf1 \007 ~all"
sender.example. MX 10 mx\027[2J.sender.example.
1.9.9.9.in-addr.arpa. PTR bad\027name.sender.example.
_dmarc.sender.example. TXT "v=DMARC1; p=\007no; x\027=1; rua=mailto:a\027@sender.example"
r1._domainkey.sender.example. TXT "v=DKIM1; k=\027rsa; p=AAAA"
1.9.9.9.zen.spamhaus.org. A 127.0.0.2
1.9.9.9.zen.spamhaus.org. TXT "see \027[5m here"
_smtp._tls.sender.example. TXT "v=TLSRPTv1; rua=mailto:\027@x.example"`).check(t)
	raw, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	if i := strings.Index(string(raw), `\u00`); i >= 0 {
		t.Errorf("a control character in …%s…", raw[max(0, i-80):min(len(raw), i+20)])
	}
	if !r.Bad() || find(r, "dnsbl.listed") == nil {
		t.Errorf("%+v", r.Findings)
	}
	for name, text := range map[string]string{"SPF": "v=spf1 a:%d.x.example b=" + strings.Repeat("y", 200), "DMARC": "v=DMARC1; p=none; rua=" + strings.Repeat("mailto:a@x.example,", 11), "nothing": strings.Repeat("z", 220)} {
		srv := serve(t, cutAndLong(func(int) string { return text }))
		big := Check(t.Context(), goodSender(t).q, Deps{DNS: client(srv.addr), Lists: Blocklists()})
		raw, err := json.Marshal(big)
		if err != nil || len(raw) > 512<<10 {
			t.Errorf("%s: a report of %d octets, %v", name, len(raw), err)
		}
	}
}
