package api

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"runtime"
	"runtime/debug"
	"time"
)

// note is what is learned about a request on its way, for the log. It names the route, never the path: a token or an address may stand there.
type note struct {
	id, route, key string
}

type noteKey struct{}

func noteOf(r *http.Request) *note {
	if n, ok := r.Context().Value(noteKey{}).(*note); ok {
		return n
	}
	return &note{}
}

// logged writes one line per request and turns a panic into a 500.
func (s *server) logged(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		n := &note{id: rand.Text()[:16], route: "none"}
		watched := &watched{ResponseWriter: w}
		w.Header().Set("X-Request-Id", n.id)
		defer func() {
			v := recover()
			if v == http.ErrAbortHandler {
				panic(v)
			}
			if v != nil {
				// Of the panic's value only a runtime error is sure to quote nothing that somebody sent.
				what := fmt.Sprintf("%T", v)
				if e, ok := v.(runtime.Error); ok {
					what = e.Error()
				}
				s.Log.Error().Str("request", n.id).Str("route", n.route).Str("panic", what).Bytes("stack", debug.Stack()).Msg("a request panicked")
				if watched.status == 0 {
					writeProblem(watched, &Problem{Status: http.StatusInternalServerError, Code: "internal", Detail: "Something went wrong on our side. The log has it under the X-Request-Id of this answer."})
				}
			}
			s.Log.Info().Str("request", n.id).Str("method", method(r)).Str("route", n.route).Int("status", watched.status).
				Int64("ms", time.Since(began).Milliseconds()).Str("key", n.key).Msg("request")
		}()
		next.ServeHTTP(watched, r.WithContext(context.WithValue(r.Context(), noteKey{}, n)))
	})
}

// method is the request's, if it is a known one: an unknown one is a text by a stranger.
func method(r *http.Request) string {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return r.Method
	}
	return "other"
}

// watched remembers the status that was written.
type watched struct {
	http.ResponseWriter
	status int
}

func (w *watched) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *watched) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(b)
}

// Unwrap is for http.ResponseController.
func (w *watched) Unwrap() http.ResponseWriter { return w.ResponseWriter }
