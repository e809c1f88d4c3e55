package scenario

import (
	"strings"
	"testing"
	"time"
)

// What the notation does not know is an error that names file and line, never a line that does nothing.
func TestParseRefuses(t *testing.T) {
	for _, c := range []struct{ world, script, want string }{
		{"acount jo@fine.example", "0s why jo: request.none", "what is a acount?"},
		{"account jo@fine.example sate=active", "0s why jo: request.none", "not understood: sate=active"},
		{"host fine.example sings", "0s why jo: request.none", `does not know how to "sings"`},
		{"host fine.example refuses lunch 550 'no'", "0s why jo: request.none", "is no stage"},
		{"host fine.example refuses rcpt 250 'no'", "0s why jo: request.none", "with which code"},
		{"setting retires=1m", "0s why jo: request.none", "there is no setting retires"},
		{"directory shop sleeps", "0s why jo: request.none", `does not know how to "sleeps"`},
		{"dns fine.example upside-down", "0s why jo: request.none", "does not know how to be"},
		{"hook pigeon out", "0s why jo: request.none", `no provider is called "pigeon"`},
		{"cap mx 1/1h twice", "0s why jo: request.none", "not understood: twice"},
		{"", "0s provider pigeon says delivered jo", "want: provider NAME says EVENT LOGIN"},
		{"", "0s ops resends jo", "ops resends an incident, not a mail"},
		{"", "0s incident", "there is no colon"},
		{"", "0s why jo: request.none, incident nonsense", "no cause is called"},
		{"", "0s app sings jo", `app does not know how to "sings"`},
		{"", "0s support redeems jo", `support does not know how to "redeems"`},
		{"", "0s why jo: request.nonsense", "no cause is called"},
		{"", "0s why jo: request.none surely", "is no confidence"},
		{"", "0s why jo: request.none, resent helps", "what is expected by"},
		{"", "0s why jo", "there is no colon"},
		{"", "5m app asks jo\n1m app asks jo", "is before the line above"},
		{"", "0s app asks 'jo", "a quote is not closed"},
		{"", "", "needs a story and a script"},
	} {
		_, err := Parse("x", "A story.\n-- world --\n"+c.world+"\n-- script --\n"+c.script+"\n")
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s | %s: %v, want %q", c.world, c.script, err, c.want)
		}
	}
}

// A word may hold spaces, quotes and characters that nobody can see.
func TestWords(t *testing.T) {
	got, err := words(`app says done 'a ''b'' c' detail='x y' zoe\u200b '' # the rest`)
	want := []string{"app", "says", "done", "a 'b' c", "detail=x y", "zoe\u200b", ""}
	if err != nil || strings.Join(got, "|") != strings.Join(want, "|") {
		t.Errorf("%q, %v", got, err)
	}
}

// A range makes a line for each of its numbers.
func TestEach(t *testing.T) {
	s, err := Parse("x", "Many.\n-- world --\naccount p{8..11}@fine.example\n-- script --\n+2s app asks p{8..11}@fine.example\n")
	if err != nil {
		t.Fatal(err)
	}
	if len(s.World.Accounts) != 4 || s.World.Accounts[3].Login != "p11@fine.example" || len(s.Steps) != 4 || s.Steps[3].At != 8*time.Second {
		t.Errorf("%+v\n%+v", s.World.Accounts, s.Steps)
	}
}

// The stories that the demo shows fit into one world, and are those that it promises.
func TestShown(t *testing.T) {
	shown, err := Shown()
	if err != nil {
		t.Fatal(err)
	}
	if len(shown) < 31 || shown[0].Demo.Login != "jo@fine.example" {
		t.Errorf("%d stories, the first is %s", len(shown), shown[0].Name)
	}
	if _, err := Merge(shown); err != nil {
		t.Error(err)
	}
	all, err := All()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Merge(all); err == nil {
		t.Error("all stories fit into one world, which cannot be")
	}
}
