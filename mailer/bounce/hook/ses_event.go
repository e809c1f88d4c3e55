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
	if ev.Mail == nil {
		b.ignore("an event about no mail") // AmazonSnsSubscriptionSucceeded
		return nil
	}
	kind := string(cmp.Or(ev.EventType, ev.NotificationType))
	l := sesList{to: ev.Mail.Destination, replies: s.replies}
	if why := ev.tell(kind, &l); why != "" {
		b.ignore(why)
		return nil
	}
	if len(l.events) > maxEvents {
		return ErrTooLarge
	}
	if len(l.events) == 0 {
		b.ignore("an event about nobody")
	}
	n := names{own: s.own}
	ev.Mail.names(&n)
	for i := range l.events {
		e := &l.events[i]
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
	b.Events = append(b.Events, l.events...)
	return nil
}

// sesList gathers the events of one notification, one per recipient.
type sesList struct {
	to      many        // the mail's recipients
	replies *reply.Book // nil = the built-in rules
	events  []Event
}

// add puts an event about one recipient onto the list; the pointer is good until the next one.
func (l *sesList) add(recipient, when text, e Event) *Event {
	if len(l.events) > maxEvents {
		return &Event{} // one too many is enough to refuse the request
	}
	e.Recipient, e.At = address(string(recipient)), when.time()
	l.events = append(l.events, e)
	return &l.events[len(l.events)-1]
}

// everyone adds an event that is about the mail, not about one recipient of it.
func (l *sesList) everyone(when text, e Event) {
	if len(l.to) == 0 {
		l.add("", when, e)
	}
	for _, r := range l.to {
		l.add(r, when, e)
	}
}

// tell puts what happened onto the list; why it says nothing to us otherwise.
func (ev *sesEvent) tell(kind string, l *sesList) (why string) {
	switch {
	case kind == "Bounce" && ev.Bounce != nil:
		x := ev.Bounce
		for _, r := range x.BouncedRecipients {
			x.tell(l.replies, l.add(r.EmailAddress, x.Timestamp, Event{Kind: Bounced}), r)
		}
	case kind == "Complaint" && ev.Complaint != nil:
		x := ev.Complaint
		e, why := x.event(l.replies)
		if why != "" {
			return why
		}
		for _, r := range x.ComplainedRecipients {
			l.add(r.EmailAddress, cmp.Or(x.ArrivalDate, x.Timestamp), e)
		}
	case kind == "Delivery" && ev.Delivery != nil:
		x := ev.Delivery
		e := Event{Kind: Delivered, Diagnostic: diagnostic(string(x.SMTPResponse)), Host: sesHost(x.ReportingMTA, x.RemoteMtaIP)}
		r := reply.Read(reply.Reply{Text: e.Diagnostic})
		e.Code, e.Status = r.Code, r.Enhanced
		for _, r := range x.Recipients {
			l.add(r, x.Timestamp, e)
		}
	case kind == "DeliveryDelay" && ev.DeliveryDelay != nil:
		x := ev.DeliveryDelay
		for _, r := range x.DelayedRecipients {
			l.add(r.EmailAddress, x.Timestamp, Event{Kind: Deferred}).mean(l.replies, said{
				text: string(r.DiagnosticCode), host: sesHost(x.ReportingMTA, x.RemoteMtaIP), status: enhanced(r.Status),
				word: sesDelayWord(string(x.DelayType)), label: drawer("delayType", x.DelayType),
			})
		}
	case kind == "Reject" && ev.Reject != nil:
		e := Event{Kind: Rejected, Permanent: true}
		// SES rejects a mail for a virus only, and says "Bad content".
		e.mean(l.replies, said{text: string(ev.Reject.Reason), word: virus, label: "event Reject"})
		l.everyone("", e)
	case kind == "Rendering Failure" && ev.Failure != nil:
		e := Event{Kind: Rejected, Permanent: true}
		w := word{reply.ReasonContentRejected, "compose.template_error", true}
		e.mean(l.replies, said{text: string(ev.Failure.ErrorMessage), word: w, label: "event Rendering Failure"})
		l.everyone("", e)
	case kind == "Open" && ev.Open != nil:
		l.everyone(ev.Open.Timestamp, ev.Open.event(Opened))
	case kind == "Click" && ev.Click != nil:
		l.everyone(ev.Click.Timestamp, ev.Click.event(Clicked))
	case kind == "Subscription" && ev.Subscription != nil:
		if p := ev.Subscription.NewTopicPreferences; p == nil || !p.UnsubscribeAll.yes() {
			return "a change of single topics"
		}
		l.everyone(ev.Subscription.Timestamp, Event{Kind: Unsubscribed})
	case kind == "Send":
		l.everyone(ev.Mail.Timestamp, Event{Kind: Processed})
	default:
		return "a kind of event that we do not know"
	}
	return ""
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
func (x *sesBounce) tell(replies *reply.Book, e *Event, r sesRecipient) {
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
	e.mean(replies, s)
	if s.word == onList {
		e.Status, e.Code = "", 0
	}
	e.NowListed = e.Permanent && x.BounceSubType == "General" // SES lists every address that bounces hard, where the account has a list
}

// event says what a complaint is; why it is none otherwise.
func (x *sesComplaint) event(replies *reply.Book) (e Event, why string) {
	switch {
	case x.ComplaintSubType == "OnAccountSuppressionList":
		e = Event{Kind: Dropped, Permanent: true}
		e.mean(replies, said{word: onList, label: "complaintSubType OnAccountSuppressionList"})
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
