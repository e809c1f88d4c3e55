package mailer

import (
	"context"
	"errors"
	"time"

	"github.com/emersion/go-smtp"
	"github.com/resetd/resetd/internal/ledger"
)

// then is what follows a dialogue.
type then int

const (
	stop     then = iota // it decides
	nextHost             // another host may take the mail
	inClear              // the same host again, without TLS
	afresh               // the same host again on a new connection: the kept one was dead. Told only when it died later than at MAIL
)

// errNoUTF8 is ours: to write a non-ASCII address to a host that did not offer SMTPUTF8 would be refused or mangled.
var errNoUTF8 = errors.New("the host does not offer SMTPUTF8, which this address needs")

// dialogue holds one dialogue with one host.
type dialogue struct {
	d     *Deliverer
	route Route
	to    target
	env   Envelope
	msg   []byte
	clear bool // leave TLS out, the handshake failed before
	fresh bool // take no kept connection
}

// run speaks with the host once.
func (g *dialogue) run(ctx context.Context, limits Limits) (ledger.Attempt, then) {
	began := time.Now()
	a := ledger.Attempt{Route: g.route.Name, Smart: g.route.smart(), Host: g.to.host, IP: g.to.ip.String(), Stage: stageDial,
		Began: began.UTC().Truncate(time.Millisecond)}
	key := poolKey{g.route.Name, g.route.Smarthost, g.to.ip, g.route.port(), g.route.TLS, g.route.Username, g.clear, g.to.host, g.to.demand.key()}
	var s *session
	reused := false
	if !g.fresh {
		s = g.d.pool.take(key)
	}
	var err error
	if s != nil {
		reused = true
		s.w.begin()
	} else if s, err = dial(ctx, limits, g.to, g.route.port()); err != nil {
		a.Outcome, a.Text, a.Millis = ledger.Unreachable, netText(ctx, err), time.Since(began).Milliseconds()
		if ctx.Err() != nil {
			return a, stop
		}
		return a, nextHost
	}
	uncut := context.AfterFunc(ctx, s.w.cut)
	if !reused {
		err = s.greet(g.route, g.to.host, g.clear)
	}
	var text string
	if err == nil {
		text, err = g.transact(s)
	}
	held := uncut() // false: the cut came, or comes this very moment; the connection is of no further use
	a.Stage, a.TLS, a.Security, a.Local, a.HELO = s.stage, s.tls, s.sec, s.local, s.helo
	a.Owner = s.asked
	next := g.judge(&a, s, text, err)
	a.Millis = time.Since(began).Milliseconds()
	// A kept connection dies quietly, and is found dead at the next command. The host has no mail yet: ask it again.
	if died := a.Outcome == ledger.Unreachable && next == nextHost || a.Code == 421 && s.stage == stageMail; reused && died {
		s.close()
		return a, afresh
	}
	g.settle(key, s, &a, err, held, limits)
	return a, next
}

// transact offers the mail over an open connection; the text is the host's to the final dot.
func (g *dialogue) transact(s *session) (string, error) {
	s.step(stageMail)
	s.asked = "" // of the mail before
	if g.env.UTF8 {
		if ok, _ := s.client.Extension("SMTPUTF8"); !ok {
			s.stage = stageRcpt
			return "", errNoUTF8
		}
	}
	var msg []byte
	s.asked, msg = g.owned(s)
	err := s.client.Mail(g.env.From, &smtp.MailOptions{Size: int64(len(msg)), UTF8: g.env.UTF8,
		Return: smtp.DSNReturnHeaders, EnvelopeID: g.env.ENVID})
	if err != nil {
		return "", err
	}
	s.step(stageRcpt)
	rcpt := &smtp.RcptOptions{
		Notify:                []smtp.DSNNotify{smtp.DSNNotifySuccess, smtp.DSNNotifyFailure, smtp.DSNNotifyDelayed},
		OriginalRecipientType: smtp.DSNAddressTypeRFC822, OriginalRecipient: g.env.To,
	}
	if g.env.UTF8 {
		rcpt.OriginalRecipientType = smtp.DSNAddressTypeUTF8
	}
	if err := g.rcpt(s, rcpt); err != nil {
		return "", err
	}
	s.step(stageData)
	data, err := s.client.Data()
	if err != nil {
		return "", err
	}
	s.w.stage(s.w.limits.BeforeDot)
	if _, err := data.Write(msg); err != nil {
		return "", err
	}
	if !s.w.arm() {
		return "", errStopped
	}
	s.top.dot, s.top.onDot = true, func() {
		s.stage = stageDot
		if g.d.OnDot != nil {
			g.d.OnDot()
		}
	}
	reply, err := data.CloseWithResponse()
	if err != nil {
		return "", err
	}
	return reply.StatusText, nil
}

func (s *session) step(stage string) {
	s.stage = stage
	s.w.stage(s.w.limits.Command)
}

