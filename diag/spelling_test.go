package diag

import (
	"slices"
	"testing"
)

func TestDidYouMean(t *testing.T) {
	for _, test := range []struct{ typed, want string }{
		{"gmial.com", "gmail.com"}, {"gmai.com", "gmail.com"}, {"gmail.con", "gmail.com"}, {"gmailcom", "gmail.com"}, {"gmail.co", "gmail.com"}, {"gmaill.com", "gmail.com"},
		{"hotmial.com", "hotmail.com"}, {"outlok.com", "outlook.com"}, {"yahooo.com", "yahoo.com"}, {"icloud.cmo", "icloud.com"}, {"orange.ft", "orange.fr"}, {"GMIAL.com.", "gmail.com"},
		{"corp.exmaple", "corp.example"},
		{"gmail.com", ""}, {"gmx.de", ""}, {"gmx.at", ""}, {"me.com", ""}, {"example.com", ""}, {"shop.example", ""}, {"corp.example", ""}, {"", ""}, {"a.b", ""}, {"he.com", ""},
	} {
		if got := DidYouMean(test.typed, "corp.example"); got != test.want {
			t.Errorf("%q: %q, want %q", test.typed, got, test.want)
		}
	}
}

func TestSpellings(t *testing.T) {
	for login, want := range map[string][]string{
		"jo@gmial.com":       {"jo@gmail.com"},
		"j.o+shop@gmail.com": {"j.o@gmail.com", "jo@gmail.com"},
		"j.o+x@gmial.com":    {"j.o+x@gmail.com", "j.o@gmail.com", "jo@gmail.com"},
		"jo+x@mail.example":  {"jo@mail.example"},
		"jo@mail.example":    nil,
		"jo":                 nil,
		"+x@mail.example":    nil,
		"@gmial.com":         nil,
	} {
		if got := Spellings(login); !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", login, got, want)
		}
	}
}
