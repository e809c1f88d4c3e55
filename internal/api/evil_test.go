package api

import (
	"context"
	"strings"
	"testing"

	"github.com/resetd/resetd/internal/desk"
	"github.com/resetd/resetd/internal/ledger"
)

// What came back is written by strangers, in every field of it: on the page it is text, never markup.
func TestConsoleEscapesReturns(t *testing.T) {
	w := plainWorld(t)
	id := w.ask()
	w.send(taken)
	const evil = `<script>alert(1)</script>"><img src=x onerror=alert(2)>` + "\x1b[2J\u202e"
	at, err := w.store.Find(context.Background(), id)
	if err != nil {
		t.Fatal(err)
	}
	facts, err := w.store.Facts(context.Background(), at.Ledger)
	if err != nil {
		t.Fatal(err)
	}
	tl := ledger.Fold(facts)
	m := tl.Reset(id).Newest().ID
	fact := func(e ledger.Event) ledger.Fact {
		return ledger.Fact{ID: ledger.NewEventID(), At: w.store.Now(), Event: e, Reset: id, Message: m}
	}
	bounced, answered, complained, opened := fact(ledger.Bounced), fact(ledger.AutoReplied), fact(ledger.Complained), fact(ledger.Opened)
	r := ledger.Return{Source: "smtp", Action: "failed", Status: "5.0.0", Matched: true, Recipient: "jo@shop.example" + evil, RemoteHost: evil, ReportedBy: evil,
		Diagnostic: "550 " + evil, Because: evil, Subject: evil, Unread: []string{evil}}
	bounced.Return, answered.Return, complained.Return = &r, &r, &r
	opened.Visit = &ledger.Visit{Method: evil, UserAgent: evil, IP: evil, Via: "ses" + evil}
	if err := w.store.Append(context.Background(), at.Ledger, bounced, answered, complained, opened); err != nil {
		t.Fatal(err)
	}
	b := w.browser().signIn(desk.Support)
	b.submit("/console/find", "login", "jo@shop.example").wants(200, "&lt;script&gt;")
	pages := b.page + b.get("/console/resets/"+string(id)).page
	for _, bad := range []string{"<script", "<img src=x", "\x1b", "\u202e"} {
		if strings.Contains(pages, bad) {
			t.Errorf("a page holds %q", bad)
		}
	}
}
