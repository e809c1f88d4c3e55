package mailer

import (
	"crypto/x509"
	"net"
	"strings"
	"testing"
	"time"
)

func TestEndlessBannerEndsWithinBudget(t *testing.T) {
	h := newHost(t, polite(manners{"ENDLESS": "BANNER"}))
	l := Limits{}.withDefaults()
	s, err := dial(t.Context(), l, target{host: "x", ip: mustIP("127.0.0.1")}, h.relay().port())
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	if err := s.greet(h.relay(), "x", false); !isBudget(err) {
		t.Errorf("%v", err)
	}
	if read := l.DialogueBytes - s.w.left; read > 256<<10 || read < 60<<10 {
		t.Errorf("%d bytes were read", read)
	}
}

const ehloTLS = "250-host.example\r\n250-STARTTLS\r\n250 DSN"

func TestTLS(t *testing.T) {
	login := func(r Route) Route { r.Username, r.Password = "resetd", "secret-word"; return r }
	mode := func(m TLSMode) func(Route) Route { return func(r Route) Route { r.TLS = m; return r } }
	strange := func(r Route) Route { r.RootCAs = x509.NewCertPool(); return r }
	for _, c := range []struct {
		name   string
		ms     []manners
		route  []func(Route) Route
		want   string
		secret bool // the password may have been said
	}{
		{"required, verified", []manners{{"EHLO": ehloTLS}}, []func(Route) Route{mode(TLSRequired)}, "accepted dot 250 2.0.0 TLS1.3", false},
		{"required, not offered", []manners{{}}, []func(Route) Route{mode(TLSRequired)}, "blocked starttls", false},
		{"required, refused", []manners{{"EHLO": ehloTLS, "STARTTLS": "454 4.7.0 no"}}, []func(Route) Route{mode(TLSRequired)}, "deferred starttls 454 4.7.0", false},
		{"required, unknown issuer", []manners{{"EHLO": ehloTLS}}, []func(Route) Route{mode(TLSRequired), strange}, "blocked starttls", false},
		{"opportunistic", []manners{{"EHLO": ehloTLS}}, []func(Route) Route{mode("")}, "accepted dot 250 2.0.0 TLS1.3", false},
		{"opportunistic, unknown issuer", []manners{{"EHLO": ehloTLS}}, []func(Route) Route{mode(TLSOpportunistic), strange}, "accepted dot 250 2.0.0 TLS1.3", false},
		{"opportunistic, not offered", []manners{{}}, []func(Route) Route{mode(TLSOpportunistic)}, "accepted dot 250 2.0.0", false},
		{"opportunistic, refused", []manners{{"EHLO": ehloTLS, "STARTTLS": "454 4.7.0 no"}}, []func(Route) Route{mode(TLSOpportunistic)},
			"deferred starttls 454 4.7.0\naccepted dot 250 2.0.0", false},
		{"none, offered", []manners{{"EHLO": ehloTLS}}, []func(Route) Route{mode(TLSNone)}, "accepted dot 250 2.0.0", false},
		{"implicit", []manners{{"IMPLICIT": "1"}}, []func(Route) Route{mode(TLSImplicit)}, "accepted dot 250 2.0.0 TLS1.3", false},
		{"implicit, unknown issuer", []manners{{"IMPLICIT": "1"}}, []func(Route) Route{mode(TLSImplicit), strange}, "blocked starttls", false},
		{"implicit against clear text", []manners{{}}, []func(Route) Route{mode(TLSImplicit)}, "unreachable starttls", false},
		{"injected", []manners{{"EHLO": ehloTLS, "STARTTLS": "220 go\r\n250 injected"}}, []func(Route) Route{mode(TLSRequired)}, "blocked starttls", false},
		{"login", []manners{{"EHLO": ehloTLS}}, []func(Route) Route{mode(TLSRequired), login}, "accepted dot 250 2.0.0 TLS1.3", true},
		{"login over LOGIN", []manners{{"EHLO": ehloTLS, "EHLO2": "250-x\r\n250 AUTH LOGIN", "AUTH": "334 UGFzc3dvcmQ6", "C2VJCMV0LXDVCMQ=": "235 2.7.0 ok"}}, []func(Route) Route{mode(TLSRequired), login}, "accepted dot 250 2.0.0 TLS1.3", true},
		{"login refused", []manners{{"EHLO": ehloTLS, "AUTH": "535 5.7.8 bad credentials"}}, []func(Route) Route{mode(TLSRequired), login},
			"deferred auth 535 5.7.8 TLS1.3", true},
		{"login not offered", []manners{{"EHLO": ehloTLS, "EHLO2": "250 x"}}, []func(Route) Route{mode(TLSRequired), login}, "blocked auth TLS1.3", false},
		{"login, unknown issuer", []manners{{"EHLO": ehloTLS}}, []func(Route) Route{mode(TLSOpportunistic), login, strange}, "blocked starttls", false},
		{"login in clear", []manners{{"EHLO": "250-x\r\n250 AUTH PLAIN"}}, []func(Route) Route{mode(TLSOpportunistic), login}, "blocked starttls", false},
		{"login without TLS", []manners{{"EHLO": "250-x\r\n250 AUTH PLAIN"}}, []func(Route) Route{mode(TLSNone), login}, "blocked starttls", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			var ms []manners
			for _, m := range c.ms {
				ms = append(ms, polite(m))
			}
			h := newHost(t, ms...)
			r := h.relay()
			for _, f := range c.route {
				r = f(r)
			}
			as := deliverer(t, zone{}).Deliver(t.Context(), r, testEnvelope(), []byte(testMail))
			got := summary(as)
			if got != c.want {
				t.Errorf("%s, want %s (%q)", got, c.want, as[0].Text)
			}
			h.mu.Lock()
			defer h.mu.Unlock()
			for _, l := range h.said {
				if !c.secret && strings.Contains(strings.ToUpper(l), "AUTH") {
					t.Errorf("the password was said: %s", l)
				}
			}
		})
	}
}

