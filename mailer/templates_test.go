package mailer

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestLocales(t *testing.T) {
	dir := folder(t, "de.subject", "\ufeffNeues Passwort\r\n", "de.txt", "Hallo {{.Link}} {{.ExpiresIn.Minutes}} Minuten", "de.html", `<a href="{{.Link}}">hier</a>`,
		"de_AT.subject", "Neues Kennwort", "de_AT.txt", "Servus {{.Link}}", "de_AT.html", `<a href="{{.Link}}">hier</a>`)
	tm, err := LoadTemplates(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := tm.Check(); err != nil {
		t.Error(err)
	}
	for want, got := range map[string]string{"de-AT": "de-at", "de_at.UTF-8": "de-at", "de-CH": "de", "DE": "de", "fr": "en", "": "en",
		"../../etc": "en", "de-AT-1901": "de-at"} {
		d := testDraft(t)
		d.Locale = want
		m, err := Compose(tm, testPaths(t), d)
		if err != nil || m.Locale != got {
			t.Errorf("%q took %q, %v; want %q", want, m.Locale, err, got)
		}
		if got == "de" && m.Subject != "Neues Passwort" {
			t.Errorf("subject %q", m.Subject)
		}
	}
}

func TestTemplateErrors(t *testing.T) {
	const good = "x {{.Link}}"
	const goodHTML = `<a href="{{.Link}}">x</a>`
	for _, c := range []struct {
		name, subject, text, html, want string
	}{
		{"unknown field", "s", "x\n{{.Link}}\n{{.Nonsense}}", goodHTML, "en.txt:3:2"},
		{"unknown field is named", "s", good + "{{.Nonsense}}", goodHTML, "Nonsense"},
		{"does not parse", "s", good, "<p>\n{{if .Link}", "en.html:2"},
		{"empty subject", "{{with .Username}}{{end}}", good, goodHTML, "en.subject: the result is empty"},
		{"two lines of subject", "a\nb", good, goodHTML, "en.subject: the subject has more than one line"},
		{"another language's field", "s", "x\n{{.Link}} {username}", goodHTML, "en.txt:2: {username} is not filled in"},
		{"in a branch", "s", good + "{{if .Page}}\n{link}{{end}}", goodHTML, "en.txt:2: {link} is not filled in"},
		{"no link in the text", "s", "x", goodHTML, "en.txt: the link is not in it"},
		{"no link in the HTML", "s", good, "<p>{{.Link}}</p>", "en.html: no href holds the link"},
		{"no HTML", "s", good, "", "en.html is missing"},
		{"another encoding", "s", good + "\n\xfc", goodHTML, "en.txt: not UTF-8"},
		{"endless subject", strings.Repeat("x", 600), good, goodHTML, "en.subject: the subject is longer"},
	} {
		t.Run(c.name, func(t *testing.T) {
			files := []string{"en.subject", c.subject, "en.txt", c.text}
			if c.html != "" {
				files = append(files, "en.html", c.html)
			}
			tm, err := LoadTemplates(folder(t, files...))
			if err != nil {
				t.Fatal(err)
			}
			_, err = Compose(tm, testPaths(t), testDraft(t))
			if !errors.Is(err, ErrTemplate) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %s", err, c.want)
			}
			if err := tm.Check(); err == nil {
				t.Error("Check finds nothing")
			}
			if strings.Contains(fmt.Sprint(err), testToken) {
				t.Error("the error holds the token")
			}
		})
	}
	if _, err := LoadTemplates(t.TempDir()); !errors.Is(err, ErrTemplate) {
		t.Error("an empty folder was taken")
	}
}
