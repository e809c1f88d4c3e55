package api

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/resetd/resetd/internal/desk"
	"github.com/resetd/resetd/internal/ledger"
	"github.com/resetd/resetd/internal/realm"
	"github.com/resetd/resetd/internal/store"
)

// Directories that hang, lie, or answer something else: the case says what is not known and why, nobody is said to be unknown, and the ask was
// answered as any other. One that hangs would hold this test for ever if the case waited for it.
func TestBadDirectories(t *testing.T) {
	const jo = `{"id":"u1","login":"jo@shop.example","address":"jo@shop.example","state":"active"}`
	say := func(body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, body)
		}
	}
	end := make(chan struct{})
	t.Cleanup(func() { close(end) })
	hang := func(first string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if first != "" {
				say(first)(w, r)
				w.(http.Flusher).Flush()
			}
			<-end
		}
	}
	for _, c := range []struct {
		name    string
		answer  http.HandlerFunc
		cause   string
		because string // stands in the case
	}{
		{"it hangs", hang(""), "account.directory_unavailable", "no answer within"},
		{"it hangs in mid-answer", hang(`{"accounts":[`), "account.directory_unavailable", "no answer within"},
		{"a login page", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			_, _ = io.WriteString(w, "<html><script>alert(1)</script>Please sign in")
		}, "account.directory_unavailable", "something other than JSON"},
		{"HTML that says it is JSON", say("<html>jo@shop.example"), "account.directory_unavailable", "its answer"},
		{"10 MB", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, `{"accounts":["`)
			chunk := strings.Repeat("x", 1<<20)
			for range 10 {
				if _, err := io.WriteString(w, chunk); err != nil {
					return
				}
			}
		}, "account.directory_unavailable", "more than 64 KiB"},
		{"cut off", say(`{"accounts":[` + jo), "account.directory_unavailable", "its answer"},
		{"another shape", say(`{"accounts":{"jo":` + jo + `}}`), "account.directory_unavailable", "no array accounts"},
		{"nothing", say(``), "account.directory_unavailable", "its answer"},
		{"an error", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }, "account.directory_unavailable", "it answered 500"},
		{"it wants a login", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(401) }, "account.directory_unavailable", "our credentials"},
		{"a redirect", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", http.StatusFound) }, "account.directory_unavailable", "a redirect"},
		{"another realm's account", say(`{"accounts":[{"id":"u1","realm":"community","login":"jo@shop.example","address":"jo@shop.example","state":"active"}]}`), "account.directory_unavailable", "another realm"},
		{"one id twice", say(`{"accounts":[` + jo + `,` + jo + `]}`), "account.directory_unavailable", "two accounts with one id"},
		{"two accounts", say(`{"accounts":[` + jo + `,` + strings.Replace(jo, "u1", "u2", 1) + `]}`), "request.several_accounts", "2"},
		{"a state that nobody knows", say(`{"accounts":[` + strings.Replace(jo, "active", "asleep", 1) + `]}`), "account.directory_unavailable", "makes no sense"},
		{"an address with a line break", say(`{"accounts":[` + strings.Replace(jo, `"address":"jo`, `"address":"x\r\nBcc: jo`, 1) + `]}`), "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			server := httptest.NewServer(c.answer)
			t.Cleanup(server.CloseClientConnections) // before Close, which waits for those that hang
			directory := realm.NewHTTP(server.URL, realm.HTTPOptions{AllowPrivate: true, Timeout: 200 * time.Millisecond})
			t.Cleanup(directory.Close)
			w.desk.Realms[0].Directory = directory
			if r := w.as(desk.App, "POST", "/v1/resets", `{"realm":"shop","login":"jo@shop.example"}`); r.status != 202 {
				t.Errorf("the ask is answered %d %s", r.status, r.body)
			}
			w.postpone()
			r := w.as(desk.Support, "POST", "/v1/why", `{"login":"jo@shop.example","realm":"shop"}`)
			if r.status != 200 || !strings.Contains(r.body, c.because) || strings.Contains(r.body, "request.unknown_address") || strings.Contains(r.body, server.URL) || strings.Contains(r.body, `<script`) {
				t.Errorf("%d %s", r.status, r.body)
			}
			if c.cause != "" && !strings.Contains(r.body, `"verdict":{"cause":"`+c.cause+`"`) {
				t.Errorf("not %s: %s", c.cause, r.body)
			}
			if c.cause == "account.directory_unavailable" && !strings.Contains(r.body, `"blind_spots":["`) {
				t.Errorf("no blind spot is named: %s", r.body)
			}
		})
	}
}

// postpone plays the worker whose directory did not answer.
func (w *world) postpone() {
	w.t.Helper()
	c, err := w.store.Claim(w.t.Context(), w.rung.last(), "test", 30*time.Second)
	if err != nil {
		w.t.Fatal(err)
	}
	next := w.store.Now().Add(time.Minute)
	f := ledger.Fact{ID: ledger.NewEventID(), At: w.store.Now(), Event: ledger.Postponed, Reset: c.Reset, Message: ledger.MessageID(c.ID),
		Delay: &ledger.Delay{Why: "directory_unavailable", Detail: "it did not answer", Next: next}}
	if err := w.store.Settle(w.t.Context(), c, store.Plan{Next: next}, f); err != nil {
		w.t.Fatal(err)
	}
}

// A reset of a realm that a key may not see is as unknown as one that never was, in every call, to the byte.
func TestResetsOfOtherRealmsAreUnknown(t *testing.T) {
	w := newWorld(t)
	id := string(w.ask())
	w.send(refusedMailbox)
	for i := range w.opts.Keys {
		if w.opts.Keys[i].Role != desk.Ops {
			w.opts.Keys[i].Realms = []string{"community"}
		}
	}
	w.serve()
	for _, c := range []struct {
		role         desk.Role
		method, path string
		body         string
	}{
		{desk.Support, "GET", "/v1/resets/%s", ""},
		{desk.Support, "POST", "/v1/resets/%s/resend", `{"reason":"x"}`},
		{desk.Support, "POST", "/v1/resets/%s/packet", ""},
		{desk.Support, "POST", "/v1/why", `{"reset":"%s"}`},
		{desk.Admin, "POST", "/v1/resets/%s/cancel", `{"reason":"x"}`},
		{desk.Admin, "POST", "/v1/resets/%s/reveal", `{"reason":"x"}`},
		{desk.App, "POST", "/v1/resets/%s/outcome", `{"result":"done"}`},
	} {
		call := func(id string) reply {
			path, body := c.path, c.body
			if strings.Contains(path, "%s") {
				path = fmt.Sprintf(path, id)
			} else {
				body = fmt.Sprintf(body, id)
			}
			return w.as(c.role, c.method, path, body)
		}
		theirs, never := call(id), call(string(strangeReset))
		if theirs.status != 404 && c.path != "/v1/resets/%s/reveal" || theirs.status != never.status || theirs.body != never.body {
			t.Errorf("%s %s: %d %s, and of one that never was: %d %s", c.method, c.path, theirs.status, theirs.body, never.status, never.body)
		}
	}
}
