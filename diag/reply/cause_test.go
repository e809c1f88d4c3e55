package reply

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Every cause that a reading can name is in the catalogue, with its blame.
func TestCauses(t *testing.T) {
	b, err := os.ReadFile(filepath.Join(shared(t), "causes.tsv"))
	if err != nil {
		t.Skip(err)
	}
	blame := map[string]string{}
	for _, l := range strings.Split(string(b), "\n") {
		if f := strings.Split(l, "\t"); len(f) > 2 {
			blame[f[0]] = f[1]
		}
	}
	causes := map[string]bool{"unknown.unreadable_bounce": true, "recipient.refused_other": true, "deferred.other": true}
	for _, r := range Reasons() {
		causes[usualCause(r, true)] = true
		causes[usualCause(r, false)] = true
	}
	for _, r := range builtin().rules {
		if r.cause != "" {
			causes[r.cause] = true
		}
	}
	for c := range causes {
		if blame[c] == "" || blame[c] != blameOf(c) {
			t.Errorf("%s: the catalogue blames %q, we %q", c, blame[c], blameOf(c))
		}
	}
}

// Reasons are classed as the judge does.
func TestClasses(t *testing.T) {
	n := map[Class]int{}
	for _, r := range Reasons() {
		n[r.Class()]++
	}
	if len(Reasons()) != 32 || n[Hard] != 6 || n[Soft] != 9 || n[Policy] != 17 {
		t.Errorf("%d reasons, by class %v", len(Reasons()), n)
	}
}
