package worker

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/resetd/resetd/internal/ledger"
	"github.com/resetd/resetd/internal/realm"
	"github.com/resetd/resetd/internal/store"
	"github.com/resetd/resetd/mailer/bounce"
	"github.com/resetd/resetd/mailer/bounce/arrival"
)

// SourceCanary is where a canary that came to our receiver is kept to have come from.
const SourceCanary = "canary"

// The time that looking at a canary may take: all of DNS, and the page.
const (
	judgeFor = 20 * time.Second
	pageFor  = 10 * time.Second
)

// canary says whether a job is one of a loop check. It takes the way of every mail; only what counts, compares and concludes leaves it out.
func (j *job) canary() bool { return j.Realm == realm.Canary }

// countOf counts something that happened to a person's mail.
func (w *Worker) countOf(ctx context.Context, realmName, counter string) {
	if realmName != realm.Canary {
		w.count(ctx, counter)
	}
}

// asCanary gives a canary's job the realm of its lane; none where the lane is configured no more.
func (w *Worker) asCanary(j *job) {
	if j.reset == nil || j.reset.Asked.Ask == nil {
		return
	}
	lane, ok := realm.LaneOf(w.Loops.Lanes, j.reset.Asked.Ask.Login)
	if !ok {
		return
	}
	r := lane.ForCanary(w.Paths.Canary(j.Message))
	j.realm, j.style = &r, lane.Realm.Name
}

// keepSent keeps a canary as it leaves, for the comparison. One that is not kept is sent all the same.
func (w *Worker) keepSent(ctx context.Context, j *job, raw []byte) {
	if err := w.Store.KeepSent(ctx, j.Message, w.Sealer.Seal(raw, sentName(j.Message))); err != nil {
		w.Log.Warn().Err(err).Str("mail", string(j.Message)).Msg("a canary is not kept as it was sent")
	}
}

func sentName(id ledger.MessageID) string { return "sent " + string(id) }

// arrive reads a canary that came to our receiver, as a receiver would, and then does what its reader would: opens the link and redeems
// the token. Each step is written when it is taken, so that whoever comes next goes on from there.
func (w *Worker) arrive(ctx context.Context, c store.Claim, sealed []byte) error {
	j, err := w.load(ctx, c)
	if err != nil {
		return err
	}
	packed, openErr := w.Sealer.Open(sealed, c.ID)
	came, raw, packErr := bounce.Unpack(packed)
	if openErr != nil || packErr != nil || j.msg == nil || j.realm == nil {
		w.Log.Warn().Str("mail", string(c.Message)).Msg("a canary that arrived cannot be read, or belongs to nothing any more")
		return w.settle(ctx, c, store.Plan{})
	}
	gen, _ := j.reset.Generation(j.msg.Gen)
	tok, err := w.Tokens.Make(j.Reset, gen.N, gen.KeyID)
	if err != nil {
		return err
	}
	link := w.PublicURL + "/r/" + tok
	seen, ok := stepOf(j.reset, ledger.LoopArrived)
	if !ok {
		a := w.judge(ctx, j, came, raw, link)
		f := w.step(j, ledger.Loop{Step: ledger.LoopArrived, OK: true, Arrival: &a})
		if err := w.Store.Intend(ctx, c, f); err != nil {
			return err
		}
		seen = f
		w.Log.Info().Str("reset", string(j.Reset)).Str("mail", string(c.Message)).Str("spf", a.SPF.Result).Str("dkim", a.DKIM.Result).Str("dmarc", a.DMARC.Result).
			Str("link", a.Link).Bool("body", a.BodyOK).Msg("a canary arrived")
	}
	if a := seen.Check.Loop.Arrival; a != nil && a.Link == "same" {
		if err := w.follow(ctx, j, link, tok); err != nil {
			return err
		}
	}
	if err := w.Store.ReopenLoop(ctx, j.Reset, j.reset.Asked.At); err != nil {
		return err
	}
	return w.settle(ctx, c, store.Plan{})
}

