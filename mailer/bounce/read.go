// Package bounce answers what came back after a mail left us: it receives returned mail and reads what it means.
//
// The reading half (read*.go) turns any mail into a [Mail]: delivery reports of RFC 3464 and of the many programs that
// write prose instead, feedback reports (RFC 5965), auto-replies (RFC 3834), or none of these. It works in four steps:
//
//  1. normalize: at most 1 MiB, every line ending becomes one LF (read_lines.go)
//  2. walk: one pass over the lines finds the MIME parts, within caps on size, fields, depth and parts (read_walk.go)
//  3. decide: machine-readable parts first, then the words of the notice (read_decide.go)
//  4. finish: each report's diagnostic text is given its meaning by diag/reply (read_report.go)
//
// Bad mail is data, not an error. What could not be read is said in [Mail.Unread].
package bounce

import (
	"cmp"
	"io"
	"time"

	"github.com/resetd/resetd/diag/reply"
)

// Kind says what sort of mail it is.
type Kind string

const (
	KindBounce    Kind = "bounce"    // a report that at least one recipient failed or is delayed
	KindDelivered Kind = "delivered" // a report of success only: delivered, relayed or expanded
	KindFeedback  Kind = "feedback"  // a complaint, an unsubscribe request or an authentication failure report
	KindAutoReply Kind = "autoreply" // a machine answered for a living mailbox; challenges too
	KindNone      Kind = "none"      // anything else: human replies, receipts, news, spam
)

// Action is what the reporting host did for one recipient, RFC 3464 section 2.3.3.
type Action string

const (
	ActionFailed    Action = "failed"    // given up
	ActionDelayed   Action = "delayed"   // not yet, for want of a connection or time; Report.GaveUp tells whether the host goes on
	ActionDelivered Action = "delivered" // in the mailbox
	ActionRelayed   Action = "relayed"   // handed to a host that sends no reports
	ActionExpanded  Action = "expanded"  // handed to the members of a list
)

// Feedback words, for [Mail.Feedback].
const (
	FeedbackComplaint   = "complaint"    // the recipient or their provider called it spam
	FeedbackUnsubscribe = "unsubscribe"  // an opt-out request
	FeedbackAuthFailure = "auth_failure" // RFC 6591: our mail failed SPF, DKIM or DMARC somewhere
)

// Auto-reply words, for [Mail.AutoReply].
const (
	AutoVacation  = "vacation"  // away, on leave, out of office, left the company
	AutoChallenge = "challenge" // asks the sender to prove something before the mail is delivered
	AutoOther     = "auto"      // any other automatic answer
)

// Report is what a host says about one recipient.
type Report struct {
	Recipient      string       // as stated, domain in lower case; "" = not stated
	Original       string       // Original-Recipient or ORCPT where it differs; "" = none
	Alias          string       // the address that an alias or a forward made Recipient out of, by the notice's words; "" = none
	GaveUp         bool         // the host says, or means by "failed", that it will not try again
	Action         Action       // "" only where feedback names a recipient
	Status         string       // enhanced status code; the remote server's own code wins over x.0.0; "" = none
	Code           int          // the remote server's SMTP code; 0 = not stated
	Reason         reply.Reason // reply.ReasonUnknown when the text says nothing; "delivered", "complaint" … where nothing failed
	Cause          string       // an id of the catalogue of causes; "" = nothing failed
	Permanent      bool         // another try of the same mail cannot help
	RemoteHost     string       // who refused; "" = not stated
	ReportingMTA   string       // who reports; "" = not stated
	Diagnostic     string       // the diagnostic line, unfolded and redacted; "" = none
	RetryAfter     time.Time    // not before; zero = not said
	WillRetryUntil time.Time    // RFC 3464 section 2.3.9; zero = not said
	Because        reply.Because
}

// Header holds the few fields of the returned mail that we keep: enough to know which mail it was, never its body.
type Header struct {
	From, To, Subject, MessageID string            // decoded; "" = not there
	Date                         time.Time         // zero = not there or not readable
	Own                          map[string]string // our X-Resetd-* fields, names in lower case; nil = none
}

// Mail is what one returned mail says.
type Mail struct {
	Kind       Kind
	Feedback   string        // see Feedback*; "" unless Kind is feedback
	AutoReply  string        // see Auto*; "" unless Kind is autoreply
	Reports    []Report      // one per recipient; a complaint names whom it is about here with no action
	MessageIDs []string      // ids of the mail this one is about, without angle brackets
	EnvelopeID string        // RFC 3464 section 2.2.1, xtext decoded; "" = none
	Returned   Header        // fields of the returned mail, when it was attached
	From       string        // the address of the reporter; "" = none
	Subject    string        // decoded
	Date       time.Time     // zero = none
	Because    reply.Because // why the mail is of its kind, when no report says it
	Unread     []string      // what could not be read, in words; nil = all was read
	// Notice holds the first lines that the mail says in its own words, without addresses, links, secrets and control characters, where a
	// person has to read them: nothing in it could be read, or not why it failed. nil = nobody has to, or there are none.
	Notice []string
}

// maxMail is how much of a mail is read; the rest is drained unread.
const maxMail = 1 << 20

// Reader reads mail. The zero value goes by the built-in rules alone. It is safe for concurrent use.
type Reader struct {
	book *reply.Book   // rules of an operator, then notices.txt, then the built-in ones; nil = builtin
	time time.Duration // that a mail may take; 0 = maxTime
}

// NewReader gives a Reader that asks the rules of an operator first; nil = there are none.
func NewReader(own *reply.Book) (Reader, error) {
	if own == nil {
		return Reader{}, nil
	}
	book, err := own.Over(noticeRules)
	return Reader{book: book}, err
}

// Read reads one mail. It fails only if reading from r fails; whatever stands in the mail is data.
func (rd Reader) Read(r io.Reader) (Mail, error) {
	data, cut, err := readInput(r)
	if err != nil {
		return Mail{}, err
	}
	return rd.read(data, cut), nil
}

// ReadBytes reads one mail from memory and keeps no reference to b.
func (rd Reader) ReadBytes(b []byte) Mail {
	return rd.read(normalize(b), len(b) > maxMail)
}

// Read is that of a Reader by the built-in rules.
func Read(r io.Reader) (Mail, error) { return Reader{}.Read(r) }

// ReadBytes is that of a Reader by the built-in rules.
func ReadBytes(b []byte) Mail { return Reader{}.ReadBytes(b) }

func (rd Reader) read(data string, cut bool) Mail {
	until := time.Now().Add(cmp.Or(rd.time, maxTime))
	w := walkMail(data)
	w.book, w.until = rd.book, until
	if w.book == nil {
		w.book = rules()
	}
	if cut {
		w.unread("the mail is larger than 1 MiB; the rest was not read")
	}
	if what := container(data); what != "" {
		w.unread(what)
		return Mail{Kind: KindNone, Unread: w.notes}
	}
	m := decide(w)
	if m.Kind == KindNone && rd.book != nil {
		w.ownReport(&m)
	}
	if m.baffling() && len(w.parts) > 0 {
		m.Notice = w.noticeAt(0).kept()
	}
	return m
}
