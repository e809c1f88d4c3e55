package aggregate

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

var shop = Sender{Domain: "shop.example", IPs: []netip.Addr{netip.MustParseAddr("192.0.2.10")}, Selectors: []string{"r2026"}}

func sorted(r Report, ours ...Sender) string {
	var lines []string
	for domain, list := range Sort(r, ours) {
		for _, t := range list {
			lines = append(lines, fmt.Sprintf("%s %s %s %q dkim=%v spf=%v %s %d", domain, t.Class, t.Source, t.Selector, t.DKIM, t.SPF, t.Disposition, t.Count))
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

func row(from, source string, n int64, dkim, spf bool, sigs ...Signature) Row {
	return Row{From: from, Source: netip.MustParseAddr(source), Count: n, DKIM: dkim, SPF: spf, Disposition: "none", Signatures: sigs}
}

func TestSort(t *testing.T) {
	ours := Signature{Domain: "shop.example", Selector: "r2026", Pass: true}
	broken := Signature{Domain: "shop.example", Selector: "r2026"}
	other := Signature{Domain: "shop.example", Selector: "x"}
	list := Signature{Domain: "list.example", Selector: "s", Pass: true}
	r := Report{Kind: DMARC, Domain: "shop.example", Rows: []Row{
		row("shop.example", "192.0.2.10", 80, true, true, list, ours),
		row("shop.example", "192.0.2.10", 6, true, true, ours, list),
		row("shop.example", "192.0.2.10", 14, false, true, broken),
		row("shop.example", "198.51.100.3", 2, true, false, ours),
		row("shop.example", "198.51.100.4", 3, true, false, ours),
		row("shop.example", "2001:db8:1:2::3", 4, false, false, broken),
		row("shop.example", "203.0.113.9", 40, false, false, other),
		row("news.shop.example", "203.0.113.9", 5, false, false),
		row("other.example", "203.0.113.9", 7, false, false),
		row("mail.shop.example", "192.0.2.10", 1, true, true),
	}}
	mail := Sender{Domain: "mail.shop.example"}
	want := `mail.shop.example own 192.0.2.0/24 "" dkim=true spf=true none 1
shop.example forwarded 198.51.100.0/24 "r2026" dkim=true spf=false none 5
shop.example forwarded 2001:db8:1::/48 "r2026" dkim=false spf=false none 4
shop.example own 192.0.2.10 "r2026" dkim=false spf=true none 14
shop.example own 192.0.2.10 "r2026" dkim=true spf=true none 86
shop.example unknown 203.0.113.0/24 "" dkim=false spf=false none 5
shop.example unknown 203.0.113.0/24 "x" dkim=false spf=false none 40`
	if got := sorted(r, shop, mail); got != want {
		t.Errorf("sorted\n%s\nwant\n%s", got, want)
	}
}

// A report with a row for each of many sources is kept in few lines, and none of its mails is forgotten.
func TestSortIsBounded(t *testing.T) {
	r := Report{Kind: DMARC, Domain: "shop.example"}
	for i := range 5000 {
		r.Rows = append(r.Rows, row("shop.example", fmt.Sprintf("203.%d.%d.9", i/250, i%250), 2, false, false))
	}
	list := Sort(r, []Sender{shop})["shop.example"]
	var n int64
	for _, x := range list {
		n += x.Count
	}
	if n != 10_000 || len(list) > maxTallies+10 {
		t.Errorf("%d mails in %d lines", n, len(list))
	}
}

func TestAbout(t *testing.T) {
	for domain, want := range map[string]bool{"shop.example": true, "mail.shop.example": true, "example": false, "other.example": false, "x.mail.shop.example": false} {
		if got := About(Report{Domain: domain}, []Sender{{Domain: "mail.shop.example"}, shop}); got != want {
			t.Errorf("%s: %v", domain, got)
		}
	}
	if !About(Report{Domain: "shop.example"}, []Sender{{Domain: "mail.shop.example"}}) {
		t.Error("a report for the parent of our domain is about it")
	}
}
