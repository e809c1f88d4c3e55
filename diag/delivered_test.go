package diag

import (
	"regexp"
	"strings"
	"testing"

	"github.com/resetd/resetd/internal/ledger"
)

// delivered are the words that claim a delivery, in each language that users are told in.
var delivered = map[string][]string{
	"en": {"delivered", "delivery"}, "de": {"zugestellt", "ausgeliefert"}, "fr": {"livré", "distribué", "remis"}, "es": {"entregado", "entregada"},
	"pt": {"entregue"}, "pt-br": {"entregue"}, "ja": {"配信済み", "配達", "配信されました"},
}

// rude are words of the familiar address, and words of blame.
var rude = map[string]*regexp.Regexp{
	"en": word("your fault|your mistake|you failed|you forgot|you should have|wrong"),
	"de": word(`du|dein\pL*|dich|dir|euch|falsch|fehler|schuld`),
	"fr": word("tu|ton|tes|toi|erreur|faute"),
	"es": word("tu|tus|ti|tú|contigo|error|culpa"),
	"pt": word("tu|teu|tua|contigo|erro|culpa"), "pt-br": word("tu|teu|tua|contigo|erro|culpa"),
	"ja": regexp.MustCompile(`間違|ミス|あなた|([^ま]した|[^まで]だ|である|[^せ]ない|しろ)。`),
}

// word matches whole words; \b knows ASCII only.
func word(alternatives string) *regexp.Regexp {
	return regexp.MustCompile(`(?i)(^|\PL)(` + alternatives + `)(\PL|$)`)
}

// What a user is told claims no delivery, blames nobody and keeps the polite form, in every language.
func TestTellUserIsPoliteAndClaimsNothing(t *testing.T) {
	for key, texts := range table().tell {
		for lang, text := range texts {
			for _, w := range delivered[lang] {
				if strings.Contains(strings.ToLower(text), w) {
					t.Errorf("%s in %s claims a delivery: %s", key, lang, text)
				}
			}
			if re := rude[lang]; re == nil || re.MatchString(text) {
				t.Errorf("%s in %s is impolite, blames, or is of no language that is watched: %q", key, lang, text)
			}
			if n := len([]rune(text)); n > 220 {
				t.Errorf("%s in %s is too long to paste: %d characters", key, lang, n)
			}
			if end := text[len(text)-1:]; end != "." && !strings.HasSuffix(text, "。") {
				t.Errorf("%s in %s does not end a sentence: %q", key, lang, text)
			}
		}
	}
}

// Where only an acceptance is known, no part of a case says that the mail was delivered.
func TestAcceptanceIsNoDelivery(t *testing.T) {
	seen := 0
	for _, s := range scenarios(t) {
		claimed := false // by a report or a host's words, which may be quoted
		for _, f := range look(&s.in).facts {
			claimed = claimed || f.Event == ledger.Confirmed || strings.Contains(strings.ToLower(factText(f)), "deliver") || f.Report != nil
		}
		if claimed {
			continue
		}
		for _, locale := range []string{"en", "de", "fr", "es", "pt-BR", "ja-JP"} {
			in := s.in
			for i := range in.Directory.Accounts {
				in.Directory.Accounts[i].Locale = locale
			}
			c := Diagnose(in)
			texts := []string{c.Verdict.Says, c.Verdict.Resend.Because, c.Verdict.TellUser}
			for _, a := range c.Verdict.Actions {
				texts = append(texts, a.Do)
			}
			for _, e := range c.Verdict.Evidence {
				texts = append(texts, e.Says)
			}
			for _, e := range c.Timeline {
				texts = append(texts, e.Says)
			}
			for _, a := range c.Also {
				texts = append(texts, a.Says, a.SettledBy)
			}
			for _, text := range texts {
				seen++
				for _, words := range delivered {
					for _, w := range words {
						if strings.Contains(strings.ToLower(text), w) {
							t.Errorf("%s says %q: %s", c.Verdict.Cause, w, text)
						}
					}
				}
			}
		}
	}
	if seen < 1000 {
		t.Errorf("only %d texts were looked at", seen)
	}
}
