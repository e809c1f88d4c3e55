package diag

import (
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// vars are what a template is filled with; an absent or empty one is not known.
type vars map[string]string

// fill resolves a template of the catalogue: {x} is the value, {x|y} is y where x is not known, and a group [..] is left out when
// something in it is not known. Values are never read as templates.
func (v vars) fill(t string) string {
	var b strings.Builder
	b.Grow(len(t) + 64)
	for t != "" {
		i := strings.IndexAny(t, "[{")
		if i < 0 {
			b.WriteString(t)
			break
		}
		b.WriteString(t[:i])
		if t[i] == '{' {
			var s string
			s, _, t = v.value(t[i:])
			b.WriteString(s)
			continue
		}
		end := strings.IndexByte(t[i:], ']')
		if end < 0 {
			b.WriteString(t[i:])
			break
		}
		if s, ok := v.group(t[i+1 : i+end]); ok {
			b.WriteString(s)
		}
		t = t[i+end+1:]
	}
	return b.String()
}

// group fills a text without groups and tells whether everything in it was known.
func (v vars) group(t string) (string, bool) {
	var b strings.Builder
	for {
		i := strings.IndexByte(t, '{')
		if i < 0 {
			b.WriteString(t)
			return b.String(), true
		}
		b.WriteString(t[:i])
		s, known, rest := v.value(t[i:])
		if !known {
			return "", false
		}
		b.WriteString(s)
		t = rest
	}
}

// value reads the {x} or {x|y} with which t begins.
func (v vars) value(t string) (s string, known bool, rest string) {
	end := strings.IndexByte(t, '}')
	if end < 0 {
		return t, true, ""
	}
	name, instead, _ := strings.Cut(t[1:end], "|")
	if s = v[name]; s != "" {
		return s, true, t[end+1:]
	}
	return instead, false, t[end+1:]
}

// with gives a copy in which some values are set: name, value, name, value.
func (v vars) with(pairs ...string) vars {
	out := make(vars, len(v)+len(pairs)/2)
	for k, s := range v {
		out[k] = s
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		out[pairs[i]] = pairs[i+1]
	}
	return out
}

// clock writes a moment as support reads it: "14:02 UTC" on the day of the question, with the date otherwise; "" for none.
func clock(t, now time.Time) string {
	if t.IsZero() {
		return ""
	}
	t, now = t.UTC(), now.UTC()
	if t.Year() == now.Year() && t.YearDay() == now.YearDay() {
		return t.Format("15:04 UTC")
	}
	return t.Format("2006-01-02 15:04 UTC")
}

// maxQuote is how many bytes of a stranger's words stand in a sentence.
const maxQuote = 200

// quote makes a stranger's words fit for a sentence: one line, no control or invisible characters, no link, a bounded length. The
// link would be the secret of the mail that the host has just read.
func quote(s string) string { return quoteUpTo(s, maxQuote) }

// quoteUpTo is quote with a bound of its own, in bytes.
func quoteUpTo(s string, most int) string {
	if len(s) > 4*most {
		s = s[:4*most]
	}
	s = strings.TrimRight(s, ". ") // a sentence of ours goes on after it
	if len(s) <= most && plain(s) {
		return s
	}
	var words []string
	for w := range strings.FieldsFuncSeq(s, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }) {
		w = strings.Map(func(r rune) rune {
			if r == utf8.RuneError || unicode.Is(unicode.Cf, r) {
				return -1
			}
			return r
		}, w)
		if strings.Contains(w, "/r/") { // only now: an invisible character may have stood inside
			w = "(link)"
		}
		if w != "" {
			words = append(words, w)
		}
	}
	s = strings.Join(words, " ")
	if len(s) > most {
		cut := most
		for cut > 0 && !utf8.RuneStart(s[cut]) {
			cut--
		}
		s = s[:cut] + "…"
	}
	return s
}

// plain tells a text that quote leaves as it is, if it is short: printable ASCII without a link, its words apart by one space.
func plain(s string) bool {
	if strings.Contains(s, "/r/") {
		return false
	}
	space := true
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c < ' ' || c > '~' || c == ' ' && space {
			return false
		}
		space = c == ' '
	}
	return !space || s == ""
}
