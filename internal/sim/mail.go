package sim

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"net/netip"
	"regexp"
	"strings"
	"time"
)

// Mail is a mail as a host took it.
type Mail struct {
	From       string      // envelope sender; "" is the null sender of bounces
	To         []string    // envelope recipients that were not refused
	Recipients []Recipient // the same with their parameters
	Raw        []byte      // as sent, dot-stuffing undone, line ends untouched
	Received   time.Time
	QueueID    string // as told in the 250

	Ret   string // RET, "FULL" or "HDRS"; "" where not given
	EnvID string // ENVID, xtext undone
	UTF8  bool   // SMTPUTF8 was asked for
	Body  string // BODY, "8BITMIME"; "" where not given

	Helo   string
	Remote netip.AddrPort
	User   string // who logged in; "" without AUTH
	TLS    string // "TLS 1.3"; "" in the clear
}

// Recipient is one RCPT.
type Recipient struct {
	Address string
	Notify  []string  // NOTIFY, upper case; nil where not given
	Since   time.Time // RRVS: the owner since then is meant; zero where not given
	ORcpt   string    // ORCPT with its type, xtext undone: "rfc822;jo@full.example"
}

// wants reports whether a DSN of this kind ("SUCCESS", "FAILURE", "DELAY") may be sent. Without NOTIFY only success needs
// none (RFC 3461 section 4.1).
func (r Recipient) wants(kind string) bool {
	if r.Notify == nil {
		return kind != "SUCCESS"
	}
	for _, n := range r.Notify {
		if n == kind {
			return true
		}
	}
	return false
}

// Header reads one header field, decoded; "" where there is none.
func (m Mail) Header(name string) string {
	msg, err := mail.ReadMessage(bytes.NewReader(m.Raw))
	if err != nil {
		return ""
	}
	value := msg.Header.Get(name)
	if text, err := new(mime.WordDecoder).DecodeHeader(value); err == nil {
		return text
	}
	return value
}

// Link is the first reset link in the mail's text part.
func (m Mail) Link() string { return Link(m.Raw) }

const (
	maxDepth = 8       // of multiparts within each other
	maxParts = 64      // of one multipart
	maxText  = 1 << 20 // bytes of text looked at
)

// resetLink is CONTRACT.md's public_url + "/r/" + token.
var resetLink = regexp.MustCompile(`https?://[^\s<>"']+/r/[A-Za-z0-9._~=%-]+`)

// Link returns the first reset link, http(s)://…/r/…, in the text part of a mail, quoted-printable or base64 undone; a mail
// without a text part is searched in its HTML. "" where there is none.
func Link(raw []byte) string {
	msg, err := mail.ReadMessage(bufio.NewReader(bytes.NewReader(raw)))
	if err != nil {
		return ""
	}
	texts := map[string]string{}
	collect(texts, msg.Header.Get, msg.Body, 0)
	for _, kind := range []string{"text/plain", "text/html"} {
		if link := resetLink.FindString(texts[kind]); link != "" {
			return strings.TrimRight(link, ".")
		}
	}
	return ""
}

// collect gathers the decoded text parts by media type.
func collect(texts map[string]string, get func(string) string, body io.Reader, depth int) {
	kind, params, err := mime.ParseMediaType(get("Content-Type"))
	if err != nil {
		kind = "text/plain" // RFC 2045 section 5.2
	}
	if strings.HasPrefix(kind, "multipart/") {
		if depth == maxDepth || params["boundary"] == "" {
			return
		}
		parts := multipart.NewReader(body, params["boundary"])
		for range maxParts {
			p, err := parts.NextRawPart()
			if err != nil {
				return
			}
			collect(texts, p.Header.Get, p, depth+1)
		}
		return
	}
	switch strings.ToLower(strings.TrimSpace(get("Content-Transfer-Encoding"))) {
	case "quoted-printable":
		body = quotedprintable.NewReader(body)
	case "base64":
		body = base64.NewDecoder(base64.StdEncoding, body)
	}
	text, _ := io.ReadAll(io.LimitReader(body, maxText)) // what could be decoded is enough
	texts[kind] += string(text)
}
