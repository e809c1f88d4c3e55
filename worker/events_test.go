package worker_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/resetd/resetd/internal/ledger"
	"github.com/resetd/resetd/internal/realm"
	"github.com/resetd/resetd/internal/sim"
	"github.com/resetd/resetd/internal/store"
	"github.com/resetd/resetd/mailer/bounce/hook"
	"github.com/resetd/resetd/worker"
)

// tell hands events of a source to the worker, as a batch of their own, and waits until they are read.
func (b *bench) tell(source string, events ...hook.Event) {
	b.t.Helper()
	b.hand(hook.Unit{Source: source, Events: events})
}

// hand gives a unit to the worker, each time as a new one, and waits until it is read.
func (b *bench) hand(u hook.Unit) {
	b.t.Helper()
	raw, err := u.Encode()
	if err != nil {
		b.t.Fatal(err)
	}
	id := store.UnitID(u.Source, fmt.Sprint(ledger.NewSeed()))
	ring, isNew, err := b.store.KeepUnit(b.t.Context(), id, b.worker.Sealer.Seal(raw, string(id)))
	if err != nil || !isNew {
		b.t.Fatal(isNew, err)
	}
	if err := b.client.Ring(b.t.Context(), ring.ID, ring.TaskID()); err != nil {
		b.t.Fatal(err)
	}
	b.read()
}

// read waits until nothing that came back is unread.
func (b *bench) read() {
	b.t.Helper()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		q, err := b.store.Status(b.t.Context())
		if err != nil {
			b.t.Fatal(err)
		}
		if q.Returns == 0 {
			return
		}
	}
	b.t.Fatal("what came back is never read")
}

func (b *bench) reset(id ledger.ResetID) *ledger.Reset {
	return b.until(id, "there", func(*ledger.Reset) bool { return true })
}

func count(r *ledger.Reset, e ledger.Event) (n int) {
	for _, f := range r.Facts {
		if f.Event == e {
			n++
		}
	}
	return n
}

// posted is a bench where jo's mail was taken by a relay, and the mail's message.
func posted(t *testing.T) (*bench, ledger.ResetID, ledger.MessageID) {
	b := newBench(t, nil, jo())
	mx := b.world.Host("mx.there.example", sim.Accept())
	b.world.Domain("there.example", mx)
	id := b.ask("jo@there.example", time.Now())
	return b, id, b.until(id, "sent", state(ledger.Sent)).Newest().ID
}

// Each kind of event becomes the fact that it proves, and no more.
func TestEventsBecomeFacts(t *testing.T) {
	gone := hook.Event{Kind: hook.Bounced, Permanent: true, Recipient: "jo@there.example", Status: "5.1.1", Code: 550, Reason: "user_unknown", Cause: "recipient.unknown_mailbox", Diagnostic: "550 5.1.1 no such user"}
	listed := hook.Event{Kind: hook.Dropped, Permanent: true, SuppressedAtProvider: true, Recipient: "jo@there.example", Reason: "suppressed", Cause: "suppressed.by_provider"}
	plain := func(k hook.Kind) hook.Event { return hook.Event{Kind: k, Recipient: "jo@there.example"} }
	for _, c := range []struct {
		name  string
		event hook.Event
		fact  ledger.Event
		check func(*ledger.Reset, ledger.Fact) bool
	}{
		{"delivered proves a delivery", plain(hook.Delivered), ledger.Confirmed, func(r *ledger.Reset, f ledger.Fact) bool {
			return f.Return.Action == "delivered" && f.Return.Matched && r.State == ledger.Sent
		}},
		{"a log tells that the next host took it", plain(hook.Relayed), ledger.Confirmed, func(r *ledger.Reset, f ledger.Fact) bool { return f.Return.Action == "relayed" }},
		{"a bounce fails the message", gone, ledger.Bounced, func(r *ledger.Reset, f ledger.Fact) bool {
			return f.Return.Action == "failed" && f.Return.Cause == "recipient.unknown_mailbox" && r.State == ledger.IsFailed
		}},
		{"on the provider's list", listed, ledger.Bounced, func(r *ledger.Reset, f ledger.Fact) bool {
			return f.Return.Cause == "suppressed.by_provider" && r.State == ledger.IsFailed
		}},
		{"deferred is a delay", plain(hook.Deferred), ledger.Bounced, func(r *ledger.Reset, f ledger.Fact) bool {
			return f.Return.Action == "delayed" && r.State == ledger.Sent
		}},
		{"a complaint", plain(hook.Complained), ledger.Complained, func(r *ledger.Reset, f ledger.Fact) bool {
			return f.Return.Action == "complaint" && r.State == ledger.Sent
		}},
		{"an unsubscribe", plain(hook.Unsubscribed), ledger.Complained, func(r *ledger.Reset, f ledger.Fact) bool {
			return f.Return.Action == "unsubscribe" && r.State == ledger.Sent
		}},
		{"an open is a provider's word", plain(hook.Opened), ledger.Opened, func(r *ledger.Reset, f ledger.Fact) bool { return f.Visit.Via == "ses" && f.Visit.Method == "IMAGE" }},
		{"a click is a provider's word", plain(hook.Clicked), ledger.Opened, func(r *ledger.Reset, f ledger.Fact) bool { return f.Visit.Via == "ses" && f.Visit.Method == "GET" }},
	} {
		t.Run(c.name, func(t *testing.T) {
			b, id, m := posted(t)
			e := c.event
			e.ID, e.At, e.Message = "e1", b.store.Now(), m
			b.tell("ses", e)
			r := b.reset(id)
			i := slices.IndexFunc(r.Facts, func(f ledger.Fact) bool { return f.Event == c.fact })
			if i < 0 || !c.check(r, r.Facts[i]) {
				t.Errorf("%s: %+v", r.State, r.Facts)
			}
		})
	}
}

