package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/resetd/resetd/internal/desk"
	"github.com/resetd/resetd/internal/sim"
	"github.com/resetd/resetd/internal/sim/dovecottest"
	"github.com/resetd/resetd/internal/sim/redistest"
)

// Where port 25 cannot be opened, bounces end in a mailbox: the running daemon fetches them from a real Dovecot, and why tells what they
// say. One came to our return path, one names our Message-ID, one only the recipient, which explains nothing for certain.
func TestBounceMailbox(t *testing.T) {
	box := dovecottest.Start(t)
	world, err := sim.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { world.Close() })
	mx := world.Host("mx.home.example", sim.Accept())
	world.Domain("home.example", mx)
	in := &installation{t: t, redis: redistest.Start(t), resolver: world.Resolver(),
		accounts: []string{account("u1", "ann@home.example"), account("u2", "bob@home.example"), account("u3", "cid@home.example")},
		routes:   fmt.Sprintf("[[route]]\nname = \"out\"\nmx = true\nport = %d\ntls = \"opportunistic\"\n", world.SMTPPort()),
		extra: fmt.Sprintf("[bounce_mailbox]\nimap = %q\nusername = %q\npassword = %q\nca_file = %q\n",
			box.SecureURL(), dovecottest.User, dovecottest.Password, box.CertFile())}
	daemon := launch(t, "serve", "-config", in.write())
	c := caller{t, "http://" + daemon.listening("api")}
	report := func(login, deliveredTo string, change func(string) string) (reset string) {
		before := len(mx.Mail())
		reset = c.ask(login)
		c.untilSent(reset)
		mails, err := mx.Wait(t.Context(), before+1)
		if err != nil {
			t.Fatal(err)
		}
		m := mails[before]
		raw, _ := sim.ComposeDSN("mx.home.example", "4Rabc", m, []sim.Report{{To: sim.Recipient{Address: login}, Action: "failed", Status: "5.1.1",
			Diagnostic: "smtp; 550 5.1.1 <" + login + ">: Recipient address rejected: User unknown"}})
		text := string(raw)
		if deliveredTo == "" {
			text = strings.ReplaceAll(text, m.From, "bounces@us.example")
			text = "Delivered-To: bounces@us.example\r\n" + text
		} else {
			text = "Delivered-To: " + m.From + "\r\n" + text
		}
		if change != nil {
			text = change(text)
		}
		box.Deliver([]byte(text))
		return reset
	}
	report("ann@home.example", "return path", nil)
	if got := c.why("ann@home.example", "recipient.unknown_mailbox"); got.Verdict.Confidence != "certain" {
		t.Errorf("by return path: %+v", got.Verdict)
	}
	report("bob@home.example", "", nil)
	if got := c.why("bob@home.example", "recipient.unknown_mailbox"); got.Verdict.Confidence != "certain" {
		t.Errorf("by Message-ID: %+v", got.Verdict)
	}
	if strings.Contains(daemon.logText(), "@home.example") {
		t.Error("an address stands in the log")
	}
	if err := box.WaitMails(t.Context(), func(flags []string) bool { return len(flags) == 2 && strings.Contains(flags[0]+flags[1], "S") }); err != nil {
		t.Errorf("%v: %q", err, box.Mails())
	}
	// Someone's report about the third names neither: it is a claim, and the mail counts as sent.
	third := report("cid@home.example", "", func(s string) string {
		for _, name := range []string{"Message-ID:", "Message-Id:", "X-Resetd-Message:", "Original-Envelope-Id:"} {
			s = strings.ReplaceAll(s, name, "X-Gone:")
		}
		return s
	})
	v := c.untilReset(third, func(v desk.ResetView) bool { return facts(v, "bounced") == 1 })
	if v.State != "sent" {
		t.Errorf("a claim acted: %s", v.State)
	}
	// A report about nobody that we wrote to lies in the tray.
	box.Deliver([]byte("Delivered-To: bounces@us.example\r\nFrom: <>\r\nSubject: failed\r\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b\r\n" +
		"Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.there.example\r\n\r\nFinal-Recipient: rfc822; al@there.example\r\nAction: failed\r\nStatus: 5.1.1\r\n\r\n--b--\r\n"))
	if err := box.WaitMails(t.Context(), func(flags []string) bool {
		return len(flags) == 4 && !slices.ContainsFunc(flags, func(f string) bool { return !strings.Contains(f, "S") })
	}); err != nil {
		t.Errorf("%v: %q", err, box.Mails())
	}
	// What receivers report about our mail in bulk is read there too.
	box.Deliver([]byte("From: dmarc@mailhost.example\r\nTo: bounces@us.example\r\nSubject: Report domain: us.example\r\nContent-Type: text/xml\r\n\r\n" +
		reportOf("us.example", "s-rsa", time.Now().UTC().Truncate(24*time.Hour)) + "\r\n"))
	if err := box.WaitMails(t.Context(), func(flags []string) bool {
		return len(flags) == 5 && !slices.ContainsFunc(flags, func(f string) bool { return !strings.Contains(f, "S") })
	}); err != nil {
		t.Errorf("%v: %q", err, box.Mails())
	}
	c.untilRead()
	if status, body := c.call(opsSecret, "/v1/domains/us.example/reports", nil); status != 200 || !strings.Contains(string(body), `"name":"mailhost.example","proof":"nobody"`) {
		t.Errorf("the report: %d %s", status, body)
	}
	if status, body := c.call(opsSecret, "/v1/tray", nil); status != 200 || !strings.Contains(string(body), `"unmatched"`) {
		t.Errorf("the tray: %d %s", status, body)
	}
	if code := daemon.stop(); code != 0 {
		t.Errorf("stopped with status %d", code)
	}
}
