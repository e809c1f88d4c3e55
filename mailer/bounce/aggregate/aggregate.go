// Package aggregate reads what receivers report about our mail in bulk: DMARC aggregate reports (RFC 7489 section 7.2, RFC 9990) and TLS
// reports (RFC 8460).
//
// A report comes as a mail, as a file in gzip or zip, or plain. Media types and file names are often wrong, so every part is looked at, and
// its first bytes decide. Caps on bytes before and after unpacking, entries, depth, records and time stand in front of the parsers; a DTD is
// refused, so no entity is ever expanded. No address of a recipient stands in a report, and none is kept.
//
// Anybody can send a report about anybody's mail. What is read here is a claim.
package aggregate

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/resetd/resetd/mailer/bounce"
)

// Kind is what a report is about.
type Kind string

const (
	DMARC Kind = "dmarc" // whether mail that says it is from a domain passed SPF, DKIM and DMARC
	TLS   Kind = "tls"   // whether mail to a domain could be sent over TLS
)

// Report is what one receiver (DMARC) or sender (TLS) says about a day, mostly.
type Report struct {
	Kind     Kind
	Org      string    // how the reporter calls itself
	Contact  string    // the domain of its contact address; "" = none
	ID       string    // its own name of the report
	Domain   string    // whose policy was applied, in lower case; "" in a TLS report about several
	Begin    time.Time // UTC
	End      time.Time
	Policy   string // DMARC: p= as the receiver read it; "" = not said
	Rows     []Row  // DMARC
	Sessions []Sessions
	Notes    []string // what was mended or left out, a sentence each
}

// Row is a number of mails that one address brought and that fared alike.
type Row struct {
	Source      netip.Addr
	Count       int64
	From        string      // domain of the From field
	DKIM, SPF   bool        // passed and aligned with From, as DMARC has it
	Disposition string      // none, quarantine, reject; "" = not said
	Overrides   []string    // why the receiver did not do what the policy says: forwarded, mailing_list, local_policy …
	Signatures  []Signature // at most 10
	Envelope    string      // domain that SPF was asked about; "" = not said
}

// Signature is one DKIM signature as the receiver saw it.
type Signature struct {
	Domain, Selector string
	Pass             bool
}

// Sessions are a number of attempts to send mail to a domain over TLS that ended alike.
type Sessions struct {
	Domain string // whose mail it was
	Policy string // sts, tlsa, no-policy-found
	Host   string // the receiving mail host; "" = not said
	Result string // RFC 8460 section 4.3; "" = it went well
	Count  int64
}

// Caps. Reports about tens of thousands of mails are a few hundred kilobytes.
const (
	MaxInput   = 4 << 20       // bytes of a file; a mail is read up to 1 MiB
	maxText    = 16 << 20      // bytes unpacked, of all entries together
	maxEntries = 16            // of a zip
	maxNested  = 3             // packings inside each other: gzip of gzip is seen
	maxDepth   = 16            // of elements and objects
	maxRun     = 64 << 10      // bytes between two angle brackets: one tag, or one text
	maxRows    = 20_000        // of one report
	maxObjects = 20_000        // of a JSON text
	maxCount   = 1_000_000_000 // mails of one row; more is no number that a receiver counted
	maxWord    = 512           // bytes of a value
	maxTime    = 2 * time.Second
	maxSpan    = 32 * 24 * time.Hour // of a report
)

// What is wrong with an input. The texts hold nothing of it.
var (
	ErrNoReport = errors.New("there is no DMARC or TLS report in it")
	ErrTooMuch  = errors.New("it is larger than a report may be")
	ErrDTD      = errors.New("it defines entities (DTD), which no report needs")
	ErrBroken   = errors.New("it cannot be read")
)

// budget is what one input may still cost.
type budget struct {
	left  int64 // bytes that may still be unpacked
	until time.Time
}

func (b *budget) spent() bool { return time.Now().After(b.until) }

// Read reads every report in a file or a mail. name is the file's; it fills in what a report itself does not say (RFC 7489 section
// 7.2.1.1). An error means that nothing could be read; what could not be beside others is in their Notes.
func Read(name string, raw []byte) ([]Report, error) { return read(name, raw, maxTime) }

func read(name string, raw []byte, limit time.Duration) ([]Report, error) {
	b := &budget{left: maxText, until: time.Now().Add(limit)}
	if len(raw) > MaxInput {
		return nil, ErrTooMuch
	}
	if packed(raw) || document(raw) != "" {
		return b.reports(name, raw)
	}
	var out []Report
	first := ErrNoReport
	for _, a := range bounce.Attachments(raw) {
		got, err := b.reports(a.Name, a.Body)
		out = append(out, got...)
		if err != nil && errors.Is(first, ErrNoReport) {
			first = err
		}
	}
	if len(out) == 0 {
		return nil, first
	}
	if !errors.Is(first, ErrNoReport) {
		out[0].note("another part of the mail was not read: " + first.Error())
	}
	return out, nil
}

// reports reads all documents of one file.
func (b *budget) reports(name string, raw []byte) ([]Report, error) {
	var out []Report
	first := ErrNoReport
	err := b.unpack(name, raw, 0, func(name string, text []byte) {
		r, err := b.one(name, text)
		if err == nil {
			out = append(out, r)
		} else if errors.Is(first, ErrNoReport) {
			first = err
		}
	})
	switch {
	case len(out) > 0 && err != nil:
		out[0].note("the rest of the file was not read: " + err.Error())
	case len(out) > 0 && !errors.Is(first, ErrNoReport):
		out[0].note("another entry of the file was not read: " + first.Error())
	case len(out) == 0 && err != nil:
		return nil, err
	case len(out) == 0:
		return nil, first
	}
	return out, nil
}

// one reads one document.
func (b *budget) one(name string, text []byte) (Report, error) {
	var r Report
	var err error
	switch document(text) {
	case DMARC:
		r, err = b.dmarc(text)
	case TLS:
		r, err = readTLS(text)
	default:
		return r, ErrNoReport
	}
	if err != nil {
		return Report{}, err
	}
	return r, r.complete(name, text)
}

// document says by its beginning what a text may be; "" = no report.
func document(text []byte) Kind {
	head := bytes.TrimLeft(text[:min(len(text), 4<<10)], "\xef\xbb\xbf \t\r\n")
	switch {
	case bytes.HasPrefix(head, []byte("<")), bytes.HasPrefix(head, []byte("\xfe\xff")), bytes.HasPrefix(head, []byte("\xff\xfe")):
		return DMARC
	case bytes.HasPrefix(head, []byte("{")):
		return TLS
	}
	return ""
}

func (r *Report) note(what string) {
	if len(r.Notes) < 10 {
		r.Notes = append(r.Notes, what)
	}
}

func broken(what string, line int) error {
	if line > 0 {
		return fmt.Errorf("%w: %s at line %d", ErrBroken, what, line)
	}
	return fmt.Errorf("%w: %s", ErrBroken, what)
}
