package hook

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/resetd/resetd/diag/reply"
)

// sesEvent is what SES says, with notificationType for a topic of an identity and eventType for one of a configuration set.
type sesEvent struct {
	NotificationType text
	EventType        text
	Mail             *sesMail
	Bounce           *sesBounce
	Complaint        *sesComplaint
	Delivery         *sesDelivery
	DeliveryDelay    *sesDelay
	Reject           *struct{ Reason text }
	Failure          *struct{ ErrorMessage text }
	Open             *sesVisit
	Click            *sesVisit
	Subscription     *struct {
		Timestamp           text
		NewTopicPreferences *struct{ UnsubscribeAll text }
	}
}

type sesMail struct {
	Timestamp     text
	MessageID     text `json:"messageId"`
	Destination   many
	Headers       []struct{ Name, Value text }
	CommonHeaders *struct {
		MessageID text `json:"messageId"`
	}
	Tags map[string]many
}

type sesRecipient struct {
	EmailAddress, Status, DiagnosticCode text
}

type sesBounce struct {
	BounceType, BounceSubType, Timestamp text
	BouncedRecipients                    []sesRecipient
	ReportingMTA, RemoteMtaIP            text
}

type sesComplaint struct {
	ComplaintSubType, ComplaintFeedbackType, Timestamp, ArrivalDate, UserAgent text
	ComplainedRecipients                                                       []sesRecipient
}

type sesDelivery struct {
	Timestamp, SMTPResponse, ReportingMTA, RemoteMtaIP text
	Recipients                                         many
}

type sesDelay struct {
	DelayType, Timestamp, ReportingMTA, RemoteMtaIP text
	DelayedRecipients                               []sesRecipient
}

type sesVisit struct {
	Timestamp, IPAddress, UserAgent text
}

// events reads one event. id is the SNS message's, at its time: both stand in where the event has none of its own.
func (s *ses) events(body []byte, id string, at time.Time, b *Batch) error {
	var ev sesEvent
	if err := decode(body, &ev); err != nil {
		return err
	}
	kind := string(cmp.Or(ev.EventType, ev.NotificationType))
	if ev.Mail == nil {
		b.ignore("an event about no mail") // AmazonSnsSubscriptionSucceeded
		return nil
	}
	n := names{own: s.own}
	ev.Mail.names(&n)

	var list []Event
	add := func(recipient text, when text, e Event) *Event {
		e.Recipient = address(string(recipient))
		e.At = when.time()
		if len(list) > maxEvents {
			return &Event{}
		}
		list = append(list, e)
		return &list[len(list)-1]
	}
	everyone := func(when text, e Event) { // events that are about the mail, not about a recipient of it
		to := ev.Mail.Destination
		if len(to) == 0 {
			to = many{""}
		}
		for _, r := range to {
			add(r, when, e)
		}
	}
	switch {
	case kind == "Bounce" && ev.Bounce != nil:
		x := ev.Bounce
		for _, r := range x.BouncedRecipients {
			x.tell(add(r.EmailAddress, x.Timestamp, Event{Kind: Bounced}), r)
		}
	case kind == "Complaint" && ev.Complaint != nil:
		x := ev.Complaint
		e, why := x.kind()
		if why != "" {
			b.ignore(why)
			return nil
		}
		for _, r := range x.ComplainedRecipients {
			add(r.EmailAddress, cmp.Or(x.ArrivalDate, x.Timestamp), e)
		}
	case kind == "Delivery" && ev.Delivery != nil:
		x := ev.Delivery
		for _, r := range x.Recipients {
			e := add(r, x.Timestamp, Event{Kind: Delivered, Diagnostic: diagnostic(string(x.SMTPResponse))})
			read := reply.Read(reply.Reply{Text: e.Diagnostic})
			e.Host, e.Code, e.Status = sesHost(x.ReportingMTA, x.RemoteMtaIP), read.Code, read.Enhanced
		}
	case kind == "DeliveryDelay" && ev.DeliveryDelay != nil:
		x := ev.DeliveryDelay
		for _, r := range x.DelayedRecipients {
			add(r.EmailAddress, x.Timestamp, Event{Kind: Deferred}).mean(said{
				text: string(r.DiagnosticCode), host: sesHost(x.ReportingMTA, x.RemoteMtaIP), status: enhanced(r.Status),
				word: sesDelayWord(string(x.DelayType)), label: drawer("delayType", x.DelayType),
			})
		}
	case kind == "Reject" && ev.Reject != nil:
		e := Event{Kind: Rejected, Permanent: true}
		// SES rejects a mail for a virus only, and says "Bad content".
		e.mean(said{text: string(ev.Reject.Reason), word: virus, label: "event Reject"})
		everyone("", e)
	case kind == "Rendering Failure" && ev.Failure != nil:
		e := Event{Kind: Rejected, Permanent: true}
		e.mean(said{text: string(ev.Failure.ErrorMessage), word: word{reply.ReasonContentRejected, "compose.template_error", true}, label: "event Rendering Failure"})
		everyone("", e)
	case kind == "Open" && ev.Open != nil:
		everyone(ev.Open.Timestamp, ev.Open.event(Opened))
	case kind == "Click" && ev.Click != nil:
		everyone(ev.Click.Timestamp, ev.Click.event(Clicked))
	case kind == "Subscription" && ev.Subscription != nil:
		if p := ev.Subscription.NewTopicPreferences; p == nil || !p.UnsubscribeAll.yes() {
			b.ignore("a change of single topics")
			return nil
		}
		everyone(ev.Subscription.Timestamp, Event{Kind: Unsubscribed})
	case kind == "Send":
		everyone(ev.Mail.Timestamp, Event{Kind: Processed})
	default:
		b.ignore("a kind of event that we do not know")
		return nil
	}
	if len(list) > maxEvents {
		return ErrTooLarge
	}
	if len(list) == 0 {
		b.ignore("an event about nobody")
	}
	for i := range list {
		e := &list[i]
		n.put(e)
		// Two topics may bring the same event in different SNS messages, so its id is made of what it says. Where it has no time, the
		// SNS message tells it from the next one of its kind.
		apart := e.At.String()
		if e.At.IsZero() {
			apart, e.At = id, at
		}
		e.ID = eventID("", string(ev.Mail.MessageID), kind, e.Recipient, apart)
		e.At = earlier(e.At, s.clock.now())
	}
	b.Events = append(b.Events, list...)
	return nil
}

