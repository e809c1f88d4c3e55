package worker_test

import (
	"strings"
	"testing"
	"time"

	"github.com/resetd/resetd/internal/ledger"
	"github.com/resetd/resetd/internal/sim"
	"github.com/resetd/resetd/internal/store"
)

// comesBack keeps a returned mail about a message, as the receiver does.
func (b *bench) arrives(m ledger.MessageID, raw string) {
	b.t.Helper()
	p, err := ledger.Partition(string(m))
	if err != nil {
		b.t.Fatal(err)
	}
	id := ledger.NewReturnID(p, ledger.NewSeed())
	ring, err := b.store.Keep(b.t.Context(), m, id, b.worker.Sealer.Seal([]byte(raw), string(id)))
	if err != nil {
		b.t.Fatal(err)
	}
	if err := b.client.Ring(b.t.Context(), ring.ID, ring.TaskID()); err != nil {
		b.t.Fatal(err)
	}
}

// What comes back and cannot be read lies in the tray, what can does not; and the tray holds neither the mail nor its link.
func TestUnreadReturnsLieInTheTray(t *testing.T) {
	b := newBench(t, nil, jo())
	mx := b.world.Host("mx.there.example", sim.Accept())
	b.world.Domain("there.example", mx)
	id := b.ask("jo@there.example", time.Now())
	m := b.until(id, "sent", state(ledger.Sent)).Newest().ID
	const link = "https://reset.us.example/r/AbCdEfGhIjKlMnOpQrStUvWxYz0123456789AbCdEfGhIjKlMnOp"
	report := func(diagnostic string) string {
		return "From: MAILER-DAEMON@there.example\nSubject: returned\nMIME-Version: 1.0\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\nContent-Type: text/plain\n\nsee below\n--b\n" +
			"Content-Type: message/delivery-status\n\nReporting-MTA: dns; mx.there.example\n\nFinal-Recipient: rfc822; jo@there.example\nAction: failed\nStatus: 5.0.0\nDiagnostic-Code: smtp; " + diagnostic + "\n\n--b--\n"
	}
	b.arrives(m, "From: zoe@there.example\nSubject: hello\n\nwhat is this? "+link+"\nask ann@there.example\n\n> a mail of ours\n> "+link+"\n")
	b.arrives(m, report("550 zxcv qwerty uiop "+link))
	b.arrives(m, report("552 5.2.2 mailbox is full"))
	b.until(id, "three returns", func(r *ledger.Reset) bool { return len(r.Newest().Returns) == 3 })
	items, err := b.store.Tray(t.Context(), 0, 10)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]store.TrayItem{}
	for _, i := range items {
		got[i.Why] = i
		if i.Message != m || i.Reset != id || i.Realm != "community" || i.Source != "smtp" {
			t.Errorf("%+v", i)
		}
	}
	if len(items) != 2 || got[store.TrayUnread].Subject != "hello" || got[store.TrayNoReason].Recipient != "jo@there.example" || got[store.TrayNoReason].Action != "failed" ||
		!strings.Contains(strings.Join(got[store.TrayNoReason].Lines, "\n"), "zxcv") {
		t.Errorf("%+v", items)
	}
	if n := strings.Join(got[store.TrayUnread].Notice, "\n"); n != "what is this? https://reset.us.example/[redacted]\nask [address]" {
		t.Errorf("the notice is %q", n)
	}
	if n := strings.Join(got[store.TrayNoReason].Notice, "\n"); n != "see below" {
		t.Errorf("the notice is %q", n)
	}
	for _, v := range b.rdb.HGetAll(t.Context(), "rd:{house}:tray").Val() {
		if strings.Contains(v, "AbCdEfGh") || strings.Contains(v, "a mail of ours") {
			t.Errorf("the tray holds too much: %s", v)
		}
	}
}
