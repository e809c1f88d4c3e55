package hook

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"net/http"
	"strings"

	"github.com/resetd/resetd/diag/reply"
	"github.com/resetd/resetd/internal/ledger"
)

// postmark reads Postmark's webhooks. They are not signed: the secret in the hook's URL is all that proves them.
type postmark struct {
	secret  shared
	clock   clock
	own     func(string) (ledger.MessageID, error)
	replies *reply.Book // nil = the built-in rules
}

func newPostmark(c Config) (*postmark, error) {
	s, err := newShared(c.Secret)
	if err == nil && len(s) == 0 {
		err = errors.New("there is no secret: give the webhook's URL a password and name it")
	}
	if err != nil {
		return nil, err
	}
	return &postmark{s, newClock(c, Tolerance), c.Own, c.Replies}, nil
}

// postmarkEvent is all kinds of records in one: they share most names.
type postmarkEvent struct {
	RecordType, ID, Type, MessageID, Email, Recipient       text
	Details, Description, Content                           text
	BouncedAt, DeliveredAt, ReceivedAt, ChangedAt, Inactive text
	Origin, SuppressSending, SuppressionReason, UserAgent   text
	Geo                                                     *struct{ IP text }
	Metadata                                                pairs
}

func (p *postmark) read(_ context.Context, header http.Header, body []byte) (Batch, error) {
	if !p.secret.shown(header) {
		return Batch{}, ErrSignature
	}
	var x postmarkEvent
	if err := decode(body, &x); err != nil {
		return Batch{}, err
	}
	var b Batch
	e, why := x.event(p.replies)
	if why != "" {
		b.ignore(why)
		return b, nil
	}
	n := names{own: p.own}
	n.add(string(x.MessageID))
	n.tags(maps.Values(x.Metadata))
	n.tag(ownField(string(x.Content)))
	n.put(&e)
	e.Recipient = address(string(cmp.Or(x.Email, x.Recipient)))
	when := cmp.Or(x.BouncedAt, x.DeliveredAt, x.ReceivedAt, x.ChangedAt)
	if e.At = when.time(); e.At.IsZero() {
		e.At = p.clock.now().UTC()
	}
	e.At = earlier(e.At, p.clock.now())
	given := ""
	if x.ID != "" {
		given = string(x.RecordType) + "-" + string(x.ID)
	}
	e.ID = eventID(given, string(x.RecordType), string(x.MessageID), e.Recipient, string(when), string(e.Kind), string(x.Type))
	b.Events = []Event{e}
	return b, nil
}

// ownField finds our field in the returned mail that Postmark may include. Nothing else of that mail is kept: it holds the live link.
func ownField(mail string) string {
	const window = 64 << 10
	for line := range strings.Lines(mail[:min(len(mail), window)]) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.EqualFold(name, "X-Resetd-Message") {
			return value
		}
	}
	return ""
}

// event says what happened; why it says nothing to us otherwise.
func (x *postmarkEvent) event(replies *reply.Book) (e Event, why string) {
	switch x.RecordType {
	case "Delivery":
		e.Kind = Delivered
		words := diagnostic(string(x.Details))
		r := reply.Read(reply.Reply{Text: words})
		e.Diagnostic, e.Code, e.Status = words, r.Code, r.Enhanced
	case "Bounce":
		return x.bounce(replies)
	case "SpamComplaint":
		e.Kind, e.NowListed = Complained, x.Inactive.yes()
	case "Open":
		e.Kind, e.UserAgent = Opened, clean(string(x.UserAgent), maxField)
	case "Click":
		e.Kind, e.UserAgent = Clicked, clean(string(x.UserAgent), maxField)
	case "SubscriptionChange":
		switch {
		case !x.SuppressSending.yes():
			e.Kind = Unlisted
		case x.SuppressionReason == "ManualSuppression" && x.Origin == "Recipient":
			e.Kind, e.NowListed = Unsubscribed, true
		default:
			// What led to it (a bounce, a complaint) comes as a record of its own.
			e.Kind, e.NowListed, e.Because = Listed, true, drawer("SuppressionReason", x.SuppressionReason)
		}
	default:
		return e, "a kind of record that we do not know"
	}
	if x.Geo != nil && (e.Kind == Opened || e.Kind == Clicked) {
		e.IP = ip(x.Geo.IP)
	}
	return e, ""
}

// postmarkType is what one of Postmark's bounce types is. Types that are not listed are read as a bounce without a reason of its own.
type postmarkType struct {
	kind      Kind // "" = says nothing to us
	permanent bool
	word      word
}

func postmarkTypes(name string) postmarkType {
	switch name {
	case "HardBounce":
		return postmarkType{Bounced, true, gone}
	case "SoftBounce":
		return postmarkType{Bounced, false, word{}}
	case "Transient":
		return postmarkType{Deferred, false, word{}}
	case "DnsError":
		return postmarkType{Bounced, false, word{reply.ReasonRoutingFailed, "deferred.remote_down", false}}
	case "SpamNotification":
		return postmarkType{Bounced, true, spam}
	case "VirusNotification":
		return postmarkType{Bounced, true, virus}
	case "Blocked":
		return postmarkType{Bounced, true, judged}
	case "DMARCPolicy":
		return postmarkType{Bounced, true, word{reply.ReasonAuthFailure, "sender.dmarc_rejected", true}}
	case "AutoResponder", "ChallengeVerification":
		return postmarkType{AutoReplied, false, word{}}
	case "AddressChange":
		return postmarkType{AutoReplied, false, word{reply.ReasonAddressMoved, "recipient.moved", true}}
	case "SpamComplaint":
		return postmarkType{Complained, false, word{}}
	case "ManuallyDeactivated", "Unconfirmed":
		return postmarkType{Dropped, true, onList}
	case "Unsubscribe":
		return postmarkType{Unsubscribed, false, word{}}
	case "BadEmailAddress":
		return postmarkType{Rejected, true, word{reply.ReasonBadAddress, "recipient.unknown_mailbox", true}}
	case "TemplateRenderingFailed":
		return postmarkType{Rejected, true, word{reply.ReasonContentRejected, "compose.template_error", true}}
	case "SMTPApiError":
		return postmarkType{Rejected, true, unlike}
	case "Subscribe", "OpenRelayTest", "InboundError":
		return postmarkType{}
	}
	return postmarkType{Bounced, false, word{}}
}

func (x *postmarkEvent) bounce(replies *reply.Book) (e Event, why string) {
	t := postmarkTypes(string(x.Type))
	if t.kind == "" {
		return e, "a type of bounce that is about no mail of ours"
	}
	e.Kind, e.Permanent = t.kind, t.permanent
	switch t.kind {
	case Bounced, Deferred, Dropped, Rejected:
		e.mean(replies, said{text: string(cmp.Or(x.Details, x.Description)), word: t.word, label: drawer("Type", x.Type)})
		e.SuppressedAtProvider = e.Reason == reply.ReasonSuppressed
	default:
		e.Diagnostic = diagnostic(string(cmp.Or(x.Details, x.Description)))
		e.Reason, e.Cause = t.word.reason, t.word.cause
		e.Because = drawer("Type", x.Type)
	}
	e.NowListed = x.Inactive.yes()
	return e, ""
}
