package dnscheck

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"
)

// Findings that need another question, or more of the world, than TestCheckFindings has.
func TestFindingsOfOtherWorlds(t *testing.T) {
	sum := strings.Repeat("ab", 32)
	const tlsa = "_25._tcp.mail.sender.example. TLSA "
	served := func(policy string) *http.Client {
		return policyServer(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/plain")
			w.Write([]byte(policy))
		})
	}
	const toThem = "d.example. MX 10 mx.d.example.\nmx.d.example. A 8.8.8.8\n_mta-sts.d.example. TXT \"v=STSv1; id=1\"\n"
	tests := []struct {
		what     string
		change   func(s *sender, d *Deps) (validated bool)
		id       string
		severity Severity
		cause    string
	}{
		{"an address of ours that is private", func(s *sender, _ *Deps) bool {
			s.q.IPs = []netip.Addr{netip.MustParseAddr("10.0.0.1")}
			return false
		}, "ptr.not_public", Note, ""},
		{"we do not know from where mail leaves", func(s *sender, _ *Deps) bool { s.q.IPs = nil; return false }, "spf.no_addresses", Note, ""},
		{"SPF that can be evaluated, and we do not know from where mail leaves", func(s *sender, _ *Deps) bool { s.q.IPs = nil; return false }, "spf.record", OK, ""},
		{"SPF that loops, and we do not know from where mail leaves", func(s *sender, _ *Deps) bool {
			s.q.IPs = nil
			*s = s.without("bounce.sender.example. TXT").with(`bounce.sender.example. TXT "v=spf1 include:bounce.sender.example -all"`)
			return false
		}, "spf.permerror", Error, "sender.spf_permerror"},
		{"the domain's own address takes its mail", func(s *sender, _ *Deps) bool {
			*s = s.without("sender.example. MX").with("bounce.sender.example. MX 10 mail.sender.example.\nsender.example. A 9.9.9.3")
			return false
		}, "mx.implicit", Note, ""},
		{"DNS fails for the alignment of the only identifier", func(s *sender, _ *Deps) bool {
			s.q.EnvelopeDomain, s.q.Selectors = "b.other.example", nil
			*s = s.with("b.other.example. TXT \"v=spf1 ip4:9.9.9.1 ip6:2a00:1::1 -all\"\nb.other.example. MX 10 mail.sender.example.\n_dmarc.b.other.example. FAILS servfail")
			return false
		}, "dmarc.alignment_unknown", Warning, "network.dns_failing"},
		{"aligned by a record above both, which old receivers do not look at", func(s *sender, _ *Deps) bool {
			s.q.EnvelopeDomain, s.q.Selectors = "other.example", nil
			*s = s.with("other.example. TXT \"v=spf1 ip4:9.9.9.1 ip6:2a00:1::1 -all\"\nother.example. MX 10 mail.sender.example.\n_dmarc.example. TXT \"v=DMARC1; p=none\"")
			return false
		}, "dmarc.old_not_aligned", Warning, "sender.dmarc_rejected"},
		{"old receivers find another policy", func(s *sender, _ *Deps) bool {
			s.q.Domain = "x.mail.sender.example"
			*s = s.with("_dmarc.mail.sender.example. TXT \"v=DMARC1; p=quarantine; psd=n\"\nx.mail.sender.example. MX 10 mail.sender.example.")
			return false
		}, "dmarc.old_policy", Note, ""},
		{"DANE holds", func(s *sender, _ *Deps) bool { *s = s.with(tlsa + "3 1 1 " + sum); return true }, "dane.ok", OK, ""},
		{"DANE without DNSSEC", func(s *sender, _ *Deps) bool { *s = s.with(tlsa + "3 1 1 " + sum); return false }, "dane.not_secure", Note, ""},
		{"DANE with a usage that is none for mail", func(s *sender, _ *Deps) bool { *s = s.with(tlsa + "1 1 1 " + sum); return true }, "dane.unusable", Warning, ""},
		{"DANE unreadable now", func(s *sender, _ *Deps) bool {
			*s = s.with("_25._tcp.mail.sender.example. FAILS servfail")
			return true
		}, "dane.unknown", Warning, ""},
		{"MTA-STS unreadable now", func(s *sender, _ *Deps) bool { *s = s.with("_mta-sts.sender.example. FAILS timeout"); return false }, "mta_sts.unknown", Note, ""},
		{"MTA-STS holds", func(s *sender, d *Deps) bool {
			s.q, d.HTTP = Question{Domain: "d.example", Recipient: true}, served(goodPolicy)
			*s = s.with(toThem)
			return false
		}, "mta_sts.ok", OK, ""},
		{"MTA-STS forbids the mail host", func(s *sender, d *Deps) bool {
			s.q, d.HTTP = Question{Domain: "d.example", Recipient: true}, served(strings.ReplaceAll(goodPolicy, "mx: mx.d.example", "mx: mx9.d.example"))
			*s = s.with(toThem)
			return false
		}, "mta_sts.uncovered", Error, "tls.policy_failed"},
	}
	for _, tt := range tests {
		t.Run(tt.what, func(t *testing.T) {
			s, d := goodSender(t), Deps{}
			validated := tt.change(&s, &d)
			z := newZone(t, s.zone)
			z.ad = validated
			d.DNS = z
			r := Check(t.Context(), s.q, d)
			f := find(r, tt.id)
			if f == nil || f.Severity != tt.severity || f.Cause != tt.cause || f.What == "" || f.VerifyBy == "" {
				t.Fatalf("%+v in %+v", f, r.Findings)
			}
			if f.Temporary != strings.HasSuffix(f.ID, "unknown") {
				t.Errorf("temporary: %+v", f)
			}
		})
	}
}
