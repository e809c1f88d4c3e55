package reply

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write RULES.md anew")

// RULES.md lists the rules as they are.
func TestRulesDocument(t *testing.T) {
	want := document(builtin())
	if *update {
		if err := os.WriteFile("RULES.md", []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile("RULES.md")
	if err != nil || string(got) != want {
		t.Errorf("RULES.md is out of date (%v): go test ./diag/reply -run RulesDocument -update", err)
	}
}

func document(b *Book) string {
	var w strings.Builder
	w.WriteString("# What SMTP replies mean\n\nGenerated from `rules/*.txt`; write it anew with `go test ./diag/reply -run RulesDocument -update`.\n" +
		"Rules are tried in this order and the first that fits decides. *When* names what must hold besides the phrases, which stand in the files.\n")
	file := ""
	for _, r := range b.rules {
		if r.file != file {
			file = r.file
			fmt.Fprintf(&w, "\n## %s\n\n| rule | when | reason | cause | sure | proves | known from | sample |\n|---|---|---|---|---|---|---|---|\n", file)
		}
		cause := r.cause
		if cause == "" {
			cause = usualCause(r.reason, true)
			if soft := usualCause(r.reason, false); soft != cause {
				cause += ", " + soft
			}
		}
		var cells []string
		for _, c := range []string{r.id, when(r), string(r.reason), cause, r.sure.String(), r.proves, r.source, r.sample} {
			cells = append(cells, strings.NewReplacer("|", "\\|", "<", "&lt;", "*", "\\*").Replace(c))
		}
		fmt.Fprintf(&w, "| %s |\n", strings.Join(cells, " | "))
	}
	return w.String()
}

// when writes a rule's conditions in words.
func when(r rule) string {
	var parts []string
	if len(r.providers) > 0 {
		parts = append(parts, strings.Join(r.providers, " or "))
	}
	if len(r.stages) > 0 {
		parts = append(parts, "at "+strings.Join(r.stages, " or "))
	}
	if len(r.codes) > 0 {
		var c []string
		for _, x := range r.codes {
			if x < 10 {
				c = append(c, fmt.Sprintf("%dxx", x))
			} else {
				c = append(c, fmt.Sprint(x))
			}
		}
		parts = append(parts, "code "+strings.Join(c, ", "))
	}
	if len(r.statuses) > 0 {
		var c []string
		for _, x := range r.statuses {
			c = append(c, x.String())
		}
		parts = append(parts, "status "+strings.Join(c, ", "))
	}
	if len(r.says) > 0 {
		parts = append(parts, "phrases")
	}
	return strings.Join(parts, "; ")
}
