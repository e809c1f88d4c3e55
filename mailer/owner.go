package mailer

import (
	"errors"
	"strings"
	"time"

	"github.com/emersion/go-smtp"
	"github.com/resetd/resetd/internal/ledger"
)

// A mailbox that was given to somebody else must not get the former owner's reset. A host that offers RRVS is asked at RCPT. Else the question
// goes along in a header field, for whoever on the way knows it (RFC 7293 section 4: the field is how a request passes through a host without the
// extension). It stands in front of the signed mail and is not signed, since hosts that act upon it take it out. It names the address that
// stands in To already, and the time; nobody learns more of the address by it.
const ownerField = "Require-Recipient-Valid-Since"

// rrvs is the extension's keyword.
const rrvs = "RRVS"

// owned says how the host is asked about the mailbox's owner, and gives the mail as it leaves.
func (g *dialogue) owned(s *session) (ledger.Asked, []byte) {
	if g.env.Since.IsZero() {
		return "", g.msg
	}
	if ok, _ := s.client.Extension(rrvs); ok {
		return ledger.ByRRVS, g.msg
	}
	field := ownerField + ": " + g.env.To + "; " + g.env.Since.Format(time.RFC1123Z) + "\r\n"
	return ledger.ByField, append([]byte(field), g.msg...)
}

// rcpt names the recipient. A host that offers RRVS and cannot tell of this mailbox is no worse than one that does not offer it: it is
// asked again without the question, as RFC 7293 section 14.4 leaves to us.
func (g *dialogue) rcpt(s *session, opts *smtp.RcptOptions) error {
	if s.asked == ledger.ByRRVS {
		opts.RequireRecipientValidSince = g.env.Since
	}
	err := s.client.Rcpt(g.env.To, opts)
	var said *smtp.SMTPError
	if s.asked != ledger.ByRRVS || !errors.As(err, &said) {
		return err
	}
	if code, _ := replyText(said); !strings.HasSuffix(code, ledger.CannotTell) {
		return err
	}
	s.asked = ledger.NoTell
	opts.RequireRecipientValidSince = time.Time{}
	s.w.stage(s.w.limits.Command)
	return s.client.Rcpt(g.env.To, opts)
}
