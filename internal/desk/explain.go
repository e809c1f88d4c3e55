package desk

import (
	"context"
	"fmt"
	"strings"

	"github.com/resetd/resetd/diag"
	"github.com/resetd/resetd/diag/reply"
	"github.com/resetd/resetd/mailer/bounce"
)

// ReplyLine is what one pasted SMTP reply means, in the shape of the public contract.
type ReplyLine struct {
	Reply     string                  `json:"reply"`
	Reason    reply.Reason            `json:"reason"`
	Cause     string                  `json:"cause"`
	Permanent bool                    `json:"permanent"`
	Because   bounce.ExplainedBecause `json:"because"`
}

// ExplainedReply is a ReplyLine with what it means for people.
type ExplainedReply struct {
	ReplyLine
	Provider   string `json:"provider"` // "" = not recognised
	Confidence string `json:"confidence"`
	RetryAfter int    `json:"retry_after_s,omitempty"` // seconds; 0 = the host names no time
	Rule       string `json:"rule"`                    // which rule of diag/reply decided; "" = none did
	Accepted   bool   `json:"-"`                       // the host said yes: there is nothing to explain
	diag.Meaning
}

// ExplainedMail is a returned mail in the shape of the public contract, with what it means for people.
type ExplainedMail struct {
	bounce.Explained
	Says    string           `json:"says"` // what sort of mail it is, in a sentence
	Reports []ExplainedEntry `json:"reports"`
}

// ExplainedEntry is one recipient's report with what it means for people.
type ExplainedEntry struct {
	bounce.ExplainedReport
	Permanent bool `json:"permanent"`
	GaveUp    bool `json:"gave_up"` // the host that reports it does not try again; action may be delayed still, where nobody refused the mail
	diag.Meaning
}

// ExplainReply says what a pasted reply means: one or several lines, perhaps with a provider's name and a tab in front.
func (rules *Rules) ExplainReply(text string) ExplainedReply {
	in := reply.ParseLine(text)
	r := rules.Book().Read(in)
	e := ExplainedReply{
		ReplyLine: ReplyLine{Reply: text, Reason: r.Reason, Cause: r.Cause, Permanent: r.Permanent, Because: bounce.ExplainedBecause{Line: r.Because.Line, Text: r.Because.Text}},
		Provider:  r.Provider, Confidence: r.Confidence.String(), RetryAfter: int(r.RetryAfter.Seconds()), Rule: r.Rule,
	}
	if r.Code >= 200 && r.Code < 400 {
		e.Accepted, e.Meaning = true, nothingFailed("The host said yes: it refuses nothing.")
		return e
	}
	cause := r.Cause
	if r.Permanent && waits(cause) {
		cause = "recipient.refused_other" // whatever the words are: a final answer is not tried again
	}
	e.Meaning = meaning(cause, diag.Heard{Text: in.Text})
	return e
}

// maxPaste is how long a reply may be, in bytes; what is longer is a mail.
const maxPaste = 16 << 10

// IsReply tells an SMTP reply from a mail. A code begins it; where people paste, one within the text will do, or words that a rule knows, if
// the first line is no header field.
func (rules *Rules) IsReply(s string, pasted bool) bool {
	if len(s) > maxPaste {
		return false
	}
	s = strings.TrimLeft(s, " \t\r\n")
	first, _, _ := strings.Cut(s, "\n")
	if codeBegins(first) {
		return true
	}
	if provider, rest, ok := strings.Cut(first, "\t"); ok && !strings.ContainsAny(provider, " :") && codeBegins(rest) {
		return true
	}
	field, _, ok := strings.Cut(first, ":")
	if !pasted || ok && field != "" && !strings.ContainsAny(field, " \t") {
		return false
	}
	in := reply.ParseLine(s)
	return in.Code != 0 || in.Enhanced != "" || rules.Book().Read(in).Reason != reply.ReasonUnknown
}

// codeBegins tells whether a line begins with a reply code or an enhanced status code.
func codeBegins(s string) bool {
	n := 0
	for n < len(s) && ('0' <= s[n] && s[n] <= '9' || s[n] == '.') {
		n++
	}
	code, ended := s[:n], n == len(s) || strings.ContainsRune(" -\r\t", rune(s[n]))
	return ended && code != "" && '2' <= code[0] && code[0] <= '5' && (n == 3 && !strings.Contains(code, ".") || strings.Count(code, ".") == 2 && code[1] == '.' && code[n-1] != '.')
}

