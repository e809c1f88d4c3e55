package hook

import (
	"bytes"
	"cmp"
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"strings"

	"github.com/resetd/resetd/diag/reply"
	"github.com/resetd/resetd/internal/ledger"
)

// sendgrid reads SendGrid's Event Webhook: a list of events in one request, signed as a whole.
type sendgrid struct {
	keys    []any // *ecdsa.PublicKey or ed25519.PublicKey
	clock   clock
	own     func(string) (ledger.MessageID, error)
	replies *reply.Book // nil = the built-in rules
}

func newSendGrid(c Config) (*sendgrid, error) {
	keys, err := publicKeys(c.Secret)
	if err != nil {
		return nil, err
	}
	return &sendgrid{keys, newClock(c, Tolerance), c.Own, c.Replies}, nil
}

// SendGrid's headers.
const (
	sendgridSignature = "X-Twilio-Email-Event-Webhook-Signature"
	sendgridTimestamp = "X-Twilio-Email-Event-Webhook-Timestamp"
)

func (s *sendgrid) read(_ context.Context, header http.Header, body []byte) (Batch, error) {
	stamp := header.Get(sendgridTimestamp)
	sig, err := base64.StdEncoding.DecodeString(header.Get(sendgridSignature))
	if err != nil || !s.proven(stamp, body, sig) {
		return Batch{}, ErrSignature
	}
	if err := s.clock.fresh(text(stamp).time()); err != nil {
		return Batch{}, err
	}
	return s.events(body)
}

// proven checks the signature: over timestamp and body, with nothing between them.
func (s *sendgrid) proven(stamp string, body, sig []byte) bool {
	if len(stamp) > 32 {
		return false
	}
	signed := append([]byte(stamp), body...)
	sum := sha256.Sum256(signed)
	for _, k := range s.keys {
		switch k := k.(type) {
		case *ecdsa.PublicKey:
			if ecdsa.VerifyASN1(k, sum[:], sig) {
				return true
			}
		case ed25519.PublicKey:
			if ed25519.Verify(k, signed, sig) {
				return true
			}
		}
	}
	return false
}

// sendgridEvent is one event. Custom arguments stand beside its own fields.
type sendgridEvent struct {
	Event, Email, Timestamp, Reason, Response, Status, Type, IP, UserAgent text
	EventID                                                                text `json:"sg_event_id"`
	MessageID                                                              text `json:"sg_message_id"`
	SMTPID                                                                 text `json:"smtp-id"`
	Classification                                                         text `json:"bounce_classification"`
}

func (s *sendgrid) events(body []byte) (Batch, error) {
	if !shallow(body) {
		return Batch{}, ErrMalformed
	}
	var raw []json.RawMessage
	if isObject(body) {
		raw = []json.RawMessage{body}
		if !json.Valid(body) {
			return Batch{}, ErrMalformed
		}
	} else if !bytes.HasPrefix(bytes.TrimLeft(body, " \t\r\n"), []byte("[")) || json.Unmarshal(body, &raw) != nil {
		return Batch{}, ErrMalformed
	}
	if len(raw) > maxEvents {
		return Batch{}, ErrTooLarge
	}
	b := Batch{Events: make([]Event, 0, len(raw))}
	for _, r := range raw {
		var x sendgridEvent
		var custom pairs // read only where one of our ids may stand
		if !isObject(r) || json.Unmarshal(r, &x) != nil || bytes.Contains(r, []byte(`"msg_`)) && json.Unmarshal(r, &custom) != nil {
			b.ignore("an event that cannot be read")
			continue
		}
		e, why := x.event(s.replies)
		if why != "" {
			b.ignore(why)
			continue
		}
		n := names{own: s.own}
		n.add(string(x.SMTPID))
		n.add(string(x.MessageID))
		// "ID.filter0001.16648…": the ID alone is what the SMTP reply named.
		if id, _, ok := strings.Cut(string(x.MessageID), ".filter"); ok {
			n.add(id)
		} else if id, _, ok := strings.Cut(string(x.MessageID), ".recv"); ok {
			n.add(id)
		}
		n.tags(maps.Values(custom))
		n.put(&e)
		e.ID = eventID(string(x.EventID), string(x.MessageID), string(x.Event), string(x.Email), string(x.Timestamp))
		e.Recipient = address(string(x.Email))
		if e.At = x.Timestamp.time(); e.At.IsZero() {
			e.At = s.clock.now().UTC()
		}
		e.At = earlier(e.At, s.clock.now())
		b.Events = append(b.Events, e)
	}
	return b, nil
}

// event says what happened; why it says nothing to us otherwise.
func (x *sendgridEvent) event(replies *reply.Book) (e Event, why string) {
	words := cmp.Or(x.Reason, x.Response)
	switch x.Event {
	case "processed":
		e.Kind = Processed
	case "delivered":
		// The field ip is the address that SendGrid sent from; it does not name the host that took the mail.
		e.Kind, e.Diagnostic = Delivered, diagnostic(string(x.Response))
		r := reply.Read(reply.Reply{Text: e.Diagnostic})
		e.Code, e.Status = r.Code, r.Enhanced
	case "deferred":
		e.Kind = Deferred
		e.mean(replies, said{text: string(words), status: enhanced(x.Status)})
	case "bounce":
		e.Kind = Bounced
		s := said{text: string(words), status: enhanced(x.Status), label: drawer("bounce_classification", x.Classification)}
		switch x.Classification {
		case "Invalid Address":
			s.word = gone
		case "Mailbox Unavailable":
			s.word = full // full or closed for a while; full is the usual one
		case "Content":
			s.word = spam
		case "Reputation":
			s.word = judged
		case "Frequency or Volume Too High":
			s.word = word{reply.ReasonRateLimited, "sender.low_reputation", false}
		}
		e.Permanent = x.Type != "blocked" // blocked: the address is not at fault; mean says whether the mail is refused for good
		e.mean(replies, s)
		e.NowListed = x.Type != "blocked" && e.Kind == Bounced
	case "dropped":
		e.Kind, e.Permanent = Dropped, true
		w := sendgridDrop(string(x.Reason))
		e.mean(replies, said{text: string(x.Reason), word: w, label: diagnostic(string(x.Reason))})
		e.SuppressedAtProvider = e.Reason == reply.ReasonSuppressed
	case "spamreport":
		e.Kind, e.NowListed = Complained, true
	case "unsubscribe", "group_unsubscribe":
		e.Kind = Unsubscribed
		e.NowListed = x.Event == "unsubscribe" // a group's list does not bind other mail
	case "open":
		e.Kind, e.UserAgent, e.IP = Opened, clean(string(x.UserAgent), maxField), ip(x.IP)
	case "click":
		e.Kind, e.UserAgent, e.IP = Clicked, clean(string(x.UserAgent), maxField), ip(x.IP)
	default:
		return e, "a kind of event that we do not know"
	}
	return e, ""
}

// sendgridDrop reads why SendGrid sent nothing. Its texts are short enough to be compared whole.
func sendgridDrop(reason string) word {
	switch strings.ToLower(strings.TrimSpace(reason)) {
	case "bounced address", "unsubscribed address", "spam reporting address":
		return onList
	case "invalid":
		return word{reply.ReasonBadAddress, "recipient.unknown_mailbox", true}
	case "recipient list over package quota":
		return word{reply.ReasonRateLimited, "relay.quota", true}
	case "invalid smtpapi header":
		return word{reply.ReasonMessageNoncompliant, "sender.content_rejected", true}
	}
	if strings.HasPrefix(strings.ToLower(reason), "spam content") {
		return spam
	}
	return word{}
}
