package bounce

import "strings"

// What a returned mail quotes may hold the live secret link. Two shapes are taken for one: the path of our own links,
// and a long run of base64url letters inside a URL or after "token=" and the like.
const (
	linkPath  = "/r/"
	minToken  = 16 // shorter path elements cannot be a token of ours
	minRun    = 32 // in other URLs, only runs as long as a secret are taken out
	redaction = "[redacted]"
)

// secretAt returns where the first secret in s begins, -1 = none. The URL before it is kept.
func secretAt(s string) int {
	i, _ := nextSecret(s, 0)
	return i
}

// redact replaces every secret in s.
func redact(s string) string {
	i, z := nextSecret(s, 0)
	if i < 0 {
		return s
	}
	var b strings.Builder
	pos := 0
	for i >= 0 {
		b.WriteString(s[pos:i])
		b.WriteString(redaction)
		pos = z
		i, z = nextSecret(s, z)
	}
	b.WriteString(s[pos:])
	return b.String()
}

// nextSecret finds the first secret at or after from.
func nextSecret(s string, from int) (start, end int) {
	for i := from; i < len(s); i++ {
		switch s[i] {
		case '/':
			if strings.HasPrefix(s[i:], linkPath) {
				at := i + len(linkPath)
				if n := tokenRun(s[at:]); n >= minToken {
					return at, at + n
				} else if n > 0 {
					if z := wrapped(s, at+n); z > 0 {
						return at, z
					}
				}
			}
			if n := tokenRun(s[i+1:]); n >= minRun && mixed(s[i+1:i+1+n]) {
				return i + 1, i + 1 + n
			} else if n > 0 {
				i += n
			}
		case '=', '?', '#':
			n := tokenRun(s[i+1:])
			if n >= minRun && mixed(s[i+1:i+1+n]) {
				return i + 1, i + 1 + n
			}
			i += n
		}
	}
	return -1, -1
}

// wrapped returns where a link's token ends that was broken across two lines near its beginning; 0 = the next word is none.
func wrapped(s string, at int) int {
	next := at + len(s[at:]) - len(strings.TrimLeft(s[at:], "= \t\n"))
	n := tokenRun(s[next:])
	if next == at || n < minToken || !mixed(s[next:next+n]) {
		return 0
	}
	return next + n
}

// tokenRun counts the leading base64url letters; dots between them count too, for tokens are often made of such pieces.
func tokenRun(s string) int {
	n := 0
	for n < len(s) {
		c := s[n]
		if c == '.' && n > 0 && n+1 < len(s) && s[n-1] != '.' {
			n++
			continue
		}
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_' || c == '~') {
			break
		}
		n++
	}
	for n > 0 && s[n-1] == '.' {
		n--
	}
	return n
}

// mixed tells a random token from a long word or number.
func mixed(s string) bool {
	var digit, letter bool
	for i := 0; i < len(s); i++ {
		if s[i] >= '0' && s[i] <= '9' {
			digit = true
		} else if isLetter(s[i]) {
			letter = true
		}
	}
	return digit && letter && strings.Count(s, ".")*8 < len(s) // a host name has more dots
}
