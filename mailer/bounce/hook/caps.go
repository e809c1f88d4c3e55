package hook

import (
	"bytes"
	"encoding/json"
	"math"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// maxDepth is how deep JSON may nest. SES, the deepest, needs 5.
const maxDepth = 16

// shallow says whether JSON nests no deeper than maxDepth. It reads bytes only, so that no parser has to be trusted with depth.
func shallow(b []byte) bool {
	depth, quoted := 0, false
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case quoted:
			if c == '\\' {
				i++
			} else if c == '"' {
				quoted = false
			}
		case c == '"':
			quoted = true
		case c == '{' || c == '[':
			if depth++; depth > maxDepth {
				return false
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return true
}

// decode reads one JSON object into v. Unknown fields are the provider's business; anything behind the object is not.
func decode(b []byte, v any) error {
	if !isObject(b) || !shallow(b) || json.Unmarshal(b, v) != nil {
		return ErrMalformed
	}
	return nil
}

// isObject says whether b begins as a JSON object does: null and the like fit any struct.
func isObject(b []byte) bool {
	b = bytes.TrimLeft(b, " \t\r\n")
	return len(b) > 0 && b[0] == '{'
}

// text is a JSON string, or a number or truth value that should have been one. An object or array in its place reads as nothing: a
// strange field must not cost us the event.
type text string

// UnmarshalJSON never fails on valid JSON.
func (t *text) UnmarshalJSON(b []byte) error {
	switch b[0] {
	case '"':
		if inner := b[1 : len(b)-1]; bytes.IndexByte(inner, '\\') < 0 && utf8.Valid(inner) {
			*t = text(inner) // as most are
			return nil
		}
		var s string
		if err := json.Unmarshal(b, &s); err != nil {
			return err
		}
		*t = text(s)
	case '{', '[', 'n':
		*t = ""
	default:
		*t = text(b)
	}
	return nil
}

// int reads a number within 0 and 999; 0 = none.
func (t text) int() int {
	n, err := strconv.Atoi(strings.TrimSpace(string(t)))
	if err != nil || n < 0 || n > 999 {
		return 0
	}
	return n
}

// yes reads a truth value.
func (t text) yes() bool { return strings.EqualFold(string(t), "true") }

// time reads RFC 3339 or seconds since 1970, with or without a fraction; zero = neither, or outside the years 2000 to 2100.
func (t text) time() time.Time {
	s := strings.TrimSpace(string(t))
	at, err := time.Parse(time.RFC3339, s)
	if err != nil {
		f, err := strconv.ParseFloat(s, 64)
		if err != nil || math.IsNaN(f) || f < 0 || f > 1<<33 {
			return time.Time{}
		}
		at = time.UnixMicro(int64(math.Round(f * 1e6)))
	}
	if y := at.UTC().Year(); y < 2000 || y > 2100 {
		return time.Time{}
	}
	return at.UTC()
}

// pairs are metadata: names and values that we or our user chose. Anything but an object, and values that are no text, read as nothing.
type pairs map[string]text

// UnmarshalJSON never fails on valid JSON.
func (p *pairs) UnmarshalJSON(b []byte) error {
	*p = nil
	if b[0] != '{' {
		return nil
	}
	return json.Unmarshal(b, (*map[string]text)(p))
}

// many is a list of addresses, or a single one.
type many []text

// UnmarshalJSON never fails on valid JSON.
func (m *many) UnmarshalJSON(b []byte) error {
	if b[0] == '[' {
		return json.Unmarshal(b, (*[]text)(m))
	}
	var t text
	if err := t.UnmarshalJSON(b); err != nil {
		return err
	}
	if t != "" {
		*m = many{t}
	}
	return nil
}

// unsafe says whether a rune may act on a terminal or a page: controls, and those that turn the direction of text.
func unsafe(r rune) bool {
	return r < ' ' || r >= 0x7f && r < 0xa0 || r == 0x61c || r >= 0x200b && r <= 0x200f || r >= 0x2028 && r <= 0x202e ||
		r >= 0x2066 && r <= 0x2069 || r == 0xfeff
}

// clean makes one line of at most n bytes that does nothing where it is shown.
func clean(s string, n int) string {
	if len(s) > 4*n {
		s = s[:4*n]
	}
	s = strings.ToValidUTF8(s, "?")
	if strings.ContainsFunc(s, unsafe) {
		s = strings.Map(func(r rune) rune {
			if unsafe(r) {
				return ' '
			}
			return r
		}, s)
	}
	s = strings.TrimSpace(s)
	if len(s) > n {
		for n > 0 && !utf8.RuneStart(s[n]) {
			n--
		}
		s = s[:n]
	}
	return s
}

// secrets are our own links, and long runs of base64url letters inside a URL: a refusal may quote the link it does not like.
var secrets = regexp.MustCompile(`/r/[A-Za-z0-9_~.-]{16,}|[/=?#][A-Za-z0-9_~-]{32,}`)

// diagnostic makes what a host said fit to be kept: clean, and without the secret of a link.
func diagnostic(s string) string {
	s = clean(s, 2*maxDiagnostic)
	if strings.ContainsAny(s, "/=?#") {
		s = secrets.ReplaceAllStringFunc(s, func(m string) string {
			if strings.HasPrefix(m, "/r/") {
				return "/r/[redacted]"
			}
			return m[:1] + "[redacted]"
		})
	}
	return clean(s, maxDiagnostic)
}

// address takes the address out of "Name <jo@mail.example>" and folds its domain; "" = it is none.
func address(s string) string {
	if len(s) > 4*maxAddress {
		return ""
	}
	s = strings.TrimSpace(s)
	if i := strings.LastIndexByte(s, '<'); i >= 0 {
		s, _, _ = strings.Cut(s[i+1:], ">")
	}
	if s != "" && s[0] != '"' && strings.ContainsAny(s, " ,;<>") {
		return "" // several, or none
	}
	at := strings.LastIndexByte(s, '@')
	if at <= 0 || at == len(s)-1 || len(s) > maxAddress || !utf8.ValidString(s) || strings.ContainsFunc(s, unsafe) {
		return ""
	}
	return s[:at+1] + strings.ToLower(s[at+1:])
}

// ip keeps what is an IP address.
func ip(t text) string {
	a, err := netip.ParseAddr(strings.TrimSpace(string(t)))
	if err != nil || a.Zone() != "" {
		return ""
	}
	return a.Unmap().String()
}

// hostName takes a host's name out of "dns; mx.mail.example".
func hostName(s string) string {
	if _, after, ok := strings.Cut(s, ";"); ok {
		s = after
	}
	return strings.ToLower(clean(s, 255))
}
