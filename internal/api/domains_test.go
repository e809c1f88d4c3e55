package api

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/resetd/resetd/diag"
	"github.com/resetd/resetd/diag/dnscheck"
	"github.com/resetd/resetd/internal/desk"
	"github.com/resetd/resetd/internal/ledger"
	"github.com/resetd/resetd/internal/realm"
	"github.com/resetd/resetd/internal/sim"
	"github.com/resetd/resetd/mailer"
)

// outside gives the desk a mail world to ask.
func (w *world) outside() *sim.World {
	w.t.Helper()
	s, err := sim.New()
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { s.Close() })
	dns := &dnscheck.Resolver{Servers: []string{s.Resolver()}}
	w.desk.Outside = desk.Outside{
		Domains: []dnscheck.Question{{Domain: "shop.example", EnvelopeDomain: "bounces.shop.example"}},
		DNS:     dnscheck.Deps{DNS: dns},
		Prober: &mailer.Prober{DNS: dns, Port: s.SMTPPort(), AllowPrivate: true, HELO: "mail.shop.example",
			Limits: mailer.Limits{Dial: 2 * time.Second, Banner: 2 * time.Second, Command: 2 * time.Second}},
	}
	return s
}

// A domain of ours is judged as a sender, and the report is there afterwards; another's only as somebody to write to.
func TestDomains(t *testing.T) {
	w := newWorld(t)
	s := w.outside()
	s.DNS().SetTXT("bounces.shop.example", "v=spf1 -all", "v=spf1 ~all")
	s.Domain("there.example", s.Host("mx.there.example", sim.Accept()))
	ctx, c := context.Background(), w.client(desk.Support)
	views, err := c.Domains(ctx)
	if err != nil || len(views) != 1 || views[0].Report != nil || views[0].CheckedAt != nil {
		t.Fatalf("%+v, %v", views, err)
	}
	r, err := c.CheckDomain(ctx, "Shop.Example.")
	if err != nil || !r.Bad() || r.Domain != "shop.example" {
		t.Fatalf("%+v, %v", r.Findings, err)
	}
	for _, f := range r.Findings {
		if f.Severity == dnscheck.Error && (f.What == "" || f.Who == "") {
			t.Errorf("an error that nobody feels: %+v", f)
		}
	}
	views, err = c.Domains(ctx)
	if err != nil || views[0].Report == nil || views[0].Report.Hash() != r.Hash() || views[0].Severity != dnscheck.Error {
		t.Fatalf("%+v, %v", views, err)
	}
	if other, err := c.CheckDomain(ctx, "there.example"); err != nil || other.MX.Status != dnscheck.MXHosts || other.DMARC.Record != nil {
		t.Errorf("%+v, %v", other, err)
	}
	var p *Problem
	if _, err := c.CheckDomain(ctx, "no domain"); !errors.As(err, &p) || p.Code != "bad_domain" {
		t.Error(err)
	}
	facts, _, err := w.store.House(ctx)
	if err != nil || len(facts) != 1 || facts[0].Event != ledger.Checked || facts[0].By != "key-support" {
		t.Errorf("%+v, %v", facts, err)
	}
	if page := w.as(desk.Support, "POST", "/v1/domains/shop.example/check", ""); page.status != 200 {
		t.Error(page.body)
	}
}

// loops lets the desk send canaries.
func (w *world) loops() {
	w.desk.Loops = desk.Loops{Within: time.Minute, Receives: true,
		Lanes: realm.Lanes([]realm.Realm{{Name: "shop", Login: realm.LoginPassword, From: "Shop <no-reply@shop.example>", Routes: []string{"relay", "direct"}}})}
}