// judge turns what was seen into the attempt's outcome. The rules, by who spoke and when:
//
//   - the host took the dot: accepted; refused it: rejected or deferred; said nothing: ambiguous
//   - the host refused the recipient (or, being the recipient's own, the sender): rejected
//   - our relay refused our login or our sender: our trouble, deferred until somebody repairs it or the link dies
//   - any host in a bad mood before that (4xx, or 5xx to the connection itself): deferred, and the next host is asked
//   - we ended it: blocked
func (g *dialogue) judge(a *ledger.Attempt, s *session, text string, err error) then {
	if err == nil {
		a.Outcome, a.Code = ledger.Accepted, 250
		a.Enhanced, a.Text = splitEnhanced(text)
		a.QueueID = queueID(a.Text)
		return stop
	}
	var said *smtp.SMTPError
	if errors.As(err, &said) && said.Code >= 200 && said.Code < 600 {
		a.Code = said.Code
		a.Enhanced, a.Text = replyText(said)
		return g.judgeReply(a, s)
	}
	if s.stage == stageDot {
		a.Outcome, a.Text = ledger.Ambiguous, "no reply to the final dot: "+s.errText(err)
		return stop
	}
	a.Text = s.errText(err)
	var hs errHandshake
	var cert errCertificate
	var policy errPolicy
	switch {
	case s.w.wasCut() != nil || errors.Is(err, errStopped):
		a.Outcome, a.Text = ledger.Unreachable, textStopped
		return stop
	case errors.Is(err, errNoUTF8):
		a.Outcome, a.Enhanced = ledger.Rejected, "5.6.7"
		return nextHost
	case errors.As(err, &hs):
		a.Outcome = ledger.Unreachable
		if g.mayBeClear() {
			return inClear
		}
		if p := g.to.demand.policy; p.Enforced() && p != ledger.ByRoute {
			a.Outcome, a.Text = ledger.Blocked, clip(policyWords(p)+": "+a.Text)
		}
		return nextHost
	case errors.Is(err, errNoTLS), errors.Is(err, errLoginInClear), errors.Is(err, errNoAuth), errors.Is(err, errInjected),
		errors.As(err, &cert), errors.As(err, &policy), isBudget(err):
		a.Outcome = ledger.Blocked
		return nextHost
	}
	a.Outcome = ledger.Unreachable
	return nextHost
}

func (g *dialogue) judgeReply(a *ledger.Attempt, s *session) then {
	class := a.Code / 100
	switch s.stage {
	case stageDot:
		switch class {
		case 2: // 250 is the only success of RFC 5321; a host that says 251 has taken it all the same
			a.Outcome, a.QueueID = ledger.Accepted, queueID(a.Text)
		case 4:
			a.Outcome = ledger.Deferred
		case 5:
			a.Outcome = ledger.Rejected
		default:
			a.Outcome = ledger.Ambiguous
		}
		return stop
	case stageData:
		a.Outcome = ledger.Deferred
		if class == 5 {
			a.Outcome = ledger.Rejected
		}
		return stop
	case stageRcpt, stageMail:
		if class == 5 {
			a.Outcome = ledger.Rejected
			if g.route.smart() && s.stage == stageMail {
				a.Outcome = ledger.Deferred
			}
			return stop
		}
	case stageAuth:
		if class == 5 {
			a.Outcome = ledger.Deferred
			return stop
		}
	case stageStartTLS:
		a.Outcome = ledger.Deferred
		if g.mayBeClear() {
			return inClear
		}
		return nextHost
	}
	a.Outcome = ledger.Deferred
	return nextHost
}

// mayBeClear says whether the same host may be asked again without TLS.
func (g *dialogue) mayBeClear() bool {
	return !g.clear && !g.to.demand.enforced() && (g.route.TLS == "" || g.route.TLS == TLSOpportunistic) && g.route.Username == ""
}

// settle keeps the connection when it is fit for another mail, else says goodbye.
func (g *dialogue) settle(key poolKey, s *session, a *ledger.Attempt, err error, held bool, limits Limits) {
	var said *smtp.SMTPError
	fit := held && (err == nil || errors.As(err, &said)) && a.Code != 421 && a.Outcome != ledger.Ambiguous
	switch {
	case !fit:
	case s.stage == stageDot:
		s.mails++
	case s.stage == stageMail || s.stage == stageRcpt || s.stage == stageData:
		fit = s.reset()
	default:
		fit = false
	}
	if err != nil && said == nil && s.stage != stageData {
		// The host broke off, or talks past its budget: nobody would answer a QUIT. A stop of our own is said.
		if s.w.wasCut() == nil && !errors.Is(err, errNoUTF8) && !errors.Is(err, errNoTLS) && !errors.Is(err, errNotOffered) && !errors.Is(err, errNoAuth) {
			s.close()
			return
		}
	}
	if fit && s.mails < limits.MailsPerConn && g.d.pool.put(key, s, limits) {
		return
	}
	if said != nil && s.stage == stageData {
		s.stage = stageRcpt // DATA was refused, so we are not inside a body and QUIT is a command
	}
	g.d.pool.bye(s)
}