// A host whose handshake fails is asked again in clear, on a new connection, and both dialogues are told.
func TestHandshakeFails(t *testing.T) {
	h := newHost(t, polite(manners{"EHLO": ehloTLS, "STARTTLS": "220 go"}), polite(manners{"EHLO": ehloTLS}))
	h.cert.PrivateKey = nil // so that it has no certificate to show
	as := deliverer(t, zone{}).Deliver(t.Context(), Route{Name: "r", Smarthost: h.addr}, testEnvelope(), []byte(testMail))
	if got := summary(as); got != "unreachable starttls\naccepted dot 250 2.0.0" {
		t.Errorf("%s %+v", got, as)
	}
	if n := h.connections(); n != 2 {
		t.Errorf("%d connections", n)
	}
}

func TestSMTPUTF8(t *testing.T) {
	env := testEnvelope()
	env.To, env.UTF8 = "jörg@müller.example", true
	h := newHost(t, polite(manners{"EHLO": "250-host.example\r\n250 SMTPUTF8"}))
	d := deliverer(t, zone{})
	if got := summary(d.Deliver(t.Context(), h.relay(), env, []byte(testMail))); got != "accepted dot 250 2.0.0" {
		t.Error(got)
	}
	if got := h.heard("MAIL RCPT"); len(got) != 2 || !strings.HasSuffix(got[0], " SMTPUTF8") || got[1] != "RCPT TO:<jörg@xn--mller-kva.example>" {
		t.Error(got)
	}
	h = newHost(t, polite(nil))
	as := d.Deliver(t.Context(), h.relay(), env, []byte(testMail))
	if got := summary(as); got != "rejected rcpt 5.6.7" || !strings.Contains(as[0].Text, "SMTPUTF8") {
		t.Errorf("%s %s", got, as[0].Text)
	}
	if got := h.heard("MAIL RCPT"); len(got) != 0 {
		t.Errorf("said all the same: %v", got)
	}
}

// A host that never greets is left when its time is up.
func TestSilentBanner(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() // the kernel takes the connection; nobody ever accepts it
	d := deliverer(t, zone{})
	d.Limits.Banner = 20 * time.Millisecond
	as := d.Deliver(t.Context(), Route{Name: "r", Smarthost: l.Addr().String()}, testEnvelope(), []byte(testMail))
	if got := summary(as); got != "unreachable banner" || as[0].Text != "timed out" {
		t.Errorf("%s %q", got, as[0].Text)
	}
}
