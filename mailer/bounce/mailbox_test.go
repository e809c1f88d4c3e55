package bounce

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/resetd/resetd/internal/sim/dovecottest"
)

// inbox collects what a Mailbox hands over.
type inbox struct {
	mu    sync.Mutex
	mails []string
	notes []string
	full  bool // refuse to keep
	came  chan struct{}
}

func newInbox() *inbox { return &inbox{came: make(chan struct{}, 100)} }

func (i *inbox) keep(_ context.Context, raw []byte) (bool, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	defer func() { i.came <- struct{}{} }()
	if i.full {
		return false, errors.New("the store is away")
	}
	i.mails = append(i.mails, string(raw))
	return !strings.Contains(string(raw), "Subject: Lunch"), nil
}

func (i *inbox) note(what string, err error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.notes = append(i.notes, fmt.Sprint(what, ": ", err))
}

func (i *inbox) wait(t *testing.T, n int) []string {
	t.Helper()
	deadline := time.After(30 * time.Second)
	for {
		i.mu.Lock()
		got := slices.Clone(i.mails)
		i.mu.Unlock()
		if len(got) >= n {
			return got
		}
		select {
		case <-i.came:
		case <-deadline:
			t.Fatalf("%d mails, want %d; notes %q", len(got), n, i.notes)
		}
	}
}

// fetchInto runs a Mailbox until the test ends.
func fetchInto(t *testing.T, i *inbox, url string, secure *tls.Config) *Mailbox {
	m := &Mailbox{URL: url, Username: dovecottest.User, Password: dovecottest.Password, TLS: secure, Keep: i.keep, Note: i.note}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- m.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if m.Seeing() {
			t.Error("it says that it sees after its end")
		}
	})
	return m
}

func letter(subject string) []byte {
	return []byte("From: <>\nTo: bounces@us.example\nSubject: " + subject + "\n\nbody of " + subject + "\n")
}

func seen(n int) func([]string) bool {
	return func(flags []string) bool {
		k := 0
		for _, f := range flags {
			if strings.Contains(f, "S") && strings.ContainsAny(f, "abcdefgh") {
				k++
			}
		}
		return k == n
	}
}

// What is in the inbox is fetched, and what comes while it waits; each is marked only once it is kept, and nothing is deleted.
func TestMailboxFetches(t *testing.T) {
	d := dovecottest.Start(t)
	d.Deliver(letter("one"))
	i := newInbox()
	fetchInto(t, i, d.SecureURL(), d.Roots())
	i.wait(t, 1)
	d.Deliver(letter("two"))
	if got := i.wait(t, 2); !strings.Contains(got[0], "body of one") || !strings.Contains(got[1], "body of two") {
		t.Errorf("%q", got)
	}
	if err := d.WaitMails(t.Context(), seen(2)); err != nil {
		t.Errorf("%v: %q", err, d.Mails())
	}
	// A person's mail is handed over too, and left unseen.
	d.Deliver(letter("Lunch"))
	i.wait(t, 3)
	if err := d.WaitMails(t.Context(), func(flags []string) bool {
		return len(flags) == 3 && slices.ContainsFunc(flags, func(f string) bool { return f != "" && !strings.Contains(f, "S") })
	}); err != nil {
		t.Errorf("%v: %q", err, d.Mails())
	}
	d.Deliver(letter("last"))
	if got := i.wait(t, 4); len(got) != 4 {
		t.Errorf("fetched again: %q", got)
	}
}

// A person was faster: what they have opened is fetched too, if it is no older than a return can be.
func TestMailboxFetchesWhatWasOpened(t *testing.T) {
	d := dovecottest.Start(t)
	d.Opened(letter("of last month"), time.Now().AddDate(0, -1, 0))
	d.Opened(letter("of yesterday"), time.Now().AddDate(0, 0, -1))
	i := newInbox()
	fetchInto(t, i, d.URL(), nil)
	i.wait(t, 1)
	d.Deliver(letter("new"))
	got := i.wait(t, 2)
	if len(got) != 2 || !strings.Contains(got[0], "body of of yesterday") || !strings.Contains(got[1], "body of new") {
		t.Errorf("%q", got)
	}
}

