package hook

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"maps"
	"net/http"
	"strings"

	"github.com/resetd/resetd/diag/reply"
	"github.com/resetd/resetd/internal/ledger"
)

// mailgun reads Mailgun's webhooks. The signature covers a timestamp and a token, not the event: whoever sees one request can write
// others, until its time is over or its token is known to be used.
type mailgun struct {
	keys    []string
	clock   clock
	own     func(string) (ledger.MessageID, error)
	replies *reply.Book // nil = the built-in rules
}

func newMailgun(c Config) (*mailgun, error) {
	keys := lines(c.Secret)
	if len(keys) == 0 {
		return nil, errors.New("there is no webhook signing key")
	}
	return &mailgun{keys, newClock(c, Tolerance), c.Own, c.Replies}, nil
}

type mailgunBody struct {
	Signature struct{ Timestamp, Token, Signature text }
	Event     *mailgunEvent `json:"event-data"`
}

type mailgunEvent struct {
	Event, ID, Timestamp, Severity, Reason, Recipient, IP text
	Status                                                *struct {
		Code        text
		Enhanced    text `json:"enhanced-code"`
		Message     text
		Description text
		Host        text `json:"mx-host"`
	} `json:"delivery-status"`
	Reject   *struct{ Reason, Description text }
	Envelope *struct{ Targets text }
	Message  *struct {
		Headers *struct {
			MessageID text `json:"message-id"`
			To        text
		}
	}
	Client *struct {
		Agent text `json:"user-agent"`
	} `json:"client-info"`
	Variables pairs `json:"user-variables"`
}

func (m *mailgun) read(_ context.Context, _ http.Header, body []byte) (Batch, error) {
	var x mailgunBody
	if err := decode(body, &x); err != nil {
		return Batch{}, err
	}
	stamp, token := string(x.Signature.Timestamp), string(x.Signature.Token)
	if !m.proven(stamp, token, string(x.Signature.Signature)) {
		return Batch{}, ErrSignature
	}
	at := text(stamp).time()
	if err := m.clock.fresh(at); err != nil {
		return Batch{}, err
	}
	if x.Event == nil {
		return Batch{}, ErrMalformed
	}
	// Both together, as they are signed: another split of the same letters has the same signature.
	b := Batch{Replay: eventID("", stamp+token), Uncovered: true, Until: m.clock.until(at)}
	e, why := x.Event.event(m.replies)
	if why != "" {
		b.ignore(why)
		return b, nil
	}
	n := names{own: m.own}
	if x.Event.Message != nil && x.Event.Message.Headers != nil {
		n.add(string(x.Event.Message.Headers.MessageID))
		e.Recipient = address(string(x.Event.Message.Headers.To))
	}
	n.tags(maps.Values(x.Event.Variables))
	n.put(&e)
	if x.Event.Envelope != nil {
		e.Recipient = cmp.Or(address(string(x.Event.Envelope.Targets)), e.Recipient)
	}
	e.Recipient = cmp.Or(address(string(x.Event.Recipient)), e.Recipient)
	e.ID = eventID(string(x.Event.ID), token)
	if e.At = x.Event.Timestamp.time(); e.At.IsZero() {
		e.At = at
	}
	e.At = earlier(e.At, m.clock.now())
	b.Events = []Event{e}
	return b, nil
}

func (m *mailgun) proven(stamp, token, signature string) bool {
	given, err := hex.DecodeString(signature)
	if err != nil || len(given) != sha256.Size || stamp == "" || len(stamp) > 32 || token == "" || len(token) > 128 {
		return false
	}
	ok := false
	for _, k := range m.keys {
		mac := hmac.New(sha256.New, []byte(k))
		mac.Write([]byte(stamp + token))
		ok = hmac.Equal(mac.Sum(nil), given) || ok
	}
	return ok
}

// event says what happened; why it says nothing to us otherwise.
func (x *mailgunEvent) event(replies *reply.Book) (e Event, why string) {
	var s said
	if x.Status != nil {
		// "message" is what the host wrote, "description" Mailgun's own words where no host spoke.
		s = said{
			text: string(cmp.Or(x.Status.Message, x.Status.Description)), host: hostName(string(x.Status.Host)),
			code: smtp(x.Status.Code), status: enhanced(x.Status.Enhanced),
		}
		if s.code == 498 || s.code == 499 {
			s.code = 0 // Mailgun's numbers for "no host" and the like
		}
	}
	s.label = drawer("reason", x.Reason)
	switch x.Event {
	case "accepted":
		e.Kind = Processed
	case "delivered":
		e.Kind, e.Diagnostic, e.Host, e.Code, e.Status = Delivered, diagnostic(s.text), s.host, s.code, s.status
	case "failed":
		e.Kind = Deferred
		if x.Severity == "permanent" {
			e.Kind, e.Permanent = Bounced, true
		}
		switch reason := string(x.Reason); {
		case strings.HasPrefix(reason, "suppress-"):
			e.Kind, s.word, s.code, s.status = Dropped, onList, 0, ""
			e.SuppressedAtProvider = true
		case reason == "old":
			// Given up after days of trying: the mail is lost, nothing is wrong with the address.
			e.Permanent, s.word = false, tooOld
		case reason == "greylisted":
			s.word = word{reply.ReasonGreylisted, "deferred.greylisted", false}
		case reason == "espblock":
			s.word = judged
		}
		e.mean(replies, s)
		e.NowListed = e.Kind == Bounced && x.Severity == "permanent" && x.Reason == "bounce"
	case "rejected":
		e.Kind, e.Permanent = Rejected, true
		if x.Reject != nil {
			s.text = strings.TrimSpace(string(x.Reject.Reason + " " + x.Reject.Description))
		}
		s.word = unlike
		s.label = "event rejected"
		e.mean(replies, s)
	case "complained":
		e.Kind, e.NowListed = Complained, true
	case "unsubscribed":
		e.Kind, e.NowListed = Unsubscribed, true
	case "opened":
		e.Kind, e.IP = Opened, ip(x.IP)
	case "clicked":
		e.Kind, e.IP = Clicked, ip(x.IP)
	default:
		return e, "a kind of event that we do not know"
	}
	if x.Client != nil && (e.Kind == Opened || e.Kind == Clicked) {
		e.UserAgent = clean(string(x.Client.Agent), maxField)
	}
	return e, ""
}
