package bounce

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
)

// Mailbox fetches returned mail over IMAP, for those who cannot open port 25. It looks at what is unseen, and where the server takes keywords
// at what a person opened before us, hands each mail to Keep, and only then marks it: seen, and with a keyword. A mail that is none of ours keeps its unseen state where the server takes keywords, since a
// person may be waiting for it. Nothing is deleted and nothing moved. Fields are set before Run.
type Mailbox struct {
	URL      string // imaps://host:993/INBOX; imap:// only for loopback
	Username string
	Password string
	TLS      *tls.Config // nil = the system's authorities
	// Keep stores one mail, if it is about a mail of ours. An error leaves it unmarked, and it is fetched again at the next look.
	Keep func(ctx context.Context, raw []byte) (ours bool, err error)
	// Note tells what went wrong; err holds no address and no secret. nil = nobody listens.
	Note func(what string, err error)
	Poll time.Duration // how long between two looks when the server says nothing; 0 = 1 min

	seeing atomic.Bool
}

// Done is the keyword of mails that were fetched.
const Done = imap.Flag("$ResetdDone")

const (
	mailboxPoll  = time.Minute
	mailboxDial  = 30 * time.Second
	mailboxFirst = time.Second        // the wait after a first failure; it doubles
	mailboxLast  = 5 * time.Minute    // and is never longer
	mailboxBatch = 50                 // mails of one look, fetched one by one; the next look takes the others
	mailboxBack  = 6 * 24 * time.Hour // how far back what somebody has opened is looked at: a return comes within days
)

// What is wrong with a mailbox, in words that hold nothing of what the server wrote: it may quote the user's name.
var (
	errMailboxURL    = errors.New("the mailbox is no imaps:// URL (imap:// is for loopback only)")
	errMailboxDial   = errors.New("the server does not answer, or its certificate is not good")
	errMailboxLogin  = errors.New("the server refuses the login")
	errMailboxSelect = errors.New("the server has no such mailbox, or it is read-only")
	errMailboxFetch  = errors.New("the session broke off")
)

// Seeing says whether the mailbox is open right now: what comes back will be seen.
func (m *Mailbox) Seeing() bool { return m.seeing.Load() }

// Run fetches until ctx ends. A session that breaks is begun again, after a wait that grows up to five minutes; only a URL that cannot
// work is an error.
func (m *Mailbox) Run(ctx context.Context) error {
	at, folder, secure, err := mailboxOf(m.URL)
	if err != nil {
		return err
	}
	wait := mailboxFirst
	for {
		opened, err := m.session(ctx, at, folder, secure)
		if ctx.Err() != nil {
			return nil
		}
		if opened {
			wait = mailboxFirst
		}
		m.note("the bounce mailbox cannot be read; trying again", err)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
		wait = min(2*wait, mailboxLast)
	}
}

// mailboxOf takes a URL apart.
func mailboxOf(raw string) (at, folder string, secure bool, err error) {
	u, err := url.Parse(raw)
	if err != nil || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return "", "", false, errMailboxURL
	}
	port := u.Port()
	switch ip := net.ParseIP(u.Hostname()); {
	case u.Scheme == "imaps":
		secure = true
		if port == "" {
			port = "993"
		}
	case u.Scheme == "imap" && (u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()):
		if port == "" {
			port = "143"
		}
	default:
		return "", "", false, errMailboxURL
	}
	folder = strings.TrimPrefix(u.Path, "/")
	if folder == "" {
		folder = "INBOX"
	}
	return net.JoinHostPort(u.Hostname(), port), folder, secure, nil
}

// session is one connection, from its dial to its end. opened: the mailbox could be looked at.
func (m *Mailbox) session(ctx context.Context, at, folder string, secure bool) (opened bool, err error) {
	news := make(chan struct{}, 1)
	o := &imapclient.Options{
		TLSConfig: m.TLS.Clone(), Dialer: &net.Dialer{Timeout: mailboxDial},
		UnilateralDataHandler: &imapclient.UnilateralDataHandler{Mailbox: func(*imapclient.UnilateralDataMailbox) {
			select {
			case news <- struct{}{}:
			default: // a look is due already
			}
		}},
	}
	dial := imapclient.DialInsecure
	if secure {
		dial = imapclient.DialTLS
	}
	c, err := dial(at, o)
	if err != nil {
		return false, errMailboxDial
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { c.Close() })()
	if err := c.WaitGreeting(); err != nil {
		return false, errMailboxDial
	}
	if err := c.Login(m.Username, m.Password).Wait(); err != nil {
		return false, errMailboxLogin
	}
	box, err := c.Select(folder, nil).Wait()
	if err != nil || !slices.Contains(box.PermanentFlags, imap.FlagSeen) && len(box.PermanentFlags) > 0 {
		return false, errMailboxSelect
	}
	m.seeing.Store(true)
	defer m.seeing.Store(false)
	keyword := slices.Contains(box.PermanentFlags, imap.FlagWildcard) || slices.Contains(box.PermanentFlags, Done)
	for {
		more, err := m.look(ctx, c, keyword)
		if err != nil {
			return true, err
		}
		if more {
			continue
		}
		if err := m.await(ctx, c, news); err != nil {
			return true, err
		}
	}
}

