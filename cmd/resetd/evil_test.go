package main

import (
	"encoding/json"
	"fmt"
	"net/smtp"
	"strings"
	"testing"
	"time"

	"github.com/resetd/resetd/internal/sim"
	"github.com/resetd/resetd/internal/sim/redistest"
)

// Evil text comes in by every way that is open to strangers: an answer of a host, a bounce, a provider's event, a log. It is told to
// people, and does nothing: on the terminal, in JSON, in the log, or as a formula where somebody pastes it into a spreadsheet.
func TestEvilTextIsInert(t *testing.T) {
	world, err := sim.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { world.Close() })
	const evil = "\x1b]0;owned\x07\x1b[2J\u202e{\"level\":\"fatal\"} =cmd|' /C calc'!A0 <script>alert(1)</script>"
	mx := world.Host("mx.home.example", sim.Accept())
	world.Domain("home.example", mx)
	no := world.Host("mx.no.example", sim.RejectRcpt(550, "5.1.1", "User unknown "+evil))
	world.Domain("no.example", no)
	p := newProviders(t)
	in := &installation{t: t, redis: redistest.Start(t), resolver: world.Resolver(), accounts: []string{account("u1", "ann@home.example"), account("u2", "bob@home.example"), account("u3", "cid@no.example")},
		routes: fmt.Sprintf("[[route]]\nname = \"out\"\nmx = true\nport = %d\ntls = \"opportunistic\"\n", world.SMTPPort()), extra: p.config(t)}
	daemon := launch(t, "serve", "-config", in.write())
	c := caller{t, "http://" + daemon.listening("api")}

	c.ask("cid@no.example")
	c.why("cid@no.example", "recipient.unknown_mailbox")

	ann := c.ask("ann@home.example")
	message := string(c.untilSent(ann).Messages[0].Message)
	at := time.Now()
	text, _ := json.Marshal("550 5.1.1 no such user " + evil)
	body := []byte(fmt.Sprintf(`{"type":"email.bounced","timestamp":%q,"data":{"recipient":"ann@home.example","resetd_message":%q,"permanent":true,"diagnostic":%s,"host":%s}}`,
		at.UTC().Format(time.RFC3339), message, text, text))
	if got := c.hook("standard", p.standardHeader(at, "e1", body), body); got != 200 {
		t.Fatalf("event: %d", got)
	}
	c.why("ann@home.example", "recipient.unknown_mailbox")

	c.untilSent(c.ask("bob@home.example"))
	mails, err := mx.Wait(t.Context(), 2)
	if err != nil {
		t.Fatal(err)
	}
	raw, _ := sim.ComposeDSN("mx.home.example", "4R1", mails[1], []sim.Report{{To: sim.Recipient{Address: "bob@home.example"}, Action: "failed", Status: "5.1.1", Diagnostic: "smtp; 550 5.1.1 User unknown " + evil}})
	raw = append([]byte("X-Evil: "+evil+"\r\n"), raw...)
	if err := smtp.SendMail(daemon.listening("bounce"), nil, "", []string{mails[1].From}, raw); err != nil {
		t.Fatal(err)
	}
	c.why("bob@home.example", "recipient.unknown_mailbox")

	var out strings.Builder
	for _, login := range []string{"ann@home.example", "bob@home.example", "cid@no.example"} {
		for _, flags := range [][]string{nil, {"-json"}} {
			text, code, msg := runCLI2(t, append([]string{"why", login, "-url", c.url, "-key", supportSecret}, flags...)...)
			if code == exitUsage || !strings.Contains(text, "owned") && !strings.Contains(text, "unknown") {
				t.Fatalf("why %s %v: %d %s %s", login, flags, code, text, msg)
			}
			out.WriteString(text + msg)
		}
	}
	if code := daemon.stop(); code != 0 {
		t.Errorf("stopped with status %d", code)
	}
	for name, text := range map[string]string{"the terminal": out.String(), "the log": daemon.logText()} {
		if i := strings.IndexAny(text, "\x1b\x07\u202e"); i >= 0 {
			t.Errorf("%s holds a control: %q", name, text[max(0, i-80):min(len(text), i+20)])
		}
	}
	for line := range strings.Lines(daemon.logText()) {
		if !json.Valid([]byte(line)) {
			t.Errorf("a line of the log is no JSON: %q", line)
		}
	}
	for line := range strings.Lines(out.String()) {
		if f := strings.TrimLeft(line, " \t\""); f != "" && strings.ContainsRune("=@+", rune(f[0])) {
			t.Errorf("a line begins like a formula: %q", line)
		}
	}
}
