package api

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/resetd/resetd/internal/store"
)

// health serves what watches this process. None of it needs a key: it says nothing of anybody.
func (s *server) health() {
	s.mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, r *http.Request) {
		s.answer(w, r, http.StatusOK, map[string]string{"status": "alive"})
	})
	s.mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), 5*time.Second)
		defer cancel()
		if s.Ready != nil {
			if err := s.Ready(ctx); err != nil {
				s.Log.Warn().Err(err).Msg("not ready")
				why := err.Error()
				if down := (*store.Unavailable)(nil); errors.As(err, &down) {
					why = "the store does not answer" // the error itself names hosts, and anybody may read this
				}
				writeProblem(w, &Problem{Status: http.StatusServiceUnavailable, Code: "not_ready", RetryAfter: 1, Detail: "Not ready: " + why + "."})
				return
			}
		}
		s.answer(w, r, http.StatusOK, map[string]string{"status": "ready"})
	})
	if s.Metrics != nil {
		s.mux.Handle("GET /metrics", s.Metrics)
	}
}
