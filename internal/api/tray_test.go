package api

import (
	"context"
	"strings"
	"testing"

	replies "github.com/resetd/resetd/diag/reply"
	"github.com/resetd/resetd/internal/desk"
	"github.com/resetd/resetd/internal/ledger"
	"github.com/resetd/resetd/internal/store"
	"github.com/resetd/resetd/mailer/bounce"
)

// layAside plays the worker that could not read what came back about a reset's newest mail, and gives the return's id.
func (w *world) layAside(reset string) string {
	w.t.Helper()
	ctx := context.Background()
	at, err := w.store.Find(ctx, ledger.ResetID(reset))
	if err != nil {
		w.t.Fatal(err)
	}
	facts, err := w.store.Facts(ctx, at.Ledger)
	if err != nil {
		w.t.Fatal(err)
	}
	story := ledger.Fold(facts)
	m := story.Reset(ledger.ResetID(reset)).Newest().ID
	id := ledger.NewReturnID(at.Ledger.Partition(), ledger.NewSeed())
	unread := ledger.Fact{ID: ledger.NewEventID(), At: w.store.Now(), Event: ledger.Bounced, Reset: ledger.ResetID(reset), Message: m,
		Return: &ledger.Return{Source: "smtp", Matched: true, Subject: "Viesti palautui"}}
	if err := w.store.Append(ctx, at.Ledger, unread); err != nil {
		w.t.Fatal(err)
	}
	err = w.store.PutTray(ctx, store.TrayItem{ID: id, At: w.store.Now(), Why: store.TrayUnread, Source: "smtp", Realm: at.Realm, Ledger: at.Ledger, Reset: ledger.ResetID(reset), Message: m,
		Subject: "Viesti palautui", From: "postmaster@shop.example", Notice: []string{"Hyvä <script>lähettäjä</script>,", "valitettavasti", "henkilö on muuttanut [address] pois."}, Lines: []string{"550 <jo@shop.example>: vastaanottajan postilaatikko on aivan tupaten tukossa"}, Unread: []string{}})
	if err != nil {
		w.t.Fatal(err)
	}
	return string(id)
}

func (w *world) cause(reset ledger.ResetID) string {
	w.t.Helper()
	c := &Client{URL: w.web.URL, Key: secretOf(desk.Support)}
	cases, err := c.Why(context.Background(), WhyBody{Reset: string(reset)})
	if err != nil || len(cases) != 1 {
		w.t.Fatalf("%v, %v", cases, err)
	}
	return cases[0].Verdict.Cause
}

// A mail comes back with words that nobody has taught us. Support sees that; operations read it, say what it means, and everybody knows.
func TestAnAnswerChangesTheVerdict(t *testing.T) {
	w := newWorld(t)
	reset := w.ask()
	w.send(ledger.Attempt{Host: "mx.shop.example", Stage: "dot", Code: 250, Outcome: ledger.Accepted})
	id := w.layAside(string(reset))
	if got := w.cause(reset); got != "unknown.unreadable_bounce" {
		t.Fatalf("before: %s", got)
	}

	ctx := context.Background()
	c := &Client{URL: w.web.URL, Key: secretOf(desk.Ops)}
	items, next, err := c.Tray(ctx, "")
	if err != nil || len(items) != 1 || next != "" || string(items[0].ID) != id || items[0].Answer != nil || items[0].Ledger != "" {
		t.Fatalf("%+v, %q, %v", items, next, err)
	}
	got, err := c.AnswerReturn(ctx, id, AnswerBody{Reason: "mailbox_full", Note: "Finnish"})
	if err != nil {
		t.Fatal(err)
	}
	if now := w.cause(reset); now != "recipient.mailbox_full" {
		t.Errorf("after: %s", now)
	}
	book, err := replies.With(got.Answer.Rule)
	if err != nil {
		t.Fatalf("the rule is none: %v\n%s", err, got.Answer.Rule)
	}
	if r := book.Read(replies.ParseLine("552 <zoe@other.example>: vastaanottajan postilaatikko on aivan tupaten tukossa")); r.Reason != replies.ReasonMailboxFull {
		t.Errorf("the rule reads the next one as %s\n%s", r.Reason, got.Answer.Rule)
	}

	// The words that they name make the rule, wherever its lines are broken; words of their own do not.
	if _, err := c.AnswerReturn(ctx, id, AnswerBody{Reason: "mailbox_full", Words: "jotain ihan muuta"}); err == nil {
		t.Error("words that do not stand there were taken")
	}
	got, err = c.AnswerReturn(ctx, id, AnswerBody{Reason: "address_moved", Words: "Valitettavasti henkilö on muuttanut"})
	if err != nil || !strings.Contains(got.Answer.Rule, "says valitettavasti henkilö on muuttanut\n") {
		t.Errorf("%v\n%s", err, got.Answer.Rule)
	}

	// They were wrong. The newest answer counts, and the trail has both.
	if _, err := c.AnswerReturn(ctx, id, AnswerBody{Reason: "user_unknown"}); err != nil {
		t.Fatal(err)
	}
	if now := w.cause(reset); now != "recipient.unknown_mailbox" {
		t.Errorf("corrected: %s", now)
	}
	trail, err := w.store.AuditTrail(ctx, 0, 100)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, e := range trail {
		if e.Action == string(desk.DoAnswer) && e.Target == id && e.By == "key-ops" {
			n++
		}
	}
	if n != 4 {
		t.Errorf("%d answers in the audit trail", n)
	}
	sup, err := w.store.Suppressed(ctx, "jo@shop.example")
	if err != nil || sup != nil {
		t.Errorf("a person's answer suppresses nobody: %v, %v", sup, err)
	}
}

