package bounce

import "strings"

// address is one mail address found in text.
type address struct {
	text       string // as written
	start, end int    // where it stands in the text, without brackets
}

// nextAddress finds the first mail address in s at or after from. It knows plain and quoted local parts, UTF-8 in both
// halves (RFC 6531) and domain literals.
func nextAddress(s string, from int) (address, bool) {
	low := from // nothing left of this belongs to an address still to be found
	for i := from; i < len(s); {
		j := strings.IndexByte(s[i:], '@')
		if j < 0 {
			break
		}
		at := i + j
		start := at
		if at > low && s[at-1] == '"' {
			q := at - 2
			for q >= low && s[q] != '\n' && at-q < 130 && (s[q] != '"' || q > low && s[q-1] == '\\') {
				q--
			}
			if q >= low && s[q] == '"' {
				start = q
			}
		} else {
			for start > low && isAtom(s[start-1]) && at-start < 256 {
				if start < at && s[start] < 0x80 && wideEnd(s[low:start]) {
					break // "收件人：jo@a.example": scripts without spaces run into the address
				}
				start--
			}
			for start < at && strings.IndexByte("'.`*=", s[start]) >= 0 && s[start] != '=' {
				start++
			}
			if hasFold(s[start:at], "smtp=") { // X.400 style, "dda:SMTP=a@b"
				start += len("smtp=")
			}
		}
		end := at + 1
		if end < len(s) && s[end] == '[' {
			if z := strings.IndexByte(s[end:min(len(s), end+50)], ']'); z > 0 {
				end += z + 1
			}
		} else {
			for end < len(s) && isDomain(s[end]) && end-at < 256 {
				if s[end] >= wideLead && s[end-1] < 0x80 && strings.IndexByte(s[at:end], '.') > 0 {
					break
				}
				end++
			}
			for end > at+1 && strings.IndexByte(".-_'", s[end-1]) >= 0 {
				end--
			}
		}
		if start < at && end > at+1 {
			return address{s[start:end], start, end}, true
		}
		i = at + 1
		low = i
	}
	return address{}, false
}

// addressIn returns the first address in s, one in angle brackets first; "" = none.
func addressIn(s string) string {
	if i := strings.LastIndexByte(s, '<'); i >= 0 {
		if z := strings.IndexByte(s[i:], '>'); z > 0 {
			if a, ok := nextAddress(s[i:i+z], 0); ok {
				return a.text
			}
		}
	}
	a, _ := nextAddress(s, 0)
	return a.text
}

// wideLead is the first byte, in UTF-8, of the scripts that write without spaces: U+3000 and on.
const wideLead = 0xe3

// wideEnd reports whether s ends in a letter or mark of such a script.
func wideEnd(s string) bool {
	for i := len(s) - 1; i >= 0 && i >= len(s)-4; i-- {
		if s[i] >= 0xc0 {
			return s[i] >= wideLead
		}
		if s[i] < 0x80 {
			return false
		}
	}
	return false
}

func isAtom(c byte) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c >= 0x80:
		return true
	}
	return strings.IndexByte("!#$%&'*+-/=?^_`{|}~.", c) >= 0
}

func isDomain(c byte) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '.', c == '-', c == '_', c >= 0x80:
		return true
	}
	return false
}

// lowerDomain lower-cases the domain; the local part is the recipient's business (RFC 5321 section 2.4).
func lowerDomain(a string) string {
	i := strings.LastIndexByte(a, '@')
	if i < 0 {
		return a
	}
	d := lower(a[i:])
	if d == a[i:] {
		return a
	}
	return a[:i] + d
}
