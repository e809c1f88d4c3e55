package bounce

import (
	"context"
	"errors"
	"strings"
	"testing"
)

// A box takes mail beside the return paths, and what it cannot keep is not taken.
func TestBoxes(t *testing.T) {
	var got []string
	full := false
	s := newSite(t, func(r *Receiver) {
		r.Boxes = map[string]Box{"dmarc-reports": func(_ context.Context, raw []byte) error {
			if full {
				return errors.New("no room")
			}
			got = append(got, string(raw))
			return nil
		}}
	})
	p, _ := s.call(t)
	p.talk("EHLO x", "250", "MAIL FROM:<dmarc@mailhost.example>", "250", "RCPT TO:<DMARC-Reports@Bounces.example>", "250", "RCPT TO:<dmarc-reports@bounces.example>", "250",
		"RCPT TO:<"+s.path(1)+">", "250", "RCPT TO:<dmarc-reports@shop.example>", "550 5.7.1", "RCPT TO:<tls-reports@bounces.example>", "550 5.1.1", "RCPT TO:<dmarc-reports>", "5",
		"DATA", "354", report+".", "250")
	if len(got) != 1 || !strings.Contains(got[0], "Undelivered") || len(s.mails()) != 1 {
		t.Errorf("%d in the box, %v kept", len(got), s.mails())
	}
	full = true
	p.talk("MAIL FROM:<>", "250", "RCPT TO:<dmarc-reports@bounces.example>", "250", "DATA", "354", report+".", "451 4.3.0")
	full = false
	p.talk("MAIL FROM:<>", "250", "RCPT TO:<dmarc-reports@bounces.example>", "250", "RSET", "250", "MAIL FROM:<>", "250", "RCPT TO:<"+s.path(2)+">", "250", "DATA", "354", report+".", "250", "QUIT", "221")
	if st := s.Stats(); len(got) != 1 || st.Boxed != 1 || st.NotKept != 1 || st.Kept != 2 {
		t.Errorf("%d in the box, %+v", len(got), st)
	}
}