// The same event in three batches is one fact, and so is the same bounce told again after a release: it does not count anew.
func TestEventsAreExactlyOnce(t *testing.T) {
	b, id, m := posted(t)
	e := hook.Event{ID: "e1", At: b.store.Now(), Kind: hook.Bounced, Permanent: true, Recipient: "jo@there.example", Message: m, Reason: "user_unknown", Cause: "recipient.unknown_mailbox"}
	b.tell("ses", e)
	if _, err := b.store.Release(t.Context(), "jo@there.example"); err != nil {
		t.Fatal(err)
	}
	b.tell("ses", e, e)
	if n := count(b.reset(id), ledger.Bounced); n != 1 {
		t.Errorf("%d bounces", n)
	}
	other := ledger.NewMessageID(1, ledger.NewSeed())
	if sup, err := b.store.Fault(t.Context(), "jo@there.example", other, ledger.NewEventID(), b.store.Now(), "recipient.unknown_mailbox", ""); sup != nil || err != nil {
		t.Errorf("one fault since the release suppresses: %+v, %v", sup, err)
	}
}

// In whatever order events come, the record tells them by when they happened; none of them stands before the moment at which a host had
// the mail, though a provider counts in whole seconds.
func TestEventsOutOfOrder(t *testing.T) {
	b, id, m := posted(t)
	sent := b.reset(id).Newest().Attempts[0].At
	at := func(k hook.Kind, t time.Time) hook.Event {
		return hook.Event{ID: string(k), At: t, Kind: k, Recipient: "jo@there.example", Message: m}
	}
	b.tell("ses", at(hook.Opened, sent.Add(3*time.Second)))
	b.tell("ses", at(hook.Bounced, sent.Truncate(time.Second).Add(-time.Second)))
	b.tell("ses", at(hook.Deferred, sent.Add(-time.Hour)))
	r := b.reset(id)
	var got []string
	for _, f := range r.Facts {
		if f.Return != nil {
			got = append(got, f.Return.Action)
		} else if f.Visit != nil {
			got = append(got, string(f.Event))
		}
		if (f.Return != nil || f.Visit != nil) && !f.At.After(sent) {
			t.Errorf("%s stands before the acceptance", f.Event)
		}
	}
	if fmt.Sprint(got) != "[delayed failed opened]" || r.State != ledger.IsFailed {
		t.Errorf("%s, %v", r.State, got)
	}
}

// A claim about somebody else's address, or about a mail that never was, acts on nothing.
func TestEventsThatDoNotFit(t *testing.T) {
	b, id, m := posted(t)
	gone := hook.Event{ID: "e1", At: b.store.Now(), Kind: hook.Bounced, Permanent: true, Recipient: "al@there.example", Message: m, Reason: "user_unknown"}
	stranger := gone
	stranger.ID, stranger.Message = "e2", ledger.NewMessageID(5, ledger.NewSeed())
	nobody := gone
	nobody.ID, nobody.Message = "e3", ""
	b.tell("ses", stranger, nobody, gone)
	r := b.reset(id)
	if r.State != ledger.Sent || count(r, ledger.Bounced) != 1 || r.Newest().Returns[0].Return.Matched {
		t.Errorf("%s, %+v", r.State, r.Newest().Returns)
	}
	if c, _ := b.store.Counters(t.Context()); c["events:ses:unmatched"] != 2 {
		t.Errorf("counted %v", c)
	}
}

