package main

import (
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/resetd/resetd/diag"
	"github.com/resetd/resetd/internal/desk"
	"github.com/resetd/resetd/internal/ledger"
	"github.com/resetd/resetd/internal/sim"
	"github.com/resetd/resetd/internal/sim/redistest"
)

// The TLS policy of a recipient's side, on real parts: what support is told while it keeps a mail, and that the mail goes out by itself once
// the host fits.
func TestPoliciesOfTheRecipient(t *testing.T) {
	world, err := sim.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { world.Close() })
	in := &installation{t: t, redis: redistest.Start(t), resolver: world.Resolver(),
		accounts: []string{account("u1", "jo@dane.example"), account("u2", "jo@sts.example")},
		routes:   fmt.Sprintf("[[route]]\nname = \"out\"\nmx = true\nport = %d\n", world.SMTPPort())}
	file := in.write()
	serve := func() (*process, caller) {
		p := launchIn(t, []string{"SSL_CERT_FILE=" + world.CAFile()}, "serve", "-config", file)
		return p, caller{t, "http://" + p.listening("api")}
	}
	p, c := serve()

	t.Run("DANE", func(t *testing.T) {
		c := caller{t, c.url}
		h := world.Host("mx.dane.example", sim.Accept().StartTLS())
		world.Domain("dane.example", h)
		world.DNS().SetSigned("dane.example", true)
		name := fmt.Sprintf("_%d._tcp.mx.dane.example", world.SMTPPort())
		publish := func(key []byte) {
			sum := sha256.Sum256(key)
			world.DNS().Remove(name)
			if err := world.DNS().Add(name + ". 60 IN TLSA 3 1 1 " + hex.EncodeToString(sum[:])); err != nil {
				t.Fatal(err)
			}
		}
		publish([]byte("the key of last year"))
		id := c.ask("jo@dane.example")
		verdict := c.why("jo@dane.example", "tls.policy_failed").Verdict
		if verdict.Confidence != diag.Certain || verdict.Resend.Helps != diag.HelpsFutile || !strings.HasPrefix(verdict.Says, "The DANE policy of dane.example keeps the mail from mx.dane.example: no TLSA record fits the certificate that the host shows (since ") {
			t.Errorf("%+v", verdict)
		}
		if status, body := c.call(supportSecret, "/v1/resets/"+id+"/resend", obj{"reason": "x"}); status != http.StatusConflict || !strings.Contains(string(body), "resend_futile") {
			t.Errorf("resend: %d %s", status, body)
		}
		kept(t, c.reset(id), ledger.DANE, ledger.TLSAMismatch)
		publish(h.Certificates()[0].RawSubjectPublicKeyInfo)
		sent(t, c.untilSent(id), ledger.DANE)
		c.why("jo@dane.example", "accepted.no_further_trace")
	})

	t.Run("MTA-STS", func(t *testing.T) {
		c := caller{t, c.url}
		stop := servePolicy(t, world, "sts.example", "version: STSv1\nmode: enforce\nmx: *.sts.example\nmax_age: 604800\n")
		h := world.Host("mx.sts.example", sim.Accept().StartTLS().Certificate(sim.CertExpired))
		world.Domain("sts.example", h)
		world.DNS().SetTXT("_mta-sts.sts.example", "v=STSv1; id=20261124;")
		id := c.ask("jo@sts.example")
		verdict := c.why("jo@sts.example", "tls.policy_failed").Verdict
		if verdict.Confidence != diag.Certain || !strings.HasPrefix(verdict.Says, "The MTA-STS policy of sts.example keeps the mail from mx.sts.example: the certificate ran out on ") {
			t.Errorf("%+v", verdict)
		}
		kept(t, c.reset(id), ledger.MTASTS, ledger.CertExpired)
		// Neither a crash nor a domain that falls silent switches the policy off: it is kept for as long as its owner said.
		p.kill()
		stop()
		world.DNS().Remove("_mta-sts.sts.example")
		tries := len(h.Transcript())
		_, c = serve()
		c = caller{t, c.url}
		v := c.untilReset(id, func(desk.ResetView) bool { return len(h.Transcript()) > tries })
		kept(t, v, ledger.MTASTS, ledger.CertExpired)
		if err := h.Set(sim.Accept().StartTLS()); err != nil {
			t.Fatal(err)
		}
		sent(t, c.untilSent(id), ledger.MTASTS)
		_, metrics := c.call("", "/metrics", nil)
		for _, line := range []string{`resetd_tls_total{outcome="dane"} 1`, `resetd_tls_total{outcome="mta_sts"} 1`, `resetd_tls_total{outcome="kept_by_dane"}`, `resetd_tls_total{outcome="kept_by_mta_sts"}`} {
			if !strings.Contains(string(metrics), line) {
				t.Errorf("no %s in the metrics", line)
			}
		}
	})
}

// kept says that a policy kept the mail in every dialogue so far.
func kept(t *testing.T, v desk.ResetView, by ledger.Policy, failed ledger.Fault) {
	t.Helper()
	n := 0
	for _, a := range v.Messages[0].Attempts {
		n++
		if a.Outcome != ledger.Blocked || a.Security == nil || a.Security.Policy != by || a.Security.Failed != failed || a.Security.Problem == "" {
			t.Errorf("%+v %+v", a, a.Security)
		}
	}
	if n == 0 || v.State != ledger.Waiting {
		t.Errorf("%d dialogues, %s", n, v.State)
	}
}

// sent says that the last dialogue fits the policy.
func sent(t *testing.T, v desk.ResetView, by ledger.Policy) {
	t.Helper()
	a := v.Messages[0].Attempts[len(v.Messages[0].Attempts)-1]
	if a.Outcome != ledger.Accepted || a.TLS == "" || a.Security == nil || a.Security.Policy != by || a.Security.Failed != "" || a.Security.Certificate != ledger.Verified || a.Security.Cipher == "" {
		t.Errorf("%+v %+v", a, a.Security)
	}
}

// servePolicy is a domain's policy host, on port 443 of a loopback address; the test is skipped where nobody may listen there.
func servePolicy(t *testing.T, world *sim.World, domain, policy string) (stop func()) {
	t.Helper()
	at := netip.MustParseAddr("127.80.61.1")
	l, err := net.Listen("tcp", netip.AddrPortFrom(at, 443).String())
	if errors.Is(err, os.ErrPermission) {
		t.Skip("port 443 may not be listened on here")
	}
	if err != nil {
		t.Fatal(err)
	}
	cert, key, err := world.WriteCertificate("mta-sts."+domain, at, sim.CertValid)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{ReadHeaderTimeout: time.Second, TLSConfig: &tls.Config{Certificates: []tls.Certificate{pair}}, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Host != "mta-sts."+domain || r.URL.Path != "/.well-known/mta-sts.txt" {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "text/plain")
		fmt.Fprint(w, policy)
	})}
	done := make(chan error, 1)
	go func() { done <- srv.ServeTLS(l, "", "") }()
	world.DNS().SetA("mta-sts."+domain, at)
	stopped := false
	stop = func() {
		if !stopped {
			stopped = true
			srv.Close()
			<-done
		}
	}
	t.Cleanup(stop)
	return stop
}
