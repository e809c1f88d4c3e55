package main

import (
	"errors"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/resetd/resetd/diag/dnscheck"
	"github.com/resetd/resetd/internal/config"
	"github.com/resetd/resetd/internal/ledger"
	"github.com/resetd/resetd/internal/sim"
	"github.com/resetd/resetd/mailer"
)

// As the daemon joins them: without allow_private_addresses, nothing that a stranger's DNS names leads inside, neither mail nor probe nor the
// fetch of a policy; with it, the world of a test can be reached.
func TestStrangersLeadNowhereInside(t *testing.T) {
	world, err := sim.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { world.Close() })
	world.DNS().SetMX("d.example", sim.MX{Preference: 10, Host: "mx.d.example"})
	world.DNS().SetTXT("_mta-sts.d.example", "v=STSv1; id=1;")
	cfg := &config.Config{DNS: config.DNS{Resolver: world.Resolver()}, SMTP: config.SMTP{Helo: "mail.us.example"},
		Routes: []config.Route{{Name: "mx", MX: true, Port: world.SMTPPort(), TLS: "opportunistic", MTASTS: true, DANE: true}}}
	out, err := outsideOf(cfg)
	if err != nil {
		t.Fatal(err)
	}
	route, err := routeOf(cfg, cfg.Routes[0])
	if err != nil {
		t.Fatal(err)
	}
	d := (&daemon{parts: parts{outside: out}}).deliverer()
	d.STS.Kept, d.STS.Now = nil, nil // there is no store
	t.Cleanup(func() { d.Close() })
	to, err := mailer.ParseAddress("jo@d.example")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("../../diag/dnscheck/testdata/addresses.txt")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		if len(f) < 2 || f[0] != "inside" {
			continue
		}
		n++
		world.DNS().SetA("mx.d.example", netip.MustParseAddr(f[1]))
		world.DNS().SetA("mta-sts.d.example", netip.MustParseAddr(f[1]))
		as := d.Deliver(t.Context(), route, mailer.Envelope{To: "jo@d.example", MessageID: "msg_test"}, []byte("From: <a@us.example>\r\n\r\nx\r\n"))
		if len(as) != 1 || as[0].Outcome != ledger.Blocked || as[0].Stage != "dns" {
			t.Errorf("mail to %s: %+v", f[1], as)
		}
		if _, err := out.DNS.HTTP.Get("https://mta-sts.d.example/.well-known/mta-sts.txt"); !errors.Is(err, dnscheck.ErrNotPublic) {
			t.Errorf("a policy from %s: %v", f[1], err)
		}
		if got := out.Prober.Probe(t.Context(), to, nil); got.Outcome != ledger.Blocked {
			t.Errorf("a probe of %s: %+v", f[1], got)
		}
	}
	if n == 0 {
		t.Fatal("the table is empty")
	}
	cfg.SMTP.AllowPrivateAddresses = true
	if out, err = outsideOf(cfg); err != nil {
		t.Fatal(err)
	}
	world.Domain("d.example", world.Host("mx.d.example", sim.Accept()))
	if got := out.Prober.Probe(t.Context(), to, nil); got.Outcome != ledger.Accepted {
		t.Errorf("allowed: %+v", got)
	}
}
