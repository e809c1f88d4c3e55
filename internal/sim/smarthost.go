package sim

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// SmarthostTimes is the patience of a smarthost. The zero value tries once a second and gives up after five.
type SmarthostTimes struct {
	Retry  time.Duration // between two attempts at a recipient that was deferred; 0 = 1 s
	Warn   time.Duration // age of a mail at which a "delayed" report is sent, once; 0 = never
	GiveUp time.Duration // age of a mail at which it is returned; 0 = 5 s
}

// Smarthost takes mail for everybody, as a relay does, and forwards it to the MX of each recipient that this world's DNS
// names (or World.BounceTo). Whatever cannot be delivered comes back to the envelope sender as an RFC 3464 report that quotes
// the last reply. DSN parameters are passed on to hosts that offer DSN; for others it sends the "relayed" report itself where
// NOTIFY=SUCCESS asks for one. It says 250 long before it knows.
//
// Combine it: Smarthost(SmarthostTimes{}).StartTLS().RequireAuth("resetd", "secret").
func Smarthost(t SmarthostTimes) Behaviour {
	if t.Retry <= 0 {
		t.Retry = time.Second
	}
	if t.GiveUp <= 0 {
		t.GiveUp = 5 * time.Second
	}
	return Behaviour{Then: func(_ context.Context, h *Host, m Mail) {
		m.Raw = append([]byte(received(h, m)), m.Raw...)
		for _, to := range m.Recipients {
			h.w.run(func(ctx context.Context) { h.forward(ctx, t, m, to) })
		}
	}}
}

// received is the trace line of RFC 5321 section 4.4.
func received(h *Host, m Mail) string {
	with := "ESMTP"
	if m.TLS != "" {
		with += "S"
	}
	if m.User != "" {
		with += "A"
	}
	return fmt.Sprintf("Received: from %s ([%s])\r\n\tby %s with %s id %s;\r\n\t%s\r\n",
		m.Helo, m.Remote.Addr(), h.name, with, m.QueueID, m.Received.Format(time.RFC1123Z))
}

// forward works at one recipient until the mail is delivered, refused for good, or too old.
func (h *Host) forward(ctx context.Context, t SmarthostTimes, m Mail, to Recipient) {
	warned := t.Warn <= 0
	for {
		res := h.send(ctx, m, to)
		if ctx.Err() != nil {
			return
		}
		h.note("-- forward: %s", res)
		age := h.w.Now().Sub(m.Received)
		report := Report{To: to, Action: "failed", Status: res.enhanced, Diagnostic: res.diagnostic(), Remote: res.host}
		switch {
		case res.ok() && (res.dsn || !to.wants("SUCCESS")):
			return
		case res.ok():
			report.Action, report.Status = "relayed", "2.0.0"
			h.bounce(ctx, m, []Report{report})
			return
		case res.lasting || age >= t.GiveUp:
			h.bounce(ctx, m, []Report{report})
			return
		case !warned && age >= t.Warn:
			warned = true
			report.Action = "delayed"
			h.bounce(ctx, m, []Report{report})
		}
		if !sleep(ctx, min(t.Retry, t.GiveUp-age)) {
			return
		}
	}
}

// cutType splits "rfc822;jo@full.example".
func cutType(s string) (kind, address string, ok bool) {
	kind, address, ok = strings.Cut(s, ";")
	return strings.ToUpper(kind), address, ok && address != ""
}
