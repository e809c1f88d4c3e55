package realm_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/resetd/resetd/internal/realm"
)

func TestNear(t *testing.T) {
	for _, c := range []struct {
		story, login, known string
		near                bool
	}{
		{"the same login is no look-alike", "jo@a.example", "JO@a.example", false},
		{"nothing alike", "jo@a.example", "ana@b.example", false},
		{"one letter too many", "joe@a.example", "jo@a.example", true},
		{"one letter missing", "maria@a.example", "marias@a.example", true},
		{"one letter wrong", "maria@a.example", "marla@a.example", true},
		{"two letters swapped", "mraia@a.example", "maria@a.example", true},
		{"two letters wrong", "abria@a.example", "moria@a.example", false},
		{"a letter of two bytes", "jürgen@a.example", "jörgen@a.example", true},
		{"a letter of three bytes", "田中@a.example", "田申@a.example", true},
		{"one letter in the domain", "jo@exmple.example", "jo@example.example", true},
		{"Gmail's dots", "j.o.smith@gmail.com", "josmith@gmail.com", true},
		{"googlemail is Gmail", "josmith@googlemail.com", "jo.smith@gmail.com", true},
		{"dots count elsewhere", "j.o.s@a.example", "jos@a.example", false},
		{"a plus tag", "jo+shop@a.example", "jo@a.example", true},
		{"two plus tags", "jo+shop@a.example", "jo+news@a.example", true},
		{"gmial", "josmith@gmial.com", "jo.smith@gmail.com", true},
		{"hotnail", "josmith@hotnail.com", "josmith@hotmail.com", true},
		{"hotmai", "josmith@hotmai.co", "josmith@hotmail.com", false},
		{"outlook.con", "josmith@outlook.con", "josmith@outlook.com", true},
		{"gmail without .com", "josmith@gmail", "josmith@gmail.com", true},
		{"Cyrillic a and o", "m\u0430ri\u043e@a.example", "mario@a.example", true},
		{"full width", "ｊｏ@a.example", "jo@a.example", true},
		{"an accent", "josé.perez@a.example", "jose.pérez@a.example", true},
		{"an invisible letter", "jo\u200b@a.example", "jo@a.example", true},
		{"zero for o, one for l", "b0b.1ee@a.example", "bob.lee@a.example", true},
		{"rn for m", "rnaria@a.example", "maria@a.example", true},
		{"a username", "mariaa", "maria", true},
		{"names of two letters resemble nothing", "al", "bl", false},
	} {
		t.Run(c.story, func(t *testing.T) {
			got := realm.Near(c.login, []realm.Account{{ID: "x", Login: c.known}})
			if (len(got) == 1) != c.near {
				t.Errorf("Near(%q) among %q: %d", c.login, c.known, len(got))
			}
		})
	}
}

// The nearest come first, and no more than five.
func TestNearOrder(t *testing.T) {
	among := []realm.Account{{ID: "edit", Login: "jo.smiths@gmail.com"}, {ID: "tag", Login: "josmith@gmail.com"}, {ID: "twin", Login: "jo.srnith@gmail.com"}}
	for i := range 5 {
		among = append(among, realm.Account{ID: strconv.Itoa(i), Login: "jo.smith" + strconv.Itoa(i) + "@gmail.com"})
	}
	if got := ids(realm.Near("jo.smith@gmail.com", among)); got != "twin tag edit 0 1" {
		t.Errorf("got %q", got)
	}
	self := []realm.Account{{ID: "u", Login: "jo+a@a.example", Address: "jo@a.example"}}
	if got := realm.Near("jo@a.example", self); len(got) != 0 {
		t.Errorf("an account under its own address is a look-alike: %v", got)
	}
}

// The relation has no direction, except that only a known login corrects a mistyped domain.
func FuzzNear(f *testing.F) {
	f.Add("jo@a.example", "joe@a.example")
	f.Add("ü\u0301@a", "\u2028@")
	f.Add("\xff\xfe@gmail.com", "@gmail.com")
	f.Fuzz(func(t *testing.T, a, b string) {
		one := len(realm.Near(a, []realm.Account{{Login: b}}))
		if realm.Normal(a) == realm.Normal(b) && one != 0 {
			t.Errorf("%q is a look-alike of itself", a)
		}
		if !strings.Contains(a+b, "@") && one != len(realm.Near(b, []realm.Account{{Login: a}})) && a != "" && b != "" {
			t.Errorf("%q and %q: near one way only", a, b)
		}
	})
}
