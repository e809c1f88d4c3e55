package hook

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"slices"

	"github.com/resetd/resetd/diag/reply"
	"github.com/resetd/resetd/internal/ledger"
)

// ses reads Amazon SES events as SNS brings them.
type ses struct {
	topics  []string
	secret  shared // for raw delivery; nil = raw events are refused
	clock   clock
	own     func(string) (ledger.MessageID, error)
	replies *reply.Book // nil = the built-in rules
	web     *web
	certs   *certs
}

func newSES(c Config) (*ses, error) {
	secret, err := newShared(c.Secret)
	if err != nil {
		return nil, err
	}
	w := newWeb(c.HTTP)
	s := &ses{topics: slices.Clone(c.Topics), secret: secret, clock: newClock(c, snsTolerance), own: c.Own, replies: c.Replies, web: w}
	s.certs = newCerts(w, c.Roots, c.Now)
	return s, nil
}

// snsMessage is what SNS posts. Fields of which the signature is made are kept exactly as they came.
type snsMessage struct {
	Type             string
	MessageID        string `json:"MessageId"`
	TopicARN         string `json:"TopicArn"`
	Subject          *string
	Message          string
	Timestamp        string
	Token            string
	SubscribeURL     string
	SignatureVersion text
	Signature        string
	SigningCertURL   string
}

func (s *ses) read(ctx context.Context, header http.Header, body []byte) (Batch, error) {
	var m snsMessage
	if err := decode(body, &m); err != nil {
		return Batch{}, err
	}
	if m.Type == "" {
		return s.raw(header, body)
	}
	// The cheap questions first: a stranger must not make us fetch anything.
	if !slices.Contains(s.topics, m.TopicARN) {
		return Batch{}, ErrTopic
	}
	at := text(m.Timestamp).time()
	if at.IsZero() || m.MessageID == "" {
		return Batch{}, ErrMalformed
	}
	if err := s.proven(ctx, &m); err != nil {
		return Batch{}, err
	}
	if err := s.clock.fresh(at); err != nil {
		return Batch{}, err
	}
	b := Batch{Replay: eventID(m.MessageID), Until: s.clock.until(at)}
	switch m.Type {
	case "Notification":
		// What is no JSON is SNS or SES greeting us: "Successfully validated SNS topic for Amazon SES event publishing."
		if !isObject([]byte(m.Message)) {
			b.ignore("a notification that is no event")
			return b, nil
		}
		return b, s.events([]byte(m.Message), m.MessageID, at, &b)
	case "SubscriptionConfirmation":
		if err := s.confirm(ctx, &m); err != nil {
			return Batch{}, err
		}
		b.Confirmed = true
	case "UnsubscribeConfirmation":
		b.Ended = true // its SubscribeURL would subscribe again: whoever ended it meant it
	default:
		return Batch{}, ErrMalformed
	}
	return b, nil
}

// raw reads an event without SNS's envelope, as a subscription with raw message delivery gets it. Nothing is signed then, so only the
// shared secret proves it; SNS sends it as the password in the subscription's URL.
func (s *ses) raw(header http.Header, body []byte) (Batch, error) {
	if !s.secret.shown(header) {
		return Batch{}, ErrSignature
	}
	if !slices.Contains(s.topics, header.Get("X-Amz-Sns-Topic-Arn")) {
		return Batch{}, ErrTopic
	}
	var b Batch
	return b, s.events(body, header.Get("X-Amz-Sns-Message-Id"), s.clock.now(), &b)
}

// snsHost is where SNS keeps its certificates and takes confirmations, in every partition.
var snsHost = regexp.MustCompile(`^sns\.[a-z0-9-]+\.amazonaws\.com(\.cn)?$`)

// snsURL parses a URL from a message and refuses all that do not lead to SNS itself.
func snsURL(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	if err != nil || len(s) > 2048 || u.Scheme != "https" || u.User != nil || u.Opaque != "" || u.Fragment != "" ||
		u.Port() != "" && u.Port() != "443" || !snsHost.MatchString(u.Hostname()) {
		return nil, errors.New("no URL of SNS")
	}
	return u, nil
}

// confirm answers a subscription to a topic on the list. Repeating it does no harm.
func (s *ses) confirm(ctx context.Context, m *snsMessage) error {
	u, err := snsURL(m.SubscribeURL)
	if err != nil {
		return ErrMalformed
	}
	q := u.Query()
	if q.Get("Action") != "ConfirmSubscription" || q.Get("TopicArn") != m.TopicARN {
		return ErrMalformed
	}
	if status, _, err := s.web.get(ctx, u.String()); err != nil || status != http.StatusOK {
		return ErrUnavailable
	}
	return nil
}
