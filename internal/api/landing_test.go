package api

import (
	"strings"
	"testing"

	"github.com/resetd/resetd/internal/desk"
)

// A mail gateway fetches the link, then the user does and presses the button; nothing of that uses the token.
func TestLinkPage(t *testing.T) {
	w := newWorld(t)
	id := w.ask()
	tok := w.send(taken)

	head := w.try("HEAD", "/r/"+tok, "", "", "User-Agent", "gateway")
	if head.status != 200 || head.body != "" {
		t.Errorf("HEAD: %d %q", head.status, head.body)
	}
	page := w.try("GET", "/r/"+tok, "", "", "User-Agent", "Firefox <script>")
	if page.status != 200 || !strings.Contains(page.body, "shop") || strings.Count(page.body, "<button") != 1 || strings.Contains(page.body, tok) {
		t.Errorf("page: %d %s", page.status, page.body)
	}
	for name, want := range map[string]string{
		"Referrer-Policy": "no-referrer", "Cache-Control": "no-store", "X-Frame-Options": "DENY", "X-Content-Type-Options": "nosniff",
		"X-Robots-Tag": "noindex", "Content-Security-Policy": "default-src 'none'; style-src 'sha256-",
	} {
		for _, r := range []reply{page, head} {
			if !strings.HasPrefix(r.header.Get(name), want) {
				t.Errorf("%s: %q", name, r.header.Get(name))
			}
		}
	}
	if csp := page.header.Get("Content-Security-Policy"); !strings.Contains(csp, "form-action 'self' https:;") || strings.Contains(csp, "unsafe") {
		t.Errorf("policy: %s", csp)
	}
	press := w.try("POST", "/r/"+tok, "", "")
	if press.status != 303 || press.header.Get("Location") != "https://shop.example/reset?token="+tok || press.header.Get("Referrer-Policy") != "no-referrer" {
		t.Errorf("button: %d %v", press.status, press.header)
	}
	facts := w.as(desk.Support, "GET", "/v1/resets/"+string(id), "").body
	if strings.Count(facts, `"fact":"opened"`) != 2 || strings.Count(facts, `"fact":"proceeded"`) != 1 {
		t.Errorf("facts: %s", facts)
	}
	if r := w.as(desk.App, "POST", "/v1/tokens/redeem", `{"realm":"shop","token":"`+tok+`"}`); r.status != 200 {
		t.Errorf("redeem afterwards: %d %s", r.status, r.body)
	}
}

func TestDeadLinkPages(t *testing.T) {
	w := newWorld(t)
	w.ask()
	tok := w.send(taken)
	unknown, err := w.tokens.Make(strangeReset, 1, "k1")
	if err != nil {
		t.Fatal(err)
	}
	check := func(token, says string) {
		t.Helper()
		for _, method := range []string{"GET", "POST"} {
			r := w.try(method, "/r/"+token, "", "")
			if r.status != 410 || !strings.Contains(r.body, says) || strings.Contains(r.body, "<button") || r.header.Get("Location") != "" || r.header.Get("Referrer-Policy") != "no-referrer" {
				t.Errorf("%s, %s: %d %s", method, says, r.status, r.body)
			}
		}
	}
	check(tok[:40], "not complete")
	check(strings.ToLower(tok), "not complete")
	check(unknown, "not known any more")
	w.as(desk.App, "POST", "/v1/reports", `{"realm":"shop","login":"jo@shop.example","kind":"password_set"}`)
	check(tok, "was replaced")

	// Another one, which is used.
	w.ask()
	tok = w.send(taken)
	if r := w.as(desk.App, "POST", "/v1/tokens/redeem", `{"realm":"shop","token":"`+tok+`"}`); r.status != 200 {
		t.Fatalf("redeem: %s", r.body)
	}
	check(tok, "was used already")

	w.redis.SetError("down")
	if r := w.try("GET", "/r/"+tok, "", ""); r.status != 503 || !strings.Contains(r.body, "not been used up") || r.header.Get("Retry-After") == "" {
		t.Errorf("store down: %d %s", r.status, r.body)
	}
}
