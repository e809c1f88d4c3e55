package main

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/resetd/resetd/diag"
	"github.com/resetd/resetd/internal/api"
)

// The demo tells every one of its stories to its end within a minute, and then why says of each person what happened to them.
func TestDemo(t *testing.T) {
	p := launch(t, "demo", "-listen", "127.0.0.1:0", "-json")
	line := p.await("the line of JSON", func() string { return p.outText() })
	var first struct {
		URL    string
		Keys   demoKeys
		People []person
	}
	if err := json.Unmarshal([]byte(line), &first); err != nil {
		t.Fatalf("%q: %v", line, err)
	}
	if len(first.People) < 16 {
		t.Errorf("%d people, want at least 16", len(first.People))
	}
	c := caller{t, first.URL}
	for end := time.Now().Add(60 * time.Second); ; time.Sleep(200 * time.Millisecond) {
		status, body := c.call("", "/readyz", nil)
		if status == http.StatusOK {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("not ready after a minute: %s", body)
		}
	}
	for _, who := range first.People {
		status, body := c.call(first.Keys.Support, "/v1/why", obj{"login": who.Login, "realm": who.Realm})
		var out struct{ Cases []diag.Case }
		if status != http.StatusOK || json.Unmarshal(body, &out) != nil || len(out.Cases) != 1 {
			t.Errorf("%s: %d %s", who.Login, status, body)
			continue
		}
		v := out.Cases[0].Verdict
		if v.Cause != who.Cause || v.Says == "" || v.TellUser == "" || v.Resend.Helps == "" || len(v.Actions) == 0 {
			t.Errorf("%s (%s): %+v", who.Login, who.Story, v)
		}
	}

	t.Run("the command line speaks to it", func(t *testing.T) {
		ada := first.People[1]
		out, code, msg := runCLI2(t, "why", ada.Login, "-url", first.URL, "-key", first.Keys.Support)
		if code != 0 || !strings.Contains(out, "after.done") {
			t.Errorf("why: status %d\n%s%s", code, out, msg)
		}
		out, code, msg = runCLI2(t, "queue", "-url", first.URL, "-key", first.Keys.Ops, "-json")
		var q struct {
			Workers int
			Routes  []struct {
				Route  string
				Paused *struct{ By string }
			}
		}
		if code != 0 || json.Unmarshal([]byte(out), &q) != nil || q.Workers != 1 || len(q.Routes) != 4 {
			t.Errorf("queue: status %d\n%s%s", code, out, msg)
		}
	})
	t.Run("a canary goes through", func(t *testing.T) {
		client := &api.Client{URL: first.URL, Key: first.Keys.Ops}
		var run diag.LoopRun
		for end := time.Now().Add(30 * time.Second); run.State != "ok"; time.Sleep(200 * time.Millisecond) {
			views, err := client.Domains(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, v := range views {
				for _, l := range v.Loops {
					run = l
				}
			}
			if time.Now().After(end) {
				t.Fatalf("not within half a minute: %+v", run)
			}
		}
	})
	t.Run("the story's page is true", func(t *testing.T) { storyIsTrue(t, first.URL, first.Keys.Support) })
	t.Run("resend where no mail can help", func(t *testing.T) {
		jo := first.People[0]
		_, body := c.call(first.Keys.Support, "/v1/why", obj{"login": jo.Login, "realm": jo.Realm})
		var out struct{ Cases []diag.Case }
		if err := json.Unmarshal(body, &out); err != nil {
			t.Fatal(err)
		}
		reset := string(out.Cases[0].Reset)
		_, code, msg := runCLI2(t, "resend", reset, "-reason", "asked by phone", "-force", "-url", first.URL, "-key", first.Keys.Admin)
		if code != exitBadNews {
			t.Errorf("resend to an SSO account, forced: status %d, want 3: %s", code, msg)
		}
		status, body := c.call(first.Keys.Admin, "/v1/resets/"+reset+"/resend", obj{"reason": "asked by phone", "force": true})
		if status != http.StatusConflict || !strings.Contains(string(body), `"code":"resend_impossible"`) {
			t.Errorf("%d %s", status, body)
		}
	})
	if code := p.stop(); code != 0 {
		t.Errorf("stopped with status %d", code)
	}
}
