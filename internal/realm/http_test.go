package realm_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/resetd/resetd/internal/realm"
)

const jo = `{"id":"u1","realm":"r","login":"jo@a.example","address":"jo@a.example","state":"active"}`

func TestHTTPLookup(t *testing.T) {
	type answer struct {
		status      int
		kind, body  string
		extraHeader string
	}
	ok := func(body string) answer { return answer{200, "application/json; charset=utf-8", body, ""} }
	for _, c := range []struct {
		story  string
		answer answer
		ids    string
		near   string
		kind   string // of Unavailable
	}{
		{"one account", ok(`{"accounts":[` + jo + `],"near":[]}`), "u1", "", ""},
		{"nobody is an answer", ok(`{"accounts":[],"near":[]}`), "", "", ""},
		{"near may be missing", ok(`{"accounts":[]}`), "", "", ""},
		{"near that makes no sense is left out", ok(`{"accounts":[],"near":[{"id":7},` + jo + `]}`), "", "u1", ""},
		{"two accounts", ok(`{"accounts":[` + jo + `,` + strings.Replace(jo, "u1", "u2", 1) + `]}`), "u1 u2", "", ""},
		{"two with one id", ok(`{"accounts":[` + jo + `,` + jo + `]}`), "", "", realm.KindNonsense},
		{"of another realm", ok(`{"accounts":[` + strings.Replace(jo, `"r"`, `"q"`, 1) + `]}`), "", "", realm.KindNonsense},
		{"accounts is null", ok(`{"accounts":null}`), "", "", realm.KindNonsense},
		{"accounts is an object", ok(`{"accounts":{}}`), "", "", realm.KindNonsense},
		{"accounts is missing", ok(`{}`), "", "", realm.KindNonsense},
		{"accounts twice", ok(`{"accounts":[],"accounts":[` + jo + `]}`), "", "", realm.KindNonsense},
		{"an account without id", ok(`{"accounts":[{"state":"active"}]}`), "", "", realm.KindNonsense},
		{"an account that is null", ok(`{"accounts":[null]}`), "", "", realm.KindNonsense},
		{"an unknown state", ok(`{"accounts":[` + strings.Replace(jo, "active", "zombie", 1) + `]}`), "", "", realm.KindNonsense},
		{"not JSON", ok(`<html>`), "", "", realm.KindNonsense},
		{"more after the JSON", ok(`{"accounts":[]} {"accounts":[]}`), "", "", realm.KindNonsense},
		{"empty", ok(``), "", "", realm.KindNonsense},
		{"a login page", answer{200, "text/html", `{"accounts":[]}`, ""}, "", "", realm.KindNonsense},
		{"no content type", answer{200, "", `{"accounts":[]}`, ""}, "", "", realm.KindNonsense},
		{"a redirect", answer{302, "application/json", `{"accounts":[]}`, "/elsewhere"}, "", "", realm.KindStatus},
		{"500", answer{500, "application/json", `{"accounts":[]}`, ""}, "", "", realm.KindStatus},
		{"404 is not an answer about people", answer{404, "application/json", `{"accounts":[]}`, ""}, "", "", realm.KindStatus},
		{"10 MB", ok(`{"accounts":[],"near":"` + strings.Repeat("x", 10<<20) + `"}`), "", "", realm.KindTooBig},
	} {
		t.Run(c.story, func(t *testing.T) {
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/elsewhere" {
					t.Error("the redirect was followed")
				}
				var q map[string]string
				if err := json.NewDecoder(r.Body).Decode(&q); err != nil || q["realm"] != "r" || q["login"] != "jo@a.example" || r.Method != "POST" {
					t.Errorf("asked %s %v %v", r.Method, q, err)
				}
				w.Header()["Content-Type"] = nil
				if c.answer.kind != "" {
					w.Header().Set("Content-Type", c.answer.kind)
				}
				if c.answer.extraHeader != "" {
					w.Header().Set("Location", c.answer.extraHeader)
				}
				w.WriteHeader(c.answer.status)
				_, _ = io.WriteString(w, c.answer.body) // the client may hang up at its cap
			}))
			defer srv.Close()
			dir := realm.NewHTTP(srv.URL, realm.HTTPOptions{AllowPrivate: true})
			defer dir.Close()
			got, err := dir.Lookup(context.Background(), "r", "jo@a.example")
			checkUnavailable(t, err, c.kind)
			if ids(got.Accounts) != c.ids || ids(got.Near) != c.near {
				t.Errorf("got %q near %q", ids(got.Accounts), ids(got.Near))
			}
		})
	}
}