// A mail that cannot be stored stays unseen and is fetched again.
func TestMailboxTriesAgain(t *testing.T) {
	d := dovecottest.Start(t)
	i := newInbox()
	i.full = true
	m := fetchInto(t, i, d.URL(), nil)
	d.Deliver(letter("one"))
	<-i.came
	if !m.Seeing() {
		t.Error("it does not say that it sees")
	}
	if flags := d.Mails(); slices.ContainsFunc(flags, func(f string) bool { return f != "" }) {
		t.Errorf("marked: %q", flags)
	}
	i.mu.Lock()
	i.full = false
	i.mu.Unlock()
	d.Deliver(letter("two"))
	if got := i.wait(t, 2); !strings.Contains(got[0], "body of one") {
		t.Errorf("%q", got)
	}
}

// A server that goes away and comes back is read again.
func TestMailboxReconnects(t *testing.T) {
	d := dovecottest.Start(t)
	i := newInbox()
	fetchInto(t, i, d.URL(), nil)
	d.Deliver(letter("one"))
	i.wait(t, 1)
	d.Stop()
	d.Deliver(letter("two"))
	d.Run()
	i.wait(t, 2)
}

// Only what may be kept of a mail is fetched.
func TestMailboxCutsWhatIsTooLarge(t *testing.T) {
	d := dovecottest.Start(t)
	d.Deliver(append(letter("large"), []byte(strings.Repeat("x\n", maxMail))...))
	i := newInbox()
	fetchInto(t, i, d.URL(), nil)
	if got := i.wait(t, 1); len(got[0]) != maxMail {
		t.Errorf("%d bytes", len(got[0]))
	}
}

// A wrong password, a certificate of nobody's and a server that says nonsense are told without a word of theirs or ours.
func TestMailboxTellsWhatIsWrong(t *testing.T) {
	d := dovecottest.Start(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			fmt.Fprint(c, "* OK jo@us.example\r\n* BYE \x1b[2J jo@us.example\r\n")
			c.Close()
		}
	}()
	for _, c := range []struct {
		name string
		m    *Mailbox
		want error
	}{
		{"password", &Mailbox{URL: d.URL(), Username: dovecottest.User, Password: "another"}, errMailboxLogin},
		{"certificate", &Mailbox{URL: d.SecureURL(), Username: dovecottest.User, Password: dovecottest.Password}, errMailboxDial},
		{"folder", &Mailbox{URL: strings.Replace(d.URL(), "INBOX", "Nowhere", 1), Username: dovecottest.User, Password: dovecottest.Password}, errMailboxSelect},
		{"nonsense", &Mailbox{URL: "imap://" + l.Addr().String() + "/INBOX", Username: "a", Password: "b"}, errMailboxLogin},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			got := make(chan error, 1)
			c.m.Note = func(_ string, err error) {
				select {
				case got <- err:
				default:
				}
				cancel()
			}
			if err := c.m.Run(ctx); err != nil {
				t.Fatal(err)
			}
			if err := <-got; err != c.want {
				t.Errorf("%v, want %v", err, c.want)
			}
		})
	}
}

// A password never goes in the clear to another machine.
func TestMailboxURLs(t *testing.T) {
	for url, want := range map[string]string{
		"imaps://mail.us.example/INBOX":       "mail.us.example:993 INBOX true",
		"imaps://mail.us.example:1993":        "mail.us.example:1993 INBOX true",
		"imaps://mail.us.example/Reset/Lost":  "mail.us.example:993 Reset/Lost true",
		"imap://127.0.0.1/INBOX":              "127.0.0.1:143 INBOX false",
		"imap://[::1]:1143/INBOX":             "[::1]:1143 INBOX false",
		"imap://mail.us.example/INBOX":        "",
		"https://mail.us.example/INBOX":       "",
		"imaps://jo:secret@mail.us.example/x": "",
		"":                                    "",
	} {
		at, folder, secure, err := mailboxOf(url)
		got := ""
		if err == nil {
			got = fmt.Sprint(at, " ", folder, " ", secure)
		}
		if got != want {
			t.Errorf("%s: %q, want %q", url, got, want)
		}
	}
}
