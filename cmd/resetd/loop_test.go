package main

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/resetd/resetd/diag"
	"github.com/resetd/resetd/internal/api"
	"github.com/resetd/resetd/internal/sim"
)

var (
	behindArrival = []string{"spf", "dkim", "dmarc", "body", "link", "page", "redeem"}
	relayAgain    = sim.Smarthost(sim.SmarthostTimes{Retry: 100 * time.Millisecond, GiveUp: time.Second})
)

// Everything is well: each link of the chain holds, in one process and in three, and nothing of it touches the realms of people.
func TestLoopCheck(t *testing.T) {
	for name, split := range map[string]bool{"one process": false, "three processes": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newLoopWorld(t, loopOptions{split: split})
			run := w.check()
			w.holds(run, "ok", nil, nil, nil)
			w.undisturbed()
			// It is itself to be seen: its reset, and why of it.
			r, err := w.support.Reset(t.Context(), run.Reset)
			if err != nil || r.State != "redeemed" || r.Realm != ".canary" || len(run.Hops) != 1 || run.Hops[0] != "relay.us.example" {
				t.Errorf("%+v, hops %q, %v", r, run.Hops, err)
			}
			if cases, err := w.support.Why(t.Context(), api.WhyBody{Reset: string(run.Reset)}); err != nil || len(cases) != 1 || cases[0].Realm != ".canary" || len(cases[0].Timeline) < 8 {
				t.Errorf("%+v, %v", cases, err)
			}
			// What it leaves behind for a person is nothing.
			c := w.person("jo@home.example", "unknown.handed_to_relay")
			if len(c.BlindSpots) != 0 {
				t.Errorf("blind spots %q", c.BlindSpots)
			}
		})
	}
}

// A relay adds a footer, and so breaks the signature. A mail that is refused for want of authentication is put down to that; once the
// relay is mended, another mail helps.
func TestLoopFooter(t *testing.T) {
	t.Parallel()
	w := newLoopWorld(t, loopOptions{noSPF: true})
	if err := w.home.Set(sim.RejectAtDot(550, "5.7.26", "Unauthenticated email from us.example is not accepted due to domain's DMARC policy")); err != nil {
		t.Fatal(err)
	}
	w.behaves(relayAgain.Alter(sim.Footer("-- \r\nThis mail was scanned by our gateway.")))
	run := w.check()
	w.holds(run, "failed", []string{"spf", "dkim", "dmarc", "body"}, nil, nil)
	if want := []string{"sender.spf_fail", "sender.dkim_broken_in_transit"}; !slices.Equal(run.Causes, want) {
		t.Errorf("causes %q, want %q", run.Causes, want)
	}
	if b := run.Link("body").Says; !strings.Contains(b, `"-- This mail was scanned by our gateway."`) {
		t.Errorf("the body: %s", b)
	}
	c := w.person("jo@home.example", "sender.dkim_broken_in_transit")
	if c.Verdict.Resend.Helps != "after_fix" || c.Verdict.Confidence != diag.Likely {
		t.Errorf("%+v", c.Verdict)
	}
	w.behaves(relayAgain)
	w.sim.DNS().SetTXT("bounces.us.example", "v=spf1 ip4:127.0.0.0/8 -all")
	w.holds(w.check(), "ok", nil, nil, nil)
	if c := w.why("jo@home.example", "sender.dkim_broken_in_transit"); c.Verdict.Resend.Helps != "helps" {
		t.Errorf("mended, and yet %+v", c.Verdict.Resend)
	}
}

// A relay counts clicks and puts its own link in the place of ours. The link is not opened, least of all the relay's.
func TestLoopRewrittenLink(t *testing.T) {
	t.Parallel()
	w := newLoopWorld(t, loopOptions{})
	w.behaves(relayAgain.Alter(sim.RewriteLinks("http://127.0.0.1:1/click")))
	run := w.check()
	w.holds(run, "failed", []string{"dkim", "body", "link"}, []string{"page", "redeem"}, nil)
	if want := []string{"sender.dkim_broken_in_transit", "link.rewritten"}; !slices.Equal(run.Causes, want) {
		t.Errorf("causes %q, want %q", run.Causes, want)
	}
	if l := run.Link("link").Says; !strings.Contains(l, "leads to 127.0.0.1") {
		t.Errorf("the link: %s", l)
	}
	c := w.person("jo@home.example", "link.rewritten")
	if c.Verdict.Resend.Helps != "after_fix" {
		t.Errorf("%+v", c.Verdict.Resend)
	}
	w.behaves(relayAgain)
	w.holds(w.check(), "ok", nil, nil, nil)
	if c := w.why("jo@home.example", "link.rewritten"); c.Verdict.Resend.Helps != "helps" {
		t.Errorf("mended, and yet %+v", c.Verdict.Resend)
	}
}

