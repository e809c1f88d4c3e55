package sim_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/resetd/resetd/internal/sim"
)

func ask(t *testing.T, d *sim.Directory, realm, login string) (status int, body string) {
	t.Helper()
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	defer client.CloseIdleConnections()
	resp, err := client.Post(d.URL(), "application/json", strings.NewReader(fmt.Sprintf(`{"realm":%q,"login":%q}`, realm, login)))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

func TestDirectoryFindsAccountsAndLookAlikes(t *testing.T) {
	w := newWorld(t)
	since := time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)
	d := w.Directory(
		sim.Account{ID: "u1", Realm: "community", Login: "jo@shop.example", Address: "jo@shop.example", State: "active", LoginMethod: "password", Since: &since},
		sim.Account{ID: "u2", Realm: "community", Login: "ann.lee", Address: "ann.lee@shop.example", OtherAddresses: []string{"ann@home.example"}, State: "active", LoginMethod: "sso"},
		sim.Account{ID: "u3", Realm: "control", Login: "jo@shop.example", State: "invited", LoginMethod: "password"},
	)
	for _, c := range []struct{ realm, login, accounts, near string }{
		{"community", "Jo@Shop.example ", "u1", ""},
		{"control", "jo@shop.example", "u3", ""},
		{"community", "ann@home.example", "u2", ""},
		{"community", "ann.lee@shop.example", "u2", ""},
		{"community", "joe@shop.example", "", "u1"},
		{"community", "oj@shop.example", "", "u1"},
		{"community", "jo+news@shop.example", "", "u1"},
		{"community", "annlee@shop.example", "", "u2"},
		{"community", "ann.lea", "", "u2"},
		{"community", "somebody@else.example", "", ""},
		{"nowhere", "jo@shop.example", "", ""},
	} {
		status, body := ask(t, d, c.realm, c.login)
		var got struct{ Accounts, Near []sim.Account }
		if err := json.Unmarshal([]byte(body), &got); err != nil || status != 200 {
			t.Fatalf("%d %s: %v", status, body, err)
		}
		ids := func(list []sim.Account) (s string) {
			for _, a := range list {
				s += a.ID
			}
			return s
		}
		if ids(got.Accounts) != c.accounts || ids(got.Near) != c.near {
			t.Errorf("%s %s: accounts %s near %s, want %s and %s", c.realm, c.login, ids(got.Accounts), ids(got.Near), c.accounts, c.near)
		}
		if got.Accounts == nil || got.Near == nil {
			t.Errorf("null for a list: %s", body)
		}
	}
	if d.Asked() != 11 {
		t.Errorf("asked %d times", d.Asked())
	}
	d.Set()
	if _, body := ask(t, d, "community", "jo@shop.example"); body != `{"accounts":[],"near":[]}` {
		t.Errorf("emptied: %s", body)
	}
}

func TestDirectoryMisbehaves(t *testing.T) {
	w := newWorld(t)
	d := w.Directory(sim.Account{ID: "u1", Realm: "r", Login: "jo", State: "active", LoginMethod: "password"})
	for _, c := range []struct {
		trouble sim.Trouble
		status  int
		ok      func(body string) bool
	}{
		{sim.Fails, 500, func(string) bool { return true }},
		{sim.Refuses, 401, func(string) bool { return true }},
		{sim.Redirects, 302, func(string) bool { return true }},
		{sim.AnswersHTML, 200, func(b string) bool { return strings.HasPrefix(b, "<!DOCTYPE") }},
		{sim.AnswersHuge, 200, func(b string) bool { return len(b) > 10<<20 && json.Valid([]byte(b)) }},
		{sim.AnswersTwo, 200, func(b string) bool { return strings.Contains(b, `"u1"`) && strings.Contains(b, `"u1-2"`) }},
		{sim.AnswersBroken, 200, func(b string) bool { return !json.Valid([]byte(b)) }},
		{sim.AnswersOdd, 200, func(b string) bool { return json.Valid([]byte(b)) && strings.Contains(b, `"near":"none"`) }},
		{sim.Healthy, 200, func(b string) bool { return strings.Contains(b, `"login":"jo"`) }},
	} {
		d.Misbehave(c.trouble)
		if status, body := ask(t, d, "r", "jo"); status != c.status || !c.ok(body) {
			t.Errorf("trouble %d: %d %.80s", c.trouble, status, body)
		}
	}

	d.Misbehave(sim.Hangs)
	client := &http.Client{Timeout: 50 * time.Millisecond}
	if _, err := client.Post(d.URL(), "application/json", strings.NewReader(`{}`)); err == nil {
		t.Error("a hanging directory answered")
	}
}
