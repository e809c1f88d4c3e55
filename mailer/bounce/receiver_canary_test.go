package bounce

import (
	"context"
	"strings"
	"testing"

	"github.com/resetd/resetd/internal/ledger"
	"github.com/resetd/resetd/mailer"
)

// A canary comes to its own address, is kept with what was seen of the dialogue, and nobody can make such an address from a return path.
func TestCanary(t *testing.T) {
	var came Came
	var who ledger.MessageID
	var got string
	paths, err := mailer.NewPaths("bounces.example", []mailer.Key{{ID: "k1", Secret: [32]byte{1}}}) // those of newSite
	if err != nil {
		t.Fatal(err)
	}
	s := newSite(t, func(r *Receiver) {
		r.Canary = paths.ParseCanary
		r.KeepCanary = func(_ context.Context, id ledger.MessageID, c Came, raw []byte) error {
			packed, err := c.Pack(raw)
			if err != nil {
				return err
			}
			who = id
			var body []byte
			came, body, err = Unpack(packed)
			got = string(body)
			return err
		}
	})
	p, _ := s.call(t)
	path, bird := s.path(7), s.paths.Canary(s.id(7))
	p.talk(
		"EHLO relay.example", "250",
		"MAIL FROM:<"+path+">", "250",
		"RCPT TO:<"+strings.Replace(path, "b-", "c-", 1)+">", "550",
		"RCPT TO:<"+strings.Replace(bird, "c-", "b-", 1)+">", "550",
		"RCPT TO:<"+strings.Replace(bird, "bounces.example", "else.example", 1)+">", "550",
		"RCPT TO:<"+strings.ToUpper(bird)+">", "250",
		"DATA", "354",
		"Subject: a canary\r\n\r\nHello.\r\n.", "250",
		"QUIT", "221")
	if who != s.id(7) || got != "Subject: a canary\r\n\r\nHello.\r\n" {
		t.Errorf("kept for %s: %q", who, got)
	}
	if came.HELO != "relay.example" || came.From != path || !came.IP.IsLoopback() || came.At.IsZero() || came.TLS != "" {
		t.Errorf("what was seen is %+v", came)
	}
	if len(s.mails()) != 0 {
		t.Errorf("a canary is kept as a returned mail too: %v", s.mails())
	}
	if st := s.Stats(); st.Canaries != 1 || st.Forged != 2 || st.Foreign != 1 {
		t.Errorf("counted %+v", st)
	}
	if _, _, err := Unpack([]byte("no head")); err != ErrNotPacked {
		t.Errorf("a mail without a head gives %v", err)
	}
}

// Without somebody who keeps them no canaries are taken.
func TestNoCanary(t *testing.T) {
	s := newSite(t, nil)
	p, _ := s.call(t)
	p.talk("EHLO relay.example", "250", "MAIL FROM:<>", "250", "RCPT TO:<"+s.paths.Canary(s.id(7))+">", "550", "QUIT", "221")
}
