package worker

import (
	"context"
	"crypto/sha256"
	"errors"
	"strings"
	"time"

	"github.com/resetd/resetd/diag"
	"github.com/resetd/resetd/diag/reply"
	"github.com/resetd/resetd/internal/ledger"
	"github.com/resetd/resetd/internal/store"
	"github.com/resetd/resetd/mailer/bounce/hook"
)

// digestUnit reads a batch of events: a provider's, or a mail log's. Each is written to the ledger of its message, exactly once, in
// whatever order they come; a batch that breaks off in the middle is read again from its beginning.
func (w *Worker) digestUnit(ctx context.Context, c store.Claim) error {
	sealed, err := w.Store.Sealed(ctx, ledger.ReturnID(c.ID))
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	var u hook.Unit
	raw, err := w.Sealer.Open(sealed, c.ID)
	if err == nil {
		u, err = hook.DecodeUnit(raw)
	}
	if err != nil {
		w.count(ctx, "events:unreadable")
		w.Log.Error().Err(err).Str("return", c.ID).Msg("a batch of events is lost")
		return w.settle(ctx, c, store.Plan{})
	}
	if len(u.Report) > 0 {
		return w.digestReport(ctx, c, u)
	}
	if len(u.Mail) > 0 {
		if err := w.unmatchedMail(ctx, ledger.ReturnID(c.ID), u.Source, w.reader.ReadBytes(u.Mail)); err != nil {
			return err
		}
		w.Log.Info().Str("return", c.ID).Str("source", u.Source).Msg("a report about no mail that we know lies in the tray")
		return w.settle(ctx, c, store.Plan{})
	}
	var matched int
	for _, e := range u.Events {
		if err := w.Store.Heard(ctx, u.Source, e.At); err != nil {
			return err
		}
		ok, err := w.event(ctx, u.Source, e)
		if err != nil {
			return err
		}
		if ok {
			matched++
		}
	}
	w.Log.Info().Str("return", c.ID).Str("source", u.Source).Int("events", len(u.Events)).Int("matched", matched).Msg("read events")
	return w.settle(ctx, c, store.Plan{})
}

// event turns one event into facts. It says whether the event is about a mail of ours.
func (w *Worker) event(ctx context.Context, source string, e hook.Event) (bool, error) {
	work, found, err := w.about(ctx, e)
	if errors.Is(err, errSeveral) {
		w.count(ctx, "events:"+source+":unmatched")
		return false, w.unmatchedEvent(ctx, source, e)
	}
	if err != nil {
		return false, err
	}
	if work.Message == "" {
		w.count(ctx, "events:"+source+":unmatched") // a provider tells us of all the mails of its customer
		return false, nil
	}
	known, err := w.Store.Knows(ctx, work, source, e.ID)
	if err != nil {
		return false, err
	}
	if known {
		w.count(ctx, "events:"+source+":again")
		return true, nil
	}
	c := store.Claim{Work: work}
	j, err := w.load(ctx, c)
	if err != nil {
		return false, err
	}
	address := j.address()
	f := eventFact(source, e, work)
	f.At = j.after(e)
	if f.Return != nil {
		f.Return.Found = found
		f.Return.Matched = found == ledger.ByMessageID && address != "" && (e.Recipient == "" || strings.EqualFold(e.Recipient, address))
	}
	facts := []ledger.Fact{f}
	facts = append(facts, w.conclude(ctx, j, address, f)...)
	became, err := w.Store.Record(ctx, work, source, e.ID, facts...)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil // retention took the message in between
	}
	if err != nil {
		return false, err
	}
	switch became {
	case store.HadEnough:
		w.count(ctx, "events:"+source+":too_many")
	case store.KnewIt: // another worker wrote it in between
		w.count(ctx, "events:"+source+":again")
	default:
		w.count(ctx, "events:"+source+":"+string(e.Kind))
	}
	return true, nil
}

// about finds the message of an event: by an id of ours, else, where only one mail went to the recipient lately, by recipient and time.
// No message: it is about none that we know.
func (w *Worker) about(ctx context.Context, e hook.Event) (store.Work, ledger.Found, error) {
	if e.Message != "" {
		work, err := w.Store.MessageAt(ctx, e.Message)
		if !errors.Is(err, store.ErrNotFound) {
			return work, ledger.ByMessageID, err
		}
		return store.Work{}, "", nil
	}
	work, err := w.lately(ctx, e.Recipient, e.At)
	return work, ledger.ByRecipient, err
}

// errSeveral means that several mails went to an address lately: a guess among them would be worth nothing.
var errSeveral = errors.New("several mails of ours can be meant")

// lately finds the one mail that went to an address in the time before a moment.
func (w *Worker) lately(ctx context.Context, address string, at time.Time) (store.Work, error) {
	if address == "" {
		return store.Work{}, nil
	}
	list, err := w.Store.WrittenTo(ctx, address, at.Add(time.Second)) // their times may be in whole seconds
	switch {
	case err != nil || len(list) == 0:
		return store.Work{}, err
	case len(list) > 1:
		return store.Work{}, errSeveral
	}
	work, err := w.Store.MessageAt(ctx, list[0])
	if errors.Is(err, store.ErrNotFound) {
		return store.Work{}, nil
	}
	return work, err
}

