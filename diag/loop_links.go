package diag

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/resetd/resetd/internal/ledger"
)

func (c *chain) request() {
	switch {
	case c.Reset != nil && !c.Reset.Asked.At.IsZero():
		c.ok("request", c.Reset.Asked.At, "The request was recorded.")
	case c.over:
		c.fails("request", "", c.Now, "The request is not in the record.")
	default:
		c.pending("request", "The request is not in the record yet.")
	}
}

// waits says how long a canary that is held may still go on, for whoever follows it.
func (c *chain) waits() string {
	if c.over {
		return ""
	}
	return "; the canary waits until " + clock(c.Began.Add(c.Within), c.Now)
}

func (c *chain) queued() {
	issued, ok := c.fact(ledger.Issued)
	refused, no := c.fact(ledger.Refused)
	switch {
	case !c.held("request"):
		c.pending("queue", "Nothing was asked for.")
	case ok:
		c.ok("queue", issued.At, "A worker took it.")
	case no && refused.Refusal != nil:
		c.fails("queue", "", refused.At, "A worker took it and sent no mail: "+string(refused.Refusal.Why)+".")
	case c.Queue.Paused != nil:
		c.unknown("queue", "Sending is held by "+c.Queue.Paused.By+" since "+clock(c.Queue.Paused.Since, c.Now)+c.waits()+".")
	case !c.over:
		c.pending("queue", "No worker has taken it yet.")
	case c.Queue.Workers == 0:
		c.fails("queue", "queue.no_worker", c.Now, "No worker is running.")
	default:
		c.fails("queue", "queue.stuck", c.Now, "No worker took it within "+span(c.Within)+".")
	}
}

func (c *chain) sent() {
	if !c.held("queue") {
		c.pending("send", "It was not taken from the queue.")
		return
	}
	if failed, ok := c.fact(ledger.Failed); ok && failed.Failure != nil {
		c.fails("send", "compose."+failed.Failure.Why, failed.At, "The mail could not be built"+led(": ", failed.Failure.Detail)+".")
		return
	}
	var f ledger.Fact
	if c.m != nil {
		f = last(c.m.Attempts)
	}
	a := f.Attempt
	hold, held := c.Queue.RoutePaused[c.Route]
	switch {
	case a == nil && held:
		c.unknown("send", "The route is held by "+hold.By+" since "+clock(hold.Since, c.Now)+c.waits()+".")
	case a == nil && !c.over:
		c.pending("send", "It was not offered to a host yet.")
	case a == nil:
		c.fails("send", "", c.Now, "It was not offered to any host within "+span(c.Within)+".")
	case a.Outcome == ledger.Accepted:
		c.ok("send", f.At, a.Host+" took it"+led(" as ", a.QueueID)+"; "+c.signature())
	case a.Outcome == ledger.Ambiguous && !c.over:
		c.pending("send", a.Host+" had the mail and did not answer.")
	case a.Outcome == ledger.Ambiguous:
		c.unknown("send", a.Host+" had the mail and did not answer; it may have it.")
	case !c.over && !a.Next.IsZero():
		c.pending("send", c.said(a)+" It is offered again at "+clock(a.Next, c.Now)+".")
	case !c.Smart && a.Outcome == ledger.Unreachable && a.Stage == "dial" && !c.deaf():
		c.unknown("send", c.said(a)+" Our own receiver runs, so that nobody may get in from behind the same NAT, which proves nothing about others.")
	default:
		cause := AttemptCause(c.Replies, *a)
		if !c.Smart && (a.Outcome == ledger.Unreachable || a.Outcome == ledger.NoHost || a.Outcome == ledger.NoDNS) {
			cause = "unknown.bounces_not_arriving" // the other end is our own receiver
		}
		c.fails("send", cause, f.At, c.said(a))
	}
}

// deaf tells whether our own receiver was not running in some part of the time.
func (c *chain) deaf() bool {
	return slices.ContainsFunc(c.Blind, func(b Blind) bool { return b.Sensor == "bounces" && (b.To.IsZero() || b.To.After(c.Began)) })
}

func (c *chain) said(a *ledger.Attempt) string {
	who := or(a.Host, "The host")
	if a.Code > 0 {
		return fmt.Sprintf("%s said %d%s %s", who, a.Code, led(" ", a.Enhanced), sentence(quote(a.Text)))
	}
	return fmt.Sprintf("%s: %s at %s, %s", who, a.Outcome, a.Stage, sentence(quote(a.Text)))
}

// sentence ends a text with a full stop.
func sentence(s string) string {
	if s = strings.TrimSpace(s); s == "" || strings.HasSuffix(s, ".") {
		return s
	}
	return s + "."
}

// signature tells with what the mail was signed.
func (c *chain) signature() string {
	f, _ := c.fact(ledger.Composed)
	if f.Composition == nil || len(f.Composition.Selectors) == 0 {
		return "it is not signed: no DKIM key is configured."
	}
	return "signed with " + strings.Join(f.Composition.Selectors, ", ") + "."
}

