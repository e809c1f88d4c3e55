package bounce

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync/atomic"
	"time"

	"github.com/emersion/go-smtp"
	"github.com/resetd/resetd/internal/ledger"
)

// Receiver takes returned mail over SMTP: only for return paths that we made, and it answers 250 only once Keep has stored the mail. It
// relays nothing and offers no AUTH. Fields are set before Serve.
//
// postmaster and abuse at the bounce domain: RFC 5321 section 4.5.1 wants postmaster answered. With Postmaster set both are taken
// and handed to it; without it they are refused with a text that says where the domain's people are, and whoever publishes the MX
// should route them elsewhere.
type Receiver struct {
	Domain string // of the greeting, and the bounce domain: after EHLO and in addresses
	// Verify says whose return path a recipient is: mailer.Paths.ParseReturnPath. Any error refuses it.
	Verify func(addr string) (ledger.MessageID, error)
	// Keep stores one returned mail for one message. An error is answered 451, and the sender tries again.
	Keep func(ctx context.Context, id ledger.MessageID, from string, raw []byte) error
	// Postmaster stores a mail to the people behind the domain; nil = refused.
	Postmaster func(ctx context.Context, from string, raw []byte) error
	// Boxes are what else is taken at the domain, by local part in lower case: reports of receivers, say. An error is answered 451.
	Boxes map[string]Box
	// Canary says whose canary a recipient is: mailer.Paths.ParseCanary. nil = none is taken.
	Canary func(addr string) (ledger.MessageID, error)
	// KeepCanary stores a canary, with what was seen of the host that brought it; as Keep.
	KeepCanary func(ctx context.Context, id ledger.MessageID, came Came, raw []byte) error
	TLS        *tls.Config // for STARTTLS; nil = not offered
	Limits     ReceiverLimits

	stats  counters
	bodies atomic.Int64 // bytes of the mails under way
	active atomic.Pointer[running]
}

// Box stores a mail that came to a mailbox of the bounce domain.
type Box func(ctx context.Context, raw []byte) error

// ReceiverLimits bound what a stranger can make us do. A zero field takes its default.
type ReceiverLimits struct {
	MessageBytes int64         // 1 MiB, said with SIZE
	SessionBytes int64         // read in one session; 8 MiB
	LineBytes    int           // 16 KiB: reports quote HTML without line breaks
	Recipients   int           // of one mail; 5
	Commands     int           // of one session, replies counted; 50. Inside TLS each record counts, so an EHLO there costs about ten
	Errors       int           // refused senders and recipients; 10
	Bodies       int64         // bytes of all mails under way together; 32 MiB, beyond 452
	Sessions     int           // 100; beyond, 421
	PerIP        int           // sessions of one IPv4 address or IPv6 /64; 5. Loopback is exempt: a relay of our own comes from there
	Session      time.Duration // 5 min
	Idle         time.Duration // without a byte; 60 s
	Keep         time.Duration // for Keep to store one mail; 30 s
}

func (l ReceiverLimits) withDefaults() ReceiverLimits {
	set := func(n *int, v int) {
		if *n == 0 {
			*n = v
		}
	}
	set(&l.LineBytes, 16<<10)
	set(&l.Recipients, 5)
	set(&l.Commands, 50)
	set(&l.Errors, 10)
	set(&l.Sessions, 100)
	set(&l.PerIP, 5)
	if l.MessageBytes == 0 {
		l.MessageBytes = 1 << 20
	}
	if l.SessionBytes == 0 {
		l.SessionBytes = 8 << 20
	}
	if l.Bodies == 0 {
		l.Bodies = 32 << 20
	}
	if l.Session == 0 {
		l.Session = 5 * time.Minute
	}
	if l.Idle == 0 {
		l.Idle = time.Minute
	}
	if l.Keep == 0 {
		l.Keep = 30 * time.Second
	}
	return l
}

