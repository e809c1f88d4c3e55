package diag

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/resetd/resetd/internal/ledger"
)

// Each line is a canary that has come so far, and the links that do not simply hold: "name=result".
func TestLoop(t *testing.T) {
	began := time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC)
	const id, msg = ledger.ResetID("rst_1"), ledger.MessageID("msg_1")
	n := 0
	fact := func(sec int, e ledger.Event, fill func(*ledger.Fact)) ledger.Fact {
		n++
		f := ledger.Fact{ID: ledger.EventID("evt_" + string(rune('a'+n%26)) + string(rune('a'+n/26))), At: began.Add(time.Duration(sec) * time.Second), Event: e, Reset: id, Message: msg}
		if fill != nil {
			fill(&f)
		}
		return f
	}
	step := func(sec int, l ledger.Loop) ledger.Fact {
		return fact(sec, ledger.Checked, func(f *ledger.Fact) { f.Check = &ledger.Check{Domain: "us.example", Loop: &l} })
	}
	asked := fact(0, ledger.Requested, func(f *ledger.Fact) { f.Ask = &ledger.Ask{Realm: ".canary", Login: "us.example by out #1"} })
	issued := fact(1, ledger.Issued, func(f *ledger.Fact) { f.Issue = &ledger.Issue{Generation: 1, Route: "out", Until: began.Add(day)} })
	composed := fact(1, ledger.Composed, func(f *ledger.Fact) {
		f.Composition = &ledger.Composition{Selectors: []string{"r1._domainkey.us.example"}}
	})
	unsigned := fact(1, ledger.Composed, func(f *ledger.Fact) { f.Composition = &ledger.Composition{} })
	attempt := func(sec int, o ledger.Outcome, code int, text string) ledger.Fact {
		return fact(sec, ledger.Attempted, func(f *ledger.Fact) {
			f.Attempt = &ledger.Attempt{Try: 1, Route: "out", Smart: true, Host: "relay.example", Stage: "rcpt", Code: code, Text: text, Outcome: o}
		})
	}
	noDial := attempt(2, ledger.Unreachable, 0, "connection refused")
	noDial.Attempt.Stage = "dial"
	sent := attempt(2, ledger.Accepted, 250, "ok")
	good := ledger.Arrival{IP: "192.0.2.1", HELO: "relay.example", From: "bounces.us.example", SPF: ledger.Judged{Result: "pass"}, DKIM: ledger.Judged{Result: "pass"},
		DMARC: ledger.Judged{Result: "pass"}, SentOK: true, BodyOK: true, Link: "same"}
	arrived := func(sec int, change func(*ledger.Arrival)) ledger.Fact {
		a := good
		if change != nil {
			change(&a)
		}
		return step(sec, ledger.Loop{Step: ledger.LoopArrived, OK: true, Arrival: &a})
	}
	page := step(4, ledger.Loop{Step: ledger.LoopPage, OK: true, Code: 200, Why: "The page answered 200."})
	redeemed := fact(5, ledger.Redeemed, func(f *ledger.Fact) { f.Redemption = &ledger.Redemption{Gen: 1} })
	offered := step(3, ledger.Loop{Step: ledger.LoopReturnSent, OK: true})
	back := fact(6, ledger.Confirmed, func(f *ledger.Fact) { f.Return = &ledger.Return{Source: "smtp", Action: "delivered", Matched: true} })
	behind := "spf=not_reached dkim=not_reached dmarc=not_reached body=not_reached link=not_reached page=not_reached redeem=not_reached"
	whole := []ledger.Fact{asked, issued, composed, sent, page, redeemed, offered, back}

	for _, c := range []struct {
		name   string
		after  time.Duration
		facts  []ledger.Fact
		change func(*LoopInput)
		state  string
		links  string
		causes string
		says   string // of some link
	}{
		{"all is well", 10 * time.Second, append(whole, arrived(3, nil)), nil, "ok", "", "", ""},
		{"just asked", time.Second, []ledger.Fact{asked}, nil, "running", "queue=not_reached send=not_reached receive=not_reached return=not_reached " + behind, "", "No worker has taken it yet."},
		{"never in the record", time.Hour, nil, func(in *LoopInput) { in.Reset = nil }, "failed", "request=failed queue=not_reached send=not_reached receive=not_reached return=not_reached " + behind, "", ""},
		{"sending is held", time.Hour, []ledger.Fact{asked}, func(in *LoopInput) { in.Queue.Paused = &Hold{By: "ops", Since: began} }, "unknown",
			"queue=unknown send=not_reached receive=not_reached return=not_reached " + behind, "", "held by ops"},
		{"no worker", time.Hour, []ledger.Fact{asked}, func(in *LoopInput) { in.Queue.Workers = 0 }, "failed", "queue=failed send=not_reached receive=not_reached return=not_reached " + behind, "queue.no_worker", ""},
		{"the worker sends none", time.Second, []ledger.Fact{asked, fact(1, ledger.Refused, func(f *ledger.Fact) { f.Refusal = &ledger.Refusal{Why: ledger.WhyMailOff} })}, nil, "failed",
			"queue=failed send=not_reached receive=not_reached return=not_reached " + behind, "", "mail_off"},
		{"the route is held", time.Hour, []ledger.Fact{asked, issued}, func(in *LoopInput) { in.Queue.RoutePaused = map[string]Hold{"out": {By: "ops", Since: began}} }, "unknown",
			"send=unknown receive=not_reached return=not_reached " + behind, "", "The route is held by ops"},
		{"the route is held, and there is time", time.Minute, []ledger.Fact{asked, issued}, func(in *LoopInput) { in.Queue.RoutePaused = map[string]Hold{"out": {By: "ops", Since: began}} }, "running",
			"send=unknown receive=not_reached return=not_reached " + behind, "", "; the canary waits until "},
		{"refused", 3 * time.Second, []ledger.Fact{asked, issued, composed, attempt(2, ledger.Rejected, 550, "5.7.1 Relaying denied")}, nil, "failed", "send=failed receive=not_reached return=not_reached " + behind, "relay.auth_failed", "Relaying denied"},
		{"our receiver is behind the same NAT", time.Hour, []ledger.Fact{asked, issued, composed, noDial}, func(in *LoopInput) { in.Smart = false }, "unknown",
			"send=unknown receive=not_reached return=unknown " + behind, "", "behind the same NAT"},
		{"our receiver refuses connections", time.Hour, []ledger.Fact{asked, issued, composed, noDial}, func(in *LoopInput) { in.Smart, in.Blind = false, []Blind{{Sensor: "bounces", From: began}} }, "failed",
			"send=failed receive=not_reached return=failed " + behind, "unknown.bounces_not_arriving", "connection refused"},
		{"on its way", 5 * time.Second, []ledger.Fact{asked, issued, composed, sent, offered}, nil, "running", "receive=not_reached return=not_reached " + behind, "", "has not arrived yet"},
		{"lost", time.Hour, []ledger.Fact{asked, issued, composed, sent, offered}, nil, "failed", "receive=failed return=failed " + behind, "unknown.bounces_not_arriving", "did not arrive within 15 minutes"},
		{"lost while we did not listen", time.Hour, []ledger.Fact{asked, issued, composed, sent, offered}, func(in *LoopInput) { in.Blind = []Blind{{Sensor: "bounces", From: began}} }, "failed",
			"receive=failed return=failed " + behind, "unknown.bounces_not_arriving", "Our own receiver was not running"},
		{"gone to the mailbox", time.Hour, []ledger.Fact{asked, issued, composed, sent, offered}, func(in *LoopInput) { in.Mailbox = true }, "unknown", "receive=unknown return=unknown " + behind, "", "bounce mailbox"},
		{"returned", 10 * time.Second, []ledger.Fact{asked, issued, composed, sent, fact(6, ledger.Bounced, func(f *ledger.Fact) {
			f.Return = &ledger.Return{Source: "smtp", Action: "failed", Matched: true, Diagnostic: "550 5.1.1 no such return path"}
		})}, nil, "failed", "receive=failed " + behind, "recipient.unknown_mailbox", "no such return path"},
		{"late", time.Hour, append(whole, arrived(1800, nil)), nil, "ok", "", "", "late: 30 minutes"},
		{"a footer", 10 * time.Second, append(whole, arrived(3, func(a *ledger.Arrival) {
			a.DKIM.Result, a.BodyOK, a.Changes = "fail", false, []string{"At the end this was added."}
		})), nil, "failed", "dkim=failed body=failed", "sender.dkim_broken_in_transit", "At the end this was added."},
		{"the key is not ours", 10 * time.Second, append(whole, arrived(3, func(a *ledger.Arrival) { a.DKIM.Result, a.SentOK = "fail", false })), nil, "failed", "dkim=failed", "sender.dkim_key_mismatch", ""},
		{"no key at all", 10 * time.Second, []ledger.Fact{asked, issued, unsigned, sent, page, redeemed, back, arrived(3, func(a *ledger.Arrival) { a.DKIM.Result = "none" })}, nil, "ok", "dkim=unknown", "", "no DKIM key"},
		{"DNS is silent", 10 * time.Second, append(whole, arrived(3, func(a *ledger.Arrival) {
			a.SPF.Result, a.DKIM.Result, a.DMARC.Result = "temperror", "temperror", "fail"
		})), nil, "ok", "spf=unknown dkim=unknown dmarc=unknown", "", ""},
		{"SPF leaves the relay out", 10 * time.Second, append(whole, arrived(3, func(a *ledger.Arrival) { a.SPF.Result = "softfail" })), nil, "failed", "spf=failed", "sender.spf_fail", ""},
		{"SPF cannot be evaluated", 10 * time.Second, append(whole, arrived(3, func(a *ledger.Arrival) { a.SPF.Result = "permerror" })), nil, "failed", "spf=failed", "sender.spf_permerror", ""},
		{"a host of ours stands before the receiver", 10 * time.Second, append(whole, arrived(3, func(a *ledger.Arrival) {
			a.SPF.Result, a.DMARC.Result, a.Private, a.Claims = "fail", "fail", true, []string{"mx.us.example says spf=pass"}
		})), nil, "ok", "spf=unknown dmarc=unknown", "", "mx.us.example says spf=pass"},
		{"what was sent is not known", 10 * time.Second, []ledger.Fact{asked, issued, composed, sent, back, arrived(3, func(a *ledger.Arrival) { a.Link = "" })}, nil, "running",
			"body=unknown link=unknown page=not_reached redeem=not_reached", "", ""},
		{"click tracking", 10 * time.Second, []ledger.Fact{asked, issued, composed, sent, back, arrived(3, func(a *ledger.Arrival) {
			a.Link, a.LinkHost, a.BodyOK, a.DKIM.Result = "rewritten", "click.example", false, "fail"
		})}, nil, "failed", "dkim=failed body=failed link=failed page=not_reached redeem=not_reached", "sender.dkim_broken_in_transit link.rewritten", "click.example"},
		{"the page answers 502", 10 * time.Second, []ledger.Fact{asked, issued, composed, sent, redeemed, back, arrived(3, nil), step(4, ledger.Loop{Step: ledger.LoopPage, Code: 502, Why: "The page answered 502."})}, nil,
			"failed", "page=failed", "link.page_failed", "502"},
		{"the token is not taken", 10 * time.Second, []ledger.Fact{asked, issued, composed, sent, page, back, arrived(3, nil), step(5, ledger.Loop{Step: ledger.LoopRedeem, Why: "The token was not redeemed: used."})}, nil,
			"failed", "redeem=failed", "", "used"},
		{"the relay wants a sender", 10 * time.Second, []ledger.Fact{asked, issued, composed, sent, page, redeemed, arrived(3, nil), step(3, ledger.Loop{Step: ledger.LoopReturnSent, Code: 550, Why: "null sender not allowed"})}, nil,
			"ok", "return=unknown", "", "null sender not allowed"},
		{"a bounce would not come back", time.Hour, []ledger.Fact{asked, issued, composed, sent, page, redeemed, offered, arrived(3, nil)}, nil, "failed", "return=failed", "unknown.bounces_not_arriving", ""},
	} {
		tl := ledger.Fold(c.facts)
		in := LoopInput{Now: began.Add(c.after), Domain: "us.example", Route: "out", Smart: true, Began: began, Within: 15 * time.Minute, ID: id, Reset: tl.Reset(id), Queue: Queue{Workers: 1}}
		if c.change != nil {
			c.change(&in)
		}
		run := Loop(in)
		var links, names, all []string
		for _, l := range run.Links {
			names, all = append(names, l.Name), append(all, l.Says)
			if l.Result != LoopOK {
				links = append(links, l.Name+"="+string(l.Result))
			}
			if l.Says == "" || strings.Contains(l.Says, "..") || l.Result == LoopFailed && l.At.IsZero() {
				t.Errorf("%s: %s at %v says %q", c.name, l.Name, l.At, l.Says)
			}
		}
		want := strings.Fields(c.links)
		slices.SortStableFunc(want, func(a, b string) int {
			place := func(s string) int { return slices.Index(LoopLinks(), s[:strings.IndexByte(s, '=')]) }
			return place(a) - place(b)
		})
		if run.State != c.state || !slices.Equal(links, want) || strings.Join(run.Causes, " ") != c.causes || !strings.Contains(strings.Join(all, " "), c.says) {
			t.Errorf("%s:\n%s %v, causes %q\n%q\nwant %s %v, causes %q, %q", c.name, run.State, links, run.Causes, all, c.state, want, c.causes, c.says)
		}
		if !slices.Equal(names, LoopLinks()) {
			t.Errorf("%s: the links are %q", c.name, names)
		}
		if (run.State == "running") != run.Ended.IsZero() {
			t.Errorf("%s: %s, ended %v", c.name, run.State, run.Ended)
		}
		for _, cause := range run.Causes {
			if _, known := CauseOf(cause); !known {
				t.Errorf("%s: %s is no cause", c.name, cause)
			}
		}
	}
}
