package sim

import (
	"context"
	"net"
	"slices"
	"time"
)

// Behaviour is how a host behaves, stage by stage. The zero value is a good host that offers everything but STARTTLS and takes
// every mail. Each hook may be nil; the zero Reply means "as a good host would". Values are copied: the methods that change
// one return the change.
//
// A hook is called from many dialogues at once.
type Behaviour struct {
	Closed bool // nothing listens: connections are refused
	Silent bool // dials are not answered at all; on Linux only

	// Takeover owns the connection from the first byte; nothing else of the behaviour applies. It returns when ctx ends,
	// and may leave closing to the host.
	Takeover func(ctx context.Context, conn net.Conn)

	Banner func(d *Dialogue) Reply               // in place of the 220
	Rcpt   func(d *Dialogue, to Recipient) Reply // at RCPT
	From   func(d *Dialogue) Reply               // at MAIL
	Data   func(d *Dialogue) Reply               // at DATA, in place of the 354
	// Dot is asked when the whole mail is there, in d.Mail. The mail goes to the mailbox if the reply is zero, 2xx, or none
	// at all (Reply.Hangup without a code).
	Dot func(ctx context.Context, d *Dialogue) Reply
	// Then runs, in a goroutine of its own, for each mail that went to the mailbox, once the reply has been written.
	// Ready-made ones combine: b := Greylist(0, 60); b.Then = AcceptThenScan(0).Then.
	Then func(ctx context.Context, h *Host, m Mail)

	owners   func(Recipient) time.Time // since when a mailbox has its owner; nil = RRVS is not offered
	without  []Extension
	noEHLO   bool
	size     int64 // limit of a mail in bytes; 0 = maxMail
	startTLS bool
	noTLSNow bool // STARTTLS is offered and refused
	implicit bool
	cert     Certificate
	user     string // with a user, mail is taken only after AUTH
	password string
	clear    bool // AUTH is offered before TLS too
}

// Reply is one SMTP reply. The zero value leaves the answer to the host.
type Reply struct {
	Code     int
	Enhanced string // "5.1.1"; left out where the host does not offer ENHANCEDSTATUSCODES
	Text     string // a line feed makes it a reply of several lines
	Hangup   bool   // close the connection after the reply; with Code 0 without a reply
}

// Extension is a keyword of the EHLO reply.
type Extension string

// The extensions that a host offers unless told Without. STARTTLS and AUTH are added by the methods of their names.
const (
	ExtPipelining Extension = "PIPELINING"
	Ext8BitMIME   Extension = "8BITMIME"
	ExtEnhanced   Extension = "ENHANCEDSTATUSCODES"
	ExtSize       Extension = "SIZE"
	ExtDSN        Extension = "DSN"
	ExtSMTPUTF8   Extension = "SMTPUTF8"
)

// Without takes extensions away. Their MAIL and RCPT parameters are then refused with 555, as RFC 5321 section 4.1.1.11 asks.
func (b Behaviour) Without(exts ...Extension) Behaviour {
	b.without = append(slices.Clone(b.without), exts...)
	return b
}

// Only leaves just these extensions.
func (b Behaviour) Only(exts ...Extension) Behaviour {
	b.without = nil
	for _, e := range []Extension{ExtPipelining, Ext8BitMIME, ExtEnhanced, ExtSize, ExtDSN, ExtSMTPUTF8} {
		if !slices.Contains(exts, e) {
			b.without = append(b.without, e)
		}
	}
	return b
}

// Owners offers RRVS (RFC 7293): since says since when a mailbox has its present owner, the zero time that the host has no record of it. Who asks
// for an earlier owner is refused with 5.7.17, or with 5.7.19.
func (b Behaviour) Owners(since func(Recipient) time.Time) Behaviour { b.owners = since; return b }

// NoEHLO makes a host of 1982 that knows only HELO.
func (b Behaviour) NoEHLO() Behaviour { b.noEHLO = true; return b }

// MaxSize limits a mail, in bytes: announced by SIZE, and held to.
func (b Behaviour) MaxSize(bytes int64) Behaviour { b.size = bytes; return b }

// StartTLS offers STARTTLS.
func (b Behaviour) StartTLS() Behaviour { b.startTLS = true; return b }

// StartTLSRefused offers STARTTLS and answers it with 454, as a host does that has lost its key.
func (b Behaviour) StartTLSRefused() Behaviour { b.startTLS, b.noTLSNow = true, true; return b }

// ImplicitTLS speaks TLS from the first byte, as on port 465.
func (b Behaviour) ImplicitTLS() Behaviour { b.implicit = true; return b }

// Certificate chooses the certificate; it matters with StartTLS or ImplicitTLS.
func (b Behaviour) Certificate(c Certificate) Behaviour { b.cert = c; return b }

// RequireAuth takes mail only from who logs in with AUTH PLAIN or LOGIN; anything else gets 535 5.7.8. Where the host has TLS,
// AUTH is offered only inside it, and tried before it gets 538 5.7.11.
func (b Behaviour) RequireAuth(user, password string) Behaviour {
	b.user, b.password = user, password
	return b
}

// AuthInClear offers AUTH before TLS too, as a trap for clients that would send a password in the clear.
func (b Behaviour) AuthInClear() Behaviour { b.clear = true; return b }

func (b Behaviour) offers(e Extension) bool { return !slices.Contains(b.without, e) }

func (b Behaviour) hasTLS() bool { return b.startTLS || b.implicit }

// maxMail bounds a mail where the behaviour does not, in bytes.
const maxMail = 32 << 20

func (b Behaviour) maxSize() int64 {
	if b.size > 0 {
		return b.size
	}
	return maxMail
}