// eventFact says what an event means. Opened and clicked are what a provider's image and its link in the place of ours tell: programs
// fetch both before people do, so they are Opened facts with Via, which no rule takes for a person. An unsubscribe and a complaint are
// kept for the reader and block nothing: a mail that its receiver asked for is no newsletter.
func eventFact(source string, e hook.Event, work store.Work) ledger.Fact {
	sum := sha256.Sum256([]byte(source + "\x00" + e.ID + "\x00" + string(work.Message)))
	f := ledger.Fact{ID: ledger.EventIDFrom(ledger.Seed(sum[:16])), At: e.At, Reset: work.Reset, Message: work.Message}
	ret := func(event ledger.Event, action string) ledger.Fact {
		f.Event = event
		f.Return = &ledger.Return{Source: source, Action: action, Status: e.Status, Reason: string(e.Reason), Cause: exact(e.Cause), Permanent: e.Permanent,
			Recipient: e.Recipient, RemoteHost: e.Host, Diagnostic: e.Diagnostic, Because: e.Because}
		if e.SuppressedAtProvider {
			f.Return.Cause = "suppressed.by_provider"
		}
		return f
	}
	switch e.Kind {
	case hook.Delivered:
		return ret(ledger.Confirmed, "delivered")
	case hook.Relayed:
		return ret(ledger.Confirmed, "relayed")
	case hook.Deferred:
		return ret(ledger.Bounced, "delayed")
	case hook.Complained:
		return ret(ledger.Complained, "complaint")
	case hook.Unsubscribed:
		return ret(ledger.Complained, "unsubscribe")
	case hook.AutoReplied:
		return ret(ledger.AutoReplied, "auto")
	case hook.Opened, hook.Clicked:
		f.Event = ledger.Opened
		f.Visit = &ledger.Visit{Method: "IMAGE", IP: e.IP, UserAgent: clipped(e.UserAgent), Via: source}
		if e.Kind == hook.Clicked {
			f.Visit.Method = "GET"
		}
		return f
	}
	return ret(ledger.Bounced, "failed") // bounced, dropped, rejected: the provider does not try again
}

// rank orders events that the sources' whole seconds make one.
func rank(k hook.Kind) time.Duration {
	switch k {
	case hook.Deferred:
		return 1
	case hook.Relayed:
		return 2
	case hook.Delivered:
		return 3
	case hook.Bounced, hook.Dropped, hook.Rejected:
		return 4
	case hook.Clicked:
		return 6
	}
	return 5
}

// after is when an event happened. Nobody can tell of a mail before having it, and sources give their times in whole seconds or by clocks
// of their own: what would stand before the moment at which a host had our mail stands right after it.
func (j *job) after(e hook.Event) time.Time {
	var had time.Time
	if j.msg != nil {
		had = j.msg.Born
		for _, a := range j.msg.Attempts {
			if a.Attempt != nil && (a.Attempt.Outcome == ledger.Accepted || a.Attempt.Outcome == ledger.Ambiguous) {
				had = a.At
				break
			}
		}
	}
	if e.At.After(had) {
		return e.At
	}
	return had.Add(rank(e.Kind) * time.Millisecond)
}

// address is whom the job's message went to; "" = not decided yet.
func (j *job) address() string {
	if j.msg == nil {
		return ""
	}
	g, _ := j.reset.Generation(j.msg.Gen)
	return g.Address
}

// inTime says whether a report of a moment can be one of the job's mail: hosts give up after five days at most (RFC 5321 section 4.5.4.1),
// so what comes long after the last dialogue tells of something else, or is somebody's replay.
func (j *job) inTime(at time.Time) bool {
	if j.msg == nil {
		return false
	}
	last := j.msg.Born
	if n := len(j.msg.Attempts); n > 0 {
		last = j.msg.Attempts[n-1].At
	}
	return at.Sub(last) <= store.WrittenFor
}

// conclude draws what a return may do to the address: a permanent fault of the recipient's counts towards a suppression, a proof that the
// mailbox works takes such faults away. Everything else, complaints and unsubscribes too, changes nothing.
func (w *Worker) conclude(ctx context.Context, j *job, address string, f ledger.Fact) []ledger.Fact {
	r := f.Return
	if r == nil || !r.Matched || address == "" || j.canary() || diag.Forwarded(address, r.Recipient) {
		return nil // what a mailbox says to which ours passes mail on proves nothing about ours, which may keep a copy
	}
	var follows *ledger.Fact
	var err error
	switch {
	case f.Event == ledger.Bounced && r.Action == "failed" && r.Permanent && reply.Reason(r.Reason).Class() == reply.Hard && j.reset.Redeemed == nil && j.inTime(f.At):
		follows, err = w.suppress(ctx, j.Claim, address, f.ID, f.At, r.Cause, r.Diagnostic)
	case f.Event == ledger.AutoReplied, f.Event == ledger.Confirmed && r.Action == "delivered":
		follows, err = w.prove(ctx, j.Claim, address, f)
	}
	if err != nil {
		w.Log.Warn().Err(err).Str("mail", string(j.Message)).Msg("what came back is not counted for its address")
	}
	if follows == nil {
		return nil
	}
	return []ledger.Fact{*follows}
}

// prove lifts a suppression by a proof, and gives the Released fact.
func (w *Worker) prove(ctx context.Context, c store.Claim, address string, proof ledger.Fact) (*ledger.Fact, error) {
	sup, err := w.Store.Prove(ctx, address, proof.At)
	if err != nil || sup == nil {
		return nil, err
	}
	w.count(ctx, "released")
	f := w.fact(c, ledger.Released)
	f.Reason = "a report says that the mail was delivered"
	if proof.Event == ledger.AutoReplied {
		f.Reason = "the mailbox answered"
	}
	f.Hold = &ledger.Hold{Until: sup.Until, Evidence: append(sup.Evidence, proof.ID), Cause: sup.Cause}
	return &f, nil
}