// ExplainMail says what a returned mail means; file names it in the answer.
func ExplainMail(file string, m bounce.Mail) ExplainedMail {
	e := ExplainedMail{Explained: bounce.Explain(file, m), Says: sortOf(m), Reports: []ExplainedEntry{}}
	for i, r := range e.Explained.Reports {
		x := ExplainedEntry{ExplainedReport: r, Permanent: m.Reports[i].Permanent, GaveUp: m.Reports[i].GaveUp}
		if x.GaveUp && waits(x.Cause) {
			x.Cause = "deferred.expired" // as in a verdict: it waited, and is not tried again
		}
		switch {
		case m.Kind == bounce.KindFeedback:
			x.Meaning = nothingFailed("The report names this recipient.")
			if m.Feedback == bounce.FeedbackComplaint {
				x.Meaning = meaning("suppressed.complaint", diag.Heard{Address: r.Recipient})
				x.Says = "They, or their mail service, marked the mail as spam."
			}
		case r.Action == bounce.ActionDelivered:
			x.Meaning = nothingFailed("Their host put the mail into the mailbox.")
		case r.Action == bounce.ActionRelayed:
			x.Meaning = nothingFailed("Their host handed the mail on to one that sends no reports; nothing is known after that.")
		case r.Action == bounce.ActionExpanded:
			x.Meaning = nothingFailed("The address is a list, and the mail was handed on to its members.")
		default:
			x.Meaning = meaning(x.Cause, diag.Heard{Host: r.Host, Address: r.Recipient, Text: r.Diagnostic})
		}
		e.Reports = append(e.Reports, x)
	}
	return e
}

// waits tells the causes that say that the mail is tried again by itself.
func waits(cause string) bool {
	switch cause {
	case "deferred.other", "deferred.remote_down", "deferred.greylisted":
		return true
	}
	return false
}

func meaning(cause string, h diag.Heard) diag.Meaning {
	m, ok := diag.MeaningOf(cause, h)
	if !ok {
		m, _ = diag.MeaningOf("unknown.unreadable_bounce", h)
	}
	return m
}

func nothingFailed(says string) diag.Meaning {
	return diag.Meaning{Says: says, Blame: "nobody", Resend: diag.Resend{Helps: diag.HelpsFutile, Because: "Nothing failed that another mail could mend."}, Actions: []diag.Action{}}
}

// sortOf says what sort of mail it is.
func sortOf(m bounce.Mail) string {
	switch m.Kind {
	case bounce.KindBounce:
		failed, delayed := 0, 0
		for _, r := range m.Reports {
			switch {
			case r.GaveUp:
				failed++
			case r.Action == bounce.ActionDelayed:
				delayed++
			}
		}
		var parts []string
		if failed > 0 {
			parts = append(parts, people(failed)+" did not get the mail")
		}
		if delayed > 0 {
			parts = append(parts, people(delayed)+" have not got it yet")
			if delayed == 1 {
				parts[len(parts)-1] = "one recipient has not got it yet"
			}
		}
		return "A bounce: " + strings.Join(parts, ", ") + "."
	case bounce.KindDelivered:
		return "A report that the mail was delivered or handed on."
	case bounce.KindFeedback:
		switch m.Feedback {
		case bounce.FeedbackUnsubscribe:
			return "A wish to unsubscribe. It must not hold back resets."
		case bounce.FeedbackAuthFailure:
			return "A report that a mail in the sender's name failed SPF, DKIM or DMARC somewhere."
		}
		return "A complaint: a recipient, or their mail service, marked a mail as spam."
	case bounce.KindAutoReply:
		switch m.AutoReply {
		case bounce.AutoVacation:
			return "An automatic answer of somebody who is away. The mail arrived: the mailbox lives."
		case bounce.AutoChallenge:
			return "A challenge: the recipient's side wants the sender to prove something before it delivers the mail."
		}
		return "An automatic answer. The mail arrived: the mailbox lives."
	}
	return "None of these: no bounce, no complaint, no automatic answer; or nothing in it could be read as one."
}

func people(n int) string {
	if n == 1 {
		return "one recipient"
	}
	return fmt.Sprintf("%d recipients", n)
}

// ExplainMail is the function of that name, for those who may. Nothing is kept.
func (d *Desk) ExplainMail(ctx context.Context, a Actor, raw []byte) (ExplainedMail, error) {
	if err := d.Authorise(ctx, a, DoExplain, "", "", false); err != nil {
		return ExplainedMail{}, err
	}
	return ExplainMail("", d.Rules.Reader().ReadBytes(raw)), nil
}

// ExplainReply is the method of that name of the Rules, for those who may. Nothing is kept.
func (d *Desk) ExplainReply(ctx context.Context, a Actor, text string) (ExplainedReply, error) {
	if err := d.Authorise(ctx, a, DoExplain, "", "", false); err != nil {
		return ExplainedReply{}, err
	}
	return d.Rules.ExplainReply(text), nil
}
