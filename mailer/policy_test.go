package mailer_test

import (
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/resetd/resetd/diag/dnscheck"
	"github.com/resetd/resetd/internal/ledger"
	"github.com/resetd/resetd/internal/sim"
	"github.com/resetd/resetd/mailer"
)

// policyWeb answers for every mta-sts host: what a policy server says is the subject of dnscheck's tests.
type policyWeb struct {
	mu     sync.Mutex
	bodies map[string]string // by host; absent = no answer
	asked  int
}

func (p *policyWeb) RoundTrip(r *http.Request) (*http.Response, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked++
	body, ok := p.bodies[r.URL.Host]
	if !ok {
		return nil, errors.New("nobody is there")
	}
	return &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"text/plain"}}, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
}

// outside is a world with a deliverer that obeys policies.
type outside struct {
	*sim.World
	web  *policyWeb
	d    *mailer.Deliverer
	mail mailer.Route
}

func newOutside(t *testing.T) *outside {
	t.Helper()
	w, err := sim.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	pem, err := os.ReadFile(w.CAFile())
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	o := &outside{World: w, web: &policyWeb{bodies: map[string]string{}}}
	dns := &dnscheck.Resolver{Servers: []string{w.Resolver()}}
	o.d = &mailer.Deliverer{DNS: dns, STS: &dnscheck.STSSender{DNS: dns, HTTP: &http.Client{Transport: o.web}},
		Limits: mailer.Limits{Dial: 5 * time.Second, Banner: 5 * time.Second, Command: 5 * time.Second, FinalDot: 5 * time.Second}}
	t.Cleanup(func() { o.d.Close() })
	o.mail = mailer.Route{Name: "mx", MX: true, Port: w.SMTPPort(), RootCAs: roots, HELO: "mail.sender.example", AllowPrivate: true, MTASTS: true, DANE: true}
	return o
}

// sts publishes a policy of d.example.
func (o *outside) sts(mode string, mx ...string) {
	o.DNS().SetTXT("_mta-sts.d.example", "v=STSv1; id=1;")
	o.web.bodies["mta-sts.d.example"] = "version: STSv1\nmode: " + mode + "\nmx: " + strings.Join(mx, "\nmx: ") + "\nmax_age: 86400\n"
}

// tlsa publishes a DANE record of a host: "3 1 1" of its certificate number n, or, with wrong, of another.
func (o *outside) tlsa(t *testing.T, h *sim.Host, kind string, n int, wrong bool) {
	t.Helper()
	o.tlsaAt(t, h.Name(), h, kind, n, wrong)
}

// tlsaAt publishes it at another name.
func (o *outside) tlsaAt(t *testing.T, name string, h *sim.Host, kind string, n int, wrong bool) {
	t.Helper()
	c := h.Certificates()[n]
	var usage, selector, matching int
	fmt.Sscan(kind, &usage, &selector, &matching)
	data := c.Raw
	if selector == 1 {
		data = c.RawSubjectPublicKeyInfo
	}
	if wrong {
		data = []byte("another")
	}
	switch matching {
	case 1:
		sum := sha256.Sum256(data)
		data = sum[:]
	case 2:
		sum := sha512.Sum512(data)
		data = sum[:]
	}
	if err := o.DNS().Add(fmt.Sprintf("_%d._tcp.%s. 60 IN TLSA %s %s", o.SMTPPort(), name, kind, hex.EncodeToString(data))); err != nil {
		t.Fatal(err)
	}
}

func (o *outside) send(t *testing.T) []ledger.Attempt { return o.sendTo(t, "jo@d.example") }

func (o *outside) sendTo(t *testing.T, to string) []ledger.Attempt {
	t.Helper()
	env := mailer.Envelope{From: "b-x@bounces.sender.example", To: to, MessageID: "msg_test"}
	return o.d.Deliver(t.Context(), o.mail, env, []byte("From: <a@sender.example>\r\nTo: <jo@d.example>\r\nSubject: x\r\n\r\nhello\r\n"))
}

// tellTLS writes attempts as people would compare them: outcome, stage, TLS, certificate, policy, what failed.
func tellTLS(as []ledger.Attempt) string {
	var out []string
	for _, a := range as {
		words := []string{string(a.Outcome), a.Stage}
		if a.TLS == "" {
			words = append(words, "clear")
		} else {
			words = append(words, "tls")
		}
		if s := a.Security; s != nil {
			if s.Certificate != "" {
				words = append(words, string(s.Certificate))
			}
			if s.Policy != "" {
				words = append(words, "by", string(s.Policy))
			}
			if s.Failed != "" {
				words = append(words, "failed", string(s.Failed))
			}
		}
		out = append(out, strings.Join(words, " "))
	}
	return strings.Join(out, "; ")
}

