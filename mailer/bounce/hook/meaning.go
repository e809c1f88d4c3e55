package hook

import (
	"strings"

	"github.com/resetd/resetd/diag/reply"
)

// word is what a provider's own word for a failure says. Providers sort failures into a few drawers; what the recipient's host wrote
// says more, so a word counts only where diag/reply cannot read the host's text, unless it is final.
type word struct {
	reason reply.Reason
	cause  string
	final  bool // the provider's own decision: its text is about itself, and no host ever spoke
}

// Words that several providers have in common.
var (
	onList = word{reply.ReasonSuppressed, "suppressed.by_provider", true}
	full   = word{reply.ReasonMailboxFull, "recipient.mailbox_full", false}
	gone   = word{reply.ReasonUserUnknown, "recipient.unknown_mailbox", false}
	large  = word{reply.ReasonMessageTooLarge, "sender.content_rejected", false}
	unlike = word{reply.ReasonContentRejected, "sender.content_rejected", false}
	spam   = word{reply.ReasonSpamContent, "sender.content_rejected", false}
	virus  = word{reply.ReasonVirusDetected, "sender.content_rejected", false}
	judged = word{reply.ReasonSenderBlocked, "sender.low_reputation", false}
	broken = word{reply.ReasonConnectionFailed, "deferred.remote_down", false}
	tooOld = word{reply.ReasonExpired, "deferred.expired", false}
)

// said is what a failure event holds.
type said struct {
	text   string // the host's words, else the provider's
	host   string
	code   int    // SMTP code, 0 = only in the text
	status string // enhanced status code, "" = only in the text
	word   word   // what the provider's drawer says; zero = nothing
	label  string // that drawer's name, for Because
}

// mean gives a failure event its reason, cause, codes and evidence, by replies (nil = the built-in rules). A bounce that the host itself refused for good is permanent also
// where the provider calls it soft: the provider speaks of the address, the host of the mail.
func (e *Event) mean(replies *reply.Book, s said) {
	s.text = strings.TrimSpace(s.text)
	// RFC 3464 section 2.3.6 writes "smtp; 550 …"; so do SES and Postmark.
	if kind, rest, ok := strings.Cut(s.text, ";"); ok && len(kind) <= 16 && strings.Contains(strings.ToLower(kind), "smtp") {
		s.text = strings.TrimSpace(rest)
	}
	r := replies.Read(reply.Reply{Host: s.host, Code: s.code, Enhanced: s.status, Text: s.text})
	e.Code, e.Status, e.Host = s.code, s.status, s.host
	if e.Code == 0 {
		e.Code = r.Code
	}
	if e.Status == "" || strings.HasSuffix(e.Status, ".0.0") && r.Enhanced != "" {
		e.Status = r.Enhanced // the host's own code says more than a provider's x.0.0
	}
	e.Diagnostic = diagnostic(s.text)
	e.RetryAfter = r.RetryAfter
	if s.word.reason != "" && (s.word.final || r.Reason == reply.ReasonUnknown || r.Confidence == reply.Possible) {
		e.Reason, e.Cause, e.Because = s.word.reason, s.word.cause, s.label
	} else {
		e.Reason, e.Cause, e.Because = r.Reason, r.Cause, diagnostic(r.Because.Text)
	}
	if e.Because == "" {
		e.Because = s.label // also where its drawer says nothing: it is all there is
	}
	if e.Kind == Bounced && r.Permanent && e.Code >= 500 {
		e.Permanent = true
	}
	if e.Reason == reply.ReasonUnknown {
		e.Cause = e.nameless()
	}
	if e.Reason == reply.ReasonSuppressed && e.Kind == Bounced {
		e.Kind, e.Permanent, e.SuppressedAtProvider = Dropped, true, true // no host was asked
	}
}

// Say gives an event the words of a host, with what they mean by replies (nil = the built-in rules); host is who said them, status an enhanced status code. Either may be "".
// It is for sources that are no provider.
func (e *Event) Say(replies *reply.Book, host, status, words string) {
	e.mean(replies, said{text: words, host: host, status: enhanced(text(status))})
}

// drawer names a provider's word as evidence: "bounceSubType General".
func drawer(field string, value text) string {
	v := clean(string(value), 40)
	if v == "" {
		return ""
	}
	return field + " " + v
}

// nameless is the cause of a failure whose reason nobody says.
func (e *Event) nameless() string {
	switch {
	case e.Kind == Deferred:
		return "deferred.other"
	case e.Kind == Bounced && e.Permanent:
		return "recipient.refused_other"
	}
	return ""
}

// enhanced keeps what is an enhanced status code, RFC 3463 section 2.
func enhanced(t text) string {
	s := strings.TrimSpace(string(t))
	if len(s) < 5 || len(s) > 9 || s[0] != '2' && s[0] != '4' && s[0] != '5' || strings.Count(s, ".") != 2 || s[1] != '.' ||
		s[len(s)-1] == '.' || strings.Contains(s, "..") || strings.Trim(s, "0123456789.") != "" {
		return ""
	}
	return s
}

// smtp keeps what is an SMTP reply code: providers use numbers of their own beside them.
func smtp(t text) int {
	if n := t.int(); n >= 200 && n < 600 {
		return n
	}
	return 0
}