// A loop check begins as a reset in a realm that nobody else may use, by each way of the domain's mail or by one; it is audited, and its
// chain can be asked for.
func TestLoops(t *testing.T) {
	w := newWorld(t)
	w.outside()
	ctx, c := context.Background(), w.client(desk.Ops)
	var p *Problem
	if _, err := c.CheckLoop(ctx, "shop.example", ""); !errors.As(err, &p) || p.Code != "no_receiver" || p.Status != 400 {
		t.Errorf("without a receiver: %v", err)
	}
	w.loops()
	out, err := c.CheckLoop(ctx, "Shop.example.", "")
	if err != nil || len(out.Loops) != 2 || out.Domain != "shop.example" {
		t.Fatalf("%+v, %v", out.Loops, err)
	}
	for i, route := range []string{"relay", "direct"} {
		run, err := c.Loop(ctx, out.Loops[i].Reset)
		if err != nil || run.State != "running" || run.Route != route || len(run.Links) != len(diag.LoopLinks()) || run.Links[0].Result != diag.LoopOK || run.Links[1].Result != diag.LoopNotReached {
			t.Errorf("%+v, %v", run, err)
		}
	}
	one, err := c.CheckLoop(ctx, "shop.example", "direct")
	if err != nil || len(one.Loops) != 1 || one.Loops[0].Route != "direct" {
		t.Errorf("%+v, %v", one.Loops, err)
	}
	views, err := c.Domains(ctx)
	if err != nil || len(views[0].Loops) != 2 || views[0].Loops[1].Reset != one.Loops[0].Reset {
		t.Errorf("%+v, %v", views, err)
	}
	for _, bad := range []struct{ domain, route string }{{"there.example", ""}, {"shop.example", "none"}, {"jo@shop.example", ""}} {
		if _, err := c.CheckLoop(ctx, bad.domain, bad.route); !errors.As(err, &p) || p.Code != "bad_domain" {
			t.Errorf("%+v: %v", bad, err)
		}
	}
	if _, err := w.client(desk.App).CheckLoop(ctx, "shop.example", ""); !errors.As(err, &p) || p.Status != 403 {
		t.Errorf("an application may: %v", err)
	}
	if page := w.as(desk.Ops, "POST", "/v1/domains/shop.example/check", `{"route":"direct"}`); page.status != 400 {
		t.Errorf("a route without a loop: %d", page.status)
	}
	reset, err := w.client(desk.App).Request(ctx, AskBody{Realm: "community", Login: "jo@there.example"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Loop(ctx, reset); !errors.As(err, &p) || p.Status != 404 {
		t.Errorf("a person's reset is told as a loop check: %v", err)
	}
	entries, _, err := w.client(desk.Admin).Audit(ctx, "")
	n := 0
	for _, e := range entries {
		if e.Action == "loop_check" && !e.Denied && e.Target == "shop.example" {
			n++
		}
	}
	if err != nil || n != 2 {
		t.Errorf("%d entries, %v", n, err)
	}
}

// A probe comes step by step to those who ask for it so, as one answer to others; both are in the audit trail, without the address.
func TestProbes(t *testing.T) {
	w := newWorld(t)
	s := w.outside()
	h := s.Host("mx.there.example", sim.UnknownMailbox())
	s.Domain("there.example", h)
	ctx := context.Background()
	var told []string
	streamed, err := w.client(desk.Support).Probe(ctx, "jo.secret@there.example", func(p mailer.ProbeStep) { told = append(told, p.Step) })
	if err != nil || streamed.Outcome != ledger.Rejected || streamed.Cause != "recipient.unknown_mailbox" || len(told) != len(streamed.Steps) || len(told) < 8 {
		t.Fatalf("%+v, %v, told %v", streamed, err, told)
	}
	whole := w.as(desk.Ops, "POST", "/v1/probes", `{"address":"jo.secret@there.example"}`)
	if whole.status != 200 || whole.field(t, "cause") != "recipient.unknown_mailbox" || whole.header.Get("Content-Type") != "application/json" {
		t.Errorf("%d %s", whole.status, whole.body)
	}
	entries, _, err := w.client(desk.Admin).Audit(ctx, "")
	probes := 0
	for _, e := range entries {
		if e.Action == string(desk.DoProbe) {
			probes++
		}
	}
	if err != nil || probes != 2 {
		t.Errorf("%d probes in the audit trail, %v", probes, err)
	}
	if strings.Contains(w.redis.Dump(), "jo.secret") || strings.Contains(w.log.String(), "jo.secret") {
		t.Error("the address is kept")
	}
	if r := w.as(desk.App, "POST", "/v1/probes", `{"address":"jo@there.example"}`); r.status != 403 {
		t.Errorf("an app may probe: %d", r.status)
	}
	for range 9 {
		w.as(desk.Ops, "POST", "/v1/probes", `{"address":"jo@nowhere.example"}`)
	}
	r := w.as(desk.Ops, "POST", "/v1/probes", `{"address":"jo@nowhere.example"}`, "Accept", "text/event-stream")
	if r.status != 429 || r.code(t) != "too_many" || r.header.Get("Retry-After") == "" {
		t.Errorf("%d %s", r.status, r.body)
	}
}
