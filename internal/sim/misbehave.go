package sim

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"
)

// Accept is a good host: it takes every mail and keeps it.
//
// Unlike most real hosts that offer DSN it sends no "delivered" report, even when asked for one; AcceptThenConfirm does.
func Accept() Behaviour { return Behaviour{} }

// RejectRcpt refuses every recipient, as for an unknown mailbox: RejectRcpt(550, "5.1.1", "User unknown").
func RejectRcpt(code int, enhanced, text string) Behaviour {
	return Behaviour{Rcpt: func(*Dialogue, Recipient) Reply { return Reply{Code: code, Enhanced: enhanced, Text: text} }}
}

// UnknownMailbox knows none of the recipients, in Postfix's words.
func UnknownMailbox() Behaviour {
	return Behaviour{Rcpt: func(_ *Dialogue, to Recipient) Reply {
		return Reply{Code: 550, Enhanced: "5.1.1", Text: "<" + to.Address + ">: Recipient address rejected: User unknown in virtual mailbox table"}
	}}
}

// OnlyMailboxes knows just these addresses, compared without case; others are unknown.
func OnlyMailboxes(addresses ...string) Behaviour {
	known := map[string]bool{}
	for _, a := range addresses {
		known[strings.ToLower(a)] = true
	}
	unknown := UnknownMailbox()
	return Behaviour{Rcpt: func(d *Dialogue, to Recipient) Reply {
		if known[strings.ToLower(to.Address)] {
			return Reply{}
		}
		return unknown.Rcpt(d, to)
	}}
}

// MailboxFull refuses every recipient for now: over quota.
func MailboxFull() Behaviour {
	return RejectRcpt(452, "4.2.2", "The email account that you tried to reach is over quota")
}

// DeferRcpt defers every recipient with a reason that says nothing about the mailbox.
func DeferRcpt() Behaviour {
	return RejectRcpt(451, "4.3.2", "System not accepting network messages, please try again later")
}

// RejectSender refuses at MAIL, as hosts do that found the client's address on a blocklist.
func RejectSender(code int, enhanced, text string) Behaviour {
	return Behaviour{From: func(*Dialogue) Reply { return Reply{Code: code, Enhanced: enhanced, Text: text} }}
}

// RejectAtDot takes the whole mail and then refuses it, as for a DMARC policy: RejectAtDot(550, "5.7.26", "…").
func RejectAtDot(code int, enhanced, text string) Behaviour {
	return Behaviour{Dot: func(context.Context, *Dialogue) Reply { return Reply{Code: code, Enhanced: enhanced, Text: text} }}
}

// Greylist defers the first contact of each client address, sender and recipient, telling to come back after told seconds,
// and takes the mail once after has passed since that contact. With after 0 the second contact is taken.
func Greylist(after time.Duration, told int) Behaviour {
	type triple struct {
		client   netip.Addr
		from, to string
	}
	var mu sync.Mutex
	first := map[triple]time.Time{}
	return Behaviour{Rcpt: func(d *Dialogue, to Recipient) Reply {
		mu.Lock()
		defer mu.Unlock()
		now := d.Host.w.Now()
		t := triple{d.Remote.Addr(), d.Mail.From, strings.ToLower(to.Address)}
		since, known := first[t]
		if !known {
			first[t] = now
		}
		if known && now.Sub(since) >= after {
			return Reply{}
		}
		return Reply{Code: 451, Enhanced: "4.7.1", Text: fmt.Sprintf("Greylisting in action, please come back in %d seconds", told)}
	}}
}

// Down has nothing listening: connection refused.
func Down() Behaviour { return Behaviour{Closed: true} }

// Silent does not answer the dial, as behind a firewall that drops it.
func Silent() Behaviour { return Behaviour{Silent: true} }

// Blackhole takes connections and says nothing.
func Blackhole() Behaviour {
	return Behaviour{Takeover: func(_ context.Context, conn net.Conn) {
		io.Copy(io.Discard, conn) // until the peer goes
	}}
}

// BannerEndless greets without end, in one reply of ever more lines, as fast as the peer reads.
func BannerEndless() Behaviour {
	return Behaviour{Takeover: func(_ context.Context, conn net.Conn) {
		line := []byte("220-" + strings.Repeat("Welcome to our most hospitable mail host. ", 11) + "\r\n")
		for {
			if _, err := conn.Write(line); err != nil {
				return
			}
		}
	}}
}

// BannerReject refuses the connection itself: BannerReject(554, "5.7.1 …") or BannerReject(421, "4.3.2 …"). The host hangs up.
func BannerReject(code int, text string) Behaviour {
	return Behaviour{Banner: func(*Dialogue) Reply { return Reply{Code: code, Text: text, Hangup: true} }}
}

// CloseAfterDot takes the mail and hangs up without a reply: it has it, and the sender cannot know.
func CloseAfterDot() Behaviour {
	return Behaviour{Dot: func(context.Context, *Dialogue) Reply { return Reply{Hangup: true} }}
}

// SlowDot answers the final dot only after d.
func SlowDot(d time.Duration) Behaviour {
	return Behaviour{Dot: func(ctx context.Context, _ *Dialogue) Reply {
		sleep(ctx, d)
		return Reply{}
	}}
}

// HoldDot answers the final dot once release is closed. Dots that are held are not counted yet; seen, where not nil, is sent
// the envelope sender of each, so that a test can act in that very moment.
func HoldDot(release <-chan struct{}, seen chan<- string) Behaviour {
	return Behaviour{Dot: func(ctx context.Context, d *Dialogue) Reply {
		if seen != nil {
			select {
			case seen <- d.Mail.From:
			case <-ctx.Done():
			}
		}
		select {
		case <-release:
		case <-ctx.Done():
		}
		return Reply{}
	}}
}
