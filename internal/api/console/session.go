package console

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"sync"
	"time"

	"github.com/resetd/resetd/internal/desk"
	"github.com/resetd/resetd/internal/ledger"
)

// cookieName holds a session's id, which is the only thing that a browser keeps.
const cookieName = "resetd_session"

const (
	sessionLife = 8 * time.Hour
	// maxSessions bounds the memory; the one that ends first makes room.
	maxSessions = 1_000
)

// session is somebody who signed in.
type session struct {
	actor desk.Actor
	csrf  string
	until time.Time
}

// sent says whether a form came from a page of this session.
func (s *session) sent(csrf string) bool {
	return subtle.ConstantTimeCompare([]byte(csrf), []byte(s.csrf)) == 1
}

// seed turns a form's number into the seed of what the form creates, so that a double click creates it once. The session's secret goes
// into it: nobody can choose an id.
func (s *session) seed(number string) ledger.Seed {
	h := sha256.Sum256([]byte(s.csrf + "\n" + number))
	return ledger.Seed(h[:16])
}

type sessions struct {
	mu   sync.Mutex
	byID map[[32]byte]*session // guarded by mu; by the hash of the id, so that a look-up's time tells nothing of it
}

func newSessions() *sessions { return &sessions{byID: map[[32]byte]*session{}} }

// begin makes a session and returns its id.
func (ss *sessions) begin(a desk.Actor) string {
	id := rand.Text()
	now := time.Now()
	ss.mu.Lock()
	defer ss.mu.Unlock()
	for len(ss.byID) >= maxSessions {
		var oldest [32]byte
		first := time.Time{}
		for k, s := range ss.byID {
			if first.IsZero() || s.until.Before(first) {
				oldest, first = k, s.until
			}
		}
		delete(ss.byID, oldest)
	}
	for k, s := range ss.byID {
		if now.After(s.until) {
			delete(ss.byID, k)
		}
	}
	ss.byID[sha256.Sum256([]byte(id))] = &session{actor: a, csrf: rand.Text(), until: now.Add(sessionLife)}
	return id
}

// of finds the session of a request; nil = nobody is signed in.
func (ss *sessions) of(r *http.Request) *session {
	cookie, err := r.Cookie(cookieName)
	if err != nil {
		return nil
	}
	ss.mu.Lock()
	defer ss.mu.Unlock()
	s := ss.byID[sha256.Sum256([]byte(cookie.Value))]
	if s == nil || time.Now().After(s.until) {
		return nil
	}
	return s
}

// end forgets a session.
func (ss *sessions) end(r *http.Request) {
	if cookie, err := r.Cookie(cookieName); err == nil {
		ss.mu.Lock()
		defer ss.mu.Unlock()
		delete(ss.byID, sha256.Sum256([]byte(cookie.Value)))
	}
}

// A peer may fail to sign in this often within the window. API keys cannot be guessed; the limit is there for the ones that were made up.
const (
	triesAllowed = 10
	triesWindow  = time.Minute
	maxPeers     = 10_000
)

type tries struct {
	mu sync.Mutex
	by map[string]*triesOf // guarded by mu
}

type triesOf struct {
	n     int
	until time.Time
}

func newTries() *tries { return &tries{by: map[string]*triesOf{}} }

// allowed says whether a peer may try now.
func (t *tries) allowed(peer string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	of := t.by[peer]
	return of == nil || of.n < triesAllowed || time.Now().After(of.until)
}

// failed counts a wrong key.
func (t *tries) failed(peer string) {
	now := time.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	of := t.by[peer]
	if of == nil || now.After(of.until) {
		if len(t.by) >= maxPeers {
			clear(t.by)
		}
		of = &triesOf{until: now.Add(triesWindow)}
		t.by[peer] = of
	}
	of.n++
}