// An event that names no message is found by recipient and time, where only one mail can be meant, and stays a claim.
func TestEventByRecipientIsAClaim(t *testing.T) {
	b, id, _ := posted(t)
	b.tell("ses", hook.Event{ID: "e1", At: b.store.Now(), Kind: hook.Bounced, Permanent: true, Recipient: "jo@there.example", Reason: "user_unknown"})
	r := b.reset(id)
	if len(r.Newest().Returns) != 1 || r.State != ledger.Sent {
		t.Fatalf("%s, %+v", r.State, r.Newest().Returns)
	}
	if ret := r.Newest().Returns[0].Return; ret.Matched || ret.Found != ledger.ByRecipient {
		t.Errorf("%+v", ret)
	}
}

// Where several mails can be meant, a failure lies in the tray for a person to look at, once; what went well does not.
func TestEventThatMayBeAboutSeveral(t *testing.T) {
	b, id, _ := posted(t)
	b.until(b.ask("jo@there.example", time.Now().Add(2*time.Minute)), "sent", state(ledger.Sent))
	e := hook.Event{ID: "e1", At: b.store.Now(), Kind: hook.Bounced, Recipient: "jo@there.example", Status: "5.1.1", Diagnostic: "550 5.1.1 no such user"}
	fine := e
	fine.ID, fine.Kind = "e2", hook.Delivered
	b.tell("ses", e, fine)
	b.tell("ses", e)
	list, err := b.store.Tray(t.Context(), 0, 10)
	if err != nil || len(list) != 1 || list[0].Why != store.TrayUnmatched || list[0].Recipient != "jo@there.example" || list[0].Lines[0] != e.Diagnostic {
		t.Errorf("%+v, %v", list, err)
	}
	if n := count(b.reset(id), ledger.Bounced); n != 0 {
		t.Errorf("%d bounces of the first", n)
	}
}

// A report that names no mail of ours at all lies in the tray, without its text.
func TestMailAboutNoneOfOurs(t *testing.T) {
	b, _, _ := posted(t)
	id := store.UnitID("imap", "m1")
	raw, err := hook.Unit{Source: "imap", Mail: []byte("From: mailer-daemon@mx.there.example\nSubject: failed\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\n\nsecret\n--b\n" +
		"Content-Type: message/delivery-status\n\nReporting-MTA: dns; mx.there.example\n\nFinal-Recipient: rfc822; al@there.example\nAction: failed\nStatus: 5.1.1\nDiagnostic-Code: smtp; 550 5.1.1 no such user\n\n--b--\n")}.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := b.store.KeepUnit(t.Context(), id, b.worker.Sealer.Seal(raw, string(id))); err != nil {
		t.Fatal(err)
	}
	if err := b.client.Ring(t.Context(), string(id), string(id)+":1"); err != nil {
		t.Fatal(err)
	}
	b.read()
	list, err := b.store.Tray(t.Context(), 0, 10)
	if err != nil || len(list) != 1 || list[0].ID != id || list[0].Source != "imap" || list[0].Recipient != "al@there.example" || fmt.Sprint(list[0].Lines) != "[550 5.1.1 no such user]" {
		t.Errorf("%+v, %v", list, err)
	}
}

// Complaints and unsubscribes never stand in the way of a mail that its receiver asks for.
func TestComplaintsAndUnsubscribesBlockNothing(t *testing.T) {
	b, id, m := posted(t)
	for i := range 3 {
		b.tell("ses", hook.Event{ID: fmt.Sprint("c", i), At: b.store.Now(), Kind: hook.Complained, Recipient: "jo@there.example", Message: m},
			hook.Event{ID: fmt.Sprint("u", i), At: b.store.Now(), Kind: hook.Unsubscribed, Recipient: "jo@there.example", Message: m})
	}
	if n := count(b.reset(id), ledger.Complained); n != 6 {
		t.Errorf("%d facts", n)
	}
	b.until(b.ask("jo@there.example", time.Now().Add(2*time.Minute)), "sent", state(ledger.Sent))
}