// received are the links from the relay to what our receiver saw of the mail.
func (c *chain) received() {
	f, ok := c.step(ledger.LoopArrived)
	if !ok || f.Check.Loop.Arrival == nil {
		c.notReceived()
		for _, name := range []string{"spf", "dkim", "dmarc", "body", "link"} {
			c.pending(name, "The mail did not arrive.")
		}
		return
	}
	a := f.Check.Loop.Arrival
	c.run.Hops, c.run.Claims, c.run.Changes = a.Hops, a.Claims, a.Changes
	says := "It arrived from " + or(a.HELO, "a host without a name") + led(" (", a.IP, ")") + "."
	if late := f.At.Sub(c.Began); late > c.Within {
		says = strings.TrimSuffix(says, ".") + ", late: " + span(late) + " after it was asked for."
	}
	c.ok("receive", f.At, says)
	c.spf(f.At, a)
	c.dkim(f.At, a)
	c.dmarc(f.At, a)
	c.body(f.At, a)
}

func (c *chain) notReceived() {
	came, back := c.bounced()
	switch {
	case back:
		c.fails("receive", ReturnCause(c.Replies, *came.Return), came.At, "It was returned instead"+led(": ", quote(came.Return.Diagnostic))+".")
	case !c.taken():
		c.pending("receive", "No host took it.")
	case !c.over:
		c.pending("receive", "It has not arrived yet.")
	case c.Mailbox:
		c.unknown("receive", "It did not come to our receiver; the bounce mailbox may have it.")
	default:
		since := c.run.Link("send").At
		says := "It did not arrive within " + span(c.Within) + "."
		if !since.IsZero() {
			says = "A host took it at " + clock(since, c.Now) + ", and it did not arrive within " + span(c.Within) + "."
		}
		for _, b := range c.Blind {
			if b.Sensor == "bounces" && (b.To.IsZero() || b.To.After(c.Began)) {
				says += " Our own receiver was not running since " + clock(b.From, c.Now) + "."
			}
		}
		c.fails("receive", "", c.Now, says)
	}
}

// taken tells whether a host took the canary, or may have.
func (c *chain) taken() bool {
	return c.m != nil && slices.ContainsFunc(c.m.Attempts, func(f ledger.Fact) bool {
		return f.Attempt != nil && (f.Attempt.Outcome == ledger.Accepted || f.Attempt.Outcome == ledger.Ambiguous)
	})
}

// bounced is a report that the canary itself failed.
func (c *chain) bounced() (ledger.Fact, bool) {
	if c.m == nil {
		return ledger.Fact{}, false
	}
	for _, f := range slices.Backward(c.m.Returns) {
		if f.Event == ledger.Bounced && f.Return != nil && f.Return.Matched && f.Return.Action == "failed" {
			return f, true
		}
	}
	return ledger.Fact{}, false
}

func (c *chain) spf(at time.Time, a *ledger.Arrival) {
	says := strings.ToUpper("spf") + " for " + or(a.From, "the null sender") + " from " + or(a.IP, "an unknown address") + ": " + or(a.SPF.Result, "not judged") + led(", ", a.SPF.Why) + "."
	switch a.SPF.Result {
	case "pass":
		c.ok("spf", at, says)
	case "", "temperror":
		c.unknown("spf", says)
	default:
		cause := "sender.spf_fail"
		if a.SPF.Result == "permerror" {
			cause = "sender.spf_permerror"
		}
		if a.Private {
			c.unknown("spf", "A host of our own brought it, from "+a.IP+", so that the address which others judge us by was not seen"+led("; ", strings.Join(a.Claims, "; "))+".")
			return
		}
		c.fails("spf", cause, at, says)
	}
}

func (c *chain) dkim(at time.Time, a *ledger.Arrival) {
	f, _ := c.fact(ledger.Composed)
	unsigned := f.Composition == nil || len(f.Composition.Selectors) == 0
	says := "DKIM: " + or(a.DKIM.Result, "not judged") + led(", ", a.DKIM.Why) + "."
	switch {
	case a.DKIM.Result == "pass":
		c.ok("dkim", at, says)
	case unsigned:
		c.unknown("dkim", "The mail was not signed: no DKIM key is configured.")
	case a.DKIM.Result == "" || a.DKIM.Result == "temperror":
		c.unknown("dkim", says)
	case a.SentOK:
		c.fails("dkim", "sender.dkim_broken_in_transit", at, says+" As it was sent the mail verifies: something changed it on the way"+led(", through ", strings.Join(a.Hops, ", "))+".")
	default:
		c.fails("dkim", "sender.dkim_key_mismatch", at, says+" The mail does not verify as it was sent either: DNS does not show the key that we sign with.")
	}
}

