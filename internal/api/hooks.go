package api

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"

	"github.com/resetd/resetd/mailer/bounce/hook"
)

// Hook proves and reads one request of a provider: hook.Hook.
type Hook interface {
	Read(ctx context.Context, header http.Header, body []byte) (hook.Batch, error)
}

// hookBodies is how many requests of providers are read at a time, each up to hook.MaxBody; beyond, they are asked to come again.
const hookBodies = 32

// tookEvents is the answer to a provider. Nobody reads it but those who set the hook up.
type tookEvents struct {
	Events    int  `json:"events"`    // kept; what each of them means is found out later
	Ignored   int  `json:"ignored"`   // say nothing to us
	Confirmed bool `json:"confirmed"` // an SNS subscription was confirmed
}

func hookRoutes() []endpoint {
	return []endpoint{{"POST /v1/hooks/{provider}", func(s *server) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			took, err := s.hook(r)
			if err != nil {
				err = hookProblem(err)
				if provider := r.PathValue("provider"); s.RefusedEvents != nil && s.Hooks[provider] != nil {
					s.RefusedEvents(r.Context(), provider, problemOf(err).Code)
				}
				s.fail(w, r, err)
				return
			}
			s.answer(w, r, http.StatusOK, took)
		}
	}}}
}

// hook takes one request: it is proven and read, and what it says is stored before it is answered.
func (s *server) hook(r *http.Request) (tookEvents, error) {
	provider := r.PathValue("provider")
	h := s.Hooks[provider]
	if h == nil || s.KeepEvents == nil {
		return tookEvents{}, &Problem{Status: http.StatusNotFound, Code: "not_found", Detail: "No [[hook]] table of the configuration is for this provider."}
	}
	noteOf(r).key = "hook " + provider
	select {
	case s.bodies <- struct{}{}:
		defer func() { <-s.bodies }()
	default:
		return tookEvents{}, hook.ErrUnavailable
	}
	ctx, cancel := context.WithTimeout(r.Context(), callLimit)
	defer cancel()
	if r.ContentLength > hook.MaxBody {
		return tookEvents{}, hook.ErrTooLarge
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, hook.MaxBody+1))
	if err != nil {
		return tookEvents{}, badBody("The body broke off before its end.")
	}
	b, err := h.Read(ctx, r.Header, body)
	if err != nil {
		return tookEvents{}, err
	}
	// A signature that covers the event makes the body the name; where it does not, the same signature with another body is a replay.
	name := b.Replay
	if name == "" {
		sum := sha256.Sum256(body)
		name = hex.EncodeToString(sum[:])
	}
	if err := s.KeepEvents(ctx, provider, name, b); err != nil {
		return tookEvents{}, err
	}
	return tookEvents{Events: len(b.Events), Ignored: b.Ignored, Confirmed: b.Confirmed}, nil
}

// hookProblem says to a provider what became of its request: what it should send again (409 and 503, by most), and what never.
func hookProblem(err error) error {
	p := func(status int, code, detail string) *Problem {
		return &Problem{Status: status, Code: code, Detail: detail}
	}
	switch {
	case errors.Is(err, hook.ErrSignature):
		return p(http.StatusUnauthorized, "bad_signature", "The signature, or the shared secret, is not the one of this hook's configuration. Compare it with the provider's console.")
	case errors.Is(err, hook.ErrTopic):
		return p(http.StatusForbidden, "topic_not_listed", "The SNS topic is not on the list `topics` of this hook.")
	case errors.Is(err, hook.ErrReplay):
		return p(http.StatusConflict, "replayed", "The signature is too old, or from the future. Is the clock of this machine right?")
	case errors.Is(err, hook.ErrTooLarge):
		return p(http.StatusRequestEntityTooLarge, "too_large", "The body is longer than 1 MiB.")
	case errors.Is(err, hook.ErrMalformed):
		return p(http.StatusBadRequest, "bad_request", "The body cannot be read as this provider writes it.")
	case errors.Is(err, hook.ErrUnavailable):
		return &Problem{Status: http.StatusServiceUnavailable, Code: "unavailable", RetryAfter: 30, Detail: "The event could not be verified or taken now. Send it again."}
	}
	return err
}
