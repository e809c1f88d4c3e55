package bounce

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/emersion/go-smtp"
	"github.com/resetd/resetd/internal/ledger"
	"github.com/resetd/resetd/mailer"
)

// The replies of the receiver. Each text is for the postmaster on the other side.
var (
	replyForged = &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no such return path"}
	replyRelay  = &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 7, 1}, Message: "this host takes returned mail only and relays nothing"}
	replyPeople = &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1},
		Message: "nobody reads mail at this domain, it takes returned mail only; write to the postmaster of the domain in the From field"}
	replyErrors  = &smtp.SMTPError{Code: 421, EnhancedCode: smtp.EnhancedCode{4, 7, 0}, Message: "too many errors, bye"}
	replyNotKept = &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 3, 0}, Message: "could not be stored, try again later"}
	replyFull    = &smtp.SMTPError{Code: 452, EnhancedCode: smtp.EnhancedCode{4, 3, 1}, Message: "too much mail under way, try again later"}
	replyBroken  = &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 3, 0}, Message: "the mail did not arrive whole"}
)

// errFull ends a body when all bodies together have reached their limit.
var errFull = errors.New("too many bytes under way")

// metered counts a body into the sum of all that are under way.
type metered struct {
	r     io.Reader
	total *atomic.Int64
	most  int64
	mine  int64
}

func (m *metered) Read(b []byte) (int, error) {
	n, err := m.r.Read(b)
	m.mine += int64(n)
	if m.total.Add(int64(n)) > m.most {
		return n, errFull
	}
	return n, err
}

func (m *metered) release() { m.total.Add(-m.mine) }

// inbound is one SMTP session. The library runs Data of a BDAT mail in a goroutine of its own, while RSET may come in.
type inbound struct {
	r      *Receiver
	limits ReceiverLimits
	conn   *guard
	peer   *smtp.Conn
	errors int

	mu     sync.Mutex
	from   string
	ids    []ledger.MessageID
	birds  []ledger.MessageID // canaries
	people bool               // postmaster or abuse is among the recipients
	boxes  []string
}

// Mail takes any sender; the null sender is the usual one.
func (s *inbound) Mail(from string, _ *smtp.MailOptions) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.from, s.ids, s.birds, s.people, s.boxes = from, nil, nil, false, nil
	return nil
}

// Rcpt takes a return path or a canary's address of ours, what has a box, and nothing else.
func (s *inbound) Rcpt(to string, _ *smtp.RcptOptions) error {
	id, err := s.r.Verify(to)
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case err == nil:
		if !slices.Contains(s.ids, id) {
			s.ids = append(s.ids, id)
		}
		return nil
	case s.isCanary(to):
		return nil
	case s.boxOf(to) != "":
		if box := s.boxOf(to); !slices.Contains(s.boxes, box) {
			s.boxes = append(s.boxes, box)
		}
		return nil
	case s.isPeople(to):
		if s.r.Postmaster != nil {
			s.people = true
			return nil
		}
		return s.refuse(replyPeople)
	case errors.Is(err, mailer.ErrForeign):
		s.r.stats.foreign.Add(1)
		return s.refuse(replyRelay)
	}
	s.r.stats.forged.Add(1)
	return s.refuse(replyForged)
}

// isPeople knows the mailboxes that are for people; postmaster may stand without a domain.
func (s *inbound) isPeople(to string) bool {
	local, domain, at := strings.Cut(to, "@")
	if at && !strings.EqualFold(domain, s.r.Domain) {
		return false
	}
	return strings.EqualFold(local, "postmaster") || at && strings.EqualFold(local, "abuse")
}

// boxOf names the box of an address; "" = it has none.
func (s *inbound) boxOf(to string) string {
	local, domain, _ := strings.Cut(strings.ToLower(to), "@")
	if _, ok := s.r.Boxes[local]; !ok || !strings.EqualFold(domain, s.r.Domain) {
		return ""
	}
	return local
}

func (s *inbound) refuse(reply *smtp.SMTPError) error {
	if s.errors++; s.errors > s.limits.Errors {
		s.r.stats.cutOff.Add(1)
		if s.conn != nil {
			s.conn.finish()
		}
		return replyErrors
	}
	return reply
}

// Data reads the whole mail and has it stored, once per message, before 250 is said. When the second of two cannot be stored, the
// sender repeats both: Keep sees the first again.
func (s *inbound) Data(r io.Reader) error {
	if s.conn != nil {
		s.conn.working(true)
		defer s.conn.working(false)
	}
	s.mu.Lock()
	from, ids, birds, people, boxes := s.from, slices.Clone(s.ids), slices.Clone(s.birds), s.people, slices.Clone(s.boxes)
	s.mu.Unlock()
	body := &metered{r: r, total: &s.r.bodies, most: s.limits.Bodies}
	defer body.release()
	raw, err := io.ReadAll(body)
	switch {
	case errors.Is(err, smtp.ErrDataTooLarge):
		s.r.stats.tooLarge.Add(1)
		return smtp.ErrDataTooLarge
	case errors.Is(err, errFull):
		s.r.stats.notKept.Add(1)
		return replyFull
	case err != nil:
		return replyBroken
	}
	// The sender's own connection does not bound the storing: once stored, a mail is stored, whether or not the 250 is heard.
	ctx, cancel := context.WithTimeout(context.Background(), s.limits.Keep)
	defer cancel()
	for _, id := range ids {
		if err := s.r.Keep(ctx, id, from, raw); err != nil {
			s.r.stats.notKept.Add(1)
			return replyNotKept
		}
		s.r.stats.kept.Add(1)
	}
	for _, box := range boxes {
		if err := s.r.Boxes[box](ctx, raw); err != nil {
			s.r.stats.notKept.Add(1)
			return replyNotKept
		}
		s.r.stats.boxed.Add(1)
	}
	if err := s.keepCanaries(ctx, birds, from, raw); err != nil {
		s.r.stats.notKept.Add(1)
		return replyNotKept
	}
	if people {
		if err := s.r.Postmaster(ctx, from, raw); err != nil {
			s.r.stats.notKept.Add(1)
			return replyNotKept
		}
	}
	return nil
}

// Reset forgets the mail begun.
func (s *inbound) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.from, s.ids, s.birds, s.people, s.boxes = "", nil, nil, false, nil
}

// Logout has nothing to free.
func (s *inbound) Logout() error { return nil }
