package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/resetd/resetd/internal/desk"
)

func newRecorder(h http.Handler, method, path string) *httptest.ResponseRecorder {
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, httptest.NewRequest(method, path, nil))
	return rec
}

// Bad input to POST /v1/resets: a clear sentence each, nothing written, and nothing of the input in the answer.
func TestBadInput(t *testing.T) {
	w := newWorld(t)
	ok := `"realm":"shop","login":"jo@shop.example"`
	for _, c := range []struct{ name, body, code, says string }{
		{"empty", " ", "bad_request", "is empty"},
		{"no JSON", "realm=shop", "bad_request", "not one JSON object"},
		{"broken off", `{` + ok, "bad_request", "not one JSON object"},
		{"trailing comma", `{` + ok + `,}`, "bad_request", "not one JSON object"},
		{"something after it", `{` + ok + `} {}`, "bad_request", "something follows"},
		{"an array", `[{` + ok + `}]`, "bad_request", "not a JSON object"},
		{"a string", `"shop"`, "bad_request", "not a JSON object"},
		{"null", `null`, "bad_request", "not a JSON object"},
		{"a field twice", `{` + ok + `,"login":"zz-evil"}`, "bad_request", "twice"},
		{"a field twice, escaped", `{` + ok + `,"l\u006fgin":"zz-evil"}`, "bad_request", "twice"},
		{"another case", `{"realm":"shop","Login":"zz-evil"}`, "bad_request", "does not know"},
		{"unknown field", `{` + ok + `,"zz-evil":1}`, "bad_request", "It knows `realm`, `login`, `page`"},
		{"a destination", `{` + ok + `,"address":"zz-evil@x.example"}`, "bad_request", "does not know"},
		{"array for string", `{"realm":"shop","login":["zz-evil"]}`, "bad_request", "`login` is not a string"},
		{"number for string", `{"realm":"shop","login":5}`, "bad_request", "`login` is not a string"},
		{"null for string", `{"realm":"shop","login":null}`, "bad_request", "`login` is not a string"},
		{"object for string", `{"realm":"shop","login":{"a":{"a":1,"a":2}}}`, "bad_request", "twice"},
		{"too deep", `{"login":` + strings.Repeat("[", 40) + strings.Repeat("]", 40) + `}`, "bad_request", "deeper than 16"},
		{"very deep", strings.Repeat(`{"a":`, 9000) + "1" + strings.Repeat("}", 9000), "bad_request", "deeper than 16"},
		{"broken UTF-8", `{"realm":"shop","login":"zz-evil` + "\xff" + `"}`, "bad_request", "not UTF-8"},
		{"half a pair", `{"realm":"shop","login":"zz-evil\ud800"}`, "bad_request", "surrogate"},
		{"no login", `{"realm":"shop"}`, "bad_login", "empty"},
		{"empty login", `{"realm":"shop","login":""}`, "bad_login", "empty"},
		{"blank login", `{"realm":"shop","login":" \u200b\t "}`, "bad_login", "empty"},
		{"long login", `{"realm":"shop","login":"` + strings.Repeat("zz-evil", 147) + `"}`, "bad_login", "1,024"},
		{"line break", `{"realm":"shop","login":"zz-evil\r\nBcc: all@x.example"}`, "bad_login", "control"},
		{"NUL", `{"realm":"shop","login":"zz-evil\u0000"}`, "bad_login", "control"},
		{"C1 control", `{"realm":"shop","login":"zz-evil\u0085"}`, "bad_login", "control"},
		{"unknown realm", `{"realm":"zz-evil","login":"jo@shop.example"}`, "unknown_realm", "no such realm"},
		{"page", `{` + ok + `,"page":"javascript:zz-evil"}`, "bad_request", "`page`"},
		{"ip", `{` + ok + `,"ip":"zz-evil"}`, "bad_request", "`ip`"},
		{"locale", `{` + ok + `,"locale":"zz-evil\n"}`, "bad_request", "`locale`"},
		{"user agent", `{` + ok + `,"user_agent":"zz-evil\n"}`, "bad_request", "`user_agent`"},
		{"reason", `{` + ok + `,"reason":"` + strings.Repeat("zz-evil", 100) + `"}`, "bad_request", "`reason`"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w.t = t
			r := w.as(desk.App, "POST", "/v1/resets", c.body)
			if r.status != 400 || r.code(t) != c.code || !strings.Contains(r.body, c.says) {
				t.Errorf("%d %s", r.status, r.body)
			}
			if strings.Contains(r.body, "zz-evil") {
				t.Errorf("it echoes: %s", r.body)
			}
		})
	}
	if n := len(w.redis.Keys()); n != 0 {
		t.Errorf("%d keys were written: %v", n, w.redis.Keys())
	}
}

