package hook

import (
	"crypto/sha256"
	"encoding/hex"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/resetd/resetd/diag/reply"
	"github.com/resetd/resetd/internal/ledger"
)

// Kind is what happened to a mail, whatever the provider calls it.
type Kind string

// The kinds. Only Delivered proves that a recipient's host took the mail.
const (
	Delivered    Kind = "delivered"    // the recipient's host took it
	Relayed      Kind = "relayed"      // the next host took it, which may not be the recipient's; no provider says so, a mail log does
	Bounced      Kind = "bounced"      // given up: refused, returned, or tried for too long
	Deferred     Kind = "deferred"     // not yet; the provider tries again
	Dropped      Kind = "dropped"      // the provider sent nothing, because of a list or limit of its own
	Rejected     Kind = "rejected"     // the provider refused the mail itself: content, template, sender, account
	Complained   Kind = "complained"   // the recipient called it spam
	Opened       Kind = "opened"       // an image in it was fetched, by a person or a scanner
	Clicked      Kind = "clicked"      // a link in it was fetched, by a person or a scanner
	Unsubscribed Kind = "unsubscribed" // the recipient opted out at the provider
	AutoReplied  Kind = "autoreplied"  // a machine answered for a mailbox that lives
	Listed       Kind = "listed"       // the provider put the address on its list; says nothing of a mail
	Unlisted     Kind = "unlisted"     // the provider took the address off its list; says nothing of a mail
	Processed    Kind = "processed"    // the provider has it: proves nothing
)

// Event is what a provider says about one recipient of one mail. It is a claim of whoever holds the provider's key: before acting, the
// caller checks that Recipient is whom the message went to.
type Event struct {
	ID   string    // unique within the provider and the same when it tells the event again; holds no address
	At   time.Time // when it happened, UTC, never later than our clock; when it is not said, when we read it
	Kind Kind
	// Permanent says that another try of the same mail cannot help.
	Permanent bool
	Recipient string // domain in lower case; "" = not said
	// MessageIDs are all names that the mail is known by, without angle brackets: Message-ID, the provider's own id, ours.
	MessageIDs []string
	Message    ledger.MessageID // ours, when it stands in the event; "" = not found
	Status     string           // enhanced status code; "" = none
	Code       int              // SMTP code; 0 = none
	Reason     reply.Reason     // "" where nothing failed
	Cause      string           // id of the catalogue of causes; "" = none, or none more exact than that it came back
	Diagnostic string           // the host's words or the provider's, one line, secrets redacted, at most 1 KiB
	Because    string           // the words that Reason rests on
	Host       string           // who took or refused it, name or address; "" = not said
	RetryAfter time.Duration    // a deferring host said when to come back; 0 = it did not
	// SuppressedAtProvider says that nothing was sent, since the address is on the provider's list.
	SuppressedAtProvider bool
	// NowListed says that with this event the provider put the address on its list: it will drop what we send there from now on.
	NowListed bool
	UserAgent string // of opened and clicked
	IP        string // of opened and clicked; "" = not said, or no IP address
}

// Batch is what one request says.
type Batch struct {
	Events    []Event
	Confirmed bool // an SNS subscription was confirmed; no events
	// Ended says that SNS ended the subscription: from here on the provider tells us nothing.
	Ended bool
	// Replay names the signature. Where it is not empty the caller claims it together with the events; a request whose Replay is claimed
	// already changes nothing and is answered as the first one was, since providers repeat what they got no answer to. The events' own
	// IDs are enough for all but mailgun, where the signature does not cover them.
	Replay string
	// Uncovered says that the signature does not cover the events: whoever saw the request could put others under it, so Replay is claimed
	// also where no event came of it.
	Uncovered bool
	Until     time.Time // when Replay can be forgotten, since the signature is too old by then; zero with an empty Replay
	Ignored   int       // events that say nothing to us or could not be read
	Notes     []string  // why, at most maxNotes, without what the provider wrote; nil = nothing to note
}

// Caps on what events may hold.
const (
	maxEvents     = 5000 // of one request; SendGrid's 768 KiB hold about 2,000
	maxNotes      = 10
	maxIDs        = 8
	maxDiagnostic = 1024
	maxField      = 512
	maxAddress    = 320 // RFC 5321 section 4.5.3.1: 64 + 1 + 255
)

// ignore counts an event that gives nothing.
func (b *Batch) ignore(why string) {
	b.Ignored++
	if len(b.Notes) < maxNotes && !slices.Contains(b.Notes, why) {
		b.Notes = append(b.Notes, why)
	}
}

// names gathers what a mail is known by.
type names struct {
	own     func(string) (ledger.MessageID, error)
	ids     []string
	message ledger.MessageID
}

// add takes a Message-ID or a provider's id, brackets or not.
func (n *names) add(id string) {
	id = strings.TrimSpace(id)
	if l := len(id); l > 1 && id[0] == '<' && id[l-1] == '>' {
		id = id[1 : l-1]
	}
	if id == "" || len(id) > maxField || strings.ContainsFunc(id, unsafe) || len(n.ids) >= maxIDs || slices.Contains(n.ids, id) {
		return
	}
	n.ids = append(n.ids, id)
	if n.message == "" && n.own != nil && strings.IndexByte(id, '@') > 0 {
		if m, err := n.own(id); err == nil {
			n.message = m
		}
	}
}

// tag takes a piece of metadata or a header of the mail. Its name may be any: a text that is one of our ids (136 bits) is not there by chance.
func (n *names) tag(value string) {
	value = strings.TrimSpace(value)
	if m, err := ledger.ParseMessageID(value); err == nil {
		if n.message == "" {
			n.message = m
		}
		n.add(value)
	}
}

// tags takes metadata, whose names do not matter. Where two of our ids stand in it, the same one is taken each time.
func (n *names) tags(values iter.Seq[text]) {
	var ids []string
	for v := range values {
		if strings.HasPrefix(string(v), "msg_") {
			ids = append(ids, string(v))
		}
	}
	slices.Sort(ids)
	for _, id := range ids {
		n.tag(id)
	}
}

// put writes the names into an event. Each event has a slice of its own.
func (n *names) put(e *Event) {
	e.MessageIDs = slices.Clone(n.ids)
	e.Message = n.message
}

// eventID keeps a provider's id where it can stand in a key, and makes one of all parts where it cannot or there is none.
func eventID(given string, parts ...string) string {
	if given != "" && len(given) <= 128 && !strings.ContainsFunc(given, func(r rune) bool { return r <= ' ' || r > '~' || r == '@' }) {
		return given
	}
	h := sha256.New()
	for _, p := range append([]string{given}, parts...) {
		h.Write([]byte(p))
		h.Write([]byte{0})
	}
	return "h-" + hex.EncodeToString(h.Sum(nil)[:16])
}
