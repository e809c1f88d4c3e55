package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/resetd/resetd/internal/store"
	"github.com/resetd/resetd/mailer/bounce/hook"
)

// stubHook reads every request alike.
type stubHook struct {
	batch hook.Batch
	err   error
}

func (s stubHook) Read(context.Context, http.Header, []byte) (hook.Batch, error) {
	return s.batch, s.err
}

// What a provider is told: 200 only once it is stored, and for each fault the code that lets it send again, or stop.
func TestHookAnswers(t *testing.T) {
	wrapped := func(err error) error { return fmt.Errorf("hook ses: %w", err) }
	some := hook.Batch{Events: []hook.Event{{ID: "e1", Kind: hook.Delivered}}, Ignored: 2}
	for _, c := range []struct {
		name   string
		hook   stubHook
		keep   error
		path   string
		body   string
		status int
		says   string
	}{
		{name: "stored", hook: stubHook{batch: some}, status: 200, says: `{"events":1,"ignored":2,"confirmed":false}`},
		{name: "a subscription is confirmed", hook: stubHook{batch: hook.Batch{Confirmed: true}}, status: 200, says: `"confirmed":true`},
		{name: "forged", hook: stubHook{err: wrapped(hook.ErrSignature)}, status: 401, says: "bad_signature"},
		{name: "another topic", hook: stubHook{err: wrapped(hook.ErrTopic)}, status: 403, says: "topic_not_listed"},
		{name: "too old", hook: stubHook{err: wrapped(hook.ErrReplay)}, status: 409, says: "replayed"},
		{name: "not readable", hook: stubHook{err: wrapped(hook.ErrMalformed)}, status: 400, says: "bad_request"},
		{name: "cannot be verified now", hook: stubHook{err: wrapped(hook.ErrUnavailable)}, status: 503, says: "unavailable"},
		{name: "the store is away", hook: stubHook{batch: some}, keep: &store.Unavailable{Err: errors.New("away")}, status: 503, says: "unavailable"},
		{name: "too large", hook: stubHook{batch: some}, body: strings.Repeat("x", hook.MaxBody+1), status: 413, says: "too_large"},
		{name: "a provider that is not configured", path: "/v1/hooks/mailgun", status: 404, says: "not_found"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.opts.Hooks = map[string]Hook{"ses": c.hook}
			w.opts.KeepEvents = func(context.Context, string, string, hook.Batch) error { return c.keep }
			refused := ""
			w.opts.RefusedEvents = func(_ context.Context, provider, why string) { refused = provider + " " + why }
			w.serve()
			if c.path == "" {
				c.path = "/v1/hooks/ses"
			}
			if c.body == "" {
				c.body = "{}"
			}
			r := w.try("POST", c.path, "", c.body)
			if r.status != c.status || !strings.Contains(r.body, c.says) {
				t.Errorf("%d %s", r.status, r.body)
			}
			want := ""
			if c.status != 200 && c.status != 404 {
				want = "ses " + c.says
			}
			if refused != want {
				t.Errorf("refused: %q, want %q", refused, want)
			}
			if r.status == 503 && r.header.Get("Retry-After") == "" {
				t.Error("no Retry-After")
			}
			if strings.Contains(w.log.String(), "Bearer") {
				t.Error("the log holds a header")
			}
		})
	}
}

// A batch is named by its body, or by its signature where that covers no body: then another body under it is the same batch.
func TestHookNamesABatch(t *testing.T) {
	w := newWorld(t)
	var names []string
	keep := func(_ context.Context, _, name string, _ hook.Batch) error {
		names = append(names, name)
		return nil
	}
	for _, b := range []hook.Batch{{}, {Replay: "signature-1"}} {
		w.opts.Hooks, w.opts.KeepEvents = map[string]Hook{"mailgun": stubHook{batch: b}}, keep
		w.serve()
		for _, body := range []string{`{"a":1}`, `{"a":1}`, `{"a":2}`} {
			if r := w.try("POST", "/v1/hooks/mailgun", "", body); r.status != 200 {
				t.Fatal(r.status, r.body)
			}
		}
	}
	if names[0] != names[1] || names[0] == names[2] {
		t.Errorf("by body: %q", names[:3])
	}
	if names[3] != names[5] || names[3] != "signature-1" {
		t.Errorf("by signature: %q", names[3:])
	}
}