func TestBodies(t *testing.T) {
	w := newWorld(t)
	good := `{"realm":"shop","login":"jo@shop.example"}`
	if r := w.as(desk.App, "POST", "/v1/resets", good, "Content-Type", "application/json; charset=utf-8"); r.status != 202 {
		t.Errorf("with a charset: %d %s", r.status, r.body)
	}
	for _, ct := range []string{"", "text/plain", "application/x-www-form-urlencoded", ";"} {
		if r := w.as(desk.App, "POST", "/v1/resets", good, "Content-Type", ct); r.status != 400 || !strings.Contains(r.body, "Content-Type: application/json") {
			t.Errorf("as %q: %d %s", ct, r.status, r.body)
		}
	}
	pad := func(n int) string { return good + strings.Repeat(" ", n-len(good)) }
	if r := w.as(desk.App, "POST", "/v1/resets", pad(MaxBody)); r.status != 202 {
		t.Errorf("64 KiB: %d %s", r.status, r.body)
	}
	if r := w.as(desk.App, "POST", "/v1/resets", pad(MaxBody+1)); r.status != 413 || r.code(t) != "too_large" {
		t.Errorf("more than 64 KiB: %d %s", r.status, r.body)
	}
	// Without a Content-Length.
	req, _ := http.NewRequest("POST", w.web.URL+"/v1/resets", struct{ *strings.Reader }{strings.NewReader(pad(MaxBody + 1))})
	req.Header.Set("Authorization", "Bearer "+secretOf(desk.App))
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != 413 {
		t.Errorf("in chunks: %d", res.StatusCode)
	}
}

// The same Idempotency-Key gives the same reset, also to parallel calls; another body does not.
func TestIdempotency(t *testing.T) {
	w := newWorld(t)
	ask := func(login, name string) reply {
		return w.as(desk.App, "POST", "/v1/resets", fmt.Sprintf(`{"realm":"shop","login":%q}`, login), "Idempotency-Key", name)
	}
	first := ask("jo@shop.example", "a b~")
	answers := make(chan string, 20)
	for range 20 {
		go func() { answers <- ask("jo@shop.example", "a b~").body }()
	}
	for range 20 {
		if got := <-answers; got != first.body {
			t.Errorf("again: %s, first %s", got, first.body)
		}
	}
	if r := ask("other@shop.example", "a b~"); r.status != 422 || r.code(t) != "idempotency_mismatch" {
		t.Errorf("another body: %d %s", r.status, r.body)
	}
	if r := w.as(desk.App, "POST", "/v1/reports", `{"realm":"shop","login":"jo@shop.example"}`, "Idempotency-Key", "a b~"); r.status != 422 {
		t.Errorf("another call: %d %s", r.status, r.body)
	}
	if r := w.as(desk.Support, "POST", "/v1/resets", `{"realm":"shop","login":"jo@shop.example"}`, "Idempotency-Key", "a b~"); r.status != 202 || r.body == first.body {
		t.Errorf("another API key: %d %s", r.status, r.body)
	}
	for _, name := range []string{strings.Repeat("x", 256), "ü"} {
		if r := ask("jo@shop.example", name); r.status != 400 {
			t.Errorf("name %.10q: %d", name, r.status)
		}
	}
	// A mistake does not use the name up.
	if r := w.as(desk.App, "POST", "/v1/resets", `{"realm":"shop"`, "Idempotency-Key", "mended"); r.status != 400 {
		t.Errorf("mistake: %d", r.status)
	}
	if r := ask("jo@shop.example", "mended"); r.status != 202 {
		t.Errorf("mended: %d %s", r.status, r.body)
	}
}

func FuzzDecode(f *testing.F) {
	for _, s := range []string{
		`{"a":"x","b":true,"at":"2026-11-24T08:00:00Z"}`, `{"a":["x"]}`, `{"a":"x","a":"y"}`, `{"a":{"b":{"b":1}}}`, `{"a":"\ud83d\ude00"}`,
		`{"a":"\ud83d"}`, `{"a":"\\ud83d"}`, `{"A":"x"}`, `[]`, `null`, ` `, `{}`, `{"a":"x"}}`, strings.Repeat("[", 100),
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var in struct {
			A  string    `json:"a"`
			B  bool      `json:"b"`
			At time.Time `json:"at"`
		}
		if err := decode(body, &in); err != nil {
			if _, ok := err.(badBody); !ok {
				t.Errorf("%T", err)
			}
			return
		}
		// What we take, the standard library takes too, and reads the same.
		var m map[string]any
		if err := json.Unmarshal(body, &m); err != nil {
			t.Fatalf("%q: %v", body, err)
		}
		if s, _ := m["a"].(string); s != in.A || !utf8.ValidString(in.A) {
			t.Errorf("%q: a = %q", body, in.A)
		}
		if len(m) > 3 {
			t.Errorf("%q: unknown fields taken", body)
		}
	})
}

func BenchmarkDecodeAsk(b *testing.B) {
	body := []byte(`{"realm":"shop","login":"jo@shop.example","page":"https://shop.example/login","ip":"192.0.2.7","user_agent":"Mozilla/5.0","locale":"de"}`)
	for b.Loop() {
		var in AskBody
		if err := decode(body, &in); err != nil {
			b.Fatal(err)
		}
	}
}
