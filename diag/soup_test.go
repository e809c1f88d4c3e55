package diag

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/resetd/resetd/internal/ledger"
	"github.com/resetd/resetd/internal/realm"
)

// Facts may come in any combination: late, twice, torn by retention, from another version. Whatever they are, there is a verdict of the
// catalogue with evidence that exists, and no panic.
func TestSoup(t *testing.T) {
	rounds := 4000
	if testing.Short() {
		rounds = 400
	}
	causes := map[string]bool{}
	for seed := range rounds {
		in := soup(rand.New(rand.NewPCG(uint64(seed), 7)))
		func() {
			defer func() {
				if p := recover(); p != nil {
					t.Fatalf("seed %d: %v", seed, p)
				}
			}()
			c := Diagnose(in)
			causes[c.Verdict.Cause] = true
			checkCase(t, in, c)
		}()
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
	t.Logf("%d different verdicts", len(causes))
}

func soup(r *rand.Rand) Input {
	in := usualInput()
	var facts []ledger.Fact
	for i := range r.IntN(30) {
		facts = append(facts, randomFact(r, i))
	}
	in.Timeline = ledger.Fold(facts)
	in.AskPages["r1"] = pick(r, "shop", "control", "")
	in.Smart = map[string]bool{"relay": true}
	in.Bounces = r.IntN(4) > 0
	if r.IntN(3) == 0 {
		in.Blind = append(in.Blind, Blind{Sensor: pick(r, "intake", "bounces", "worker", "dns", "links", "directory", "?"), From: randomTime(r)})
	}
	if r.IntN(4) == 0 {
		in.Queue = Queue{Workers: r.IntN(2), WorkerSeen: randomTime(r), Due: r.IntN(9), Waiting: r.IntN(9), OldestDue: time.Duration(r.IntN(99)) * time.Second}
	}
	if r.IntN(6) == 0 {
		in.Queue.Paused = &Hold{By: "ops", Since: randomTime(r)}
	}
	if r.IntN(5) == 0 {
		in.Suppression = &Suppression{Since: randomTime(r), Cause: pick(r, "", "recipient.unknown_mailbox", "sender.dmarc_rejected"), Evidence: []ledger.EventID{"e3", "nowhere"}}
	}
	switch r.IntN(8) {
	case 0:
		in.Directory = Directory{}
	case 1:
		in.Directory = Directory{Asked: true, Unavailable: &realm.Unavailable{Kind: "silent"}}
	case 2:
		in.Directory.Accounts = append(in.Directory.Accounts, realm.Account{})
	case 3:
		in.Directory.Accounts, in.Directory.Near = nil, []realm.Account{{Login: "joe@mail.example"}}
	case 4:
		in.Directory.Accounts = []realm.Account{{ID: "u", State: realm.State(pick(r, "", "active", "invited", "suspended", "deleted", "?")), LoginMethod: realm.Login(pick(r, "", "sso", "none", "?")), Address: pick(r, "", "jo@else.example")}}
	}
	if r.IntN(5) == 0 {
		in.Realm.Login, in.Realm.RequiredRole = realm.Login(pick(r, "sso", "directory", "")), pick(r, "", "staff")
	}
	if r.IntN(9) == 0 {
		in.Realm = nil
	}
	if r.IntN(4) == 0 {
		in.Page = &Page{URL: pick(r, "", "https://x.example/?q", "::"), Realm: pick(r, "", "shop", "control")}
	}
	if r.IntN(4) == 0 {
		in.Others = []Other{{Realm: realm.Realm{Name: "control", Login: realm.LoginPassword}, LastAsk: randomTime(r), Account: in.accountOrNil(r)}}
	}
	if r.IntN(20) == 0 {
		in.Now = time.Time{}
	}
	return in
}

func (in Input) accountOrNil(r *rand.Rand) *realm.Account {
	if r.IntN(2) == 0 {
		return nil
	}
	return &realm.Account{ID: "o"}
}

func pick[T any](r *rand.Rand, from ...T) T { return from[r.IntN(len(from))] }

func randomTime(r *rand.Rand) time.Time {
	if r.IntN(12) == 0 {
		return time.Time{}
	}
	return mustMoment("08:40").Add(-time.Duration(r.Int64N(int64(40 * time.Hour))))
}

// randomFact makes any fact, with or without the detail that its kind should carry.
func randomFact(r *rand.Rand, i int) ledger.Fact {
	f := ledger.Fact{ID: ledger.EventID(fmt.Sprintf("e%d", i)), At: randomTime(r), Reset: pick[ledger.ResetID](r, "", "r1", "r1", "r2", "r3"), Message: pick[ledger.MessageID](r, "", "m1", "m2", "m3"),
		Role: pick(r, "", "app", "support"), By: pick(r, "", "dana")}
	f.Event = pick(r, ledger.Requested, ledger.Refused, ledger.Issued, ledger.Composed, ledger.Postponed, ledger.Failed, ledger.Dialed, ledger.Attempted, ledger.Attempted, ledger.Bounced,
		ledger.Complained, ledger.AutoReplied, ledger.Confirmed, ledger.Opened, ledger.Proceeded, ledger.Declined, ledger.Redeemed, ledger.Reported, ledger.Suppressed, ledger.Released,
		ledger.Resent, ledger.Cancelled, ledger.Expired, ledger.LinkRevealed, ledger.Checked, ledger.Paused, ledger.Resumed, ledger.SensorLost, ledger.SensorBack, ledger.Event("novel"))
	if r.IntN(8) == 0 {
		return f // torn
	}
	f.Ask = &ledger.Ask{Realm: "shop", Page: pick(r, "", "https://shop.example/")}
	f.Refusal = &ledger.Refusal{Why: pick(r, ledger.WhyUnknownAddress, ledger.WhySSO, ledger.WhyMerged, ledger.WhyMerged, ledger.WhySuppressed, ledger.WhyThrottled, ledger.WhyDeleted, ledger.Why("novel")),
		First: pick[ledger.ResetID](r, "", "r1", "r2", "r3"), Until: randomTime(r)}
	f.Issue = &ledger.Issue{Generation: r.IntN(3), TTL: ledger.Seconds(r.IntN(7200)), Until: randomTime(r), Address: pick(r, "", "jo@mail.example", "jo@else.example", "@", "jo"), Route: pick(r, "", "relay")}
	f.Delay = &ledger.Delay{Why: pick(r, "directory_unavailable", "shutdown", "novel"), Next: randomTime(r)}
	f.Failure = &ledger.Failure{Why: pick(r, "template_error", "gave_up", "queue_lost", "novel")}
	f.Attempt = &ledger.Attempt{Try: r.IntN(4), Route: pick(r, "", "relay"), Smart: r.IntN(4) == 0, Host: pick(r, "", "mx.mail.example", "mx2.mail.example"), Stage: pick(r, "", "dial", "rcpt", "dot", "starttls"),
		Code: pick(r, 0, 250, 450, 550, 535), Text: pick(r, "", "user unknown", "i/o timeout", "see https://x.example/r/secret", "\x00\xff"), Next: randomTime(r),
		Outcome: pick(r, ledger.Accepted, ledger.Deferred, ledger.Rejected, ledger.Unreachable, ledger.Ambiguous, ledger.NoHost, ledger.NoDNS, ledger.Blocked, ledger.Outcome("novel"))}
	f.Return = &ledger.Return{Matched: r.IntN(2) == 0, Action: pick(r, "", "failed", "delayed", "delivered", "relayed"), Status: pick(r, "", "5.1.1", "9.9.9"), Diagnostic: pick(r, "", "mailbox full", "?"),
		Cause: pick(r, "", "recipient.moved", "novel.cause", "unknown.unreadable_bounce"), Recipient: pick(r, "", "jo@mail.example", "x@third.example")}
	f.Visit = &ledger.Visit{Method: pick(r, "GET", "HEAD", ""), UserAgent: pick(r, "", "Mozilla/5.0", "curl/8"), Dead: pick(r, "", "", "used", "replaced", "expired", "malformed", "other_realm", "unknown", "novel"), Gen: r.IntN(3)}
	f.Report = &ledger.Report{Kind: pick(r, "password_set", "signed_in", "sign_in_failed", "redirected_to_sso", "locked", "address_changed", "page_failed", "request_failed", "found_in_junk", "quarantined",
		"not_found_anywhere", "done", "failed", "novel"), At: randomTime(r), Revived: r.IntN(3) == 0}
	f.Hold = &ledger.Hold{Until: randomTime(r)}
	f.Resend = &ledger.Resend{Gen: r.IntN(3), Route: pick(r, "", "relay")}
	f.Redemption = &ledger.Redemption{}
	f.Sensor = &ledger.Sensor{Name: "bounces"}
	return f
}

// long is a ledger of n facts: resets of a few facts each, all of them resent now and then.
func long(n int) Input {
	r := rand.New(rand.NewPCG(1, 2))
	in := usualInput()
	var facts []ledger.Fact
	at := in.Now.Add(-time.Duration(n) * time.Minute)
	add := func(reset int, f ledger.Fact) {
		at = at.Add(time.Minute)
		f.ID, f.At, f.Reset, f.Message = ledger.EventID(fmt.Sprintf("e%d", len(facts))), at, ledger.ResetID(fmt.Sprintf("r%d", reset)), ledger.MessageID(fmt.Sprintf("m%d", reset))
		facts = append(facts, f)
	}
	for i := 0; len(facts) < n; i++ {
		add(i, ledger.Fact{Event: ledger.Requested, Ask: &ledger.Ask{Realm: "shop", Login: in.Login}})
		add(i, ledger.Fact{Event: ledger.Issued, Issue: &ledger.Issue{Generation: 1, TTL: 3600, Until: at.Add(ledger.MaxLife), Address: in.Login}})
		add(i, ledger.Fact{Event: ledger.Attempted, Attempt: &ledger.Attempt{Try: 1, Host: "mx.mail.example", Stage: "rcpt", Code: 450, Text: "4.2.0 Greylisted", Outcome: ledger.Deferred, Next: at}})
		add(i, ledger.Fact{Event: ledger.Attempted, Attempt: &ledger.Attempt{Try: 2, Host: "mx.mail.example", Stage: "dot", Code: 250, Outcome: ledger.Accepted}})
		add(i, ledger.Fact{Event: ledger.Opened, Visit: &ledger.Visit{Method: pick(r, "GET", "HEAD"), UserAgent: "Mozilla/5.0"}})
	}
	in.Timeline = ledger.Fold(facts[:n])
	return in
}

// The cost of a verdict and how it grows; why must answer in 5 ms of our own time over 1,000 facts.
func BenchmarkDiagnose(b *testing.B) {
	for _, n := range []int{100, 1000, 10_000} {
		in := long(n)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Diagnose(in)
			}
		})
	}
}
