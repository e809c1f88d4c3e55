package diag

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// shared finds a file of the folder that the project is measured against; the test is skipped where it is absent.
func shared(t *testing.T, name string) []byte {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		raw, err := os.ReadFile(filepath.Join(dir, "shared", name))
		if err == nil {
			return raw
		}
		up := filepath.Dir(dir)
		if up == dir {
			t.Skip("no shared folder beside this checkout")
		}
		dir = up
	}
}

// The ids, blame and resend words are public: programs are written against them.
func TestCatalogueKeepsThePublicWords(t *testing.T) {
	var want []string
	for i, line := range strings.Split(strings.TrimSpace(string(shared(t, "causes.tsv"))), "\n") {
		if i > 0 {
			want = append(want, strings.Join(strings.Split(line, "\t")[:3], " "))
		}
	}
	var have []string
	for _, c := range Causes() {
		have = append(have, c.ID+" "+string(c.Blame)+" "+string(c.Resend))
	}
	if !slices.Equal(have, want) {
		t.Errorf("catalogue has %d rows, the public one %d", len(have), len(want))
		for _, w := range want {
			if !slices.Contains(have, w) {
				t.Errorf("missing or different: %s", w)
			}
		}
	}
}

var languages = []string{"en", "de", "fr", "es", "pt", "ja"}

func TestCatalogueIsComplete(t *testing.T) {
	c, err := readCatalogue(causesTSV, tellTSV)
	if err != nil {
		t.Fatal(err)
	}
	if len(c.causes) != 116 {
		t.Errorf("%d causes", len(c.causes))
	}
	used := map[string]bool{}
	for _, row := range c.causes {
		used[row.Tell] = true
		if !slices.Contains([]Helps{HelpsYes, HelpsFutile, HelpsAfterFix, HelpsWait, HelpsOtherChannel, HelpsOnce, HelpsAsReason, HelpsAskAPerson}, row.Resend) {
			t.Errorf("%s: resend %q", row.ID, row.Resend)
		}
		if !slices.Contains([]Source{FromFacts, FromWords, FromReport}, row.Diagnosed) || row.Proof == "" || row.SettledBy == "" {
			t.Errorf("%s: says not how it is told", row.ID)
		}
		if len(row.Actions) == 0 {
			t.Errorf("%s: nobody acts", row.ID)
		}
		for _, a := range row.Actions {
			if !slices.Contains([]Who{Support, Admin, Ops, User, RecipientIT}, a.Who) || a.Do == "" {
				t.Errorf("%s: action %v", row.ID, a)
			}
			if a.Call != "" && !strings.HasPrefix(a.Call, "POST /v1/") {
				t.Errorf("%s: call %q", row.ID, a.Call)
			}
		}
		for _, lang := range languages {
			if c.tell[row.Tell][lang] == "" {
				t.Errorf("%s: no text %s in %s", row.ID, row.Tell, lang)
			}
		}
		// A sentence must stand also when nothing is known but the login, and for a look-alike its name.
		for _, s := range []string{row.Says, row.Because, row.SettledBy} {
			if s = (vars{"login": "jo", "near": "joe"}).fill(s); s == "" || strings.ContainsAny(s, "{}[]|") || strings.Contains(s, "  ") || !strings.HasSuffix(s, ".") && !strings.HasSuffix(s, "?") {
				t.Errorf("%s: badly worded without values: %q", row.ID, s)
			}
		}
		// "Delivered" is a claim that only a host's report may make; the catalogue fills it in where one was made.
		if strings.Contains(row.Says, "delivered") {
			t.Errorf("%s says delivered", row.ID)
		}
	}
	for key := range c.tell {
		if !used[key] {
			t.Errorf("the text %s belongs to no cause", key)
		}
	}
}

func TestTellUserSpeaksTheUsersLanguage(t *testing.T) {
	for _, test := range []struct{ locale, begins string }{
		{"", "Your mailbox is full"}, {"en-GB", "Your mailbox is full"}, {"de_AT", "Ihr Postfach ist voll"}, {"FR", "Votre boîte est pleine"},
		{"en_GB", "Your mailbox is full"}, {"de-AT", "Ihr Postfach ist voll"}, {"ja", "メールボックスの容量"}, {"pt_BR.UTF-8", "Sua caixa de e-mail"}, {"x-klingon", "Your mailbox is full"}, {"-", "Your mailbox is full"},
		{"es-419", "Su buzón está lleno"}, {"pt-BR", "Sua caixa de e-mail"}, {"pt", "A sua caixa de correio"}, {"pt-PT", "A sua caixa de correio"}, {"ja-JP", "メールボックスの容量"}, {"fi", "Your mailbox is full"},
	} {
		if got := table().tellUser("free_space", test.locale, vars{}); !strings.HasPrefix(got, test.begins) {
			t.Errorf("%q: %q", test.locale, got)
		}
	}
}

func TestFill(t *testing.T) {
	v := vars{"a": "A", "wild": "{b} [x] {a}"}
	for _, test := range []struct{ template, want string }{
		{"plain", "plain"},
		{"{a}.", "A."},
		{"{b|nothing}.", "nothing."},
		{"{b}.", "."},
		{"x[ and {a}][ and {b}].", "x and A."},
		{"x[ {a} {b}].", "x."},
		{"{wild}", "{b} [x] {a}"}, // values are never templates
		{"[: {wild}]", ": {b} [x] {a}"},
		{"{open", "{open"},
		{"[open", "[open"},
	} {
		if got := v.fill(test.template); got != test.want {
			t.Errorf("%q gives %q, want %q", test.template, got, test.want)
		}
	}
}

func FuzzQuote(f *testing.F) {
	f.Add("550 5.1.1 <jo@mail.example>: no such user")
	f.Add("451 see https://reset.shop.example/r/abcdefghijklmnop for more")
	f.Add("550-first\r\n550 second\x00\u202etxt.exe")
	f.Add(strings.Repeat("ü", 500))
	f.Fuzz(func(t *testing.T, s string) {
		q := quote(s)
		if len(q) > maxQuote+len("…") || strings.Contains(q, "/r/") || strings.ContainsAny(q, "\r\n\x00\x1b\u202e") {
			t.Errorf("%q", q)
		}
	})
}
