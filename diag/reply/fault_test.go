package reply

import (
	"errors"
	"strings"
	"testing"
)

// Every fault of an operator's rules is told with its line, all at once.
func TestFaults(t *testing.T) {
	text := "says too early\n" +
		"rule a\n  says no room at the inn\n  reason mailbox_full\n  colour blue\n  proves p\n  source s\n  sample 550 no room at the inn\n" +
		"rule b\n  reason mailbox_fool\n" +
		"rule c\n  says no room at all\n  reason mailbox_full\n  source s\n  sample 550 no room at all\n" +
		"rule d\n  for nobody\n  says no room ever\n  reason mailbox_full\n  proves p\n  source s\n  sample 550 no room ever\n" +
		"rule relay.sandbox\n  says no room twice\n  reason mailbox_full\n  proves p\n  source s\n  sample 550 no room twice\n" +
		"rule f\n  says x" + strings.Repeat("{a,b}", 40) + "\n  reason mailbox_full\n  proves p\n  source s\n  sample 550 x\n" +
		"rule e\n  reason mailbox_full\n  proves p\n  source s\n  sample 550 x\n"
	b, err := With(text)
	var faults Faults
	if b != nil || !errors.As(err, &faults) {
		t.Fatalf("%v, %v", b, err)
	}
	var got []string
	for _, f := range faults {
		got = append(got, f.Error())
	}
	want := []string{
		`own rules, line 1: "says" before the first rule`,
		`own rules, line 5: unknown key "colour"`,
		`own rules, line 10: unknown reason "mailbox_fool"`,
		"own rules, line 11: rule c: needs reason, proves, source and sample",
		`own rules, line 16: rule d: provider "nobody" is not in providers.tsv`,
		`own rules, line 29: rule f: more than 500 phrases in "x{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b"`,
		"own rules, line 35: rule e: nothing to recognise it by",
		"own rules, line 23: rule relay.sandbox: a built-in rule has this id",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// A rule that does not fit its own sample, or that one above it hides, would never be heard of otherwise.
func TestOwnSamples(t *testing.T) {
	rule := func(id, says, reason, sample string) string {
		return "rule " + id + "\n  says " + says + "\n  reason " + reason + "\n  proves p\n  source s\n  sample " + sample + "\n"
	}
	b, err := With(rule("first", "the blue team says no", "policy_rejected", "550 the blue team says no") +
		rule("same", "blue team says no", "policy_rejected", "550 the blue team says no") +
		rule("hidden", "blue team says no today", "mailbox_full", "550 the blue team says no today") +
		rule("misses", "the red team", "mailbox_full", "550 5.1.1 user unknown") +
		"rule at.google\n  for google\n  stage rcpt\n  says zebra crossing closed\n  reason user_unknown\n  proves p\n  source s\n  sample 550 zebra crossing closed\n")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range b.Samples() {
		got = append(got, f.Error())
	}
	want := []string{
		"own rules, line 13: rule hidden: does not fit its own sample, which is read as policy_rejected by rule first",
		"own rules, line 19: rule misses: does not fit its own sample, which is read as user_unknown by rule ",
	}
	if len(got) != 2 || got[0] != want[0] || !strings.HasPrefix(got[1], want[1]) {
		t.Errorf("got\n%s", strings.Join(got, "\n"))
	}
}

// A package's words come after the operator's own and before the built-in ones.
func TestOver(t *testing.T) {
	const packaged = "rule packaged\n  says zebra crossing\n  says mailbox full of zebras\n  reason system_error\n  proves p\n  source s\n  sample 451 zebra crossing\n"
	own, err := With("rule mine\n  says zebra crossing\n  reason user_unknown\n  proves p\n  source s\n  sample 550 zebra crossing\n")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		book *Book
		text string
		want string
		owns bool
	}{
		{nil, "550 zebra crossing", "packaged", false},
		{nil, "550 mailbox full of zebras", "packaged", false},
		{own, "550 zebra crossing", "mine", true},
		{own, "550 mailbox full of zebras", "packaged", false},
	} {
		over, err := c.book.Over(packaged)
		if err != nil {
			t.Fatal(err)
		}
		if g := over.Read(Reply{Text: c.text}); g.Rule != c.want || over.Owns(g.Rule) != c.owns {
			t.Errorf("%q: rule %s, own %v", c.text, g.Rule, over.Owns(g.Rule))
		}
	}
	if g := (*Book)(nil).Read(Reply{Text: "550 5.1.1 user unknown"}); g.Reason != ReasonUserUnknown || (*Book)(nil).Owns(g.Rule) {
		t.Errorf("no book at all: %+v", g)
	}
}
