package dnscheck

import (
	"errors"
	"strings"
)

// tag is one name=value of the lists that DKIM, DMARC, MTA-STS and TLS-RPT records are written in (RFC 6376 section 3.2).
type tag struct{ name, value string }

type tagList []tag

// maxTags bounds a list; real ones have up to a dozen.
const maxTags = 64

// parseTags splits a list at semicolons. Spaces around names and values go, those within values stay. Names keep their
// case, as RFC 6376 compares them by case. Parts that are no tag, and duplicates, make the list wrong; it is returned even
// so, because DMARC ignores what DKIM refuses.
func parseTags(s string) (tagList, error) {
	var list tagList
	var wrong error
	seen := map[string]bool{}
	for part := range strings.SplitSeq(s, ";") {
		part = strings.Trim(part, " \t\r\n")
		if part == "" {
			continue // one at the end is allowed, others are harmless
		}
		name, value, found := strings.Cut(part, "=")
		name = strings.TrimRight(name, " \t\r\n")
		switch {
		case !found || !isTagName(name):
			wrong = errors.New("it holds a part that is no name=value")
			continue
		case seen[name]:
			wrong = errors.New("it holds " + clip(name, 20) + "= twice")
			continue
		case len(list) == maxTags:
			return list, errors.New("it holds too many tags")
		}
		seen[name] = true
		list = append(list, tag{name, strings.Trim(value, " \t\r\n")})
	}
	return list, wrong
}

func isTagName(s string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i] | 0x20
		if 'a' <= c && c <= 'z' || i > 0 && (isDigit(s[i]) || s[i] == '_') {
			continue
		}
		return false
	}
	return s != ""
}

func (l tagList) get(name string) (string, bool) {
	for _, t := range l {
		if t.name == name {
			return t.value, true
		}
	}
	return "", false
}

// list splits a colon-separated value and drops the white space in it.
func (l tagList) list(name string) []string {
	v, ok := l.get(name)
	if !ok {
		return nil
	}
	parts := strings.Split(v, ":")
	for i, p := range parts {
		parts[i] = squeeze(p)
	}
	return parts
}

// squeeze drops all white space, as base64 and lists in folded fields need it.
func squeeze(s string) string {
	return strings.Map(func(r rune) rune {
		if r == ' ' || r == '\t' || r == '\r' || r == '\n' {
			return -1
		}
		return r
	}, s)
}

// unquote decodes dkim-quoted-printable (RFC 6376 section 2.11): white space goes, =XX is an octet.
func unquote(s string) string {
	s = squeeze(s)
	if strings.IndexByte(s, '=') < 0 {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '=' && i+2 < len(s) {
			hi, lo := unhex(s[i+1]), unhex(s[i+2])
			if hi >= 0 && lo >= 0 {
				b = append(b, byte(hi<<4|lo))
				i += 2
				continue
			}
		}
		b = append(b, s[i])
	}
	return string(b)
}

func unhex(c byte) int {
	switch {
	case isDigit(c):
		return int(c - '0')
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	}
	return -1
}