// names gathers ids. SES puts a Message-ID of its own into the mail; ours is kept in the original headers, where a topic includes them.
func (m *sesMail) names(n *names) {
	n.add(string(m.MessageID))
	for _, h := range m.Headers {
		switch {
		case strings.EqualFold(string(h.Name), "Message-ID"):
			n.add(string(h.Value))
		default:
			n.tag(string(h.Value))
		}
	}
	if m.CommonHeaders != nil {
		n.add(string(m.CommonHeaders.MessageID))
	}
	for _, name := range slices.Sorted(maps.Keys(m.Tags)) {
		n.tags(slices.Values(m.Tags[name]))
	}
}

// tell says what a bounce means. "Transient" is what SES gave up in the end, and may as well be somebody's vacation note.
func (x *sesBounce) tell(e *Event, r sesRecipient) {
	e.Permanent = x.BounceType == "Permanent"
	s := said{
		text: string(r.DiagnosticCode), host: sesHost(x.ReportingMTA, x.RemoteMtaIP), status: enhanced(r.Status),
		label: drawer("bounceSubType", x.BounceSubType),
	}
	switch x.BounceSubType {
	case "Suppressed", "OnAccountSuppressionList", "UnsubscribedRecipient":
		s.word, s.status = onList, "" // SES writes 5.1.1 there, as if a host had said so
	case "MailboxFull":
		s.word = full
	case "MessageTooLarge":
		s.word = large
	case "ContentRejected", "AttachmentRejected":
		s.word = unlike
	}
	e.mean(s)
	if s.word == onList {
		e.Status, e.Code = "", 0
	}
	e.NowListed = e.Permanent && x.BounceSubType == "General" // SES lists every address that bounces hard, where the account has a list
}

// kind says what a complaint is; why it is none otherwise.
func (x *sesComplaint) kind() (e Event, why string) {
	switch {
	case x.ComplaintSubType == "OnAccountSuppressionList":
		e = Event{Kind: Dropped, Permanent: true}
		e.mean(said{word: onList, label: "complaintSubType OnAccountSuppressionList"})
		e.SuppressedAtProvider = true
		return e, ""
	case x.ComplaintFeedbackType == "not-spam":
		return e, "a complaint that was taken back"
	case x.ComplaintFeedbackType == "auth-failure":
		return e, "an authentication failure report"
	}
	return Event{Kind: Complained, UserAgent: clean(string(x.UserAgent), maxField)}, ""
}

func sesDelayWord(s string) word {
	switch s {
	case "MailboxFull":
		return full
	case "SpamDetected":
		return spam
	case "RecipientServerError":
		return word{reply.ReasonSystemError, "deferred.other", false}
	case "TransientCommunicationFailure":
		return broken
	case "IPFailure":
		return judged
	case "BYOIPHostNameLookupUnavailable":
		return word{reply.ReasonPTRRequired, "sender.no_reverse_dns", false}
	case "InternalFailure", "SendingDeferral":
		return word{reply.ReasonSystemError, "deferred.other", true} // SES's own
	}
	return word{}
}

// sesHost is the host that answered: the name in reportingMTA unless that is SES itself, else its address.
func sesHost(reporting, remote text) string {
	h := hostName(string(reporting))
	if h == "" || strings.HasSuffix(h, "amazonses.com") {
		return ip(remote)
	}
	return h
}

func (v *sesVisit) event(k Kind) Event {
	return Event{Kind: k, UserAgent: clean(string(v.UserAgent), maxField), IP: ip(v.IPAddress)}
}

// earlier keeps a provider's clock from writing into our future.
func earlier(at, now time.Time) time.Time {
	if at.After(now) {
		return now.UTC()
	}
	return at
}