// A relay takes everything and passes nothing on: neither the canary nor a mail to its return path arrives. A person's mail is then one of
// which we would not hear, until the way back is proved again.
func TestLoopSwallowed(t *testing.T) {
	t.Parallel()
	w := newLoopWorld(t, loopOptions{within: 3 * time.Second})
	w.behaves(sim.Accept())
	run := w.check()
	w.holds(run, "failed", []string{"receive", "return"}, behindArrival, nil)
	if want := []string{"unknown.bounces_not_arriving"}; !slices.Equal(run.Causes, want) {
		t.Errorf("causes %q, want %q", run.Causes, want)
	}
	c := w.person("jo@home.example", "unknown.bounces_not_arriving")
	if len(c.BlindSpots) != 1 || !strings.Contains(c.BlindSpots[0], "by the route out") {
		t.Errorf("blind spots %q", c.BlindSpots)
	}
	w.behaves(relayAgain)
	w.holds(w.check(), "ok", nil, nil, nil)
	if c := w.person("ann@home.example", "unknown.handed_to_relay"); len(c.BlindSpots) != 0 {
		t.Errorf("mended, and yet %q", c.BlindSpots)
	}
}

// A relay refuses us: the chain breaks at the send, with the relay's own words, and what was not reached is no fault.
func TestLoopRefused(t *testing.T) {
	t.Parallel()
	w := newLoopWorld(t, loopOptions{within: 3 * time.Second})
	w.behaves(sim.RejectSender(553, "5.7.1", "Sender address rejected: not owned by user resetd"))
	run := w.check()
	w.holds(run, "failed", []string{"send"}, append([]string{"receive", "return"}, behindArrival...), nil)
	if want := []string{"relay.sender_refused"}; !slices.Equal(run.Causes, want) || !strings.Contains(run.Link("send").Says, "not owned by user resetd") {
		t.Errorf("causes %q, want %q: %s", run.Causes, want, run.Link("send").Says)
	}
	// What is over is not offered any more, and no address is suppressed for it.
	r, err := w.support.Reset(t.Context(), run.Reset)
	if err != nil || r.State != "cancelled" {
		t.Errorf("%s, %v", r.State, err)
	}
	w.undisturbed()
	c := w.person("jo@home.example", "relay.sender_refused")
	if len(c.BlindSpots) != 0 {
		t.Errorf("blind spots %q", c.BlindSpots)
	}
}

// The receiver is down: what the relay has for it does not arrive, and the chain says where it broke and since when we do not listen.
func TestLoopReceiverDown(t *testing.T) {
	t.Parallel()
	w := newLoopWorld(t, loopOptions{within: 4 * time.Second, deaf: true})
	w.behaves(relayAgain)
	run := w.check()
	w.holds(run, "failed", []string{"receive", "return"}, behindArrival, nil)
	w.person("jo@home.example", "unknown.bounces_not_arriving")
}

// A relay holds the mail for a while: within the time it is well, beyond it the canary is lost, until it arrives after all.
func TestLoopDelayed(t *testing.T) {
	t.Parallel()
	w := newLoopWorld(t, loopOptions{within: 3 * time.Second})
	release := make(chan struct{})
	held := relayAgain
	then := held.Then
	held.Then = func(ctx context.Context, h *sim.Host, m sim.Mail) {
		select {
		case <-release:
			then(ctx, h, m)
		case <-ctx.Done():
		}
	}
	w.behaves(held)
	run := w.check()
	w.holds(run, "failed", []string{"receive", "return"}, behindArrival, nil)
	close(release)
	w.until("the late canary is told", func() bool {
		views, err := w.ops.Domains(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		run = views[0].Loops[0]
		return run.State == "ok"
	})
	w.holds(run, "ok", nil, nil, nil)
	if says := run.Link("receive").Says; !strings.Contains(says, "late") {
		t.Errorf("it arrived: %s", says)
	}
}

// DNS leaves the relay out of our SPF record. DKIM carries the mail nevertheless; a host that wants SPF refuses it, and why says so.
func TestLoopWithoutSPF(t *testing.T) {
	t.Parallel()
	w := newLoopWorld(t, loopOptions{noSPF: true})
	if err := w.home.Set(sim.RejectAtDot(550, "5.7.27", "The sender is unauthenticated: SPF did not pass for bounces.us.example")); err != nil {
		t.Fatal(err)
	}
	w.behaves(relayAgain)
	run := w.check()
	w.holds(run, "failed", []string{"spf"}, nil, nil)
	if c := w.person("jo@home.example", "sender.spf_fail"); c.Verdict.Blame != "us" {
		t.Errorf("%+v", c.Verdict)
	}
}
