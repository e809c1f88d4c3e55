package api

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/resetd/resetd/diag"
	"github.com/resetd/resetd/internal/desk"
	"github.com/resetd/resetd/internal/ledger"
	"github.com/resetd/resetd/internal/store"
)

// reported counts a report of one day as the worker does.
func (w *world) reported(domain, id string, ago int, lines ...diag.SeenMail) {
	w.t.Helper()
	day := w.store.Now().UTC().Truncate(24 * time.Hour).Add(-time.Duration(ago) * 24 * time.Hour)
	b := store.Bulk{Kind: "dmarc", Domain: domain, Day: day, Reporter: lines[0].Reporter, ID: id, Signed: lines[0].Proof != diag.ProofNone}
	for _, l := range lines {
		b.Counts = append(b.Counts, store.BulkCount{Field: l.Field(), Spill: l.Spill(), N: l.N})
	}
	if got, err := w.store.KeepBulk(context.Background(), b); err != nil || got != store.BulkCounted {
		w.t.Fatal(got, err)
	}
}

func seenOf(by string, proof diag.Proof, class, source string, dkim, spf bool, n int64) diag.SeenMail {
	return diag.SeenMail{Reporter: by, Proof: proof, Class: class, Source: source, Selector: "s1", DKIM: dkim, SPF: spf, Disposition: "none", N: n}
}

// What receivers reported is added up by day, source and reporter; what nobody signed is named, and counts for nothing beside what is signed.
func TestReportsOfADomain(t *testing.T) {
	w := newWorld(t)
	w.outside()
	w.desk.Us.Bounces = "bounces.shop.example"
	ctx, c := context.Background(), w.client(desk.Support)
	if v, err := c.Reports(ctx, "shop.example", 0); err != nil || len(v.Days) != 30 || len(v.By) != 0 {
		t.Fatalf("%+v, %v", v, err)
	}
	w.reported("shop.example", "1", 1, seenOf("google.com", diag.ProofSigned, "own", "192.0.2.10", true, true, 86), seenOf("google.com", diag.ProofSigned, "own", "192.0.2.10", false, true, 14),
		seenOf("google.com", diag.ProofSigned, "unknown", "203.0.113.0/24", false, false, 40))
	w.reported("shop.example", "2", 2, seenOf("post.example", diag.ProofPerson, "forwarded", "198.51.100.0/24", true, false, 5))
	w.reported("shop.example", "3", 1, seenOf("forged <script>", diag.ProofNone, "own", "192.0.2.10", false, false, 1000))
	tls := diag.SeenTLS{Reporter: "company.example", Proof: diag.ProofSigned, Policy: "sts", Result: "certificate-expired", Host: "mx.bounces.shop.example"}
	if _, err := w.store.KeepBulk(ctx, store.Bulk{Kind: "tls", Domain: "bounces.shop.example", Day: w.store.Now().Truncate(24 * time.Hour), Reporter: "company.example", ID: "1", Signed: true,
		Counts: []store.BulkCount{{Field: tls.Field(), Spill: tls.Spill(), N: 3}}}); err != nil {
		t.Fatal(err)
	}
	f := ledger.Fact{ID: ledger.NewEventID(), At: w.store.Now(), Event: ledger.Checked, Check: &ledger.Check{Domain: "shop.example", Severity: "warning", Causes: []string{"sender.dkim_broken_in_transit"},
		Seen: &ledger.Seen{Kind: "dmarc", From: w.store.Now(), To: w.store.Now(), By: []string{"google.com"}, Signed: true, Mails: 100, DKIM: 14}}}
	if _, err := w.store.SaySeen(ctx, f, "x"); err != nil {
		t.Fatal(err)
	}
	v, err := c.Reports(ctx, "Shop.Example.", 7)
	if err != nil {
		t.Fatal(err)
	}
	yesterday := v.Days[5]
	if len(v.Days) != 7 || yesterday.Own != (desk.SeenMails{Mails: 100, DKIMFailed: 14}) || yesterday.Unknown.Mails != 40 || v.Days[4].Forwarded.Mails != 5 || v.Counts != "signed" {
		t.Errorf("%+v", v.Days)
	}
	if len(v.Sources) != 3 || v.Sources[0].Mails != 100 || v.Sources[1].Class != "unknown" {
		t.Errorf("%+v", v.Sources)
	}
	if len(v.By) != 3 || v.By[0].Proof != "nobody" || v.By[1].Name != "google.com" || v.By[1].Mails != 100 || v.By[2].Proof != "by_file" {
		t.Errorf("%+v", v.By)
	}
	if len(v.Says) != 2 || !strings.HasPrefix(v.Says[0], "Receivers saw DKIM fail for 14 % of our mail of shop.example") || !strings.HasPrefix(v.Says[1], "40 mails came in the name of shop.example") {
		t.Errorf("%q", v.Says)
	}
	if v, err := c.Reports(ctx, "bounces.shop.example", 1); err != nil || len(v.TLS) != 1 || v.Days[0].TLSFailed != 3 {
		t.Errorf("%+v, %v", v, err)
	}
	for path, status := range map[string]int{"/v1/domains/there.example/reports": 400, "/v1/domains/shop.example/reports?days=93": 400, "/v1/domains/shop.example/reports?days=x": 400, "/v1/domains/shop.example/reports?days=92": 200} {
		if a := w.as(desk.Ops, "GET", path, ""); a.status != status {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
	}
	if a := w.as(desk.App, "GET", "/v1/domains/shop.example/reports", ""); a.status != 403 {
		t.Errorf("an app: %d", a.status)
	}

	b := w.browser()
	b.get("/").post("/console/sign-in", "key", secretOf(desk.Support))
	b.get("/console/domains/shop.example/reports?days=7")
	for _, want := range []string{"<svg", `role="img"`, "google.com", "203.0.113.0/24", "saw DKIM fail for 14 %", "forged &lt;script&gt;"} {
		if b.status != 200 || !strings.Contains(b.page, want) {
			t.Errorf("the page (%d) lacks %s", b.status, want)
		}
	}
	if b.get("/console/domains/there.example/reports"); b.status != 400 {
		t.Errorf("somebody else's domain: %d", b.status)
	}
}
