package reply

import (
	"strings"
	"testing"
)

func seeds(f *testing.F) {
	for _, r := range builtin().rules {
		f.Add(r.sample)
	}
	for _, s := range []string{
		"", "\n", "550", "550-", "google\t550-5.1.1 a\r\n550 5.1.1 b", "5.1.1", "@", "''''n't", "\xff\xfe\xe4", "550 5.1.1 Empf\xe4nger unbekannt",
		"450 try again in 999999999 hours", "450 retry in 00:00:00:00", strings.Repeat("user ", 3000), strings.Repeat("1.", 5000), strings.Repeat("::", 5000),
		"550 " + strings.Repeat("é", 5000), "用户不存在", "421 " + strings.Repeat("@", 9000),
	} {
		f.Add(s)
	}
}

// Whatever a host says, a reading is complete, and what it rests on stands in the text.
func FuzzRead(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, text string) {
		for _, r := range []Reply{{Text: text}, {Provider: "microsoft", Stage: "rcpt", Code: 550, Enhanced: "5.7.1", Text: text}, {Banner: text, Host: text}} {
			check(t, r)
		}
	})
}

func check(t *testing.T, r Reply) {
	t.Helper()
	g := Read(r)
	if !known(g.Reason) || blameOf(g.Cause) == "" || g.Blame != blameOf(g.Cause) {
		t.Fatalf("reason %q, cause %q, blame %q", g.Reason, g.Cause, g.Blame)
	}
	if g.RetryAfter < 0 || g.RetryAfter > MaxRetryAfter {
		t.Fatalf("retry after %s", g.RetryAfter)
	}
	if g.Because.Line > 0 && !strings.Contains(line(r.Text, g.Because.Line), g.Because.Text) {
		t.Fatalf("%q is not on line %d of %q", g.Because.Text, g.Because.Line, r.Text)
	}
	if g.Rule != "" && g.Because.Text == "" {
		t.Fatalf("rule %s rests on nothing", g.Rule)
	}
}

// line returns the n-th line of text, counted from 1; LF, CRLF and CR end lines alike.
func line(text string, n int) string {
	text = strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(text)
	lines := strings.Split(text, "\n")
	if n > len(lines) {
		return ""
	}
	return lines[n-1]
}

func FuzzParseLine(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, s string) {
		r := ParseLine(s)
		if r.Code != 0 && (r.Code < 200 || r.Code > 599) {
			t.Fatalf("code %d", r.Code)
		}
		if !strings.HasSuffix(s, r.Text) || !strings.Contains(s, r.Enhanced) {
			t.Fatalf("%+v is not in %q", r, s)
		}
		check(t, r)
	})
}

func FuzzRules(f *testing.F) {
	f.Add("rule x\n  says {a,b} no .. c*\n  unless d\n  reason unknown\n  proves p\n  source s\n  sample q")
	f.Add("rule x\n  status 5.7.1-9 x.1.*\n  code 550 4xx\n  stage rcpt\n  for google\n  lasts no\n  sure certain\n  reason unknown\n  proves p\n  source s\n  sample q")
	f.Fuzz(func(t *testing.T, s string) {
		rules, _ := parseRules(s)
		for _, r := range rules {
			for _, l := range r.says {
				steps, _ := splitSteps(l)
				for _, s := range steps {
					if len(s) < 200 && strings.Count(s, "{") < 4 {
						phrases, _ := expand(s)
						for _, p := range phrases {
							_, _ = foldPhrase(p)
						}
					}
				}
			}
		}
	})
}

// A megabyte of the worst is read as fast as its first 8 KiB; a quadratic step anywhere would make this test hang.
func TestLongTexts(t *testing.T) {
	for _, part := range []string{"user ", "user unknown ", "550 5.1.1 ", "1.2.3.4 ", "@", "a@b ", "try again in 5 ", "é", "不", "'", "[", "\n", "not ", "user mailbox account "} {
		r := Reply{Text: strings.Repeat(part, (1<<20)/len(part))}
		check(t, r)
	}
}
