package api

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/resetd/resetd/diag"
	"github.com/resetd/resetd/internal/desk"
	"github.com/resetd/resetd/internal/ledger"
	"github.com/resetd/resetd/internal/store"
)

// incident keeps one that began an hour ago and to which the mail of a reset belongs; change may alter it. It gives its id.
func (w *world) incident(reset string, change ...func(*diag.Trouble)) string {
	w.t.Helper()
	now := w.store.Now()
	row := diag.Failing{Reset: ledger.ResetID(reset), Marks: diag.Marks{Provider: "shop.example", Route: "direct", Realm: "shop"}, Cause: "recipient.unknown_mailbox"}
	if err := w.store.MarkFailing(context.Background(), []store.Row{{At: now, Text: row.Row()}}); err != nil {
		w.t.Fatal(err)
	}
	t := diag.Trouble{ID: ledger.NewIncidentID(ledger.NewSeed()), Kind: diag.OfProvider, Name: "shop.example", Cause: "recipient.unknown_mailbox", Since: now.Add(-time.Hour), Seen: now,
		Size: 1, Tried: 4, Failed: 3, Usual: 0.05, Says: "Since 08:00 UTC mails to shop.example fail: 1 resets so far.", Evidence: []string{"3 of 4 mails failed.", "<b>08:01 UTC: the DKIM record changed.</b>"}}
	for _, c := range change {
		c(&t)
	}
	body, err := json.Marshal(t)
	if err != nil {
		w.t.Fatal(err)
	}
	if err := w.store.KeepIncident(context.Background(), t.ID, t.Since, body); err != nil {
		w.t.Fatal(err)
	}
	return t.ID
}

// A case says that it is part of an incident; ops open it, see who waits, are kept from sending while it goes on, and send again to exactly those
// when it is over, once.
func TestConsoleIncidents(t *testing.T) {
	w := plainWorld(t)
	id := string(w.ask())
	w.send(refusedMailbox)
	b := w.browser().signIn(desk.Ops)
	b.get("/console/incidents").wants(200, "Nothing goes on now")
	open := w.incident(id)

	s := w.browser().signIn(desk.Support)
	s.submit("/console/find", "login", "jo@shop.example").wants(200, "This is not this person alone", open)
	s.get("/console/incidents/"+open).wants(403, "may not do that")
	if strings.Contains(s.page, `href="/console/incidents`) {
		t.Error("support is led to a page that it may not see")
	}
	w.browser().signIn(desk.Admin).submit("/console/find", "login", "jo@shop.example").wants(200, `href="/console/incidents/`+open+`"`)

	b.get("/console/incidents").wants(200, "Going on", `href="/console/incidents/`+open+`"`, "mail provider: shop.example")
	b.get("/console/incidents/"+open).wants(200, "Who still waits: 1", id, "3 of 4 mails", "usual: 5 of 100", "&lt;b&gt;08:01 UTC", "recipient.unknown_mailbox", "Send again to 1")
	if strings.Contains(b.page, "jo@shop.example") || strings.Contains(b.page, `href="/console/resets`) {
		t.Error("ops are shown whom it concerns, or led where they may not go")
	}
	path := "/console/incidents/" + open + "/resend"
	b.submit(path, "number", b.hidden("number"), "reason", "").wants(400, "Nothing was sent")
	b.submit(path, "number", b.hidden("number"), "reason", "the host is back").wants(409, "the incident goes on", `value="the host is back"`)
	w.incident(id, func(tr *diag.Trouble) { tr.ID, tr.Until = open, w.store.Now().Add(time.Second) })
	b.get("/console/incidents").wants(200, "Nothing goes on now", "Over")
	number := b.get("/console/incidents/" + open).hidden("number")
	b.submit(path, "number", number, "reason", "the host is back").wants(200, "One mail is booked", "Who still waits: 0", "sent again because of this incident already: 1")
	b.submit(path, "number", number, "reason", "the host is back").wants(200, "Nobody was sent another mail")
	b.get("/console/incidents/"+strangeIncident).wants(404, "no such record")
	if r := w.as(desk.Admin, "GET", "/v1/audit", ""); strings.Count(r.body, "the host is back") < 2 {
		t.Error("the reason does not stand in the audit trail")
	}
}
