package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/smtp"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/resetd/resetd/internal/desk"
	"github.com/resetd/resetd/internal/sim"
	"github.com/resetd/resetd/internal/sim/redistest"
)

// A gateway speaks a tongue that no built-in rule knows. Once the operator has written down what it means and the daemon was started
// again, everything goes by it: what a host said before and says now, what came back by mail, what a provider tells, and what is pasted.
func TestRulesOfOnesOwn(t *testing.T) {
	const words = "Zebra crossing closed for this person"
	world, err := sim.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { world.Close() })
	world.Domain("no.example", world.Host("mx.no.example", sim.RejectRcpt(550, "", words)))
	mx := world.Host("mx.home.example", sim.Accept())
	world.Domain("home.example", mx)
	p := newProviders(t)
	in := &installation{t: t, redis: redistest.Start(t), resolver: world.Resolver(), dir: t.TempDir(),
		accounts: []string{account("u1", "ann@no.example"), account("u2", "bob@no.example"), account("u3", "cid@home.example"), account("u4", "dot@home.example")},
		routes:   fmt.Sprintf("[[route]]\nname = \"out\"\nmx = true\nport = %d\ntls = \"opportunistic\"\n", world.SMTPPort()), extra: p.config(t)}

	daemon := launch(t, "serve", "-config", in.write())
	c := caller{t, "http://" + daemon.listening("api")}
	c.ask("ann@no.example")
	c.why("ann@no.example", "recipient.refused_other")
	if got := c.explain("550 " + words); got.Reason != "unknown" {
		t.Errorf("known already: %+v", got)
	}
	if code := daemon.stop(); code != 0 {
		t.Fatalf("stopped with status %d", code)
	}

	rules := filepath.Join(in.dir, "rules.txt")
	write := func(reason string) {
		t.Helper()
		text := "rule zebra\n  says zebra crossing closed\n  reason " + reason + "\n  proves The mailbox is gone.\n  source us\n  sample 550 " + words + "\n"
		if err := os.WriteFile(rules, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	in.routes += "[diag]\nrules_file = \"rules.txt\"\n"
	write("user_unknwon")
	file := in.write()
	if out, code, _ := runCLI2(t, "config", "check", file); code != exitBadNews || !strings.Contains(out, `rules.txt:3: unknown reason "user_unknwon"`) {
		t.Errorf("config check: %d %s", code, out)
	}
	bad := launch(t, "serve", "-config", file)
	<-bad.done
	if code := bad.cmd.ProcessState.ExitCode(); code != exitBadNews || !strings.Contains(bad.logText(), "rules.txt:3") {
		t.Errorf("serve: %d %s", code, bad.logText())
	}

	write("user_unknown")
	daemon = launch(t, "serve", "-config", file)
	c.url = "http://" + daemon.listening("api")
	if v := c.why("ann@no.example", "recipient.unknown_mailbox"); v.Verdict.Blame != "recipient" {
		t.Errorf("%+v", v.Verdict)
	}
	c.ask("bob@no.example")
	c.why("bob@no.example", "recipient.unknown_mailbox")

	c.untilSent(c.ask("cid@home.example"))
	mails, err := mx.Wait(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	raw, _ := sim.ComposeDSN("mx.home.example", "4R1", mails[0], []sim.Report{{To: sim.Recipient{Address: "cid@home.example"}, Action: "failed", Status: "5.0.0", Diagnostic: "smtp; 550 " + words}})
	if err := smtp.SendMail(daemon.listening("bounce"), nil, "", []string{mails[0].From}, raw); err != nil {
		t.Fatal(err)
	}
	c.why("cid@home.example", "recipient.unknown_mailbox")
	message := string(c.untilReset(c.ask("dot@home.example"), func(v desk.ResetView) bool { return v.State == "sent" }).Messages[0].Message)
	now := time.Now()
	body := []byte(fmt.Sprintf(`{"type":"email.bounced","timestamp":%q,"data":{"recipient":"dot@home.example","resetd_message":%q,"diagnostic":%q}}`, now.UTC().Format(time.RFC3339), message, "550 "+words))
	if got := c.hook("standard", p.standardHeader(now, "e1", body), body); got != http.StatusOK {
		t.Fatalf("event: %d", got)
	}
	c.why("dot@home.example", "recipient.unknown_mailbox")

	if got := c.explain("550 " + words); got.Rule != "zebra" || got.Cause != "recipient.unknown_mailbox" {
		t.Errorf("a pasted reply: %+v", got)
	}
}

// explain pastes a reply.
func (c caller) explain(text string) desk.ExplainedReply {
	c.t.Helper()
	status, body := c.call(supportSecret, "/v1/explain", obj{"reply": text})
	var out desk.ExplainedReply
	if status != http.StatusOK || json.Unmarshal(body, &out) != nil {
		c.t.Fatalf("POST /v1/explain: %d %s", status, body)
	}
	return out
}
