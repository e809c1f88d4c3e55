package mailer

import (
	"bytes"
	"errors"
	"fmt"
	netmail "net/mail"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/emersion/go-message"
	"github.com/emersion/go-message/mail"
	"github.com/resetd/resetd/internal/ledger"
)

// Why a mail was not built, beside ErrTemplate and ErrBadLink.
var (
	ErrBadHeader = errors.New("value cannot stand in a mail header") // control characters, or no address where one must be
	ErrMalformed = errors.New("the mail failed its own check")       // see Lint
)

// Draft is all that a mail is built from.
type Draft struct {
	ID        ledger.MessageID
	From      string // "Community <no-reply@example.org>"
	To        Address
	Locale    string    // of the account; "" = en
	Date      time.Time // when it was composed
	Data      Data
	Token     string // must stand in Data.Link
	PublicURL string // the base that Data.Link must have
}

// Mail is a mail ready to be signed.
type Mail struct {
	Raw       []byte // CRLF, 7-bit unless the recipient's address itself is not ASCII
	MessageID string // the header, with angle brackets
	From      string // the address alone
	Domain    string // of From, in A-labels: what DKIM must sign for
	Subject   string
	Locale    string // the one taken
	LinkHost  string
}

// Compose builds a multipart/alternative mail of text and HTML, and checks the result as a receiver would read it. What can go wrong is
// ErrTemplate, ErrBadLink, ErrBadHeader, ErrBadAddress or ErrMalformed; no error holds an address or the link.
func Compose(t *Templates, p *Paths, d Draft) (Mail, error) {
	m := Mail{}
	from, err := d.from(&m)
	if err != nil {
		return m, err
	}
	to, err := ParseAddress(d.To.String()) // a zero or hand-made Address is no better than a text
	if err != nil {
		return m, fmt.Errorf("the To field: %w", err)
	}
	if m.LinkHost, err = checkLink(d.Data.Link, d.PublicURL, d.Token); err != nil {
		return m, err
	}
	if err := d.Data.clean(); err != nil {
		return m, err
	}
	if m.MessageID = p.MessageIDHeader(d.ID, m.Domain); m.MessageID == "" {
		return m, fmt.Errorf("message: %w", ledger.ErrBadID)
	}
	lang := t.pick(d.Locale)
	m.Locale = lang.name
	r, err := lang.render(d.Data)
	if err != nil {
		return m, err
	}
	if err := r.carries(d.Data.Link, lang.name); err != nil {
		return m, err
	}
	m.Subject = r.subject

	// The library puts each new field above the last, so they are set from the bottom up.
	var h mail.Header
	h.Set("X-Resetd-Message", string(d.ID))
	h.Set("X-Auto-Response-Suppress", "All") // Exchange's word for the same as the next
	h.Set("Auto-Submitted", "auto-generated")
	h.Set("MIME-Version", "1.0")
	h.Set("Message-ID", m.MessageID)
	h.SetDate(d.Date)
	h.SetSubject(r.subject)
	h.SetAddressList("To", []*mail.Address{{Address: to.String()}})
	h.SetAddressList("From", []*mail.Address{from})
	if m.Raw, err = write(h, r); err != nil {
		return m, err
	}
	return m, Lint(m.Raw, d.Data.Link)
}

func (d Draft) from(m *Mail) (*mail.Address, error) {
	if hasControl(d.From) {
		return nil, fmt.Errorf("the From field: %w", ErrBadHeader)
	}
	from, err := netmail.ParseAddress(d.From)
	if err != nil {
		return nil, fmt.Errorf("the From field: %w", ErrBadHeader) // the parser's words would hold the address
	}
	addr, err := ParseAddress(from.Address)
	if err != nil {
		return nil, fmt.Errorf("the From field: %w", err)
	}
	if addr.NeedsUTF8 {
		return nil, fmt.Errorf("the From field: %w: only ASCII reaches everybody", ErrBadHeader)
	}
	m.From, m.Domain = addr.String(), addr.Domain
	return &mail.Address{Name: from.Name, Address: addr.String()}, nil
}

// maxField bounds what a template is filled in with, in bytes; the link has its own bound.
const maxField = 256

// clean refuses what would break out of a line. Whoever chose a username must not write our headers.
func (d Data) clean() error {
	for name, v := range map[string]string{"Realm": d.Realm, "RealmName": d.RealmName, "Username": d.Username, "Page": d.Page, "Support": d.Support} {
		if hasControl(v) || !utf8.ValidString(v) {
			return fmt.Errorf("%s: %w: control characters", name, ErrBadHeader)
		}
		if len(v) > maxField {
			return fmt.Errorf("%s: %w: longer than %d bytes", name, ErrBadHeader, maxField)
		}
	}
	return nil
}

// hasControl finds what Unicode calls control, line and paragraph separators, and marks that turn the direction of a text.
func hasControl(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool {
		return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' || unicode.Is(unicode.Bidi_Control, r)
	})
}

func write(h mail.Header, r rendered) ([]byte, error) {
	var b bytes.Buffer
	w, err := mail.CreateInlineWriter(&b, h)
	if err != nil {
		return nil, fmt.Errorf("writing the mail: %w", err)
	}
	for _, part := range []struct{ kind, body string }{{"text/plain", r.text}, {"text/html", r.html}} { // best last, RFC 2046 section 5.1.4
		ph := mail.InlineHeader{Header: message.Header{}}
		ph.SetContentType(part.kind, map[string]string{"charset": "utf-8"})
		ph.Set("Content-Transfer-Encoding", "quoted-printable")
		pw, err := w.CreatePart(ph)
		if err != nil {
			return nil, fmt.Errorf("writing the mail: %w", err)
		}
		if _, err := pw.Write([]byte(crlf(part.body) + "\r\n")); err != nil {
			return nil, fmt.Errorf("writing the mail: %w", err)
		}
		if err := pw.Close(); err != nil {
			return nil, fmt.Errorf("writing the mail: %w", err)
		}
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("writing the mail: %w", err)
	}
	return b.Bytes(), nil
}

func crlf(s string) string {
	return strings.ReplaceAll(strings.ReplaceAll(s, "\r\n", "\n"), "\n", "\r\n")
}