// What came back was somebody's holiday greeting: the mail is then as sent as it was.
func TestAReturnThatIsNoReport(t *testing.T) {
	w := newWorld(t)
	reset := w.ask()
	w.send(ledger.Attempt{Host: "mx.shop.example", Stage: "dot", Code: 250, Outcome: ledger.Accepted})
	before := w.cause(reset)
	id := w.layAside(string(reset))
	c := &Client{URL: w.web.URL, Key: secretOf(desk.Admin)}
	got, err := c.AnswerReturn(context.Background(), id, AnswerBody{Action: "none"})
	if err != nil || got.Answer.Rule != "" {
		t.Fatalf("%+v, %v", got, err)
	}
	if now := w.cause(reset); now != before {
		t.Errorf("%s, not %s as before", now, before)
	}
}

// Keys of some realms see the returns of those only.
func TestTrayOfOtherRealms(t *testing.T) {
	w := newWorld(t)
	reset := w.ask()
	id := w.layAside(string(reset))
	w.opts.Keys = append(w.opts.Keys, Key{Name: "elsewhere", Role: desk.Ops, Realms: []string{"community"}, SHA256: keyHash("secret-of-elsewhere")})
	w.serve()
	c := &Client{URL: w.web.URL, Key: "secret-of-elsewhere"}
	if items, _, err := c.Tray(context.Background(), ""); err != nil || len(items) != 0 {
		t.Errorf("%v, %v", items, err)
	}
	if r := w.try("POST", "/v1/tray/"+id+"/answer", "secret-of-elsewhere", `{"reason":"mailbox_full"}`); r.status != 404 {
		t.Errorf("%d %s", r.status, r.body)
	}
}

func TestTrayOnTheConsole(t *testing.T) {
	w := newWorld(t)
	reset := w.ask()
	id := w.layAside(string(reset))
	b := w.browser().get("/").post("/console/sign-in", "key", secretOf(desk.Ops))
	b.get("/console/tray")
	if b.status != 200 || !strings.Contains(b.page, "Viesti palautui") || !strings.Contains(b.page, "mailbox full") {
		t.Fatalf("%d %s", b.status, b.page)
	}
	if !strings.Contains(b.page, "muuttanut [address] pois.") || strings.Contains(b.page, "<script>lähettäjä") {
		t.Errorf("what the mail says is not shown, or not inert: %s", b.page)
	}
	b.submit("/console/tray/answer", "id", id, "reason", "mailbox_full")
	if b.status != 200 || !strings.Contains(b.page, "Recorded") || !strings.Contains(b.page, "reason mailbox_full") {
		t.Errorf("%d %s", b.status, b.page)
	}
	b.get("/console/explain").submit("/console/explain", "text", "552 5.2.2 mailbox <b>full</b>")
	if b.status != 200 || !strings.Contains(b.page, "is full") || !strings.Contains(b.page, "Make room") || strings.Contains(b.page, "<b>full") {
		t.Errorf("%d %s", b.status, b.page)
	}
	b.submit("/console/explain", "text", notice)
	if b.status != 200 || !strings.Contains(b.page, "one recipient did not get the mail") || !strings.Contains(b.page, "jo@shop.example") {
		t.Errorf("%d %s", b.status, b.page)
	}
}

// The circle closes: a letter that nobody could read lies in the tray, a person names the words that say why, and by the rule that is
// made of them the next letter of its kind is read.
func TestARuleOfTheTrayReadsTheNextLetter(t *testing.T) {
	letter := func(name string) []byte {
		return []byte("From: office@there.example\nTo: b@bounces.us.example\nSubject: notice\n\nDear friend,\n\nwe are sorry: " + name + " <" + name + "@there.example> is with\nthe zebra department no longer.\n\nYours\n")
	}
	first := bounce.ReadBytes(letter("jo"))
	if first.Kind != bounce.KindNone {
		t.Fatalf("read already: %+v", first)
	}
	w := newWorld(t)
	reset := w.ask()
	w.send(ledger.Attempt{Host: "mx.shop.example", Stage: "dot", Code: 250, Outcome: ledger.Accepted})
	id := w.layAside(string(reset))
	ctx := context.Background()
	item, err := w.store.TrayItem(ctx, ledger.ReturnID(id))
	if err != nil {
		t.Fatal(err)
	}
	item.ID = ledger.NewReturnID(ledgerPartition(t, id), ledger.NewSeed())
	item.Lines, item.Notice = []string{}, first.Notice
	if err := w.store.PutTray(ctx, item); err != nil {
		t.Fatal(err)
	}
	c := &Client{URL: w.web.URL, Key: secretOf(desk.Ops)}
	got, err := c.AnswerReturn(ctx, string(item.ID), AnswerBody{Reason: "user_unknown", Words: "[address]> is with the zebra department no longer."})
	if err != nil {
		t.Fatal(err)
	}
	rules, err := desk.ParseRules(got.Answer.Rule)
	if err != nil {
		t.Fatalf("%v\n%s", err, got.Answer.Rule)
	}
	if wrong := rules.Book().Samples(); wrong != nil {
		t.Errorf("start-up would refuse the rule: %v\n%s", wrong, got.Answer.Rule)
	}
	next := rules.Reader().ReadBytes(letter("zoe"))
	if next.Kind != bounce.KindBounce || len(next.Reports) != 1 || next.Reports[0].Cause != "recipient.unknown_mailbox" {
		t.Errorf("%+v\n%s", next, got.Answer.Rule)
	}
}

func ledgerPartition(t *testing.T, id string) int {
	t.Helper()
	p, err := ledger.Partition(id)
	if err != nil {
		t.Fatal(err)
	}
	return p
}
