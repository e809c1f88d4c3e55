package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/resetd/resetd/internal/desk"
	"github.com/resetd/resetd/mailer/bounce"
)

// explained runs `resetd explain` with something on its standard input.
func explained(t *testing.T, stdin string, args ...string) (out string, code int) {
	t.Helper()
	cmd := explainCmd()
	cmd.SetIn(strings.NewReader(stdin))
	out, code, _ = runCLI(t, cmd, args...)
	return out, code
}

func readFile(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// mails reads the JSON lines about mails.
func mails(t *testing.T, out string) []bounce.Explained {
	t.Helper()
	var all []bounce.Explained
	for line := range strings.Lines(out) {
		var e bounce.Explained
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		all = append(all, e)
	}
	return all
}

// Somebody on the phone holds a bounce and wants to know what it says.
func TestExplainForPeople(t *testing.T) {
	out, code := explained(t, "", "testdata/explain/full.eml")
	if want := readFile(t, "testdata/explain/full.txt"); out != want || code != 0 {
		t.Errorf("exit status %d\n%s", code, out)
	}
}

func TestExplainAMail(t *testing.T) {
	for _, stdin := range []bool{false, true} {
		name, in := "testdata/explain/full.eml", ""
		if stdin {
			name, in = "-", readFile(t, name)
		}
		out, code := explained(t, in, "-json", name)
		all := mails(t, out)
		if code != 0 || len(all) != 1 || all[0].File != name || all[0].Kind != bounce.KindBounce || len(all[0].Reports) != 1 || all[0].Unread == nil {
			t.Fatalf("exit status %d: %s", code, out)
		}
		r := all[0].Reports[0]
		line := strings.Split(readFile(t, "testdata/explain/full.eml"), "\n")[r.Because.Line-1]
		if r.Recipient != "jo@shop.example" || r.Action != "failed" || r.Status != "5.2.2" || r.Reason != "mailbox_full" || r.Cause != "recipient.mailbox_full" ||
			r.Host != "store.shop.example" || !strings.Contains(line, r.Because.Text) {
			t.Errorf("%+v", r)
		}
	}
}

// A mailbox in the dialects that there are: each mail has a number, and what stood in its text as From is again what it was.
func TestExplainAMailbox(t *testing.T) {
	eml := readFile(t, "testdata/explain/full.eml")
	const from = "From MAILER-DAEMON Tue Nov 24 08:00:00 2026\n"
	dir := t.TempDir()
	for _, c := range []struct {
		name, text string
		want       []string
	}{
		{"two.mbox", from + eml + "\n" + from + eml, []string{"#1 bounce", "#2 bounce"}},
		{"crlf.mbox", strings.ReplaceAll(from+eml+"\n"+from+eml, "\n", "\r\n"), []string{"#1 bounce", "#2 bounce"}},
		{"masked", from + "Subject: hello\n\n>From you, at 12:30\n\n" + from + eml, []string{"#1 none", "#2 bounce"}},
		{"unmasked", from + "Subject: hello\n\nFrom you I hear nothing\n\n" + from + eml, []string{"#1 none", "#2 bounce"}},
		{"one", from + eml, []string{"#1 bounce"}},
		{"one.eml", from + eml, []string{" bounce"}},
		{"two.eml", from + eml + "\n" + from + eml, []string{"#1 bounce", "#2 bounce"}},
		{"long.mbox", from + "X: " + strings.Repeat("x", 3<<20) + "\n\nhello\n\n" + from + eml, []string{"#1 none", "#2 bounce"}},
	} {
		name := filepath.Join(dir, c.name)
		if err := os.WriteFile(name, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		out, code := explained(t, "", "-json", name)
		var got []string
		for _, e := range mails(t, out) {
			got = append(got, strings.TrimPrefix(e.File, name)+" "+string(e.Kind))
		}
		if code != 0 || !slices.Equal(got, c.want) {
			t.Errorf("%s: exit status %d, %q, not %q", c.name, code, got, c.want)
		}
	}
}

func TestExplainAMaildir(t *testing.T) {
	dir := t.TempDir()
	for _, sub := range []string{"cur", "new", "tmp"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, sub, "1.host"), []byte(readFile(t, "testdata/explain/full.eml")), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out, code := explained(t, "", "-json", dir)
	if all := mails(t, out); code != 0 || len(all) != 2 || all[0].File != filepath.Join(dir, "new", "1.host") || all[1].File != filepath.Join(dir, "cur", "1.host") {
		t.Errorf("exit status %d: %s", code, out)
	}
}

// Each line of input has one line of output, whatever it says, so that answers can be laid beside questions.
func TestExplainLines(t *testing.T) {
	in := "google\t452 4.2.2 The email account that you tried to reach is over quota.\n\n550 5.1.1 <jo@shop.example>: User unknown\r\n" + strings.Repeat("y", 200<<10) + "\nhello"
	out, code := explained(t, in, "-json", "-lines")
	var got []string
	for line := range strings.Lines(out) {
		var r desk.ReplyLine
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		got = append(got, fmt.Sprintf("%s %v", r.Reason, r.Permanent))
	}
	if want := []string{"mailbox_full false", "unknown false", "user_unknown true", "unknown false", "unknown false"}; code != 0 || !slices.Equal(got, want) {
		t.Errorf("exit status %d, %q, not %q", code, got, want)
	}
	if out, _ := explained(t, in, "-lines"); !strings.Contains(out, "mailbox of that name is full") || !strings.Contains(out, "Make room") {
		t.Errorf("for people: %s", out)
	}
}

// What is pasted without -lines is known by its code; a mail is a mail even if a code stands in it.
func TestExplainKnowsAPastedReply(t *testing.T) {
	for _, c := range []struct {
		in    string
		reply bool
	}{
		{"550 5.1.1 <jo@shop.example>: User unknown\n", true},
		{"550-5.1.1 The email account that you tried to reach does not exist.\n550 5.1.1 Please try double-checking it.\n", true},
		{"5.1.1 no such user", true},
		{"google\t421 4.7.28 unusual rate of unsolicited mail", true},
		{"host mx.shop.example said: 550 5.7.1 blocked", true},
		{"Subject: 550 5.1.1 no such user\n\n550 5.1.1 no such user\n", false},
		{"user unknown", true},
		{"we do not know", false},
		{"Dear all,\n\nthe mail was fine.\n", false},
		{"2026-11-24 hello", false},
	} {
		out, code := explained(t, c.in, "-json")
		if got := strings.HasPrefix(out, `{"reply":`); got != c.reply || code != 0 {
			t.Errorf("%q: exit status %d, %s", c.in, code, out)
		}
	}
}

func TestExplainStatus(t *testing.T) {
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"testdata/explain/nothing.eml"}, 1, "no such file"},
		{[]string{"testdata/explain/nothing.eml", "testdata/explain/full.eml"}, 1, "mailbox is full"},
		{[]string{"testdata"}, 1, "no Maildir"},
		{nil, 1, "nothing came in"},
		{[]string{"550 5.1.1 user unknown"}, 0, "no mailbox of that name"},
		{[]string{"250 2.0.0 ok"}, 0, "Nobody's fault. Done."},
		{[]string{"user unknown"}, 1, "no such file"},
		{[]string{"-wrong"}, 2, ""},
	} {
		if out, code := explained(t, "", c.args...); code != c.code || !strings.Contains(out, c.says) {
			t.Errorf("%v: exit status %d\n%s", c.args, code, out)
		}
	}
}

