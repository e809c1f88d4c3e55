package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/resetd/resetd/internal/desk"
	"github.com/resetd/resetd/internal/sim"
	"github.com/resetd/resetd/internal/sim/postfixtest"
	"github.com/resetd/resetd/internal/sim/redistest"
)

// A relay of ours takes every mail, and no bounce can reach us: only its log tells what the next host said. A real Postfix writes it, the
// real command follows it, and why names the cause; the log read again from its beginning changes nothing.
func TestIngestPostfixLog(t *testing.T) {
	world, err := sim.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { world.Close() })
	takes, full := world.Host("mx.home.example", sim.UnknownMailbox()), world.Host("mx.away.example", sim.MailboxFull())
	relay := postfixtest.Start(t, postfixtest.Options{
		Mailboxes: []string{"ann@here.example"},
		Transport: map[string]string{"home.example": takes.Addr(), "away.example": full.Addr()},
	})
	in := &installation{t: t, redis: redistest.Start(t),
		accounts: []string{account("u1", "ann@here.example"), account("u2", "bob@home.example"), account("u3", "cid@away.example")},
		routes:   "[[route]]\nname = \"out\"\nsmarthost = \"" + relay.Addr() + "\"\ntls = \"none\"\n"}
	config := in.write()
	daemon := launch(t, "serve", "-config", config)
	c := caller{t, "http://" + daemon.listening("api")}
	log := filepath.Join(relay.Dir(), "postfix.log")
	ingest := launch(t, "ingest", "postfix-log", "-config", config, "-follow", log)

	ann, bob, cid := c.ask("ann@here.example"), c.ask("bob@home.example"), c.ask("cid@away.example")
	one := func(fact string) func(desk.ResetView) bool {
		return func(v desk.ResetView) bool { return facts(v, fact) > 0 }
	}
	c.untilReset(ann, one("confirmed"))
	c.untilReset(bob, one("bounced"))
	c.untilReset(cid, one("bounced"))
	c.why("bob@home.example", "recipient.unknown_mailbox")
	if v := c.reset(bob); v.State != "failed" {
		t.Errorf("the refused one is %s", v.State)
	}
	if v := c.reset(cid); v.State == "redeemed" || v.State == "waiting" {
		t.Errorf("the one that the relay holds is %s", v.State)
	}
	if code := ingest.stop(); code != 0 || !strings.Contains(ingest.outText(), "3 mails of ours") {
		t.Errorf("ingest ended with %d: %s", code, ingest.outText())
	}
	again, code, msg := runCLI2(t, "ingest", "postfix-log", "-config", config, "-json", log)
	if code != 0 || !strings.Contains(again, `"ours":3`) {
		t.Fatalf("again: %d %s %s", code, again, msg)
	}
	c.untilRead()
	if v := c.reset(ann); facts(v, "confirmed") != 1 {
		t.Errorf("confirmed %d times", facts(v, "confirmed"))
	}
	if v := c.reset(bob); facts(v, "bounced") != 1 {
		t.Errorf("bounced %d times", facts(v, "bounced"))
	}
}

// untilRead waits until nothing that came back is unread.
func (c caller) untilRead() {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), 30*time.Second)
	defer cancel()
	for {
		var q struct{ Returns int }
		if status, body := c.call(opsSecret, "/v1/queue", nil); status != 200 || json.Unmarshal(body, &q) != nil {
			c.t.Fatalf("GET /v1/queue: %d %s", status, body)
		}
		if q.Returns == 0 {
			return
		}
		if wait(ctx, 20*time.Millisecond) != nil {
			c.t.Fatal("what came back is never read")
		}
	}
}

// A followed log is read across rotation and cutting, and a line only once its end is written.
func TestTailFollowsALog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "mail.log")
	write := func(text string) {
		t.Helper()
		f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := f.WriteString(text); err != nil {
			t.Fatal(err)
		}
	}
	write("one\ntw")
	lines, err := openLines(path, true)
	if err != nil {
		t.Fatal(err)
	}
	next := func(want string) {
		t.Helper()
		if got, err := lines.next(t.Context(), false); err != nil || strings.TrimSpace(got) != want {
			t.Fatalf("%q, %v; want %q", got, err, want)
		}
	}
	next("one")
	if got, err := lines.next(t.Context(), true); err != errNoneYet {
		t.Errorf("%q, %v", got, err)
	}
	write("o\n")
	next("two")
	write("last of the old\n")
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	write("first of the new\n")
	next("last of the old")
	next("first of the new")
	if err := os.Truncate(path, 0); err != nil {
		t.Fatal(err)
	}
	write("cut\n")
	next("cut")
	write(strings.Repeat("x", 3*lineMost) + "\nafter\n")
	if got, err := lines.next(t.Context(), false); err != nil || len(got) != lineMost {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	next("after")

	once, err := openLines(path, false)
	if err != nil {
		t.Fatal(err)
	}
	write("no end")
	for _, want := range []string{"cut", "", "after", "no end"} {
		got, err := once.next(t.Context(), false)
		if err != nil || want != "" && strings.TrimSpace(got) != want {
			t.Errorf("%.20q, %v; want %q", got, err, want)
		}
	}
	if _, err := once.next(t.Context(), false); err != errNoMore {
		t.Errorf("after the end: %v", err)
	}
}

// Standard input ends, and a log that does not exist is said so.
func TestIngestInput(t *testing.T) {
	p := pipe(strings.NewReader("one\ntwo"))
	for _, want := range []string{"one", "two"} {
		if got, err := p.next(t.Context(), false); got != want || err != nil {
			t.Errorf("%q, %v", got, err)
		}
	}
	if _, err := p.next(t.Context(), false); err != errNoMore {
		t.Error(err)
	}
	in := &installation{t: t, redis: redistest.Start(t), routes: "[[route]]\nname = \"out\"\nsmarthost = \"127.0.0.1:25\"\ntls = \"none\"\n"}
	config := in.write()
	if _, code, msg := runCLI2(t, "ingest", "postfix-log", "-config", config, filepath.Join(in.dir, "nowhere.log")); code != exitCould || !strings.Contains(msg, "no such file") {
		t.Errorf("%d %s", code, msg)
	}
	if _, code, _ := runCLI2(t, "ingest", "postfix-log", "x"); code != exitUsage {
		t.Errorf("without a configuration: %d", code)
	}
}
