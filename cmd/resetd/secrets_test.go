package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/resetd/resetd/internal/desk"
	"github.com/resetd/resetd/internal/ledger"
	"github.com/resetd/resetd/internal/sim"
	"github.com/resetd/resetd/internal/sim/redistest"
)

// After a run with a mail that was redeemed, one that came back with the live link in it, a refusal and a stranger, no token is found
// anywhere, and no address but in the keys that are meant for it.
func TestNoSecretAtRest(t *testing.T) {
	world, err := sim.New()
	if err != nil {
		t.Fatal(err)
	}
	defer world.Close()
	bounceAt := freePort(t)
	fine := world.Host("mx.fine.example", sim.Accept())
	world.Domain("fine.example", fine)
	late := world.Host("mx.late.example", sim.AcceptThenBounce(0, "failed", "5.2.1", "smtp; 550 5.2.1 The mailbox has been disabled"))
	world.Domain("late.example", late)
	none := world.Host("mx.nobody.example", sim.UnknownMailbox())
	world.Domain("nobody.example", none)
	world.BounceTo("bounces.us.example", bounceAt)
	server := redistest.New(t)
	in := &installation{t: t, redis: server.Addr(), resolver: world.Resolver(), bounceAt: bounceAt,
		accounts: []string{account("u1", "jo@fine.example"), account("u2", "bea@late.example"), account("u3", "ned@nobody.example")},
		routes:   fmt.Sprintf("[[route]]\nname = \"out\"\nmx = true\nport = %d\n", world.SMTPPort())}
	p := launch(t, "serve", "-config", in.write())
	c := caller{t, "http://" + p.listening("api")}
	p.listening("bounce")
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()

	good := c.ask("jo@fine.example")
	bad := c.ask("bea@late.example")
	c.why("bea@late.example", "recipient.mailbox_disabled")
	c.ask("ned@nobody.example")
	c.why("ned@nobody.example", "recipient.unknown_mailbox")
	c.ask("stranger@elsewhere.example")
	c.why("stranger@elsewhere.example", "request.unknown_address")
	c.untilReset(good, func(v desk.ResetView) bool { return v.State == ledger.Sent })
	c.reset(bad)
	mails, err := fine.Wait(ctx, 1)
	if err != nil {
		t.Fatal(err)
	}
	tok := path.Base(mails[0].Link())
	// A person opens the link and presses the button; the redirect carries the token to the app, and nothing else may keep it.
	res, err := http.Get(c.url + "/r/" + tok)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatal(res, err)
	}
	res.Body.Close()
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err = client.Post(c.url+"/r/"+tok, "application/x-www-form-urlencoded", nil)
	if err != nil || res.StatusCode != http.StatusSeeOther || res.Header.Get("Location") != "https://shop.us.example/new-password?token="+tok {
		t.Fatal(res, err)
	}
	res.Body.Close()
	if status, body := c.call(appSecret, "/v1/tokens/redeem", obj{"token": tok, "realm": "shop"}); status != http.StatusOK {
		t.Fatalf("redeem: %d %s", status, body)
	}
	res, err = http.Get(c.url + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	metrics, _ := io.ReadAll(res.Body)
	res.Body.Close()
	if !bytes.Contains(metrics, []byte(`resetd_receiver_total{what="kept"} 1`)) || !bytes.Contains(metrics, []byte(`resetd_attempts_total{outcome="accepted"}`)) {
		t.Errorf("metrics do not count what happened:\n%s", metrics)
	}

	tokens := []string{tok, path.Base(sim.Link(late.Mail()[0].Raw))}
	addresses := []string{"jo@fine.example", "bea@late.example", "ned@nobody.example", "stranger@elsewhere.example"}
	search := func(where string, text []byte, addressesToo bool) {
		t.Helper()
		for _, s := range tokens {
			// The last characters are the MAC: without them a token is worth nothing, and with them alone it can be found.
			if bytes.Contains(text, []byte(s)) || bytes.Contains(text, []byte(s[len(s)-20:])) {
				t.Errorf("%s holds a token", where)
			}
		}
		for _, a := range addresses {
			if addressesToo && bytes.Contains(bytes.ToLower(text), []byte(a)) {
				t.Errorf("%s holds an address", where)
			}
		}
	}
	search("/metrics", metrics, true)
	p.stop()
	search("the log", []byte(p.logText()), true)

	rdb := redis.NewClient(&redis.Options{Addr: server.Addr()})
	defer rdb.Close()
	keys, err := rdb.Keys(ctx, "*").Result()
	if err != nil || len(keys) < 10 {
		t.Fatal(keys, err)
	}
	for _, k := range keys {
		search("the name of key "+k, []byte(k), true)
		dump, err := rdb.Dump(ctx, k).Result()
		if err != nil {
			continue // it expired just now
		}
		search("key "+k, []byte(dump+readable(ctx, rdb, k)), !meantForAddresses(k))
	}
	server.Stop()
	files, err := filepath.Glob(filepath.Join(server.Dir(), "**"))
	if err != nil {
		t.Fatal(err)
	}
	var aof int
	err = filepath.WalkDir(server.Dir(), func(f string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(f)
		if err == nil && strings.Contains(f, "aof") {
			aof += len(text)
		}
		search("the file "+filepath.Base(f), text, false)
		return err
	})
	if err != nil || aof < 1000 {
		t.Fatalf("append-only file of %d bytes in %v: %v", aof, files, err)
	}
}

// meantForAddresses are the keys that may hold one: ledgers and suppressions.
func meantForAddresses(key string) bool {
	return strings.Contains(key, "}:ledger:") || strings.Contains(key, "}:suppressed:")
}

// readable gives a key's contents as text, as a dump may be compressed.
func readable(ctx context.Context, rdb *redis.Client, k string) string {
	switch rdb.Type(ctx, k).Val() {
	case "string":
		return rdb.Get(ctx, k).Val()
	case "list":
		return strings.Join(rdb.LRange(ctx, k, 0, -1).Val(), "\n")
	case "hash":
		return fmt.Sprint(rdb.HGetAll(ctx, k).Val())
	case "zset":
		return strings.Join(rdb.ZRange(ctx, k, 0, -1).Val(), "\n")
	case "set":
		return strings.Join(rdb.SMembers(ctx, k).Val(), "\n")
	}
	return ""
}
