package api

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"time"

	"github.com/resetd/resetd/internal/desk"
	"github.com/resetd/resetd/internal/ledger"
)

// callLimit is how long one call may take, all look-ups included.
const callLimit = 15 * time.Second

// endpoint is one route.
type endpoint struct {
	pattern string // of http.ServeMux
	bind    func(*server) http.HandlerFunc
}

// call is one authenticated request.
type call struct {
	*server
	ctx   context.Context
	r     *http.Request
	actor desk.Actor
	seed  ledger.Seed // ids made of it are the same when an idempotent request comes again
}

// reset reads the {id} of the path.
func (c *call) reset() (ledger.ResetID, error) { return ledger.ParseResetID(c.r.PathValue("id")) }

// kept says what becomes of a POST's answer.
type kept bool

const (
	// once: the call creates something; with an Idempotency-Key its 2xx is kept and given again.
	once kept = true
	// never: it only looks, or its answer holds an address.
	never kept = false
)

// get is a call without a body.
func get(pattern string, action desk.Action, serve func(*call) (status int, answer any, err error)) endpoint {
	return endpoint{pattern, func(s *server) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			c, done, err := s.enter(r, action)
			defer done()
			if err != nil {
				s.fail(w, r, err)
				return
			}
			status, answer, err := serve(c)
			if err != nil {
				s.fail(w, r, err)
				return
			}
			s.answer(w, r, status, answer)
		}
	}}
}

// post is a call with a JSON body of at most MaxBody bytes that is read into In.
func post[In any](pattern string, action desk.Action, keep kept, serve func(*call, In) (status int, answer any, err error)) endpoint {
	return postUpTo(MaxBody, pattern, action, keep, serve)
}

// postUpTo is post with a limit of its own.
func postUpTo[In any](most int64, pattern string, action desk.Action, keep kept, serve func(*call, In) (status int, answer any, err error)) endpoint {
	return endpoint{pattern, func(s *server) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			c, done, err := s.enter(r, action)
			defer done()
			if err != nil {
				s.fail(w, r, err)
				return
			}
			body, err := readBody(r, most)
			var in In
			if err == nil {
				err = decode(body, &in)
			}
			if err != nil {
				s.fail(w, r, err)
				return
			}
			name := r.Header.Get("Idempotency-Key")
			if keep == once && name != "" {
				if done, err := c.again(w, name, body); done || err != nil {
					if err != nil {
						s.fail(w, r, err)
					}
					return
				}
			} else {
				name = ""
			}
			status, answer, err := serve(c, in)
			if err != nil {
				s.fail(w, r, err)
				return
			}
			text := s.answer(w, r, status, answer)
			if name != "" && text != nil {
				if err := s.Desk.Remember(c.ctx, c.actor, name, status, text); err != nil {
					// Nothing is lost: the same request again makes the same ids.
					s.Log.Warn().Str("request", noteOf(r).id).Msg("the answer of an idempotent request was not kept")
				}
			}
		}
	}}
}

// postMaybe is post with a body that may be left out; the answer is never kept.
func postMaybe[In any](pattern string, action desk.Action, serve func(*call, In) (status int, answer any, err error)) endpoint {
	with, without := post(pattern, action, never, serve), get(pattern, action, func(c *call) (int, any, error) {
		var in In
		return serve(c, in)
	})
	return endpoint{pattern, func(s *server) http.HandlerFunc {
		read, skip := with.bind(s), without.bind(s)
		return func(w http.ResponseWriter, r *http.Request) {
			if r.ContentLength == 0 {
				skip(w, r)
				return
			}
			read(w, r)
		}
	}}
}

// enter authenticates a request and lets the desk say whether its role may do this at all, before anything of the body is read.
func (s *server) enter(r *http.Request, action desk.Action) (*call, context.CancelFunc, error) {
	actor, ok := s.keys.authenticate(r)
	if !ok {
		return nil, func() {}, &Problem{Status: http.StatusUnauthorized, Code: "unauthenticated", Detail: "There is no valid API key in the request. Send Authorization: Bearer KEY; `resetd keys api` makes one."}
	}
	noteOf(r).key = actor.Name
	ctx, cancel := context.WithTimeout(r.Context(), callLimit)
	c := &call{server: s, ctx: ctx, r: r, actor: actor, seed: ledger.NewSeed()}
	if !actor.May(action) {
		return nil, cancel, s.Desk.Authorise(ctx, actor, action, "", "", false)
	}
	return c, cancel, nil
}

// maxName is how long an Idempotency-Key may be, in bytes.
const maxName = 255

// again begins an idempotent request: it gives the kept answer, if there is one, or the seed to work with.
func (c *call) again(w http.ResponseWriter, name string, body []byte) (done bool, err error) {
	if len(name) > maxName || bytes.ContainsFunc([]byte(name), func(r rune) bool { return r < ' ' || r > '~' }) {
		return false, badBody("The Idempotency-Key is longer than 255 bytes or not printable ASCII.")
	}
	h := sha256.New()
	h.Write([]byte(c.r.Method + " " + c.r.URL.Path + "\n"))
	h.Write(body)
	o, err := c.Desk.Once(c.ctx, c.actor, name, hex.EncodeToString(h.Sum(nil)))
	switch {
	case err != nil:
		return false, err
	case o.Mismatch:
		return false, &Problem{Status: http.StatusUnprocessableEntity, Code: "idempotency_mismatch", Detail: "This Idempotency-Key was used within 24 hours for another request. Draw a new one for each new request."}
	case o.Status != 0:
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(o.Status)
		w.Write(o.Response)
		return true, nil
	}
	c.seed = o.Seed
	return false, nil
}

// answer writes JSON and returns what it wrote; nil when it could not be made.
func (s *server) answer(w http.ResponseWriter, r *http.Request, status int, answer any) []byte {
	b, err := json.Marshal(answer)
	if err != nil {
		s.fail(w, r, err)
		return nil
	}
	b = append(b, '\n')
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	w.Write(b)
	return b
}

// fail writes an error. What is our own fault is logged; its text holds no address and no secret.
func (s *server) fail(w http.ResponseWriter, r *http.Request, err error) {
	p := problemOf(err)
	if p.Status >= 500 {
		s.Log.Error().Str("request", noteOf(r).id).Str("code", p.Code).Err(err).Msg("a request failed")
	}
	if p.Status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Bearer realm="resetd"`)
	}
	writeProblem(w, p)
}

// list is how all lists look.
type list[T any] struct {
	Items []T    `json:"items"`
	Next  string `json:"next_cursor"`
}

func listOf[T any](items []T, next string) list[T] {
	if items == nil {
		items = []T{}
	}
	return list[T]{items, next}
}
