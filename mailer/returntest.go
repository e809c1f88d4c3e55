package mailer

import (
	"bytes"
	"fmt"
	"time"

	"github.com/resetd/resetd/internal/ledger"
)

// ReturnTest builds a mail to a canary's return path that looks as a report of its delivery would (RFC 3464), so that the way back for
// bounces is tried with what bounces are: mail of the null sender. It is from whom the canary was from, since a relay may refuse any other
// From. helo is our own name.
func (p *Paths) ReturnTest(id ledger.MessageID, from, fromDomain, helo string, at time.Time) ([]byte, error) {
	path := p.ReturnPath(id)
	if path == "" {
		return nil, fmt.Errorf("return test: %w", ledger.ErrBadID)
	}
	if hasControl(from) || hasControl(helo) {
		return nil, fmt.Errorf("return test: %w", ErrBadHeader)
	}
	const boundary = "resetd-return-test"
	var b bytes.Buffer
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\r\n", args...) }
	line("From: %s", from)
	line("To: <%s>", path)
	line("Subject: Delivered: a loop check of resetd")
	line("Date: %s", at.UTC().Format("Mon, 02 Jan 2006 15:04:05 -0700"))
	line("Message-ID: <return.%s@%s>", string(id)[4:], fromDomain)
	line("Auto-Submitted: auto-replied")
	line("MIME-Version: 1.0")
	line("Content-Type: multipart/report; report-type=delivery-status; boundary=%q", boundary)
	line("")
	line("--%s", boundary)
	line("Content-Type: text/plain; charset=us-ascii")
	line("")
	line("This mail tries whether bounces reach resetd. No person has to do anything.")
	line("")
	line("--%s", boundary)
	line("Content-Type: message/delivery-status")
	line("")
	line("Reporting-MTA: dns; %s", helo)
	line("Original-Envelope-Id: %s", id)
	line("")
	line("Final-Recipient: rfc822; %s", p.Canary(id))
	line("Action: delivered")
	line("Status: 2.0.0")
	line("")
	line("--%s", boundary)
	line("Content-Type: text/rfc822-headers")
	line("")
	line("Message-ID: %s", p.MessageIDHeader(id, fromDomain))
	line("")
	line("--%s--", boundary)
	return b.Bytes(), nil
}
