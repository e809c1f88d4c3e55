package main

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/resetd/resetd/diag/dnscheck"
	"github.com/resetd/resetd/internal/ledger"
	"github.com/resetd/resetd/internal/sim"
	"github.com/resetd/resetd/internal/sim/freeport"
	"github.com/resetd/resetd/internal/sim/redistest"
	"github.com/resetd/resetd/mailer"
)

// asClient runs the binary as a client of a daemon.
func asClient(t testing.TB, url, secret string, args ...string) (out string, code int) {
	t.Helper()
	cmd := exec.Command(binary(t), args...)
	cmd.Env = append(os.Environ(), "RESETD_URL="+url, "RESETD_KEY="+secret)
	b, err := cmd.Output()
	if err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return string(b), cmd.ProcessState.ExitCode()
}

// The same questions from here with a configuration and through a running daemon: a domain whose SPF is broken and whose keys are not
// published, another's domain, an address that exists and one that does not.
func TestCheckAndProbe(t *testing.T) {
	world, err := sim.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { world.Close() })
	world.Domain("home.example", world.Host("mx.home.example", sim.Accept().StartTLS()))
	world.Domain("none.example", world.Host("mx.none.example", sim.UnknownMailbox()))
	world.DNS().SetTXT("bounces.us.example", "v=spf1 ip4:192.0.2.25 -all", "v=spf1 ~all")
	in := &installation{t: t, redis: redistest.Start(t), resolver: world.Resolver(), accounts: []string{account("u1", "jo@home.example")},
		routes: fmt.Sprintf("[[route]]\nname = \"out\"\nmx = true\nport = %d\ntls = \"opportunistic\"\n", world.SMTPPort())}
	file := in.write()
	daemon := launch(t, "serve", "-config", file)
	url := "http://" + daemon.listening("api")

	// The worker checks its domains when it begins.
	c := caller{t, url}
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if _, body := c.call(opsSecret, "/v1/domains", nil); strings.Contains(string(body), `"severity":"error"`) {
			break
		}
		if time.Now().After(end) {
			t.Fatal("the worker did not check its domain")
		}
	}
	for how, run := range map[string]func(args ...string) (string, int){
		"locally": func(args ...string) (string, int) {
			out, code, _ := runCLI2(t, append(args, "-config", file)...)
			return out, code
		},
		"by the daemon": func(args ...string) (string, int) { return asClient(t, url, supportSecret, args...) },
	} {
		out, code := run("check", "us.example", "-json")
		var r dnscheck.Report
		if err := json.Unmarshal([]byte(out), &r); err != nil || code != exitBadNews || !r.Bad() || len(r.DKIM) != 2 {
			t.Fatalf("%s: exit %d, %v\n%s", how, code, err, out)
		}
		causes := map[string]bool{}
		for _, f := range r.Findings {
			if f.Severity == dnscheck.Error {
				causes[f.Cause] = true
			}
		}
		if !causes["sender.dkim_key_mismatch"] || !causes["sender.spf_permerror"] {
			t.Errorf("%s: causes %v", how, causes)
		}
		if out, _ := run("check", "us.example"); !strings.Contains(out, "Publish:") || !strings.Contains(out, "s-rsa._domainkey.us.example. IN TXT") || !strings.Contains(out, "Who feels it:") {
			t.Errorf("%s: %s", how, out)
		}
		if out, code := run("check", "home.example"); code != 0 || !strings.Contains(out, "mx.home.example") {
			t.Errorf("%s: exit %d: %s", how, code, out)
		}
		if out, code := run("probe", "jo@home.example"); code != 0 || !strings.Contains(out, "would take mail") {
			t.Errorf("%s: exit %d: %s", how, code, out)
		}
		out, code = run("probe", "jo@none.example", "-json")
		var p mailer.Probed
		if err := json.Unmarshal([]byte(out), &p); err != nil || code != exitBadNews || p.Outcome != ledger.Rejected || p.Cause != "recipient.unknown_mailbox" {
			t.Errorf("%s: exit %d, %v: %s", how, code, err, out)
		}
	}
	if strings.Contains(daemon.logText(), "jo@") {
		t.Error("an address that was probed stands in the log")
	}

	port, err := freeport.Pick()
	if err != nil {
		t.Fatal(err)
	}
	in.resolver = fmt.Sprintf("127.0.0.1:%d", port)
	if out, code, said := runCLI2(t, "check", "us.example", "-config", in.write()); code != exitCould || !strings.Contains(said, "is the resolver reachable") {
		t.Errorf("no resolver at all: exit %d: %s%s", code, out, said)
	}
}

// The MX of the return path's domain is found to lead to our receiver while it listens there, and to somebody else when it does not.
func TestCheckFindsOurReceiver(t *testing.T) {
	world, err := sim.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { world.Close() })
	other := world.Host("mx.other.example", sim.UnknownMailbox())
	ours := netip.MustParseAddr("127.77.0.25")
	world.DNS().SetMX("bounces.us.example", sim.MX{Preference: 10, Host: "mx.bounces.us.example"})
	world.DNS().SetA("mx.bounces.us.example", ours)
	in := &installation{t: t, redis: redistest.Start(t), resolver: world.Resolver(), accounts: []string{account("u1", "jo@home.example")},
		bounceAt: netip.AddrPortFrom(ours, uint16(world.SMTPPort())).String(),
		routes:   fmt.Sprintf("[[route]]\nname = \"out\"\nmx = true\nport = %d\ntls = \"opportunistic\"\n", world.SMTPPort())}
	file := in.write()
	found := func() string {
		out, _, _ := runCLI2(t, "check", "us.example", "-json", "-config", file)
		var r dnscheck.Report
		if err := json.Unmarshal([]byte(out), &r); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		for _, f := range r.Findings {
			if strings.HasPrefix(f.ID, "return.") {
				return f.ID
			}
		}
		return ""
	}
	if id := found(); id != "return.untried" {
		t.Errorf("nobody listens there: %q", id)
	}
	daemon := launch(t, "serve", "-config", file)
	daemon.listening("bounce")
	if id := found(); id != "return.ok" {
		t.Errorf("our receiver listens there: %q", id)
	}
	world.DNS().SetA("mx.bounces.us.example", other.IP())
	if id := found(); id != "return.elsewhere" {
		t.Errorf("another server listens there: %q", id)
	}
}