func checkUnavailable(t *testing.T, err error, kind string) {
	t.Helper()
	if kind == "" {
		if err != nil {
			t.Errorf("error: %v", err)
		}
		return
	}
	var u *realm.Unavailable
	if !errors.As(err, &u) || u.Kind != kind {
		t.Fatalf("error %v (%T); want kind %s", err, err, kind)
	}
	for e := err; e != nil; e = errors.Unwrap(e) {
		if s := e.Error(); strings.Contains(s, "127.0.0.1") || strings.Contains(s, "a.example") || strings.Contains(s, "http://") {
			t.Errorf("the error holds an address: %s", s)
		}
	}
}

func TestHTTPDoesNotGoToPrivateAddresses(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("was asked") }))
	defer srv.Close()
	_, port, _ := net.SplitHostPort(srv.Listener.Addr().String())
	for _, host := range []string{"127.0.0.1", "localhost"} { // the second only after DNS
		dir := realm.NewHTTP("http://"+host+":"+port, realm.HTTPOptions{})
		_, err := dir.Lookup(context.Background(), "r", "jo@a.example")
		checkUnavailable(t, err, realm.KindRefused)
		if !errors.Is(err, realm.ErrPrivateAddress) {
			t.Errorf("%s: %v", host, err)
		}
	}
}

// An address of the table is not dialled, neither when the URL names it nor when DNS does.
func TestHTTPStaysOutside(t *testing.T) {
	text, err := os.ReadFile("../../diag/dnscheck/testdata/addresses.txt")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		if len(f) < 2 || f[0] != "inside" {
			continue
		}
		n++
		dir := realm.NewHTTP("http://"+net.JoinHostPort(f[1], "8080")+"/", realm.HTTPOptions{})
		if _, err := dir.Lookup(t.Context(), "r", "jo@a.example"); !errors.Is(err, realm.ErrPrivateAddress) {
			t.Errorf("%s: %v", f[1], err)
		}
	}
	if n == 0 {
		t.Fatal("the table is empty")
	}
}

func TestHTTPDirectoryThatIsGoneOrHangs(t *testing.T) {
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone.Close()
	dir := realm.NewHTTP("http://"+gone.Addr().String(), realm.HTTPOptions{AllowPrivate: true})
	_, err = dir.Lookup(context.Background(), "r", "jo@a.example")
	checkUnavailable(t, err, realm.KindRefused)

	hang, err := net.Listen("tcp", "127.0.0.1:0") // accepts in the kernel, and nobody reads
	if err != nil {
		t.Fatal(err)
	}
	defer hang.Close()
	dir = realm.NewHTTP("http://"+hang.Addr().String(), realm.HTTPOptions{AllowPrivate: true, Timeout: 50 * time.Millisecond})
	_, err = dir.Lookup(context.Background(), "r", "jo@a.example")
	checkUnavailable(t, err, realm.KindSilent)

	dir = realm.NewHTTP("http://"+hang.Addr().String(), realm.HTTPOptions{AllowPrivate: true, Timeout: time.Hour})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = dir.Lookup(ctx, "r", "jo@a.example")
	checkUnavailable(t, err, realm.KindSilent)
	if s := err.Error(); !strings.Contains(s, "ms") {
		t.Errorf("it says that it waited longer than the one who asked: %s", s)
	}
}

func TestHTTPBearer(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer s3cret" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, `{"accounts":[]}`)
	}))
	defer srv.Close()
	_, err := realm.NewHTTP(srv.URL, realm.HTTPOptions{AllowPrivate: true, Bearer: "s3cret"}).Lookup(context.Background(), "r", "x")
	checkUnavailable(t, err, "")
	_, err = realm.NewHTTP(srv.URL, realm.HTTPOptions{AllowPrivate: true}).Lookup(context.Background(), "r", "x")
	checkUnavailable(t, err, realm.KindStatus)
}

func TestNone(t *testing.T) {
	got, err := realm.None{}.Lookup(context.Background(), "r", " Jo@A.example")
	if err != nil || len(got.Accounts) != 1 {
		t.Fatalf("%+v %v", got, err)
	}
	if a := got.Accounts[0]; a.ID != "jo@a.example" || a.Realm != "r" || a.State != realm.Active || a.Address != "Jo@A.example" {
		t.Errorf("%+v", a)
	}
}