// wanted is what a look searches for. Where we have a mark of our own, what a person opened within a few days is fetched too.
func wanted(keyword bool, now time.Time) *imap.SearchCriteria {
	c := &imap.SearchCriteria{NotFlag: []imap.Flag{imap.FlagDeleted, Done}}
	if keyword {
		c.Or = [][2]imap.SearchCriteria{{{NotFlag: []imap.Flag{imap.FlagSeen}}, {Since: now.Add(-mailboxBack)}}}
	} else {
		c.NotFlag = append(c.NotFlag, imap.FlagSeen)
	}
	return c
}

// look fetches what is new. more: there is more than one look takes. A mail that cannot be kept ends the look, since the store is
// away and the next one would fare no better.
func (m *Mailbox) look(ctx context.Context, c *imapclient.Client, keyword bool) (more bool, err error) {
	found, err := c.UIDSearch(wanted(keyword, time.Now()), nil).Wait()
	if err != nil {
		return false, errMailboxFetch
	}
	ids := found.AllUIDs()
	slices.Sort(ids)
	if more = len(ids) > mailboxBatch; more {
		ids = ids[:mailboxBatch]
	}
	for _, id := range ids {
		raw, err := fetchOne(c, id)
		if err != nil {
			return false, err
		}
		if raw == nil {
			continue // somebody else took it away
		}
		ours, err := m.Keep(ctx, raw)
		if err != nil {
			m.note("a mail of the bounce mailbox is not stored; it stays unseen", err)
			return false, nil
		}
		var marks []imap.Flag
		if keyword {
			marks = append(marks, Done)
		}
		if ours || !keyword {
			marks = append(marks, imap.FlagSeen)
		}
		if err := c.Store(imap.UIDSetNum(id), &imap.StoreFlags{Op: imap.StoreFlagsAdd, Silent: true, Flags: marks}, nil).Close(); err != nil {
			return false, errMailboxFetch
		}
	}
	return more, nil
}

// fetchOne reads at most maxMail bytes of a mail and marks nothing; nil = it is gone.
func fetchOne(c *imapclient.Client, id imap.UID) ([]byte, error) {
	section := &imap.FetchItemBodySection{Peek: true, Partial: &imap.SectionPartial{Size: maxMail}}
	cmd := c.Fetch(imap.UIDSetNum(id), &imap.FetchOptions{UID: true, BodySection: []*imap.FetchItemBodySection{section}})
	var raw []byte
	for msg := cmd.Next(); msg != nil; msg = cmd.Next() {
		for item := msg.Next(); item != nil; item = msg.Next() {
			body, ok := item.(imapclient.FetchItemDataBodySection)
			if !ok || body.Literal == nil {
				continue
			}
			b, err := io.ReadAll(io.LimitReader(body.Literal, maxMail)) // what is beyond is drained by Next
			if err != nil {
				return nil, errMailboxFetch
			}
			if raw == nil {
				raw = b
			}
		}
	}
	if err := cmd.Close(); err != nil {
		return nil, errMailboxFetch
	}
	return raw, nil
}

// await returns when there may be something new: the server says so (IDLE, RFC 2177), or Poll is over. A server without IDLE is asked again
// after Poll. A connection that died in silence is noticed by the look that follows.
func (m *Mailbox) await(ctx context.Context, c *imapclient.Client, news <-chan struct{}) error {
	poll := m.Poll
	if poll == 0 {
		poll = mailboxPoll
	}
	var idle *imapclient.IdleCommand
	if c.Caps().Has(imap.CapIdle) {
		var err error
		if idle, err = c.Idle(); err != nil {
			return errMailboxFetch
		}
	}
	t := time.NewTimer(poll)
	defer t.Stop()
	select {
	case <-news:
	case <-t.C:
	case <-c.Closed():
		return errMailboxFetch
	case <-ctx.Done():
		return ctx.Err()
	}
	if idle == nil {
		return nil
	}
	if err := errors.Join(idle.Close(), idle.Wait()); err != nil {
		return errMailboxFetch
	}
	return nil
}

func (m *Mailbox) note(what string, err error) {
	if m.Note != nil {
		m.Note(what, err)
	}
}
