package bounce

import (
	"net/mail"
	"strings"

	"github.com/resetd/resetd/internal/ledger"
)

// Matcher says which message of ours a mail is about, where it did not come to our own receiver, which knows by the envelope.
type Matcher struct {
	// Verify says whose return path an address is: mailer.Paths.ParseReturnPath.
	Verify func(addr string) (ledger.MessageID, error)
	// Own says which message a Message-ID header is of: mailer.Paths.ParseMessageIDHeader.
	Own func(messageID string) (ledger.MessageID, error)
}

// Match is what a Matcher found.
type Match struct {
	Message ledger.MessageID // "" = none
	Found   ledger.Found     // by what; means nothing without Message
	// Recipient is the one whom the mail is about, when no message was found and it names exactly one; "" = none.
	Recipient string
	Kind      Kind // of a mail whose message was not found; "" with one
}

// deliveredTo are the header fields in which hosts write down the envelope's recipient when they put a mail into a mailbox. Return-Path
// is not one of them: it is the sender, and ours only on a copy of our own mail.
var deliveredTo = [...]string{"delivered-to", "x-original-to", "envelope-to", "x-envelope-to", "x-delivered-to", "to"}

// Match looks at the header first: the address to which the mail came is the return path that we signed. What the returned part says
// comes next: its Message-ID, which carries our MAC too, and our own field, which nobody knows who did not see the mail.
func (m Matcher) Match(raw []byte) Match {
	w := walkMail(normalize(raw))
	if len(w.parts) == 0 {
		return Match{}
	}
	if id, ok := m.envelope(w.parts[0].hdr); ok {
		return Match{Message: id, Found: ledger.ByReturnPath}
	}
	w.book = rules() // which message it is about no rule of an operator changes
	read := decide(w)
	for _, id := range append([]string{read.Returned.MessageID}, read.MessageIDs...) {
		if id == "" {
			continue
		}
		if msg, err := m.Own(id); err == nil {
			return Match{Message: msg, Found: ledger.ByMessageID}
		}
	}
	if msg, err := ledger.ParseMessageID(strings.TrimSpace(read.Returned.Own["x-resetd-message"])); err == nil {
		return Match{Message: msg, Found: ledger.ByMessageID}
	}
	out := Match{Kind: read.Kind}
	if len(read.Reports) == 1 {
		out.Recipient = read.Reports[0].Recipient
		if strings.Contains(read.Reports[0].Original, "@") {
			out.Recipient = read.Reports[0].Original
		} else if read.Reports[0].Alias != "" {
			out.Recipient = read.Reports[0].Alias
		}
	}
	return out
}

// envelope looks for our return path in the header.
func (m Matcher) envelope(header []field) (ledger.MessageID, bool) {
	for _, name := range deliveredTo {
		for i := range header {
			if lower(header[i].name) != name {
				continue
			}
			if id, ok := m.address(unfold(header[i].value)); ok {
				return id, true
			}
		}
	}
	for i := range header {
		if lower(header[i].name) == "received" {
			// RFC 5321 section 4.4: "for <address>" names the recipient where there is one only.
			_, after, ok := strings.Cut(unfold(header[i].value), " for ")
			if !ok {
				continue
			}
			word, _, _ := strings.Cut(strings.TrimSpace(after), " ")
			if id, ok := m.address(strings.TrimRight(word, ";")); ok {
				return id, true
			}
		}
	}
	return "", false
}

// address takes one of our return paths out of a field: alone, in brackets, or in a list.
func (m Matcher) address(value string) (ledger.MessageID, bool) {
	value = strings.TrimSpace(clip(value, 4<<10))
	for part := range strings.SplitSeq(value, ",") {
		part = strings.Trim(strings.TrimSpace(part), "<>")
		if a, err := mail.ParseAddress(part); err == nil {
			part = a.Address
		}
		if id, err := m.Verify(part); err == nil {
			return id, true
		}
	}
	return "", false
}
