package api

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/resetd/resetd/internal/desk"
)

func (w *world) client(role desk.Role) *Client {
	return &Client{URL: w.web.URL + "/", Key: secretOf(role)}
}

// The client's calls against a running server.
func TestClient(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	admin, ops := w.client(desk.Admin), w.client(desk.Ops)
	must := func(what string, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	id, err := admin.Request(ctx, AskBody{Realm: "shop", Login: "jo@shop.example", Reason: "called"})
	must("request", err)
	cases, err := admin.Why(ctx, WhyBody{Login: "jo@shop.example"})
	must("why", err)
	if len(cases) != 1 || cases[0].Realm != "shop" || cases[0].Reset != id || cases[0].Verdict.Cause == "" {
		t.Errorf("why: %+v", cases)
	}
	v, err := admin.Reset(ctx, id)
	must("reset", err)
	if v.State != "waiting" || len(v.Messages) != 1 {
		t.Errorf("reset: %+v", v)
	}
	message, err := admin.Resend(ctx, id, ResendBody{Reason: "called again", Force: true})
	must("resend", err)
	if v, _ = admin.Reset(ctx, id); len(v.Messages) != 2 || v.Messages[1].Message != message || v.Messages[0].State != "cancelled" {
		t.Errorf("after the resend: %+v", v)
	}
	state, err := admin.Cancel(ctx, id, "found it")
	must("cancel", err)
	if state != "cancelled" {
		t.Errorf("cancel: %s", state)
	}
	must("pause", ops.Pause(ctx, "relay", "being moved"))
	q, err := ops.Queue(ctx)
	must("queue", err)
	if len(q.Routes) != 2 || q.Routes[0].Paused == nil || q.Routes[0].Paused.By != "key-ops" || q.Paused != nil {
		t.Errorf("queue: %+v", q)
	}
	must("resume", ops.Resume(ctx, "relay", "moved"))
	w.suppress("zoe@shop.example")
	list, next, err := admin.Suppressions(ctx, "")
	must("suppressions", err)
	if len(list) != 1 || list[0].Address != "zoe@shop.example" || next != "" {
		t.Errorf("suppressions: %+v, %q", list, next)
	}
	sup, err := admin.LookupSuppression(ctx, "zoe@Shop.example")
	must("look-up", err)
	if sup == nil || sup.Cause != "recipient.unknown_mailbox" {
		t.Errorf("look-up: %+v", sup)
	}
	must("release", admin.Release(ctx, "zoe@shop.example", "is back"))
	if sup, err = admin.LookupSuppression(ctx, "zoe@shop.example"); sup != nil || err != nil {
		t.Errorf("released: %+v, %v", sup, err)
	}
	entries, _, err := admin.Audit(ctx, "")
	must("audit", err)
	if len(entries) < 8 || entries[len(entries)-1].Action != "request" || entries[len(entries)-1].By != "key-admin" {
		t.Errorf("audit: %+v", entries)
	}
	check, err := admin.VerifyAudit(ctx)
	must("verify", err)
	if check.Wrong != "" || check.Good < int64(len(entries)) {
		t.Errorf("verify: %+v", check)
	}
}

// Lists go on where the page before ended, without a gap.
func TestAuditPages(t *testing.T) {
	w := newWorld(t)
	admin := w.client(desk.Admin)
	for range 120 {
		if _, err := admin.Why(t.Context(), WhyBody{Login: "jo@shop.example"}); err != nil {
			t.Fatal(err)
		}
	}
	items, next, err := admin.Audit(t.Context(), "")
	if err != nil || next == "" {
		t.Fatalf("first page: %q, %v", next, err)
	}
	more, end, err := admin.Audit(t.Context(), next)
	if err != nil || end != "" {
		t.Fatalf("second page: %q, %v", end, err)
	}
	for i, e := range append(items, more...) {
		if want := items[0].N - int64(i); e.N != want {
			t.Fatalf("entry %d has number %d, not %d", i, e.N, want)
		}
	}
	if more[len(more)-1].N != 1 {
		t.Errorf("the list ends with entry %d", more[len(more)-1].N)
	}
}

func TestClientErrors(t *testing.T) {
	w := newWorld(t)
	var p *Problem
	_, err := w.client(desk.Ops).Why(t.Context(), WhyBody{Login: "jo@shop.example"})
	if !errors.As(err, &p) || p.Status != 403 || p.Code != "forbidden" {
		t.Errorf("forbidden: %v", err)
	}
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(502); w.Write([]byte("<html>")) }))
	defer page.Close()
	if _, err := (&Client{URL: page.URL}).Queue(context.Background()); !errors.Is(err, ErrNotResetd) {
		t.Errorf("a proxy's page: %v", err)
	}
	if _, err := (&Client{URL: "::"}).Queue(context.Background()); err == nil {
		t.Error("a bad URL is taken")
	}
}
