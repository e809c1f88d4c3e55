// Package postlog answers what a relay of ours did with a mail after it had taken it: it reads the lines that Postfix logs and gives the
// events that are about our mails.
//
// Postfix writes about a mail on several lines, which its queue id joins:
//
//	cleanup: QUEUEID: message-id=<…>                                        whose mail it is: ours, by the MAC in the Message-ID, or nobody's
//	smtp:    QUEUEID: to=<…>, relay=…, dsn=…, status=sent|deferred|bounced (…)  what became of it, for one recipient
//	qmgr:    QUEUEID: from=<…>, status=expired, returned to sender          the time in the queue is over
//	qmgr:    QUEUEID: removed                                               the queue id may be given to another mail
//
// Only queue ids of our own mails are kept, and of those the latest ones: memory is bounded, whatever the log holds. "sent" to another
// host means that the next host took the mail and is Relayed, no proof of a mailbox; only local delivery is Delivered.
package postlog

import (
	"container/list"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"time"

	"github.com/resetd/resetd/diag/reply"
	"github.com/resetd/resetd/internal/ledger"
	"github.com/resetd/resetd/mailer/bounce/hook"
)

// Source is the name of this source in facts.
const Source = "log"

const (
	mostQueued = 10000   // queue ids of ours that are remembered; a mail is in the queue for seconds, rarely for days
	maxLine    = 8 << 10 // bytes of a line that are looked at; Postfix cuts its own at 2 KiB
)

// Reader turns lines into events. It is not safe for concurrent use.
type Reader struct {
	// Own says which message a Message-ID header is of: mailer.Paths.ParseMessageIDHeader.
	Own func(messageID string) (ledger.MessageID, error)
	// Replies says what hosts' words mean; nil = the built-in rules.
	Replies *reply.Book
	// Now tells the time: a classic line has no year. nil = time.Now.
	Now func() time.Time
	// Zone is the one in which classic lines are written; nil = time.Local.
	Zone *time.Location

	queued map[string]*list.Element // of *queue, by queue id
	latest list.List                // of *queue, the one used last in front
	Stats  Stats
}

// Stats count what was read.
type Stats struct {
	Lines, Ours, Events int
}

// queue is one mail of ours in Postfix's queue.
type queue struct {
	id      string
	message ledger.MessageID
	waits   hook.Event // the newest deferral, for when its time is over
}

// Line reads one line and gives the event on it; false = there is none about a mail of ours.
func (r *Reader) Line(line string) (hook.Event, bool) {
	r.Stats.Lines++
	if len(line) > maxLine {
		line = line[:maxLine]
	}
	at, daemon, rest, ok := r.head(strings.TrimRight(line, "\r\n"))
	if !ok {
		return hook.Event{}, false
	}
	id, said, ok := strings.Cut(rest, ": ")
	if !ok || !queueID(id) {
		return hook.Event{}, false
	}
	switch {
	case strings.HasPrefix(said, "message-id="):
		r.begins(id, said[len("message-id="):])
	case said == "removed":
		r.forget(id)
	case strings.HasPrefix(said, "to=<"):
		if q := r.of(id); q != nil {
			return r.became(q, at, daemon, said)
		}
	case strings.HasPrefix(said, "from=<") && expired(said):
		if q := r.of(id); q != nil && q.waits.ID != "" {
			e := q.waits
			e.ID, e.At, e.Kind = name(id, e.Recipient, "expired", at), at, hook.Bounced
			r.Stats.Events++
			return e, true
		}
	}
	return hook.Event{}, false
}

// expired: "status=expired, returned to sender"; since Postfix 3.5 an operator may force it.
func expired(said string) bool {
	return strings.Contains(said, ", status=expired") || strings.Contains(said, ", status=force-expired")
}

// begins remembers whose mail a queue id is. One that was another's is forgotten: Postfix uses short ids again.
func (r *Reader) begins(id, header string) {
	r.forget(id)
	m, err := r.Own(header)
	if err != nil {
		return
	}
	if r.queued == nil {
		r.queued = map[string]*list.Element{}
	}
	r.queued[id] = r.latest.PushFront(&queue{id: id, message: m})
	r.Stats.Ours++
	if r.latest.Len() > mostQueued {
		r.forget(r.latest.Back().Value.(*queue).id)
	}
}

