package mailer

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/resetd/resetd/diag/dnscheck"
	"github.com/resetd/resetd/internal/ledger"
)

// Envelope is what is said in MAIL and RCPT.
type Envelope struct {
	From      string // the return path; "" = the null sender
	To        string // as Address.String gives it
	MessageID ledger.MessageID
	UTF8      bool   // Address.NeedsUTF8: the host must offer SMTPUTF8
	ENVID     string // said where the host offers DSN (RFC 3461), and repeated in its reports; "" = the MessageID
	// Since is when the address became the account's: a mailbox that changed hands since then must not get the mail (RFC 7293). Zero, or a
	// time to come = nobody is asked.
	Since time.Time
}

// checked gives the envelope as it will be said.
func (e Envelope) checked(to Address) (Envelope, error) {
	e.To = to.String()
	e.UTF8 = e.UTF8 || to.NeedsUTF8
	if e.From != "" {
		from, err := ParseAddress(e.From)
		if err != nil {
			return e, fmt.Errorf("envelope sender: %w", err)
		}
		e.From = from.String()
		e.UTF8 = e.UTF8 || from.NeedsUTF8
	}
	if e.ENVID == "" {
		e.ENVID = string(e.MessageID)
	}
	if e.Since = e.Since.UTC().Truncate(time.Second); e.Since.After(time.Now()) || e.Since.Year() < 1970 {
		e.Since = time.Time{}
	}
	// RFC 3461 section 4.4: at most 100 characters, printable.
	if len(e.ENVID) > 100 || strings.ContainsFunc(e.ENVID, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return e, errors.New("the envelope id is longer than 100 characters or not printable ASCII")
	}
	return e, nil
}

// Deliverer offers mails to hosts and keeps connections between them. The zero value works, with the system's resolver. Its fields are
// set before the first use; Deliver may be called concurrently.
type Deliverer struct {
	// Resolver finds our relays, and the recipient's hosts where DNS is nil. nil = NewResolver("").
	Resolver Resolver
	// DNS finds the recipient's hosts, and their DANE records where the route obeys them; nil = Resolver, and no policies.
	DNS dnscheck.DNS
	// STS finds MTA-STS policies where the route obeys them; nil = none.
	STS    *dnscheck.STSSender
	Limits Limits
	OnDot  func() // called in every dialogue when the final dot has left; for tests

	pool pool
}

// Close says goodbye on all kept connections and waits until that is done. Dialogues under way go on; nothing is kept from now on.
func (d *Deliverer) Close() error {
	d.pool.close()
	return nil
}

// Deliver makes one attempt: it offers a message to the route's hosts until one decides, and gives one [ledger.Attempt] per dialogue,
// in order, at least one. The last one decides. The caller sets Try and Next.
//
// When ctx ends before the final dot, the dialogue is left and its outcome is unreachable. After the final dot nothing cuts the wait
// for the reply but its own limit: to leave then would make a second copy certain.
func (d *Deliverer) Deliver(ctx context.Context, route Route, env Envelope, msg []byte) []ledger.Attempt {
	limits := d.Limits.withDefaults()
	began := time.Now()
	none := ledger.Attempt{Route: route.Name, Smart: route.smart(), Stage: stageDNS, Began: began.UTC().Truncate(time.Millisecond)}
	to, err := ParseAddress(env.To)
	if err != nil {
		none.Outcome, none.Stage, none.Enhanced, none.Text = ledger.Rejected, stageRcpt, "5.1.3", err.Error()
		return []ledger.Attempt{none}
	}
	if env, err = env.checked(to); err != nil {
		none.Outcome, none.Stage, none.Text = ledger.Blocked, stageMail, err.Error()
		return []ledger.Attempt{none}
	}
	if ctx.Err() != nil {
		none.Outcome, none.Text = ledger.Unreachable, textStopped
		return []ledger.Attempt{none}
	}
	if !route.smart() && !route.MX {
		none.Outcome, none.Text = ledger.Blocked, "the route leads nowhere: neither a smarthost nor mx"
		return []ledger.Attempt{none}
	}
	res := d.Resolver
	if res == nil {
		res = NewResolver("")
	}
	var hosts *dnscheck.MailHosts
	if route.MX && d.DNS != nil {
		hosts = &dnscheck.MailHosts{DNS: d.DNS}
		res = hosts
	}
	demands, limit := d.policiesFor(ctx, route, to.Domain, hosts), limits.Dialogues
	if demands.enforced() {
		limit = maxMX * maxPerHost // hosts that the policy rules out are not dialled, and must not use up the dialogues of those behind them
	}
	list, why := targets(ctx, res, route, to.Domain, limit)
	if why != nil {
		none.Outcome, none.Host, none.IP, none.Text = why.outcome, why.host, why.ip, clip(why.text)
		none.Millis = time.Since(began).Milliseconds()
		if ctx.Err() != nil {
			none.Outcome, none.Text = ledger.Unreachable, textStopped
		}
		return []ledger.Attempt{none}
	}
	var out []ledger.Attempt
	dialogues, refused := 0, ""
	for _, t := range list {
		if dialogues == limits.Dialogues {
			break
		}
		t.demand = demands.of(ctx, t.host)
		if t.demand.unfit != "" && t.demand.enforced() {
			if refused != t.host { // told once, whatever its addresses
				out = append(out, t.demand.blocked(none, t))
			}
			refused = t.host
			continue
		}
		dialogues++
		a, next := d.offer(ctx, limits, &dialogue{d: d, route: route, to: t, env: env, msg: msg})
		if out = append(out, a...); next != nextHost {
			break
		}
	}
	return out
}

// offer speaks with one host: once, and again where the first dialogue says so.
func (d *Deliverer) offer(ctx context.Context, limits Limits, g *dialogue) (out []ledger.Attempt, next then) {
	a, next := g.run(ctx, limits)
	for next == afresh || next == inClear { // each at most once: what it sets rules it out the next time
		if next == afresh {
			g.fresh = true
		} else {
			g.clear = true
		}
		if next == inClear || a.Stage != stageMail {
			out = append(out, a)
		}
		a, next = g.run(ctx, limits)
	}
	return append(out, a), next
}
