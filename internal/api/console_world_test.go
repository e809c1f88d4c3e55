package api

import (
	"strings"
	"testing"

	"github.com/resetd/resetd/internal/desk"
	"github.com/resetd/resetd/internal/sim"
)

// On the console, support sends a canary; how far it has come is on the page of the domains from then on.
func TestConsoleLoop(t *testing.T) {
	w := newWorld(t)
	w.outside()
	b := w.browser()
	b.get("/").post("/console/sign-in", "key", secretOf(desk.Support))
	if b.get("/console/domains"); strings.Contains(b.page, "Send a canary") {
		t.Error("a canary can be sent where no receiver would take it")
	}
	w.loops()
	if b.get("/console/domains"); b.status != 200 || !strings.Contains(b.page, "Send a canary") {
		t.Fatalf("%d %s", b.status, b.page)
	}
	b.submit("/console/domains/loop", "domain", "shop.example")
	if b.status != 200 || !strings.Contains(b.page, "on its way") || !strings.Contains(b.page, "The request was recorded.") || !strings.Contains(b.page, "not reached") {
		t.Errorf("%d %s", b.status, b.page)
	}
	if b.get("/console/domains"); !strings.Contains(b.page, "by the route relay") {
		t.Errorf("it is gone: %s", b.page)
	}
	if b.submit("/console/domains/loop", "domain", "there.example"); b.status != 400 {
		t.Errorf("%d %s", b.status, b.page)
	}
}

// On the console, support looks at our domains, asks about one, and probes an address; what strangers wrote into DNS and said stays text.
func TestConsoleDomainsAndProbe(t *testing.T) {
	w := newWorld(t)
	s := w.outside()
	s.DNS().SetTXT("bounces.shop.example", "v=spf1 <script>alert(1)</script> -all")
	s.Domain("there.example", s.Host("mx.there.example", sim.RejectRcpt(550, "5.1.1", "<script>alert(1)</script> User unknown")))
	b := w.browser()
	b.get("/").post("/console/sign-in", "key", secretOf(desk.Support))
	if b.get("/console/domains"); b.status != 200 || !strings.Contains(b.page, "not looked at yet") {
		t.Fatalf("%d %s", b.status, b.page)
	}
	b.submit("/console/domains/check", "domain", "shop.example")
	if b.status != 200 || !strings.Contains(b.page, "Publish:") || strings.Contains(b.page, "<script>") {
		t.Errorf("%d %s", b.status, b.page)
	}
	if b.submit("/console/domains/check", "domain", "jo@there.example"); b.status != 400 || !strings.Contains(b.page, "no domain name") {
		t.Errorf("%d %s", b.status, b.page)
	}
	b.get("/console/probe").submit("/console/probe", "address", "jo@there.example")
	if b.status != 200 || !strings.Contains(b.page, "recipient.unknown_mailbox") || !strings.Contains(b.page, "rcpt") || strings.Contains(b.page, "<script>") {
		t.Errorf("%d %s", b.status, b.page)
	}
	if b.submit("/console/probe", "address", "jo"); b.status != 400 {
		t.Errorf("%d %s", b.status, b.page)
	}
	for _, path := range []string{"/console/domains", "/console/probe"} {
		if a := w.browser(); a.get("/").post("/console/sign-in", "key", secretOf(desk.App)) == nil || a.get(path).status == 200 && strings.Contains(a.page, `action="/console/domains/check"`) {
			t.Errorf("an app sees %s", path)
		}
	}
}
