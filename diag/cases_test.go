package diag

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/resetd/resetd/internal/ledger"
)

var update = flag.Bool("update", false, "rewrite the wording in testdata/cases and docs/causes.md; causes are never rewritten")

// scenario is a file of testdata/cases.
type scenario struct {
	in     Input
	facts  map[ledger.EventID]bool
	expect []string // lines of the expect section
}

func readScenario(t testing.TB, text string) scenario {
	t.Helper()
	s := scenario{in: usualInput(), facts: map[ledger.EventID]bool{}}
	section := "story"
	var facts []string
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "-- ") && strings.HasSuffix(line, " --") {
			section = line[3 : len(line)-3]
			continue
		}
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		switch section {
		case "story":
		case "world":
			if err := readWorld(line, &s.in); err != nil {
				t.Fatal(err)
			}
		case "facts":
			facts = append(facts, line)
		case "expect":
			s.expect = append(s.expect, line)
		default:
			t.Fatalf("no section %q", section)
		}
	}
	var all []ledger.Fact
	for i, line := range facts {
		f, err := readFact(line, i+1, &s.in)
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		s.facts[f.ID] = true
		all = append(all, f)
	}
	s.in.Timeline = ledger.Fold(all)
	return s
}

func caseFiles(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/cases/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no cases", err)
	}
	return files
}

func TestCases(t *testing.T) {
	said := map[string]int{}
	for _, file := range caseFiles(t) {
		name := strings.TrimSuffix(filepath.Base(file), ".txtar")
		t.Run(name, func(t *testing.T) {
			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			s := readScenario(t, string(raw))
			c := Diagnose(s.in)
			said[c.Verdict.Cause]++
			checkExpect(t, s, c)
			checkCase(t, s.in, c)
			if *update {
				if err := os.WriteFile(file, []byte(reword(string(raw), c)), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
	t.Logf("%d causes are the verdict of some case", len(said))
}

// checkExpect holds a case to the lines of its expect section.
func checkExpect(t *testing.T, s scenario, c Case) {
	t.Helper()
	also := map[string]bool{}
	for _, a := range c.Also {
		also[a.Cause] = true
	}
	saysSeen := false
	for _, line := range s.expect {
		key, want, _ := strings.Cut(line, " ")
		var got string
		switch key {
		case "cause":
			got = c.Verdict.Cause
		case "confidence":
			got = string(c.Verdict.Confidence)
		case "resend":
			got = string(c.Verdict.Resend.Helps)
		case "who":
			got = string(c.Verdict.Actions[0].Who)
		case "not_before":
			got = clock(c.Verdict.Resend.NotBefore, s.in.Now)
		case "reset":
			got = string(c.Reset)
		case "message":
			got = string(c.Message)
		case "says":
			saysSeen = true
			if got = c.Verdict.Says; *update {
				continue
			}
		case "because":
			got = c.Verdict.Resend.Because
		case "do":
			got = c.Verdict.Actions[0].Do
		case "tell":
			got = c.Verdict.TellUser
		case "also":
			if !also[want] {
				t.Errorf("also lacks %s; has %v", want, c.Also)
			}
			continue
		case "not":
			if also[want] || c.Verdict.Cause == want {
				t.Errorf("must not say %s", want)
			}
			continue
		case "evidence": // TIME SENTENCE
			at, says, _ := strings.Cut(want, " ")
			if slices.ContainsFunc(c.Verdict.Evidence, func(e Evidence) bool { return e.At.Format("15:04") == at && e.Says == says }) {
				continue
			}
			t.Errorf("no evidence %q in %+v", want, c.Verdict.Evidence)
			continue
		case "shown": // words that some evidence says
			for _, e := range c.Verdict.Evidence {
				if strings.Contains(e.Says, want) {
					got = want
				}
			}
		case "blind":
			if got = strings.Join(c.BlindSpots, "; "); strings.Contains(got, want) {
				continue
			}
		default:
			t.Fatalf("no expectation %q", key)
		}
		if got != want {
			t.Errorf("%s is %q, want %q\n  says: %s\n  also: %v", key, got, want, c.Verdict.Says, c.Also)
		}
	}
	if !saysSeen && !*update {
		t.Error("no line says; run with -update")
	}
}

// reword puts the sentence of now into a case's file.
func reword(text string, c Case) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "says ") {
			b.WriteString(line)
		}
	}
	return strings.TrimRight(b.String(), "\n") + "\nsays " + c.Verdict.Says + "\n"
}

// checkCase holds what is true of every case: words of the contract, evidence that exists, sentences without holes or secrets.
func checkCase(t *testing.T, in Input, c Case) {
	t.Helper()
	row, ok := CauseOf(c.Verdict.Cause)
	if !ok {
		t.Fatalf("%q is no cause of the catalogue", c.Verdict.Cause)
	}
	if c.Verdict.Blame != row.Blame || len(c.Verdict.Actions) == 0 || c.Verdict.TellUser == "" || c.Verdict.Says == "" || c.Verdict.Resend.Because == "" {
		t.Errorf("incomplete verdict %+v", c.Verdict)
	}
	ids := map[ledger.EventID]bool{}
	n := 0
	for _, r := range in.Timeline.Resets {
		for _, f := range r.Facts {
			ids[f.ID] = true
			n++
		}
	}
	for _, f := range in.Timeline.Loose {
		ids[f.ID] = true
		n++
	}
	for _, o := range in.Others {
		ids[o.Ask] = o.Ask != ""
		for _, f := range o.Reports {
			ids[f.ID] = true
		}
	}
	for _, f := range in.Checks {
		ids[f.ID] = true
	}
	if len(c.Timeline) != n {
		t.Errorf("timeline has %d entries of %d facts", len(c.Timeline), n)
	}
	for _, e := range c.Verdict.Evidence {
		if !ids[e.Event] || e.Says == "" {
			t.Errorf("evidence %v is none of the facts", e)
		}
	}
	sentences := []string{c.Verdict.Says, c.Verdict.TellUser, c.Verdict.Resend.Because}
	for _, a := range c.Verdict.Actions {
		sentences = append(sentences, a.Do)
	}
	seen := map[string]bool{c.Verdict.Cause: true}
	for _, a := range c.Also {
		if seen[a.Cause] || a.SettledBy == "" {
			t.Errorf("also %v stands twice, or nothing settles it", a)
		}
		seen[a.Cause] = true
		sentences = append(sentences, a.Says)
	}
	for _, s := range sentences {
		if strings.ContainsAny(s, "{}|") || strings.Contains(s, "  ") || strings.Contains(s, " .") || strings.Contains(s, "..") || strings.Contains(s, "/r/") {
			t.Errorf("badly worded: %q", s)
		}
	}
	raw, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	var back Case
	if err := json.Unmarshal(raw, &back); err != nil || back.Verdict.Cause != c.Verdict.Cause || back.Reset != c.Reset {
		t.Errorf("JSON does not come back: %v", err)
	}
}

func scenarios(t testing.TB) []scenario {
	t.Helper()
	var out []scenario
	for _, file := range caseFiles(t) {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, readScenario(t, string(raw)))
	}
	return out
}