// ReceiverStats counts what the receiver saw since it was made.
type ReceiverStats struct {
	Sessions  uint64 // begun
	Open      int64  // now
	TurnedOff uint64 // answered 421 at the door: too many sessions
	CutOff    uint64 // ended by a limit of commands, errors or bytes
	Kept      uint64 // mails stored, one per message
	Boxed     uint64 // mails stored that came to one of the Boxes
	NotKept   uint64 // mails that Keep could not store, answered 451
	Forged    uint64 // recipients at our domain that are no return path of ours
	Foreign   uint64 // recipients elsewhere: attempts to relay
	Canaries  uint64 // stored canaries
	TooLarge  uint64
	Faults    uint64 // what the SMTP library reported: broken connections, panics
}

type counters struct {
	sessions, turnedOff, cutOff, kept, boxed, notKept, forged, foreign, canaries, tooLarge, faults atomic.Uint64
	open                                                                                           atomic.Int64
}

// Stats reads the counters.
func (r *Receiver) Stats() ReceiverStats {
	c := &r.stats
	return ReceiverStats{Sessions: c.sessions.Load(), Open: c.open.Load(), TurnedOff: c.turnedOff.Load(), CutOff: c.cutOff.Load(),
		Kept: c.kept.Load(), Boxed: c.boxed.Load(), NotKept: c.notKept.Load(), Forged: c.forged.Load(), Foreign: c.foreign.Load(), Canaries: c.canaries.Load(), TooLarge: c.tooLarge.Load(),
		Faults: c.faults.Load()}
}

// ErrServing means that the receiver serves already, or has been shut down; a Receiver serves once.
var ErrServing = errors.New("the receiver serves already or was shut down")

// running is what Serve made.
type running struct {
	server *smtp.Server
	door   *door
}

// Serve takes mail from a listener until Shutdown, then gives nil. It closes the listener.
func (r *Receiver) Serve(l net.Listener) error {
	limits := r.Limits.withDefaults()
	run := &running{door: newDoor(l, limits, &r.stats)}
	run.server = smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) {
		return &inbound{r: r, limits: limits, conn: guardOf(c.Conn()), peer: c}, nil
	}))
	s := run.server
	s.Domain, s.TLSConfig, s.MaxRecipients = r.Domain, r.TLS, limits.Recipients
	s.MaxMessageBytes, s.MaxLineLength = limits.MessageBytes, limits.LineBytes
	// A report about an address in Unicode comes as an internationalized mail (RFC 6533).
	s.EnableSMTPUTF8 = true
	s.ErrorLog = faultCounter{&r.stats.faults}
	if !r.active.CompareAndSwap(nil, run) {
		l.Close()
		return ErrServing
	}
	err := s.Serve(run.door)
	if run.door.isClosed() {
		return nil
	}
	return err
}

// Shutdown takes no new sessions, ends those that wait for a command, and waits until mails under way are stored and answered, or ctx
// ends; then it closes what is left. A later Serve gives ErrServing.
func (r *Receiver) Shutdown(ctx context.Context) error {
	run := r.active.Load()
	if run == nil {
		if r.active.CompareAndSwap(nil, &running{}) {
			return nil
		}
		run = r.active.Load()
	}
	if run.server == nil {
		return nil
	}
	run.door.hurry()
	run.door.Listener.Close() // also when Serve has not told the library of it yet
	err := run.server.Shutdown(ctx)
	if errors.Is(err, smtp.ErrServerClosed) {
		return nil
	}
	if ctx.Err() != nil {
		run.door.closeAll()
		return err
	}
	return nil // the library reports that the listener was closed, by us
}

// faultCounter is where the SMTP library logs; the words hold addresses, so only their number is kept.
type faultCounter struct{ n *atomic.Uint64 }

func (f faultCounter) Printf(string, ...any) { f.n.Add(1) }
func (f faultCounter) Println(...any)        { f.n.Add(1) }