func (w *Worker) judge(ctx context.Context, j *job, came bounce.Came, raw []byte, link string) ledger.Arrival {
	ctx, cancel := context.WithTimeout(ctx, judgeFor)
	defer cancel()
	m := arrival.Mail{Raw: raw, Came: came, Link: link, Private: w.Routes[j.msg.Route].AllowPrivate}
	if sealed, err := w.Store.Sent(ctx, j.Message); err == nil {
		if m.Sent, err = w.Sealer.Open(sealed, sentName(j.Message)); err != nil {
			m.Sent = nil
		}
	}
	for _, f := range j.reset.Facts {
		if f.Composition != nil {
			m.Selectors = f.Composition.Selectors
		}
	}
	return arrival.Judge(ctx, m, w.DNS.DNS)
}

// follow opens the link and redeems its token, as far as that was not done.
func (w *Worker) follow(ctx context.Context, j *job, link, tok string) error {
	if _, done := stepOf(j.reset, ledger.LoopPage); !done && w.Loops.OpenPage && j.reset.Redeemed == nil {
		if err := w.Store.Intend(ctx, j.Claim, w.step(j, w.openPage(ctx, j, link))); err != nil {
			return err
		}
	}
	if _, tried := stepOf(j.reset, ledger.LoopRedeem); tried || j.reset.Redeemed != nil {
		return nil
	}
	began := time.Now()
	if err := w.Loops.Redeem(ctx, tok); err != nil {
		return w.Store.Intend(ctx, j.Claim, w.step(j, ledger.Loop{Step: ledger.LoopRedeem, Why: "The token was not redeemed: " + err.Error() + ".", Millis: time.Since(began).Milliseconds()}))
	}
	return nil
}

// openPage fetches the link as a mail program's browser does first, and looks whether the visit came into the record: only then was it our
// own page that answered.
func (w *Worker) openPage(ctx context.Context, j *job, link string) ledger.Loop {
	ctx, cancel := context.WithTimeout(ctx, pageFor)
	defer cancel()
	began := time.Now()
	out := ledger.Loop{Step: ledger.LoopPage}
	code, err := fetch(ctx, link)
	out.Code, out.Millis = code, time.Since(began).Milliseconds()
	var cert *tls.CertificateVerificationError
	switch {
	case errors.As(err, &cert):
		out.Why = "The certificate of public_url is not good: no browser opens the link."
	case err != nil:
		// From here: a firewall or a name that only the outside resolves may be in the way.
		out.Blind, out.Why = true, "The page at public_url could not be reached from the worker; [canary] open_page = false leaves this link out."
	case code != http.StatusOK:
		out.Why = fmt.Sprintf("The page answered %d.", code)
	case !w.visited(ctx, j):
		out.Why = "The page answered 200, and the visit is not in the record: something else answers at public_url."
	default:
		out.OK, out.Why = true, "The page answered 200, and the visit is in the record."
	}
	return out
}

// fetch asks for a page of ours: one step, no proxy, no redirect.
func fetch(ctx context.Context, link string) (int, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, link, nil)
	if err != nil {
		return 0, errors.New("the link is no URL")
	}
	req.Header.Set("User-Agent", "resetd loop check")
	transport := &http.Transport{DisableKeepAlives: true}
	defer transport.CloseIdleConnections()
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	_, _ = io.CopyN(io.Discard, resp.Body, 1<<20) // a page that breaks off is no matter of the link
	return resp.StatusCode, nil
}

// visited looks for the visit in the canary's own ledger.
func (w *Worker) visited(ctx context.Context, j *job) bool {
	facts, err := w.Store.Facts(ctx, j.Ledger)
	if err != nil {
		return false
	}
	for _, f := range facts {
		if f.Event == ledger.Opened && f.Reset == j.Reset {
			return true
		}
	}
	return false
}

// step begins a fact of a loop check.
func (w *Worker) step(j *job, l ledger.Loop) ledger.Fact {
	f := w.fact(j.Claim, ledger.Checked)
	f.Check = &ledger.Check{Domain: domainOf(j.realm.From), Loop: &l}
	return f
}

// stepOf finds the first fact of a step.
func stepOf(r *ledger.Reset, s ledger.LoopStep) (ledger.Fact, bool) {
	for _, f := range r.Facts {
		if f.Event == ledger.Checked && f.Check != nil && f.Check.Loop != nil && f.Check.Loop.Step == s {
			return f, true
		}
	}
	return ledger.Fact{}, false
}
