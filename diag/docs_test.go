package diag

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

const docPath = "../docs/causes.md"

// docs/causes.md is the catalogue for people.
func TestCausesDoc(t *testing.T) {
	want := causesDoc()
	if *update {
		if err := os.MkdirAll("../docs", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(docPath, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(docPath)
	if err != nil || string(have) != want {
		t.Errorf("%s is not up to date: go test ./diag -update (%v)", docPath, err)
	}
}

func causesDoc() string {
	var b strings.Builder
	count := map[Source]int{}
	for _, c := range Causes() {
		count[c.Diagnosed]++
	}
	fmt.Fprintf(&b, `# Causes

Why a reset mail never came: every cause that resetd knows, with what it says, whether another mail helps, and whose move it is.
This page is made from `+"`diag/causes.tsv`"+` by `+"`go test ./diag -update`"+`; the order in which causes win is in the package comment of `+"`diag`"+`.

Of %d causes resetd tells %d from its own facts and %d from what a host said; %d cannot happen here, and are told when a report from outside names them:
a `+"`detail`"+` of `+"`POST /v1/reports`"+` that begins with `+"`cause: ID`"+`, then `+"`;`"+` and free words, as in `+"`cause: link.other_browser; the session cookie was missing`"+`. Such a
report may name: %s.

`, len(Causes()), count[FromFacts], count[FromWords], count[FromReport], "`"+strings.Join(Statable(), "`, `")+"`")
	b.WriteString("In the examples, `…` stands for what is filled in; what is not known is left out.\n\n")
	b.WriteString("| cause | blame | resend | told from |\n|---|---|---|---|\n")
	for _, c := range Causes() {
		fmt.Fprintf(&b, "| [%s](#%s) | %s | %s | %s |\n", c.ID, anchor(c.ID), c.Blame, c.Resend, toldFrom(c.Diagnosed))
	}
	group := ""
	for _, c := range Causes() {
		first, _, _ := strings.Cut(c.ID, ".")
		if first != group {
			group = first
			fmt.Fprintf(&b, "\n## %s\n", group)
		}
		fmt.Fprintf(&b, "\n### %s\n\n%s\n\n", c.ID, shown(c.Says))
		fmt.Fprintf(&b, "- Blame: %s. Resend: %s. %s\n", c.Blame, c.Resend, shown(c.Because))
		for _, a := range c.Actions {
			fmt.Fprintf(&b, "- %s: %s", a.Who, shown(a.Do))
			if a.Call != "" {
				fmt.Fprintf(&b, " (`%s`)", a.Call)
			}
			b.WriteString("\n")
		}
		fmt.Fprintf(&b, "- Proven by: %s\n", c.Proof)
		fmt.Fprintf(&b, "- Settled by: %s\n", c.SettledBy)
		fmt.Fprintf(&b, "- To the user: %s\n", shown(table().tell[c.Tell]["en"]))
	}
	return b.String()
}

// anchor is the fragment that Markdown renderers give a heading.
func anchor(id string) string { return strings.ReplaceAll(id, ".", "") }

func toldFrom(s Source) string {
	switch s {
	case FromFacts:
		return "our facts"
	case FromWords:
		return "a host's words"
	}
	return "a report from outside"
}

// shown writes a template as an example: values as an ellipsis, brackets away.
func shown(t string) string {
	var b strings.Builder
	for t != "" {
		i := strings.IndexByte(t, '{')
		if i < 0 {
			b.WriteString(t)
			break
		}
		b.WriteString(t[:i])
		name, rest, _ := strings.Cut(t[i+1:], "}")
		if _, instead, ok := strings.Cut(name, "|"); ok && instead != "" {
			b.WriteString(instead)
		} else {
			b.WriteString("…")
		}
		t = rest
	}
	return strings.NewReplacer("[", "", "]", "").Replace(b.String())
}
