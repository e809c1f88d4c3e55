package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/resetd/resetd/diag"
)

var updateText = flag.Bool("update-text", false, "rewrite the files in testdata that show what people read")

// answering is a stand-in that gives one answer to everything and remembers what it was asked.
type answering struct {
	status int
	body   string
	asked  []string
}

func (d *answering) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b, _ := io.ReadAll(r.Body)
	d.asked = append(d.asked, r.Method+" "+r.URL.RequestURI()+" "+r.Header.Get("Authorization")+" "+string(b))
	if d.status >= 400 {
		w.Header().Set("Content-Type", "application/problem+json")
	}
	w.WriteHeader(d.status)
	io.WriteString(w, d.body)
}

func standIn(t *testing.T, status int, body string) *answering {
	t.Helper()
	d := &answering{status: status, body: body}
	srv := httptest.NewServer(d)
	t.Cleanup(srv.Close)
	t.Setenv("RESETD_URL", srv.URL)
	t.Setenv("RESETD_KEY", "k")
	return d
}

const someReset = "rst_aiaaaaaaaaaaaaaaaaaaaaaaaaaa"

// What each command sends, what it prints and how it ends.
func TestClientCommands(t *testing.T) {
	refusal := `{"type":"x","title":"Conflict","status":409,"detail":"Another mail would not help: the mailbox is full. ` + "`force`" + ` sends it all the same.","code":"resend_futile","cause":"recipient.mailbox_full",` +
		`"resend":{"helps":"wait","not_before":"2026-11-24T12:00:00Z","because":"It meets the same end."},"remedies":[{"who":"user","do":"Make room."}]}`
	for _, c := range []struct {
		name   string
		cmd    func() *cobra.Command
		args   string
		status int
		body   string
		sends  string
		prints string // parts, | between them
		code   int
		says   string
	}{
		{"request", requestCmd, "jo@shop.example -realm shop -reason phone", 202, `{"reset":"` + someReset + `"}`,
			`POST /v1/resets Bearer k {"realm":"shop","login":"jo@shop.example","reason":"phone"}`, "Recorded as " + someReset + "|resetd why " + someReset, 0, ""},
		{"request for programs", requestCmd, "jo@shop.example -realm shop -json", 202, `{"reset":"` + someReset + `"}`, "", `{"reset":"` + someReset + `"}`, 0, ""},
		{"request without a realm", requestCmd, "jo@shop.example", 0, "", "", "", exitUsage, "-realm is needed"},
		{"request that is wrong", requestCmd, "jo@shop.example -realm x", 400, `{"status":400,"detail":"There is no such realm.","code":"unknown_realm"}`, "", "", exitCould, "There is no such realm. (unknown_realm)"},
		{"why of a reset", whyCmd, someReset, 200, `{"cases":[]}`, `POST /v1/why Bearer k {"reset":"` + someReset + `"}`, "", 0, ""},
		{"why of a login", whyCmd, "jo@shop.example -page https://x.example/ -json", 200, `{"cases":[]}`, `POST /v1/why Bearer k {"login":"jo@shop.example","page":"https://x.example/"}`, `{"cases":[]}`, 0, ""},
		{"resend", resendCmd, someReset + " -reason phone -route b -force", 202, `{"message":"msg_1"}`, `/resend Bearer k {"reason":"phone","route":"b","force":true}`, "on its way as msg_1", 0, ""},
		{"resend that is futile", resendCmd, someReset + " -reason phone", 409, refusal, "", "Nothing was sent|the mailbox is full|-force sends|12:00:00 UTC|1. The user: Make room.", exitBadNews, ""},
		{"the same for programs", resendCmd, someReset + " -reason phone -json", 409, refusal, "", `"code":"resend_futile"|"remedies":[{"who":"user","do":"Make room."}]`, exitBadNews, ""},
		{"resend of no id", resendCmd, "jo@shop.example -reason phone", 0, "", "", "", exitUsage, "not the id of a reset"},
		{"resend without a reason", resendCmd, someReset, 0, "", "", "", exitUsage, "-reason is needed"},
		{"queue", queueCmd, "", 200, `{"paused":{"by":"ops","reason":"move","since":"2026-11-24T08:00:00Z"},"workers":0,"due":3,"oldest_due_s":61.4,"routes":[{"route":"relay","waiting":3,"deferred":1,"paused":null}]}`,
			"GET /v1/queue", "All sending is held by ops since 24 Nov 2026, 08:00:00 UTC: move|No worker is alive|oldest due              1m1s|3 open, 1 of them", 0, ""},
		{"tray", trayCmd, "", 200, `{"items":[{"id":"ret_1","at":"2026-11-24T08:00:00Z","why":"no_reason","source":"smtp","reset":"rst_1","subject":"returned\u001b[2J","from":"md@there.example","recipient":"jo@shop.example","lines":["550 tukossa"],"notice":["postilaatikko\u202e on\u001b[2J"],"unread":["a part"],"answer": null},{"id":"ret_1","at":"2026-11-24T08:00:00Z","why":"no_reason","source":"smtp","reset":"rst_1","subject":"returned\u001b[2J","from":"md@there.example","recipient":"jo@shop.example","lines":["550 tukossa"],"notice":["postilaatikko\u202e on\u001b[2J"],"unread":["a part"],"answer": {"by":"ops","role":"ops","at":"2026-11-24T09:00:00Z","action":"failed","reason":"mailbox_full","note":"Finnish","rule":"rule tray.x\n  says on tukossa\n"}}],"next_cursor":""}`, "GET /v1/tray", "ret_1|why could not be read|returned<U+001B>|550 tukossa|  > postilaatikko<U+202E> on<U+001B>[2J|not read: a part", 0, ""},
		{"tray with answers", trayCmd, "-answered", 200, `{"items":[{"id":"ret_1","at":"2026-11-24T08:00:00Z","why":"no_reason","source":"smtp","reset":"rst_1","subject":"returned\u001b[2J","from":"md@there.example","recipient":"jo@shop.example","lines":["550 tukossa"],"notice":["postilaatikko\u202e on\u001b[2J"],"unread":["a part"],"answer": {"by":"ops","role":"ops","at":"2026-11-24T09:00:00Z","action":"failed","reason":"mailbox_full","note":"Finnish","rule":"rule tray.x\n  says on tukossa\n"}}],"next_cursor":""}`, "GET /v1/tray", "mailbox_full: Finnish, by ops|\n  says on tukossa", 0, ""},
		{"tray that is empty", trayCmd, "", 200, `{"items":[],"next_cursor":""}`, "", "The tray is empty", 0, ""},
		{"tray answer", trayCmd, "answer ret_1 -reason mailbox_full -words tukossa -note Finnish", 200, `{"id":"ret_1","at":"2026-11-24T08:00:00Z","why":"no_reason","source":"smtp","reset":"rst_1","subject":"returned\u001b[2J","from":"md@there.example","recipient":"jo@shop.example","lines":["550 tukossa"],"notice":["postilaatikko\u202e on\u001b[2J"],"unread":["a part"],"answer": {"by":"ops","role":"ops","at":"2026-11-24T09:00:00Z","action":"failed","reason":"mailbox_full","note":"Finnish","rule":"rule tray.x\n  says on tukossa\n"}}`, `POST /v1/tray/ret_1/answer Bearer k {"reason":"mailbox_full","words":"tukossa","note":"Finnish"}`, "Recorded|\n  says on tukossa", 0, ""},
		{"tray answer, no report", trayCmd, "answer ret_1 -action none -json", 200, `{"id":"ret_1","at":"2026-11-24T08:00:00Z","why":"no_reason","source":"smtp","reset":"rst_1","subject":"returned\u001b[2J","from":"md@there.example","recipient":"jo@shop.example","lines":["550 tukossa"],"notice":["postilaatikko\u202e on\u001b[2J"],"unread":["a part"],"answer": null}`, `{"action":"none"}`, `"id":"ret_1"`, 0, ""},
		{"tray answer without a reason", trayCmd, "answer ret_1", 0, "", "", "", exitUsage, "-reason is needed"},
		{"queue pause", queueCmd, "pause -reason move -route relay", 200, `{"paused":true}`, `POST /v1/queue/pause Bearer k {"reason":"move","route":"relay"}`, "by the route relay is held", 0, ""},
		{"queue resume", queueCmd, "resume -reason moved", 200, `{"paused":false}`, `POST /v1/queue/resume Bearer k {"reason":"moved"}`, "All sending is going on", 0, ""},
		{"queue nonsense", queueCmd, "nonsense", 0, "", "", "", exitUsage, "nonsense"},
		{"suppressions", suppressionsCmd, "", 200, `{"items":[{"address":"zoe@shop.example","cause":"recipient.unknown_mailbox","until":"2026-12-24T08:00:00Z","proof":"550 no"}],"next_cursor":""}`, "GET /v1/suppressions?cursor=", "zoe@shop.example|until 24 Dec 2026|the host said: 550 no", 0, ""},
		{"suppressions lookup", suppressionsCmd, "lookup zoe@shop.example", 200, `{"suppressed":false,"suppression":null}`, `lookup Bearer k {"address":"zoe@shop.example"}`, "not on the stop list", 0, ""},
		{"suppressions release", suppressionsCmd, "release zoe@shop.example -reason back", 200, `{"released":true}`, `release Bearer k {"address":"zoe@shop.example","reason":"back"}`, "Released", 0, ""},
		{"audit", auditCmd, "", 200, `{"items":[{"n":7,"at":"2026-11-24T08:00:00Z","by":"desk","role":"support","action":"lookup_suppression","target":"abc","reason":"why","denied":true}],"next_cursor":""}`, "GET /v1/audit?cursor=", "7  24 Nov 2026, 08:00:00 UTC|desk (support) lookup suppression abc, denied: why", 0, ""},
		{"audit verify", auditCmd, "verify", 200, `{"good":7}`, "GET /v1/audit/verify", "The trail is whole: 7 entries", 0, ""},
		{"audit verify of a changed trail", auditCmd, "verify", 200, `{"good":6,"wrong":"entry 7 was changed"}`, "", "after 6 good entries, entry 7 was changed", exitBadNews, ""},
		{"audit verify for programs", auditCmd, "verify -json", 200, `{"good":6,"wrong":"entry 7 was changed"}`, "", `{"good":6,"wrong":"entry 7 was changed"}`, exitBadNews, ""},
		{"wrong key", queueCmd, "", 401, `{"status":401,"detail":"x","code":"unauthenticated"}`, "", "", exitCould, "does not know this API key.\nhint: "},
		{"wrong role", queueCmd, "", 403, `{"status":403,"detail":"x","code":"forbidden"}`, "", "", exitCould, "may not do that.\nhint: "},
		{"a proxy's page", queueCmd, "", 502, `<html>`, "", "", exitCould, "not resetd's API: it said 502.\nhint: "},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := standIn(t, c.status, c.body)
			out, code, msg := runCLI(t, c.cmd(), strings.Fields(c.args)...)
			if code != c.code || !strings.Contains(msg, c.says) {
				t.Errorf("status %d, %q", code, msg)
			}
			for part := range strings.SplitSeq(c.prints, "|") {
				if !strings.Contains(out, part) {
					t.Errorf("it does not print %q:\n%s", part, out)
				}
			}
			if asked := strings.Join(d.asked, "\n"); !strings.Contains(asked, c.sends) {
				t.Errorf("it sent %s", asked)
			}
		})
	}
}