func (r *Reader) forget(id string) {
	if e := r.queued[id]; e != nil {
		r.latest.Remove(e)
		delete(r.queued, id)
	}
}

func (r *Reader) of(id string) *queue {
	e := r.queued[id]
	if e == nil {
		return nil
	}
	r.latest.MoveToFront(e)
	return e.Value.(*queue)
}

// became reads what became of a mail for one recipient.
func (r *Reader) became(q *queue, at time.Time, daemon, said string) (hook.Event, bool) {
	head, words, ok := strings.Cut(said, ", status=")
	if !ok {
		return hook.Event{}, false
	}
	status, words, _ := strings.Cut(words, " ")
	words = strings.TrimSuffix(strings.TrimPrefix(words, "("), ")")
	to, relay, dsn := attribute(head, "to="), attribute(head, "relay="), attribute(head, "dsn=")
	// An alias or a forward on the relay: whom we wrote to is orig_to.
	if orig := attribute(head, "orig_to="); orig != "" {
		to = orig
	}
	to = address(to)
	host, _, named := strings.Cut(relay, "[") // "mx.there.example[192.0.2.1]:25"; "none" and "local" are no hosts
	if !named {
		host = ""
	}
	e := hook.Event{ID: name(q.id, to, status, at), At: at, Recipient: to, Message: q.message}
	switch status {
	case "sent":
		e.Kind = hook.Relayed
		// An alias on this machine sends it on, as another mail of the queue.
		if local(daemon) && !strings.HasPrefix(words, "forwarded as ") {
			e.Kind, host = hook.Delivered, ""
		}
	case "deferred":
		e.Kind = hook.Deferred
	case "bounced", "expired":
		e.Kind = hook.Bounced
	default:
		return hook.Event{}, false // deliverable, undeliverable: probes, which are no mail
	}
	if e.Kind == hook.Deferred || e.Kind == hook.Bounced {
		e.Say(r.Replies, host, dsn, spoken(words))
	} else {
		e.Host, e.Status = host, dsn
	}
	if e.Kind == hook.Deferred {
		q.waits = e
	}
	r.Stats.Events++
	return e, true
}

// local daemons put the mail into a mailbox of this machine; "lmtp" ends at one.
func local(daemon string) bool {
	return daemon == "local" || daemon == "virtual" || daemon == "lmtp"
}

// spoken takes the host's own words out of Postfix's: "host mx.there.example[192.0.2.1] said: 550 5.1.1 … (in reply to RCPT TO command)".
func spoken(words string) string {
	if strings.HasPrefix(words, "host ") {
		if _, after, ok := strings.Cut(words, " said: "); ok {
			words = after
		}
	}
	if i := strings.LastIndex(words, " (in reply to "); i > 0 {
		words = words[:i]
	}
	return words
}

// attribute finds NAME=VALUE in "to=<…>, relay=…, delay=…"; an address may hold a comma in its quoted local part.
func attribute(head, key string) string {
	if !strings.HasPrefix(head, key) {
		_, after, ok := strings.Cut(head, ", "+key)
		if !ok {
			return ""
		}
		head = key + after
	}
	v := head[len(key):]
	if strings.HasPrefix(v, "<") {
		v, _, _ = strings.Cut(v[1:], ">")
		return v
	}
	v, _, _ = strings.Cut(v, ", ")
	return v
}

// address folds the domain; "" = it cannot be one.
func address(s string) string {
	at := strings.LastIndexByte(s, '@')
	if at <= 0 || len(s) > 320 || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return ""
	}
	return s[:at+1] + strings.ToLower(s[at+1:])
}

// name is the event's id: the same line read again is the same event.
func name(queue, recipient, status string, at time.Time) string {
	h := sha256.Sum256([]byte(queue + "\x00" + recipient + "\x00" + status + "\x00" + at.UTC().Format(time.RFC3339Nano)))
	return "log-" + hex.EncodeToString(h[:12])
}

// queueID: hexadecimal, or with enable_long_queue_ids letters without vowels.
func queueID(s string) bool {
	if len(s) < 6 || len(s) > 24 {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
			return false
		}
	}
	return true
}