// Two permanent faults hold the address; a soft one never counts, nor does it change what is held; a delivered report after them lets it go.
func TestSuppressionByEventsAndItsEnd(t *testing.T) {
	b := newBench(t, nil, jo())
	mx := b.world.Host("mx.there.example", sim.Accept())
	b.world.Domain("there.example", mx)
	const address = "jo@there.example"
	now := time.Now()
	var last ledger.ResetID
	send := func(i int) ledger.MessageID {
		last = b.ask(address, now.Add(time.Duration(i)*2*time.Minute))
		return b.until(last, "sent", state(ledger.Sent)).Newest().ID
	}
	event := func(k hook.Kind, m ledger.MessageID) hook.Event {
		return hook.Event{ID: fmt.Sprint(k, m), At: b.store.Now(), Kind: k, Recipient: address, Message: m}
	}
	hard := func(m ledger.MessageID) hook.Event {
		e := event(hook.Bounced, m)
		e.Permanent, e.Reason, e.Cause = true, "user_unknown", "recipient.unknown_mailbox"
		return e
	}
	held := func() *store.Suppression {
		sup, err := b.store.Suppressed(t.Context(), address)
		if err != nil {
			t.Fatal(err)
		}
		return sup
	}
	one, two, three := send(0), send(1), send(2)
	for _, m := range []ledger.MessageID{one, two} {
		late := hard(m)
		late.ID, late.At = "late"+string(m), b.store.Now().Add(store.WrittenFor+time.Hour)
		b.tell("ses", late)
	}
	if held() != nil {
		t.Fatal("held by reports that no host makes so late")
	}
	soft := event(hook.Bounced, one)
	soft.Reason, soft.ID = "mailbox_full", "soft"
	b.tell("ses", soft, hard(one))
	if held() != nil {
		t.Fatal("held after one hard bounce")
	}
	b.tell("ses", hard(two))
	sup := held()
	if sup == nil {
		t.Fatalf("held: %+v", sup)
	}
	soft.ID, soft.Message = "soft2", three
	b.tell("ses", soft)
	if again := held(); again == nil || again.Cause != sup.Cause || !again.Until.Equal(sup.Until) {
		t.Errorf("a soft bounce changed %+v to %+v", sup, again)
	}
	done := event(hook.Delivered, three)
	done.At = b.store.Now().Add(time.Millisecond)
	b.tell("ses", done)
	if held() != nil {
		t.Error("still held after a delivered report")
	}
	r := b.reset(last)
	i := slices.IndexFunc(r.Facts, func(f ledger.Fact) bool { return f.Event == ledger.Released })
	if i < 0 || r.Facts[i].By != "" || r.Facts[i].Reason == "" {
		t.Errorf("the release leaves no fact of resetd's own: %+v", r.Facts)
	}
}

// Whoever used the link has the mail: reports that the mailbox does not exist count for nothing then.
func TestAUsedLinkContradictsABounce(t *testing.T) {
	b := newBench(t, func(w *worker.Worker) { w.AccountLimit = store.Limit{} }, jo())
	b.world.Domain("there.example", b.world.Host("mx.there.example", sim.Accept()))
	const address = "jo@there.example"
	now := time.Now()
	for i := range 2 {
		id := b.ask(address, now.Add(time.Duration(i)*2*time.Minute))
		b.use(id)
		m := b.reset(id).Newest().ID
		b.tell("ses", hook.Event{ID: string(m), At: b.store.Now(), Kind: hook.Bounced, Recipient: address, Message: m, Permanent: true, Reason: "user_unknown", Cause: "recipient.unknown_mailbox"})
	}
	if sup, err := b.store.Suppressed(t.Context(), address); err != nil || sup != nil {
		t.Errorf("held against the proof: %+v, %v", sup, err)
	}
}

// A suppression is of one exact address: when the account's address changes, the new one has no entry.
func TestNewAddressIsNotHeld(t *testing.T) {
	b := newBench(t, nil, realm.Account{ID: "u1", Login: "jo", Address: "jo.new@there.example", LoginMethod: realm.LoginPassword})
	mx := b.world.Host("mx.there.example", sim.Accept())
	b.world.Domain("there.example", mx)
	for range 2 {
		if _, err := b.store.Fault(t.Context(), "jo@there.example", ledger.NewMessageID(1, ledger.NewSeed()), ledger.NewEventID(), b.store.Now(), "recipient.unknown_mailbox", ""); err != nil {
			t.Fatal(err)
		}
	}
	if sup, _ := b.store.Suppressed(t.Context(), "jo@there.example"); sup == nil {
		t.Fatal("the old address is not held")
	}
	b.until(b.ask("jo", time.Now()), "sent", state(ledger.Sent))
}