// What a domain's policy demands, against what its host does: whether the mail goes out, and what is written down of it.
func TestPolicies(t *testing.T) {
	good, expired := sim.Accept().StartTLS(), sim.Accept().StartTLS().Certificate(sim.CertExpired)
	other, selfSigned := sim.Accept().StartTLS().Certificate(sim.CertWrongName), sim.Accept().StartTLS().Certificate(sim.CertUntrusted)
	clear := sim.Accept()
	type setting func(*testing.T, *outside, *sim.Host)
	sts := func(mode string, mx ...string) setting {
		return func(t *testing.T, o *outside, h *sim.Host) { o.sts(mode, mx...) }
	}
	dane := func(kind string, n int, wrong bool) setting {
		return func(t *testing.T, o *outside, h *sim.Host) {
			o.DNS().SetSigned("d.example", true)
			o.tlsa(t, h, kind, n, wrong)
		}
	}
	all := func(list ...setting) setting {
		return func(t *testing.T, o *outside, h *sim.Host) {
			for _, s := range list {
				s(t, o, h)
			}
		}
	}
	route := func(change func(*mailer.Route)) setting {
		return func(t *testing.T, o *outside, h *sim.Host) { change(&o.mail) }
	}
	nothing := all()
	for _, c := range []struct {
		what   string
		policy setting
		host   sim.Behaviour
		want   string
	}{
		{"no policy, good certificate", nothing, good, "accepted dot tls verified"},
		{"no policy, expired", nothing, expired, "accepted dot tls certificate_expired"},
		{"no policy, other name", nothing, other, "accepted dot tls certificate_host_mismatch"},
		{"no policy, self-signed", nothing, selfSigned, "accepted dot tls certificate_self_signed"},
		{"no policy, in clear", nothing, clear, "accepted dot clear"},

		{"route requires TLS", route(func(r *mailer.Route) { r.TLS = mailer.TLSRequired }), clear, "blocked starttls clear by route failed starttls_not_supported"},
		{"route requires TLS, self-signed", route(func(r *mailer.Route) { r.TLS = mailer.TLSRequired }), selfSigned, "accepted dot tls certificate_self_signed by route"},
		{"route without TLS", all(sts("enforce", "mx.d.example"), route(func(r *mailer.Route) { r.TLS = mailer.TLSNone })), good, "accepted dot clear"},

		{"enforce, fits", sts("enforce", "mx.d.example"), good, "accepted dot tls verified by mta_sts"},
		{"enforce, fits a pattern", sts("enforce", "*.d.example"), good, "accepted dot tls verified by mta_sts"},
		{"enforce, host not named", sts("enforce", "mx.elsewhere.example"), good, "blocked dns clear by mta_sts failed sts_mx_mismatch"},
		{"enforce, in clear", sts("enforce", "mx.d.example"), clear, "blocked starttls clear by mta_sts failed starttls_not_supported"},
		{"enforce, expired", sts("enforce", "mx.d.example"), expired, "blocked starttls clear certificate_expired by mta_sts failed certificate_expired"},
		{"enforce, other name", sts("enforce", "mx.d.example"), other, "blocked starttls clear certificate_host_mismatch by mta_sts failed certificate_host_mismatch"},
		{"enforce, self-signed", sts("enforce", "mx.d.example"), selfSigned, "blocked starttls clear certificate_self_signed by mta_sts failed certificate_self_signed"},
		{"enforce, the route does not obey", all(sts("enforce", "mx.d.example"), route(func(r *mailer.Route) { r.MTASTS = false })), clear, "accepted dot clear"},
		{"testing, fits", sts("testing", "mx.d.example"), good, "accepted dot tls verified by mta_sts_testing"},
		{"testing, host not named", sts("testing", "mx.elsewhere.example"), good, "accepted dot tls verified by mta_sts_testing failed sts_mx_mismatch"},
		{"testing, in clear", sts("testing", "mx.d.example"), clear, "accepted dot clear by mta_sts_testing failed starttls_not_supported"},
		{"testing, expired", sts("testing", "mx.d.example"), expired, "accepted dot tls certificate_expired by mta_sts_testing failed certificate_expired"},
		{"none", sts("none", "mx.d.example"), clear, "accepted dot clear"},
		{"a record, and no policy", func(t *testing.T, o *outside, h *sim.Host) { o.DNS().SetTXT("_mta-sts.d.example", "v=STSv1; id=1;") }, clear, "accepted dot clear"},

		{"DANE 3 1 1", dane("3 1 1", 0, false), good, "accepted dot tls verified by dane"},
		{"DANE 3 0 2", dane("3 0 2", 0, false), good, "accepted dot tls verified by dane"},
		{"DANE 3 0 0", dane("3 0 0", 0, false), good, "accepted dot tls verified by dane"},
		{"DANE 3 1 1, self-signed", dane("3 1 1", 0, false), selfSigned, "accepted dot tls certificate_self_signed by dane"},
		{"DANE 3 1 1, expired: dates do not count", dane("3 1 1", 0, false), expired, "accepted dot tls certificate_expired by dane"},
		{"DANE 3 1 1, other name: names do not count", dane("3 1 1", 0, false), other, "accepted dot tls certificate_host_mismatch by dane"},
		{"DANE 2 0 1", dane("2 0 1", 1, false), good, "accepted dot tls verified by dane"},
		{"DANE 2 1 1, expired: dates count", dane("2 1 1", 1, false), expired, "blocked starttls clear certificate_expired by dane failed tlsa_invalid"},
		{"DANE 2 0 1, other name: names count", dane("2 0 1", 1, false), other, "blocked starttls clear certificate_host_mismatch by dane failed tlsa_invalid"},
		{"DANE, another key", dane("3 1 1", 0, true), good, "blocked starttls clear verified by dane failed tlsa_invalid"},
		{"DANE, two records of which one fits", all(dane("3 1 1", 0, true), dane("3 1 1", 0, false)), good, "accepted dot tls verified by dane"},
		{"DANE, the strongest digest counts", all(dane("3 1 1", 0, false), dane("3 1 2", 0, true)), good, "blocked starttls clear verified by dane failed tlsa_invalid"},
		{"DANE, in clear", func(t *testing.T, o *outside, h *sim.Host) {
			dane("3 1 1", 0, false)(t, o, h)
			if err := h.Set(clear); err != nil {
				t.Fatal(err)
			}
		}, good, "blocked starttls clear by dane failed starttls_not_supported"},
		{"DANE, unusable only: encrypt", dane("1 1 1", 0, true), selfSigned, "accepted dot tls certificate_self_signed by dane"},
		{"DANE, DNS does not tell", func(t *testing.T, o *outside, h *sim.Host) {
			o.DNS().SetSigned("d.example", true)
			o.DNS().SetServfail(fmt.Sprintf("_%d._tcp.mx.d.example", o.SMTPPort()))
		}, good, "no_dns dns clear by dane failed dnssec_invalid"},
		{"DANE, not signed", func(t *testing.T, o *outside, h *sim.Host) { o.tlsa(t, h, "3 1 1", 0, true) }, good, "accepted dot tls verified"},
		{"DANE, the records are not signed", all(dane("3 1 1", 0, true), func(t *testing.T, o *outside, h *sim.Host) { o.DNS().SetSigned("_tcp.mx.d.example", false) }), good, "accepted dot tls verified"},
		{"DANE, the address is not signed", all(dane("3 1 1", 0, true), func(t *testing.T, o *outside, h *sim.Host) { o.DNS().SetSigned("mx.d.example", false) }), good, "accepted dot tls verified"},
		{"DANE, the route does not obey", all(dane("3 1 1", 0, true), route(func(r *mailer.Route) { r.DANE = false })), good, "accepted dot tls verified"},

		{"DANE wins over MTA-STS that would refuse", all(sts("enforce", "mx.elsewhere.example"), dane("3 1 1", 0, false)), selfSigned, "accepted dot tls certificate_self_signed by dane"},
		{"DANE wins over MTA-STS that would take", all(sts("enforce", "mx.d.example"), dane("3 1 1", 0, true)), good, "blocked starttls clear verified by dane failed tlsa_invalid"},
		{"MTA-STS where DANE does not bind", all(sts("enforce", "mx.d.example"), func(t *testing.T, o *outside, h *sim.Host) { o.tlsa(t, h, "3 1 1", 0, false) }), selfSigned,
			"blocked starttls clear certificate_self_signed by mta_sts failed certificate_self_signed"},
	} {
		t.Run(c.what, func(t *testing.T) {
			t.Parallel()
			o := newOutside(t)
			h := o.Host("mx.d.example", c.host)
			o.Domain("d.example", h)
			c.policy(t, o, h)
			as := o.send(t)
			if got := tellTLS(as); got != c.want {
				t.Errorf("%s, want %s\n%+v %+v", got, c.want, as[0], as[0].Security)
			}
			if blocked := strings.HasPrefix(c.want, "blocked"); blocked && len(h.Mail()) > 0 {
				t.Error("the host has the mail all the same")
			}
			for _, a := range as {
				if a.Outcome == ledger.Blocked && (a.Text == "" || a.Security == nil || a.Security.Problem == "") {
					t.Errorf("nobody will know why: %+v %+v", a, a.Security)
				}
				if (a.TLS != "") != (a.Security != nil && a.Security.Cipher != "" && a.Outcome == ledger.Accepted) {
					t.Errorf("TLS %q with %+v", a.TLS, a.Security)
				}
			}
		})
	}
}

