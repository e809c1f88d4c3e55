package hook

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"maps"
	"net/http"
	"strconv"
	"strings"

	"github.com/resetd/resetd/diag/reply"
	"github.com/resetd/resetd/internal/ledger"
)

// standard reads Standard Webhooks 1.0.0 with a body of our own, which the package's doc describes.
type standard struct {
	secrets [][]byte
	keys    []ed25519.PublicKey
	clock   clock
	own     func(string) (ledger.MessageID, error)
	replies *reply.Book // nil = the built-in rules
}

func newStandard(c Config) (*standard, error) {
	s := &standard{clock: newClock(c, Tolerance), own: c.Own, replies: c.Replies}
	for _, l := range lines(c.Secret) {
		l = strings.TrimPrefix(l, "v1,") // some consoles show it in front
		if strings.HasPrefix(l, "whsk_") {
			return nil, errors.New("whsk_ is the sender's private key; its public one begins with whpk_")
		}
		if rest, ok := strings.CutPrefix(l, "whpk_"); ok {
			k, err := unbase64(rest)
			if err != nil || len(k) != ed25519.PublicKeySize {
				return nil, errors.New("whpk_ must hold the 32 bytes of an Ed25519 key in base64")
			}
			s.keys = append(s.keys, ed25519.PublicKey(k))
			continue
		}
		k, err := unbase64(strings.TrimPrefix(l, "whsec_"))
		if err != nil || len(k) < 16 {
			return nil, errors.New("the secret must be whsec_ and at least 16 bytes (the specification says 24 to 64) in base64")
		}
		s.secrets = append(s.secrets, k)
	}
	if len(s.secrets)+len(s.keys) == 0 {
		return nil, errors.New("there is no secret")
	}
	return s, nil
}

func (s *standard) read(_ context.Context, header http.Header, body []byte) (Batch, error) {
	id, stamp, signatures := header.Get("Webhook-Id"), header.Get("Webhook-Timestamp"), header.Get("Webhook-Signature")
	if id == "" { // senders that are older than the standard
		id, stamp, signatures = header.Get("Svix-Id"), header.Get("Svix-Timestamp"), header.Get("Svix-Signature")
	}
	if !s.proven(id, stamp, signatures, body) {
		return Batch{}, ErrSignature
	}
	at := text(stamp).time()
	if err := s.clock.fresh(at); err != nil {
		return Batch{}, err
	}
	b := Batch{Replay: eventID(id), Until: s.clock.until(at)}
	return b, s.events(id, body, &b)
}

// proven checks that one of the signatures fits one of our secrets. A list is what senders make while they change a secret.
func (s *standard) proven(id, stamp, signatures string, body []byte) bool {
	if id == "" || len(id) > 256 || len(stamp) > 20 || len(signatures) > 4096 {
		return false
	}
	if _, err := strconv.ParseInt(stamp, 10, 64); err != nil {
		return false
	}
	signed := append([]byte(id+"."+stamp+"."), body...)
	macs := make([][]byte, len(s.secrets))
	for i, k := range s.secrets {
		m := hmac.New(sha256.New, k)
		m.Write(signed)
		macs[i] = m.Sum(nil)
	}
	const most = 16 // verifying Ed25519 costs; no sender changes secrets that often
	for n, one := range strings.Fields(signatures) {
		version, value, _ := strings.Cut(one, ",")
		given, err := unbase64(value)
		if err != nil || n >= most {
			continue
		}
		switch version {
		case "v1":
			for _, mac := range macs {
				if hmac.Equal(mac, given) {
					return true
				}
			}
		case "v1a":
			for _, k := range s.keys {
				if ed25519.Verify(k, signed, given) {
					return true
				}
			}
		}
	}
	return false
}

type standardEvent struct {
	Type      text
	Timestamp text
	Data      *standardData
}

type standardData struct {
	Recipient  many
	To         many
	MessageID  text `json:"message_id"`
	EmailID    text `json:"email_id"`
	Ours       text `json:"resetd_message"`
	Status     text
	Code       text
	Diagnostic text
	Host       text
	At         text
	Permanent  *text
	UserAgent  text `json:"user_agent"`
	IP         text
	Bounce     *struct{ Message text }
	Metadata   pairs
}

// standardKind reads a type; "" = none of ours. Words of other senders of mail that use the standard stand beside our own.
func standardKind(s string) Kind {
	switch s {
	case "email.delivered":
		return Delivered
	case "email.bounced":
		return Bounced
	case "email.deferred", "email.delivery_delayed":
		return Deferred
	case "email.dropped", "email.suppressed":
		return Dropped
	case "email.complained":
		return Complained
	case "email.opened":
		return Opened
	case "email.clicked":
		return Clicked
	case "email.unsubscribed":
		return Unsubscribed
	case "email.rejected", "email.failed":
		return Rejected
	case "email.sent", "email.processed":
		return Processed
	}
	return ""
}

func (s *standard) events(id string, body []byte, b *Batch) error {
	var x standardEvent
	if err := decode(body, &x); err != nil {
		return err
	}
	kind := standardKind(string(x.Type))
	if kind == "" {
		b.ignore("a type of event that we do not know")
		return nil
	}
	d := x.Data
	if d == nil {
		return ErrMalformed
	}
	n := names{own: s.own}
	n.tag(string(d.Ours))
	n.add(string(d.MessageID))
	n.add(string(d.EmailID))
	n.tags(maps.Values(d.Metadata))
	to := append(d.Recipient, d.To...)
	if len(to) == 0 {
		if len(n.ids) == 0 {
			b.ignore("an event about no mail and nobody")
			return nil
		}
		to = many{""}
	}
	if len(to) > maxEvents {
		return ErrTooLarge
	}
	for i, r := range to {
		e := Event{ID: eventID(id), Kind: kind, Recipient: address(string(r))}
		if i > 0 {
			e.ID = eventID("", id, strconv.Itoa(i))
		}
		n.put(&e)
		if e.At = cmp.Or(d.At, x.Timestamp).time(); e.At.IsZero() {
			e.At = s.clock.now().UTC()
		}
		e.At = earlier(e.At, s.clock.now())
		words := d.Diagnostic
		if words == "" && d.Bounce != nil {
			words = d.Bounce.Message
		}
		t := said{text: string(words), host: hostName(string(d.Host)), code: smtp(d.Code), status: enhanced(d.Status), label: drawer("type", x.Type)}
		switch kind {
		case Bounced, Rejected, Dropped, Deferred:
			if kind == Dropped {
				t.word = onList
			}
			e.mean(s.replies, t)
			if d.Permanent != nil && *d.Permanent != "" {
				e.Permanent = d.Permanent.yes() && kind != Deferred
				if e.Reason == reply.ReasonUnknown {
					e.Cause = e.nameless()
				}
			} else if kind != Deferred && e.Code == 0 && e.Status == "" {
				e.Permanent = true // the type says that it ended, and no host says for how long
			}
			e.SuppressedAtProvider = e.Reason == reply.ReasonSuppressed
		case Delivered:
			e.Diagnostic, e.Host, e.Code, e.Status = diagnostic(t.text), t.host, t.code, t.status
		case Opened, Clicked:
			e.UserAgent, e.IP = clean(string(d.UserAgent), maxField), ip(d.IP)
		}
		b.Events = append(b.Events, e)
	}
	return nil
}
