package main

import (
	"encoding/json"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/resetd/resetd/diag"
	"github.com/resetd/resetd/internal/api"
	"github.com/resetd/resetd/internal/sim"
	"github.com/resetd/resetd/internal/sim/postfixtest"
)

// A real Postfix as the relay: the canary goes through it and back, and the way back is proved by a report of Postfix' own.
func TestLoopWithPostfix(t *testing.T) {
	t.Parallel()
	bounceAt := freePort(t)
	relay := postfixtest.Start(t, postfixtest.Options{Mailboxes: []string{"jo@home.example"}, Transport: map[string]string{"bounces.us.example": bounceAt}})
	w := newLoopWorld(t, loopOptions{relay: relay.Addr(), bounceAt: bounceAt})
	run := w.check()
	w.holds(run, "ok", nil, nil, nil)
	if len(run.Hops) == 0 || len(run.Changes) != 0 {
		t.Errorf("hops %q, changes %q", run.Hops, run.Changes)
	}
	w.undisturbed()
}

// Without a relay a canary goes to the MX of the bounce domain, which is ourselves: no loop, but the receiver.
func TestLoopByMX(t *testing.T) {
	t.Parallel()
	w := newLoopWorld(t, loopOptions{mx: true})
	run := w.check()
	w.holds(run, "ok", nil, nil, nil)
	if len(run.Hops) != 0 {
		t.Errorf("hops %q", run.Hops)
	}
	w.undisturbed()
}

// By its clock a worker sends a canary on each way, again and again; the metrics tell how it went.
func TestLoopByItself(t *testing.T) {
	t.Parallel()
	w := newLoopWorld(t, loopOptions{every: 2 * time.Second})
	w.behaves(relayAgain)
	seen := map[string]bool{}
	w.until("two canaries have gone through by themselves", func() bool {
		views, err := w.ops.Domains(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, run := range views[0].Loops {
			if run.State == "ok" {
				seen[string(run.Reset)] = true
			}
		}
		return len(seen) >= 2
	})
	w.undisturbed()
	text := w.metrics()
	for _, want := range []string{
		`resetd_canary_every_seconds 2`,
		`resetd_canary_last_success_timestamp_seconds{domain="us.example",route="out"} 1`,
		`resetd_canary_last_run_timestamp_seconds{domain="us.example",route="out"} 1`,
		`resetd_canary_link_ok{domain="us.example",link="receive",route="out"} 1`,
		`resetd_canary_link_seconds{domain="us.example",link="send",route="out"} `,
	} {
		if !strings.Contains(text, "\n"+want) {
			t.Errorf("the metrics lack %s", want)
		}
	}
	w.behaves(relayAgain.Alter(sim.RewriteLinks("https://click.relay.example/1")))
	w.until("the metrics tell of the link", func() bool {
		return strings.Contains(w.metrics(), `resetd_canary_link_ok{domain="us.example",link="link",route="out"} 0`)
	})
	if text := w.metrics(); !regexp.MustCompile(`resetd_canary_last_success_timestamp_seconds\{domain="us.example",route="out"\} 1`).MatchString(text) {
		t.Error("the last success is forgotten")
	}
}

func (w *loopWorld) metrics() string {
	w.t.Helper()
	res, err := http.Get(w.url + "/metrics")
	if err != nil {
		w.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return string(body)
}

// resetd check -loop follows the canary to its end: a line for each link, and exit status 3 when one failed.
func TestCheckLoopCommand(t *testing.T) {
	t.Parallel()
	w := newLoopWorld(t, loopOptions{})
	w.behaves(relayAgain)
	args := []string{"check", "us.example", "-loop", "-url", w.url, "-key", opsSecret}
	out, _, msg := runCLI2(t, args...)
	if !strings.Contains(out, "Loop check of us.example by the route out") || !strings.Contains(out, "The whole chain holds.") || strings.Count(out, "\n  ok ") != len(diag.LoopLinks()) {
		t.Errorf("it said %s\n%s", out, msg)
	}
	w.behaves(relayAgain.Alter(sim.RewriteLinks("https://click.relay.example/1")))
	out, code, msg := runCLI2(t, args...)
	if code != 3 || !strings.Contains(out, "Leads to: link.rewritten") || !strings.Contains(out, "click.relay.example") || !strings.Contains(out, "Failed at dkim, body, link.") {
		t.Errorf("status %d: %s\n%s", code, out, msg)
	}
	out, code, _ = runCLI2(t, append(args, "-json", "-route", "out")...)
	var got api.CheckAnswer
	if err := json.Unmarshal([]byte(out), &got); err != nil || code != 3 || len(got.Loops) != 1 || got.Loops[0].State != "failed" || got.Domain != "us.example" {
		t.Errorf("status %d, %v: %.200s", code, err, out)
	}
	if _, code, msg := runCLI2(t, append(args, "-route", "none")...); code != 1 || !strings.Contains(msg, "by this route") {
		t.Errorf("a route that is none: status %d, %s", code, msg)
	}
	for _, wrong := range [][]string{{"check", "us.example", "-loop", "-config", "x.toml"}, {"check", "us.example", "-route", "out", "-url", w.url, "-key", opsSecret}} {
		if _, code, _ := runCLI2(t, wrong...); code != 2 {
			t.Errorf("%q: status %d", wrong, code)
		}
	}
}

// Where nobody answers at public_url from the worker's side, that link is unknown and the rest is proved all the same.
func TestLoopPageOutOfReach(t *testing.T) {
	t.Parallel()
	w := newLoopWorld(t, loopOptions{noPage: true})
	w.behaves(relayAgain)
	run := w.check()
	w.holds(run, "ok", nil, nil, []string{"page"})
	if says := run.Link("page").Says; !strings.Contains(says, "open_page") {
		t.Errorf("the page: %s", says)
	}
}

// A relay that sends no report of its own, and takes no mail of the null sender from its customers: the way back cannot be proved, and is
// not said to be broken.
func TestLoopNoNullSender(t *testing.T) {
	t.Parallel()
	w := newLoopWorld(t, loopOptions{})
	b := relayAgain.Without(sim.ExtDSN)
	b.From = func(d *sim.Dialogue) sim.Reply {
		if d.Mail.From == "" {
			return sim.Reply{Code: 550, Enhanced: "5.7.1", Text: "Null sender not allowed"}
		}
		return sim.Reply{}
	}
	w.behaves(b)
	run := w.check()
	w.holds(run, "ok", nil, nil, []string{"return"})
	w.behaves(relayAgain.Without(sim.ExtDSN))
	run = w.check()
	w.holds(run, "ok", nil, nil, nil)
	c := w.person("jo@home.example", "unknown.handed_to_relay")
	if len(c.BlindSpots) != 0 {
		t.Errorf("blind spots %q", c.BlindSpots)
	}
}
