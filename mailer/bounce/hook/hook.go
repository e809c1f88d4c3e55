// Package hook answers what a mail provider tells us about a mail that we gave it: it takes one HTTP request to /v1/hooks/{provider},
// proves who sent it, and turns whatever it says into events of one shape.
//
// Reading takes four steps, and the first that fails ends it:
//
//  1. caps: the size of the body and the depth of its JSON, before any parser sees it (caps.go)
//  2. proof: the provider's signature, or the shared secret where it signs nothing (secret.go, sns_sign.go)
//  3. time: a signature from too long ago is a replay (clock in hook.go)
//  4. reading: one Event per recipient, the host's words given their meaning by diag/reply (event.go, meaning.go)
//
// Only a delivered event proves a delivery. That a provider processed or sent a mail proves nothing, and says so by its Kind.
//
// The package touches the world for two things only, both for SNS: to fetch the certificate that signed a message, and to confirm a
// subscription to a topic on the list. It records nothing: exactly once is the caller's, who keeps Event.ID and Batch.Replay.
//
// # Proof by provider
//
//	ses       SNS signature versions 1 and 2, topics on the list; raw delivery only with Config.Secret, given as for postmark
//	sendgrid  Signed Event Webhook: ECDSA P-256 or Ed25519 over timestamp and body; Secret is the public key, base64 of DER, or PEM
//	mailgun   HMAC-SHA256 over timestamp and token; it does not cover the event, so Batch.Replay must be claimed
//	postmark  signs nothing: Secret is the password of HTTP basic authentication in the hook's URL, or the header X-Resetd-Secret
//	standard  Standard Webhooks 1.0.0: Secret is whsec_… (HMAC-SHA256) or whpk_… (Ed25519)
//
// Secret may hold several, one per line: any of them proves, so that a secret can be changed without losing an event.
//
// # Body of a Standard Webhook
//
// Whoever runs a mail server without one of these providers can send us this; every field of data may be missing, but nothing comes of
// an event that names neither recipient nor message.
//
//	{"type":"email.bounced","timestamp":"2026-11-24T08:00:00Z","data":{
//	  "recipient":"jo@mail.example","message_id":"<…@shop.example>","resetd_message":"msg_…",
//	  "status":"5.1.1","code":550,"diagnostic":"550 5.1.1 no such user","host":"mx.mail.example",
//	  "permanent":true,"at":"2026-11-24T07:59:58Z"}}
//
// Types: email.delivered, email.bounced (given up), email.deferred (will be tried again), email.dropped (on a list of the sender's, not
// sent), email.complained, email.opened, email.clicked, email.unsubscribed, email.sent (proves nothing), email.rejected.
package hook

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/resetd/resetd/diag/reply"
	"github.com/resetd/resetd/internal/ledger"
)

// What is wrong with a request; in brackets the HTTP status that tells the provider what to do.
var (
	ErrSignature   = errors.New("the event's signature or secret is not right")                      // 401
	ErrReplay      = errors.New("the event's signature is too old or from the future")               // 409
	ErrMalformed   = errors.New("the event cannot be read")                                          // 400
	ErrTopic       = errors.New("the SNS topic is not on the list")                                  // 403
	ErrTooLarge    = errors.New("the event is larger than we take")                                  // 413
	ErrUnavailable = errors.New("the event could not be verified or confirmed now, try again later") // 503
)

// MaxBody is the largest body that Read takes, in bytes. SendGrid posts up to 768 KiB at a time, and an SNS message of 256 KiB grows
// by its quoting.
const MaxBody = 1 << 20

// Tolerance is how far a signature's time may be from ours, in either direction, where the provider signs each attempt anew.
const Tolerance = 5 * time.Minute

// snsTolerance is how old an SNS message may be. Its time is that of publication, not of the attempt, and SNS tries for up to 3,600 s.
const snsTolerance = time.Hour + Tolerance

// Config says whose events a Hook reads.
type Config struct {
	Provider string       // ses, sendgrid, mailgun, postmark, standard
	Secret   string       // what proves an event, see the package's doc; one per line
	Topics   []string     // ses: the ARNs that are taken; none = nothing is taken
	HTTP     *http.Client // ses: nil = one of our own; redirects are never followed and 5 s end each request, whatever it says
	// Now tells the time; nil = time.Now.
	Now func() time.Time
	// Tolerance is how old a signature may be; 0 = Tolerance, for ses an hour more. It does not matter to postmark, which signs no time.
	Tolerance time.Duration
	// Roots are the authorities that vouch for the SNS certificate; nil = the system's.
	Roots *x509.CertPool
	// Own says which message a Message-ID header is of: mailer.Paths.ParseMessageIDHeader. nil = only ids in metadata are found.
	Own func(messageID string) (ledger.MessageID, error)
	// Replies says what hosts' words mean; nil = the built-in rules.
	Replies *reply.Book
}

// source is one provider's way to prove and to write events.
type source interface {
	read(ctx context.Context, header http.Header, body []byte) (Batch, error)
}

// Hook reads one provider's events. Safe for concurrent use; made by New.
type Hook struct {
	provider string
	src      source
}

// New makes a Hook. An error says what is wrong in the configuration and holds nothing of the secret.
func New(c Config) (*Hook, error) {
	if c.Now == nil {
		c.Now = time.Now
	}
	var src source
	var err error
	switch c.Provider {
	case "ses":
		src, err = newSES(c)
	case "sendgrid":
		src, err = newSendGrid(c)
	case "mailgun":
		src, err = newMailgun(c)
	case "postmark":
		src, err = newPostmark(c)
	case "standard":
		src, err = newStandard(c)
	default:
		return nil, errors.New("hook: provider must be ses, sendgrid, mailgun, postmark or standard")
	}
	if err != nil {
		return nil, fmt.Errorf("hook %s: %w", c.Provider, err)
	}
	return &Hook{c.Provider, src}, nil
}

// Provider is the name that the Hook was made with.
func (h *Hook) Provider() string { return h.provider }

// Read proves and reads one request. Events that it does not know are counted in Batch.Ignored and are no error, since providers add
// kinds at any time and repeat what is refused. ctx bounds what SNS makes us fetch; the other providers need no network.
func (h *Hook) Read(ctx context.Context, header http.Header, body []byte) (Batch, error) {
	if len(body) > MaxBody {
		return Batch{}, ErrTooLarge
	}
	b, err := h.src.read(ctx, header, body)
	if err != nil {
		return Batch{}, fmt.Errorf("hook %s: %w", h.provider, err)
	}
	return b, nil
}

// clock judges the times of signatures.
type clock struct {
	now  func() time.Time
	past time.Duration // how old a signature may be
}

func newClock(c Config, usual time.Duration) clock {
	if c.Tolerance > 0 {
		usual = c.Tolerance
	}
	return clock{c.Now, usual}
}

// fresh gives ErrReplay for a time outside the tolerance; the future is never trusted further than Tolerance.
func (c clock) fresh(t time.Time) error {
	if age := c.now().Sub(t); age > c.past || age < -Tolerance {
		return ErrReplay
	}
	return nil
}

// until is when a signature made at t has become too old to be taken again.
func (c clock) until(t time.Time) time.Time { return t.Add(c.past + time.Second) }