// What strangers write does nothing to the terminal on which it is shown.
func TestExplainIsInert(t *testing.T) {
	const evil = "\x1b]0;owned\a\u009b2J\u202e"
	eml := strings.ReplaceAll(readFile(t, "testdata/explain/full.eml"), "mailbox is full", "mailbox is full "+evil)
	for _, args := range [][]string{nil, {"-json"}, {"-lines"}, {"-json", "-lines"}} {
		for _, in := range []string{eml, "550 5.2.2 mailbox full " + evil, "550 5.2.2 " + evil} {
			out, _ := explained(t, in, args...)
			if i := strings.IndexFunc(out, func(r rune) bool { return r != '\n' && r < ' ' || r >= 0x7f && r <= 0x9f || r == '\u202e' }); i >= 0 || out == "" {
				t.Errorf("%v: %q", args, out)
			}
		}
	}
}

// A rule of the tray can be tried before it is released.
func TestExplainWithOwnRules(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	rules := write("rules.txt", "rule tray.one\n  says tupaten tukossa\n  reason mailbox_full\n  proves It is full.\n  source the tray\n  sample 550 tupaten tukossa\n")
	eml := write("a.eml", strings.ReplaceAll(strings.ReplaceAll(readFile(t, "testdata/explain/full.eml"), "mailbox is full", "tupaten tukossa"), "5.2.2", "5.0.0"))
	for _, args := range [][]string{{"-json", "-rules", rules, eml}, {"-json", "-rules", rules, "-lines"}} {
		out, code := explained(t, "550 tupaten tukossa", args...)
		if plain, _ := explained(t, "550 tupaten tukossa", append([]string{"-json"}, args[3:]...)...); strings.Contains(plain, "mailbox_full") {
			t.Errorf("%v: known without the rule: %s", args, plain)
		}
		if code != 0 || !strings.Contains(out, `"reason":"mailbox_full","cause":"recipient.mailbox_full"`) {
			t.Errorf("%v: exit status %d, %s", args, code, out)
		}
	}
	if out, code := explained(t, "550 x", "-rules", write("wrong.txt", "rule x\n  nonsense y\n")); code != 1 {
		t.Errorf("wrong rules: exit status %d, %s", code, out)
	}
}

func FuzzSplitMailbox(f *testing.F) {
	f.Add([]byte("From a@b.example Tue Nov 24 08:00:00 2026\nSubject: x\n\n>From y\n\nFrom c Tue Nov 24 08:00:00 2026\n\nz"))
	f.Add([]byte("From \n\nFrom 00:00\n>>From"))
	f.Fuzz(func(t *testing.T, in []byte) {
		size := 0
		err := splitMailbox(bufio.NewReaderSize(bytes.NewReader(in), 16), func(raw []byte) error { size += len(raw); return nil })
		if err != nil || size > len(in) {
			t.Errorf("%d bytes of %d, %v", size, len(in), err)
		}
	})
}
