package api

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/resetd/resetd/internal/desk"
)

// The console shows term by term how SPF came to refuse an address of ours, and nothing of one that passes; DNS stays text.
func TestConsoleShowsSPFTrace(t *testing.T) {
	w := newWorld(t)
	s := w.outside()
	w.desk.Outside.Domains[0].IPs = []netip.Addr{netip.MustParseAddr("9.9.9.1"), netip.MustParseAddr("9.9.9.2")}
	s.DNS().SetTXT("bounces.shop.example", "v=spf1 ip4:9.9.9.1 a:<b>.shop.example -all")
	b := w.browser()
	b.get("/").post("/console/sign-in", "key", secretOf(desk.Support))
	b.get("/console/domains").submit("/console/domains/check", "domain", "shop.example")
	if b.status != 200 || !strings.Contains(b.page, "comes to fail for 9.9.9.2") && !strings.Contains(b.page, "comes to permerror for 9.9.9.2") || strings.Contains(b.page, "for 9.9.9.1") || strings.Contains(b.page, "<b>") {
		t.Errorf("%d %s", b.status, b.page)
	}
}
