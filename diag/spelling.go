package diag

import (
	_ "embed"
	"strings"
	"sync"
)

//go:embed domains.tsv
var domainsTSV string

// knownDomains are the lines of domains.tsv, read once and never changed.
var knownDomains = sync.OnceValue(func() []string {
	var out []string
	for line := range strings.Lines(domainsTSV) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			out = append(out, line)
		}
	}
	return out
})

// DidYouMean gives the domain that a mistyped one probably stands for: one letter wrong, missing, too many, or two swapped, against the domains
// of the realm's own people where they are known, and then those of domains.tsv. "" = it is right, or nothing is near.
func DidYouMean(domain string, own ...string) string {
	domain = strings.ToLower(strings.TrimSuffix(domain, "."))
	if len(domain) < 4 || len(domain) > 253 {
		return ""
	}
	best := ""
	for _, list := range [][]string{own, knownDomains()} {
		for _, right := range list {
			if right == domain {
				return ""
			}
			if best == "" && slip(domain, right) {
				best = right
			}
		}
	}
	return best
}

// slip tells whether two domains differ as a slip of a finger makes them: by one letter, two swapped, or an ending that is cut or doubled
// (.con, .cmo, .co, nothing).
func slip(typed, right string) bool {
	name, end, _ := strings.Cut(right, ".")
	if edits(typed, right) <= 1 && len(name) > 2 {
		return true
	}
	typedName, typedEnd, _ := strings.Cut(typed, ".")
	return len(name) > 3 && name == typedName && end == "com" && strings.Contains(" con cmo co cm om comm vom xom ", " "+typedEnd+" ") ||
		len(name) > 3 && typed == name+end
}

// edits counts letters inserted, removed, replaced, and neighbours swapped, up to 2.
func edits(a, b string) int {
	if d := len(a) - len(b); d > 1 || d < -1 {
		return 2
	}
	i := 0
	for i < len(a) && i < len(b) && a[i] == b[i] {
		i++
	}
	x, y := a[i:], b[i:]
	switch {
	case x == y:
		return 0
	case len(x) > 0 && len(y) > 0 && x[1:] == y[1:],
		len(x) > len(y) && x[1:] == y,
		len(y) > len(x) && y[1:] == x,
		len(x) > 1 && len(y) > 1 && x[0] == y[1] && x[1] == y[0] && x[2:] == y[2:]:
		return 1
	}
	return 2
}

// maxSpellings is how many other spellings of a login a directory is asked for.
const maxSpellings = 3

// Spellings gives the logins that a mistyped one probably stands for, the likeliest first: another domain, no plus tag, no dots at Gmail. They are
// for support only, once a directory knows one of them; to the public they would tell who has an account.
func Spellings(login string) []string {
	at := strings.LastIndexByte(login, '@')
	if at <= 0 {
		return nil
	}
	local, domain := login[:at], strings.ToLower(login[at+1:])
	var out []string
	add := func(local, domain string) {
		s := local + "@" + domain
		if len(out) >= maxSpellings || s == login || local == "" {
			return
		}
		for _, have := range out {
			if have == s {
				return
			}
		}
		out = append(out, s)
	}
	right := or(DidYouMean(domain), domain)
	add(local, right)
	plain, _, _ := strings.Cut(local, "+")
	add(plain, right)
	if right == "gmail.com" || right == "googlemail.com" {
		add(strings.ReplaceAll(plain, ".", ""), right)
	}
	return out
}
