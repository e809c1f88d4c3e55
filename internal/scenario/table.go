package scenario

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/resetd/resetd/diag"
)

func byLine(a, b Outcome) int {
	return cmp.Or(strings.Compare(a.Scenario, b.Scenario), cmp.Compare(a.Line, b.Line))
}

// Table is what was expected against what was said: each first verdict that differs, precision and recall per first word of the cause,
// and every answer to "does a resend help" that was wrong.
func Table(all []*Scenario, outcomes []Outcome) string {
	type score struct{ right, said, expected int }
	rooms := map[string]*score{}
	room := func(cause string) *score {
		first, _, _ := strings.Cut(cause, ".")
		if rooms[first] == nil {
			rooms[first] = &score{}
		}
		return rooms[first]
	}
	pairs := map[string]int{}
	var helps, other []string
	verdicts, right := 0, 0
	for _, o := range outcomes {
		if o.Want.Cause == "" {
			if len(o.Wrong) > 0 {
				other = append(other, fmt.Sprintf("%s:%d: %s: %s", o.Scenario, o.Line, o.Text, strings.Join(o.Wrong, "; ")))
			}
			continue
		}
		said := o.Said.Verdict.Cause
		verdicts++
		room(o.Want.Cause).expected++
		room(said).said++
		if said == o.Want.Cause {
			right++
			room(said).right++
		}
		pairs[fmt.Sprintf("%-34s %s", o.Want.Cause, said)]++
		if h := string(o.Said.Verdict.Resend.Helps); h != o.Want.Helps() {
			helps = append(helps, fmt.Sprintf("%s:%d: %s said %s, expected %s", o.Scenario, o.Line, said, h, o.Want.Helps()))
		}
	}
	var b strings.Builder
	p := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	untold := Untold(all)
	p("%d stories, %d of them mixed; %d verdicts, %d right; %d of %d causes are the first verdict of some story\n", len(all), len(mixed(all)), verdicts, right,
		len(diag.Causes())-len(untold), len(diag.Causes()))
	p("%-34s %-34s %s", "expected", "said", "times")
	for _, k := range sorted(pairs) {
		want, said := strings.TrimSpace(k[:34]), k[35:]
		mark := ""
		if want != said {
			mark = "  <- wrong"
		}
		p("%-34s %-34s %5d%s", want, said, pairs[k], mark)
	}
	p("\n%-12s %9s %9s %9s %9s", "room", "expected", "said", "precision", "recall")
	for _, k := range sorted(rooms) {
		s := rooms[k]
		p("%-12s %9d %9d %9s %9s", k, s.expected, s.said, share(s.right, s.said), share(s.right, s.expected))
	}
	list := func(what string, lines []string) {
		p("\n%s: %d", what, len(lines))
		for _, l := range lines {
			p("  %s", l)
		}
	}
	list("causes without a story", untold)
	list("wrong about whether a resend helps", helps)
	list("other answers that were not as expected", other)
	return b.String()
}

// Untold are the causes of the catalogue that are the first verdict of no story.
func Untold(all []*Scenario) []string {
	told := map[string]bool{}
	for _, s := range all {
		for _, st := range s.Steps {
			if w, err := readExpectation(st.expect); st.verb == "why" && err == nil {
				told[w.Cause] = true
			}
		}
	}
	var out []string
	for _, c := range diag.Causes() {
		if !told[c.ID] {
			out = append(out, c.ID)
		}
	}
	return out
}

// mixed are the stories whose evidence contradicts itself, or belongs to more than one cause.
func mixed(all []*Scenario) []*Scenario {
	return slices.DeleteFunc(slices.Clone(all), func(s *Scenario) bool { return s.Mixed == "" })
}

func sorted[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

func share(n, of int) string {
	if of == 0 {
		return "-"
	}
	return fmt.Sprintf("%.3f", float64(n)/float64(of))
}