func (c *chain) dmarc(at time.Time, a *ledger.Arrival) {
	says := "DMARC: " + or(a.DMARC.Result, "not judged") + led(", ", a.DMARC.Why) + "."
	switch {
	case a.DMARC.Result == "pass":
		c.ok("dmarc", at, says)
	case a.DMARC.Result == "" || a.DMARC.Result == "temperror" || a.SPF.Result == "temperror" || a.DKIM.Result == "temperror":
		c.unknown("dmarc", says)
	case a.Private:
		c.unknown("dmarc", says+" SPF could not be judged behind a host of our own.")
	default:
		c.fails("dmarc", "", at, says)
	}
}

func (c *chain) body(at time.Time, a *ledger.Arrival) {
	if a.Link == "" {
		c.unknown("body", "The mail as it was sent is not known any more.")
		c.unknown("link", "The mail as it was sent is not known any more.")
		return
	}
	changes := strings.Join(a.Changes, " ")
	switch {
	case !a.BodyOK:
		c.fails("body", "", at, or(changes, "The body was changed."))
	case changes != "":
		c.ok("body", at, "The body is as it was sent. "+changes)
	default:
		c.ok("body", at, "The mail is as it was sent.")
	}
	switch a.Link {
	case "same":
		c.ok("link", at, "The link is as it was sent, byte for byte.")
	case "rewritten":
		c.fails("link", "link.rewritten", at, "The link was rewritten and leads to "+or(a.LinkHost, "another host")+": click tracking, most likely.")
	default:
		c.fails("link", "link.rewritten", at, "The link is no longer in the mail.")
	}
}

// opened are the links behind the mail: the page and the token.
func (c *chain) opened() {
	if !c.held("link") {
		c.pending("page", "There was no link to open.")
		c.pending("redeem", "There was no link to redeem.")
		return
	}
	page, ok := c.step(ledger.LoopPage)
	switch {
	case !ok && !c.over:
		c.pending("page", "The link was not opened yet.")
	case !ok:
		c.unknown("page", "The link was not opened: [canary] open_page is off, or its worker stopped.")
	case page.Check.Loop.OK:
		c.ok("page", page.At, page.Check.Loop.Why)
	case page.Check.Loop.Blind:
		c.unknown("page", page.Check.Loop.Why)
	default:
		c.fails("page", "link.page_failed", page.At, page.Check.Loop.Why)
	}
	used, redeemed := c.fact(ledger.Redeemed)
	no, tried := c.step(ledger.LoopRedeem)
	switch {
	case redeemed:
		c.ok("redeem", used.At, "The token was redeemed, once.")
	case tried:
		c.fails("redeem", "", no.At, no.Check.Loop.Why)
	case !c.over:
		c.pending("redeem", "The token was not redeemed yet.")
	default:
		c.fails("redeem", "", c.Now, "The token was not redeemed within "+span(c.Within)+".")
	}
}

// returned is the way back for bounces: a mail of the null sender to the canary's own return path, by the same route.
func (c *chain) returned() {
	if c.m != nil {
		for _, f := range c.m.Returns {
			if f.Return != nil && (f.Return.Source == "smtp" || f.Return.Source == "imap") && f.Return.Matched {
				offered, _ := c.step(ledger.LoopReturnSent)
				l := LoopLink{Name: "return", Result: LoopOK, At: f.At.UTC(), Says: "A mail to the return path arrived and was read."}
				if !offered.At.IsZero() {
					l.Millis = max(0, f.At.Sub(offered.At).Milliseconds())
				}
				c.run.Links = append(c.run.Links, l)
				return
			}
		}
	}
	offered, ok := c.step(ledger.LoopReturnSent)
	switch {
	case !ok && c.run.Link("send").Result == LoopUnknown && c.m != nil && len(c.m.Attempts) > 0 && !c.taken():
		c.unknown("return", "Whether our own receiver can be reached is not known.")
	case !ok && c.run.Link("send").Result == LoopFailed:
		if c.run.Link("send").Cause == "unknown.bounces_not_arriving" {
			c.fails("return", "unknown.bounces_not_arriving", c.Now, "Our own receiver cannot be reached.")
			return
		}
		c.pending("return", "No host took the canary, so no mail to its return path was offered.")
	case !ok:
		c.pending("return", "No mail to the return path was offered yet.")
	case !offered.Check.Loop.OK && c.Smart:
		c.unknown("return", "The relay takes no mail of the null sender from us, so the way back cannot be proved: "+sentence(offered.Check.Loop.Why))
	case !offered.Check.Loop.OK:
		c.fails("return", "unknown.bounces_not_arriving", offered.At, "Our own receiver did not take a mail to the return path: "+sentence(offered.Check.Loop.Why))
	case !c.over:
		c.pending("return", "A mail to the return path is on its way.")
	case c.Mailbox:
		c.unknown("return", "A mail to the return path did not come to our receiver, nor out of the bounce mailbox so far.")
	default:
		c.fails("return", "unknown.bounces_not_arriving", c.Now, "A mail to the return path, offered at "+clock(offered.At, c.Now)+", did not arrive.")
	}
}