// The MX is an alias. Records of the name behind it go first; where that one is not signed, those of the alias itself bind, if it is signed
// (RFC 7672 section 2.2.2).
func TestDANEAlias(t *testing.T) {
	const free = "accepted dot tls certificate_host_mismatch" // the certificate is for the name behind the alias
	const ok, misfit = free + " by dane", "blocked starttls clear certificate_host_mismatch by dane failed tlsa_invalid"
	for _, c := range []struct {
		what     string
		signed   []string
		unsigned string
		at       string // the name that has the record
		wrong    bool
		want     string
	}{
		{what: "all is signed, the name behind fits", signed: []string{"d.example", "host.example"}, at: "mx.host.example", want: ok},
		{what: "all is signed, the name behind does not fit", signed: []string{"d.example", "host.example"}, at: "mx.host.example", wrong: true, want: misfit},
		{what: "all is signed, the alias has the record", signed: []string{"d.example", "host.example"}, at: "mx.d.example", wrong: true, want: misfit},
		{what: "the name behind is not signed, the alias fits", signed: []string{"d.example"}, at: "mx.d.example", want: ok},
		{what: "the name behind is not signed, the alias does not fit", signed: []string{"d.example"}, at: "mx.d.example", wrong: true, want: misfit},
		{what: "the name behind is not signed and has the record", signed: []string{"d.example"}, at: "mx.host.example", wrong: true, want: free},
		{what: "the alias is not signed", signed: []string{"d.example", "host.example"}, unsigned: "mx.d.example", at: "mx.host.example", wrong: true, want: free},
		{what: "the MX is not signed", signed: []string{"mx.d.example"}, at: "mx.d.example", wrong: true, want: free},
	} {
		t.Run(c.what, func(t *testing.T) {
			t.Parallel()
			o := newOutside(t)
			h := o.Host("mx.host.example", sim.Accept().StartTLS())
			o.DNS().SetMX("d.example", sim.MX{Host: "mx.d.example", Preference: 10})
			o.DNS().SetCNAME("mx.d.example", "mx.host.example")
			for _, name := range c.signed {
				o.DNS().SetSigned(name, true)
			}
			if c.unsigned != "" {
				o.DNS().SetSigned(c.unsigned, false)
			}
			o.tlsaAt(t, c.at, h, "3 1 1", 0, c.wrong)
			if got := tellTLS(o.send(t)); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}

// One host does not fit: the mail goes to the next one that does, in the same try.
func TestPolicyAnotherHost(t *testing.T) {
	o := newOutside(t)
	bad := o.Host("mx1.d.example", sim.Accept().StartTLS().Certificate(sim.CertExpired))
	strange := o.Host("mx2.else.example", sim.Accept().StartTLS())
	fits := o.Host("mx3.d.example", sim.Accept().StartTLS())
	o.Domain("d.example", bad, strange, fits)
	o.sts("enforce", "*.d.example")
	as := o.send(t)
	want := "blocked starttls clear certificate_expired by mta_sts failed certificate_expired; blocked dns clear by mta_sts failed sts_mx_mismatch; accepted dot tls verified by mta_sts"
	if got := tellTLS(as); got != want {
		t.Errorf("%s", got)
	}
	if n := strange.Counts().Connections; n != 0 {
		t.Errorf("the host that the policy does not name was connected to %d times", n)
	}
	if as[1].Host != "mx2.else.example" || as[2].Host != "mx3.d.example" || as[0].Security.PolicyID != "1" {
		t.Errorf("%+v", as)
	}
}

// A connection that was made without a policy does not serve a mail that has one, though it leads to the same host.
func TestPolicySharesNoConnection(t *testing.T) {
	o := newOutside(t)
	h := o.Host("mx.d.example", sim.Accept().StartTLS().Certificate(sim.CertUntrusted))
	o.Domain("d.example", h)
	if got := tellTLS(o.send(t)); got != "accepted dot tls certificate_self_signed" {
		t.Fatal(got)
	}
	o.sts("enforce", "mx.d.example")
	if got := tellTLS(o.send(t)); got != "blocked starttls clear certificate_self_signed by mta_sts failed certificate_self_signed" {
		t.Error(got)
	}
}

// Nor does one whose certificate, under an authority's record, is for the domain of the mail before (RFC 7672 section 3.2.2).
func TestDANENamesShareNoConnection(t *testing.T) {
	o := newOutside(t)
	h := o.Host("mx.d.example", sim.Accept().StartTLS().Certificate(sim.CertWrongName)) // it is for elsewhere.example
	for _, d := range []string{"d.example", "elsewhere.example"} {
		o.Domain(d, h)
		o.DNS().SetSigned(d, true)
	}
	o.tlsa(t, h, "2 0 1", 1, false)
	if got := tellTLS(o.sendTo(t, "jo@elsewhere.example")); got != "accepted dot tls certificate_host_mismatch by dane" {
		t.Fatal(got)
	}
	if got := tellTLS(o.send(t)); got != "blocked starttls clear certificate_host_mismatch by dane failed tlsa_invalid" {
		t.Error(got)
	}
}

// Where TLS fails to come about, opportunistic goes on in clear, testing says so, and a policy stops.
func TestPolicyBrokenTLS(t *testing.T) {
	for mode, want := range map[string]string{
		"":        "deferred starttls clear; accepted dot clear",
		"testing": "deferred starttls clear by mta_sts_testing failed starttls_not_supported; accepted dot clear by mta_sts_testing failed validation_failure",
		"enforce": "deferred starttls clear by mta_sts failed starttls_not_supported",
	} {
		o := newOutside(t)
		h := o.Host("mx.d.example", sim.Accept().StartTLSRefused())
		o.Domain("d.example", h)
		if mode != "" {
			o.sts(mode, "mx.d.example")
		}
		if got := tellTLS(o.send(t)); got != want {
			t.Errorf("%q: %s", mode, got)
		}
	}
}

// A policy is fetched once, is obeyed though DNS falls silent about it, and changes with its id.
func TestPolicyIsKept(t *testing.T) {
	o := newOutside(t)
	o.d.STS.Kept = &kept{}
	o.Domain("d.example", o.Host("mx.d.example", sim.Accept()))
	o.sts("enforce", "mx.d.example")
	const refused = "blocked starttls clear by mta_sts failed starttls_not_supported"
	for _, step := range []struct {
		what  string
		do    func()
		want  string
		asked int
	}{
		{"first mail", func() {}, refused, 1},
		{"second mail", func() {}, refused, 1},
		{"the record is gone", func() { o.DNS().Remove("_mta-sts.d.example") }, refused, 1},
		{"DNS fails", func() { o.DNS().SetServfail("_mta-sts.d.example") }, refused, 1},
		{"a new id, and no policy to be had", func() {
			o.DNS().SetHealthy("_mta-sts.d.example")
			o.DNS().SetTXT("_mta-sts.d.example", "v=STSv1; id=2;")
			delete(o.web.bodies, "mta-sts.d.example")
		}, refused, 2},
		{"it is not asked for again at once", func() {}, refused, 2},
		{"another id, and a policy of none", func() {
			o.sts("none", "mx.d.example")
			o.DNS().SetTXT("_mta-sts.d.example", "v=STSv1; id=3;")
		}, "accepted dot clear", 3},
	} {
		step.do()
		if got := tellTLS(o.send(t)); got != step.want || o.web.asked != step.asked {
			t.Errorf("%s: %s after %d fetches, want %s after %d", step.what, got, o.web.asked, step.want, step.asked)
		}
	}
}

// kept is a keeper in memory.
type kept struct {
	mu sync.Mutex
	m  map[string]dnscheck.STSCached
}

func (k *kept) STSPolicy(_ context.Context, domain string) (dnscheck.STSCached, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.m[domain], nil
}

func (k *kept) KeepSTSPolicy(_ context.Context, domain string, c dnscheck.STSCached) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.m == nil {
		k.m = map[string]dnscheck.STSCached{}
	}
	k.m[domain] = c
	return nil
}

// A probe comes to the same end as a mail would, and says why.
func TestProbePolicies(t *testing.T) {
	for _, c := range []struct {
		what    string
		policy  func(*testing.T, *outside, *sim.Host)
		host    sim.Behaviour
		outcome ledger.Outcome
		says    string
	}{
		{"no policy, self-signed", func(*testing.T, *outside, *sim.Host) {}, sim.Accept().StartTLS().Certificate(sim.CertUntrusted), ledger.Accepted, "signed by itself, by no authority, which most senders accept"},
		{"enforce, fits", func(_ *testing.T, o *outside, _ *sim.Host) { o.sts("enforce", "mx.d.example") }, sim.Accept().StartTLS(), ledger.Accepted, "mx.d.example must fit MTA-STS."},
		{"enforce, not named", func(_ *testing.T, o *outside, _ *sim.Host) { o.sts("enforce", "mx.e.example") }, sim.Accept().StartTLS(), ledger.Blocked, "MTA-STS keeps mail from this host: the policy names no such mail host."},
		{"enforce, in clear", func(_ *testing.T, o *outside, _ *sim.Host) { o.sts("enforce", "mx.d.example") }, sim.Accept(), ledger.Blocked, "MTA-STS of the domain demands it"},
		{"enforce, expired", func(_ *testing.T, o *outside, _ *sim.Host) { o.sts("enforce", "mx.d.example") }, sim.Accept().StartTLS().Certificate(sim.CertExpired), ledger.Blocked, "MTA-STS keeps mail from this host: the certificate ran out on"},
		{"testing, expired", func(_ *testing.T, o *outside, _ *sim.Host) { o.sts("testing", "mx.d.example") }, sim.Accept().StartTLS().Certificate(sim.CertExpired), ledger.Accepted, "MTA-STS (testing) would keep mail from this host"},
		{"DANE, fits", func(t *testing.T, o *outside, h *sim.Host) {
			o.DNS().SetSigned("d.example", true)
			o.tlsa(t, h, "3 1 1", 0, false)
		}, sim.Accept().StartTLS().Certificate(sim.CertUntrusted), ledger.Accepted, "the certificate fits the DANE records"},
		{"DANE, another key", func(t *testing.T, o *outside, h *sim.Host) {
			o.DNS().SetSigned("d.example", true)
			o.tlsa(t, h, "3 1 1", 0, true)
		}, sim.Accept().StartTLS(), ledger.Blocked, "DANE keeps mail from this host: no TLSA record fits"},
		{"DANE, DNS does not tell", func(t *testing.T, o *outside, h *sim.Host) {
			o.DNS().SetSigned("d.example", true)
			o.DNS().SetServfail(fmt.Sprintf("_%d._tcp.mx.d.example", o.SMTPPort()))
		}, sim.Accept().StartTLS(), ledger.NoDNS, "DANE keeps mail from this host: the TLSA records cannot be looked up now"},
	} {
		o := newOutside(t)
		h := o.Host("mx.d.example", c.host)
		o.Domain("d.example", h)
		c.policy(t, o, h)
		p := prober(t, o.World)
		p.HTTP = &http.Client{Transport: o.web}
		got := p.Probe(t.Context(), address(t, "jo@d.example"), nil)
		var says []string
		for _, s := range got.Steps {
			says = append(says, s.Says)
		}
		if got.Outcome != c.outcome || !strings.Contains(strings.Join(says, "\n"), c.says) || (got.Outcome != ledger.Accepted) != (got.Cause == "tls.policy_failed") {
			t.Errorf("%s: %s, %q\n%s", c.what, got.Outcome, got.Cause, strings.Join(says, "\n"))
		}
		if mail := tellTLS(o.send(t)); !strings.HasPrefix(mail, string(c.outcome)) {
			t.Errorf("%s: the mail ends %s", c.what, mail)
		}
	}
}
