package api

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/resetd/resetd/internal/desk"
	"github.com/resetd/resetd/internal/realm"
)

// neighbours is a directory that names look-alikes, as the file directory does.
type neighbours []realm.Account

func (n neighbours) Lookup(_ context.Context, _, login string) (realm.Found, error) {
	var found realm.Found
	for _, a := range n {
		if realm.Normal(a.Login) == realm.Normal(login) || realm.Normal(a.Address) == realm.Normal(login) {
			found.Accounts = append(found.Accounts, a)
		}
	}
	if len(found.Accounts) == 0 {
		found.Near = realm.Near(login, n)
	}
	return found, nil
}

// Look-alikes are told to support, kind by kind. The application, and so the public, learns nothing: neither from the ask, which is answered as
// any other, nor from any other call.
func TestLookAlikesAreForSupportOnly(t *testing.T) {
	w := newWorld(t)
	account := func(id, login, address string) realm.Account {
		return realm.Account{ID: id, Realm: "shop", Login: login, Address: address, State: realm.Active, LoginMethod: realm.LoginPassword}
	}
	w.desk.Realms[0].Directory = neighbours{
		account("u1", "anna.secret@shop.example", "anna.secret@shop.example"), account("u2", "timsecret@gmail.com", "timsecret@gmail.com"),
		account("u3", "olga-secret", "olga.secret@shop.example"), account("u4", "twin-secret-1", "both.secret@shop.example"), account("u5", "twin-secret-2", "both.secret@shop.example"),
	}
	usual := w.as(desk.App, "POST", "/v1/resets", `{"realm":"shop","login":"nobody@nowhere.example"}`)
	for _, c := range []struct{ kind, login, cause, names string }{
		{"one letter missing", "anna.secet@shop.example", "request.near_match", "anna.secret@shop.example"},
		{"two letters swapped", "anna.sceret@shop.example", "request.near_match", "anna.secret@shop.example"},
		{"a Cyrillic a", "аnna.secret@shop.example", "request.near_match", "anna.secret@shop.example"},
		{"full-width letters", "ａｎｎａ.secret@shop.example", "request.near_match", "anna.secret@shop.example"},
		{"an accent", "ánna.secret@shop.example", "request.near_match", "anna.secret@shop.example"},
		{"a zero-width space", "anna\u200b.secret@shop.example", "request.near_match", "anna.secret@shop.example"},
		{"a soft hyphen", "anna.sec\u00adret@shop.example", "request.near_match", "anna.secret@shop.example"},
		{"a plus tag", "anna.secret+shop@shop.example", "request.near_match", "anna.secret@shop.example"},
		{"Gmail's dots", "tim.secret@gmail.com", "request.near_match", "timsecret@gmail.com"},
		{"a typo in the domain", "timsecret@gmial.com", "request.near_match", "timsecret@gmail.com"},
		{"dots, tag and typo", "tim.secret+x@gmial.com", "request.near_match", "timsecret@gmail.com"},
		{"two accounts on one address", "both.secret@shop.example", "request.several_accounts", "twin-secret-1"},
	} {
		t.Run(c.kind, func(t *testing.T) {
			w.t = t
			var told []string // everything that the application is answered
			ask := w.as(desk.App, "POST", "/v1/resets", fmt.Sprintf(`{"realm":"shop","login":%q}`, c.login))
			id, _ := ask.field(t, "reset").(string)
			if ask.status != usual.status || strings.Replace(ask.body, id, "", 1) != strings.Replace(usual.body, usual.field(t, "reset").(string), "", 1) {
				t.Errorf("the ask is answered %d %s, a usual one %d %s", ask.status, ask.body, usual.status, usual.body)
			}
			told = append(told, ask.body)
			for _, call := range []struct {
				method, path, body string
				status             int
			}{
				{"POST", "/v1/why", fmt.Sprintf(`{"login":%q}`, c.login), 403},
				{"POST", "/v1/why", `{"reset":"` + id + `"}`, 403},
				{"GET", "/v1/resets/" + id, "", 403},
				{"POST", "/v1/resets/" + id + "/packet", "", 403},
				{"POST", "/v1/suppressions/lookup", fmt.Sprintf(`{"address":%q}`, c.login), 403},
				{"POST", "/v1/reports", fmt.Sprintf(`{"realm":"shop","login":%q,"kind":"signed_in"}`, c.login), 202},
			} {
				r := w.as(desk.App, call.method, call.path, call.body)
				if r.status != call.status {
					t.Errorf("%s %s as app: %d %s", call.method, call.path, r.status, r.body)
				}
				told = append(told, r.body)
			}
			if all := strings.Join(told, "\n"); strings.Contains(all, "secret") || strings.Contains(all, "near") {
				t.Errorf("the application is told of accounts: %s", all)
			}
			r := w.as(desk.Support, "POST", "/v1/why", fmt.Sprintf(`{"login":%q,"realm":"shop"}`, c.login))
			if r.status != 200 || !strings.Contains(r.body, `"cause":"`+c.cause+`"`) || !strings.Contains(r.body, c.names) {
				t.Errorf("support is answered %d %s", r.status, r.body)
			}
			if near := `"near":["` + c.names; strings.Contains(r.body, near) != (c.cause == "request.near_match") {
				t.Errorf("the look-alikes are not listed: %s", r.body)
			}
			if user, _, _ := strings.Cut(r.body[strings.Index(r.body, `"tell_user"`):], `"also"`); strings.Contains(user, "secret") {
				t.Errorf("the text for the user names an account: %s", user)
			}
		})
	}
}

// On the console a look-alike is one press away: support looks it up as if they had typed it.
func TestConsoleLeadsToTheLookAlike(t *testing.T) {
	w := plainWorld(t)
	w.desk.Realms[0].Directory = neighbours{{ID: "u1", Realm: "shop", Login: "anna@shop.example", Address: "anna@shop.example", State: realm.Active}}
	b := w.browser().signIn(desk.Support)
	b.submit("/console/find", "login", "anna+x@shop.example", "realm", "shop").wants(200, "request.near_match", "Look up anna@shop.example")
	b.submit("/console/find", "login", "anna@shop.example", "realm", "shop").wants(200, "request.none")
	if strings.Contains(b.page, "Look up ") {
		t.Error("a login that is known has look-alikes")
	}
	b.get("/console/nothing").wants(404, "There is no such page", "Sign out")
}