func TestClientHints(t *testing.T) {
	t.Setenv("RESETD_URL", "http://127.0.0.1:1")
	t.Setenv("RESETD_KEY", "")
	if _, code, msg := runCLI(t, queueCmd()); code != exitUsage || !strings.Contains(msg, "RESETD_KEY") || !strings.Contains(msg, "resetd keys api") {
		t.Errorf("no key: %d %s", code, msg)
	}
	if _, code, msg := runCLI(t, queueCmd(), "-key", "k"); code != exitCould || !strings.Contains(msg, "nobody listens at http://127.0.0.1:1.\nhint: ") {
		t.Errorf("nobody there: %d %s", code, msg)
	}
	for _, u := range []string{"127.0.0.1:8025", "ftp://x.example", "http://", "::"} {
		if _, code, msg := runCLI(t, queueCmd(), "-key", "k", "-url", u); code != exitUsage || !strings.Contains(msg, "URL is none") {
			t.Errorf("%s: %d %s", u, code, msg)
		}
	}
}

// A case as people read it; testdata/why.txt shows it.
func TestWhyText(t *testing.T) {
	at := time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC)
	c := diag.Case{
		Realm: "shop", Login: "jo@shop.example", Reset: someReset, Account: &diag.AccountView{ID: "u1", State: "not_activated"},
		Verdict: diag.Verdict{
			Cause: "recipient.mailbox_full", Blame: "recipient", Confidence: diag.Certain,
			Says:   "mx.shop.example says that the mailbox is full: \x1b[2J\x1b]0;owned\a452 4.2.2 The email account that you tried to reach is over \u202equota\nplease try later",
			Resend: diag.Resend{Helps: diag.HelpsWait, NotBefore: at.Add(time.Hour), Because: "Until they make room, the next one meets the same end."},
			Actions: []diag.Action{
				{Who: diag.User, Do: "Make room in the mailbox."},
				{Who: diag.Support, Do: "Resend when they have done so; it needs no more than a few hundred kilobytes, which a single photograph in the sent folder may hold.", Call: "POST /v1/resets/x/resend"},
			},
			Evidence: []diag.Evidence{{At: at, Fact: "attempted", Says: "mx.shop.example put it off."}},
			TellUser: "Your mailbox is full.\nPlease make room; the mail comes by itself, and the link in it is good for an hour from its arrival on.",
		},
		Also:       []diag.Alternative{{Cause: "deferred.other", Confidence: diag.Possible, Says: "The host puts everybody off.", SettledBy: "Others at the same host."}},
		BlindSpots: []string{"Bounces could not reach us between 07:00 and 07:30 UTC."},
		Timeline: []diag.Entry{
			{At: at, Fact: "requested", Says: "A reset was asked for by shop."},
			{At: at.Add(time.Second), Fact: "attempted", Says: "https://" + strings.Repeat("long", 30) + ".example/ is a word that no line can hold."},
		},
	}
	var b bytes.Buffer
	(&printer{w: &b}).printCase(c)
	if *updateText {
		if err := os.WriteFile("testdata/why.txt", b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("testdata/why.txt")
	if err != nil {
		t.Fatal(err)
	}
	if b.String() != string(want) {
		t.Errorf("it reads (go test ./cmd/resetd -update-text rewrites the file):\n%s", b.String())
	}
	if strings.ContainsAny(b.String(), "\x1b\a\u202e") {
		t.Error("a host's control characters reach the terminal")
	}
	for l := range strings.Lines(b.String()) {
		if n := len([]rune(strings.TrimSpace(l))); n > columns && !strings.Contains(l, "longlong") {
			t.Errorf("a line of %d columns: %s", n, l)
		}
	}
}

func TestPrintJSONIsOneLine(t *testing.T) {
	standIn(t, 200, `{"cases":[{"realm":null,"login":"<jo@shop.example>","account":null,"reset":null,"message":null,"verdict":{"cause":"request.none"}}]}`)
	out, _, _ := runCLI(t, whyCmd(), "jo@shop.example", "-json")
	var v struct {
		Cases []struct {
			Realm *string
			Login string
		}
	}
	if err := json.Unmarshal([]byte(out), &v); err != nil || len(v.Cases) != 1 || v.Cases[0].Realm != nil || strings.Count(out, "\n") != 1 || v.Cases[0].Login != "<jo@shop.example>" {
		t.Errorf("%v: %s", err, out)
	}
}
