package mailer

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// ErrBadAddress means that a text is no address that an SMTP envelope can carry. What wraps it says why, never the address.
var ErrBadAddress = errors.New("address cannot be written into an envelope")

// Address is what stands between the angle brackets of MAIL and RCPT. The zero value is no address.
type Address struct {
	Local     string // as given: RFC 5321 leaves its case to the receiver
	Domain    string // A-labels, lower case, no trailing dot
	NeedsUTF8 bool   // the local part is not ASCII: only a host that offers SMTPUTF8 (RFC 6531) can take it
}

// String gives local@domain.
func (a Address) String() string { return a.Local + "@" + a.Domain }

// Octets that RFC 5321 section 4.5.3.1 allows; a domain of 255 with its length octets is 253 characters.
const (
	maxLocal  = 64
	maxDomain = 253
	maxLabel  = 63
)

// ParseAddress reads one addr-spec. It is stricter than RFC 5321 on purpose, because the client library writes whatever it is given
// into the command line: no comments, no source routes, no address literals, and nowhere a space, an angle bracket, a comma or a
// control character, not even inside a quoted local part. A domain in Unicode becomes A-labels by UTS 46.
func ParseAddress(s string) (Address, error) {
	if len(s) > 4*(maxLocal+maxDomain) {
		return Address{}, bad("too long")
	}
	if !utf8.ValidString(s) {
		return Address{}, bad("not UTF-8")
	}
	at := strings.LastIndexByte(s, '@')
	if at < 0 {
		return Address{}, bad("no @ in it")
	}
	a := Address{Local: s[:at]}
	if err := checkLocal(a.Local); err != nil {
		return Address{}, err
	}
	for i := range len(a.Local) {
		if a.Local[i] >= utf8.RuneSelf {
			a.NeedsUTF8 = true
		}
	}
	var err error
	if a.Domain, err = ParseDomain(s[at+1:]); err != nil {
		return Address{}, err
	}
	return a, nil
}

// ParseDomain reads a mail domain, in Unicode or not, and gives its A-labels in lower case.
func ParseDomain(s string) (string, error) {
	if s == "" {
		return "", bad("no domain")
	}
	if s[0] == '[' {
		return "", bad("address literal in place of a domain")
	}
	if len(s) > 4*maxDomain {
		return "", bad("domain too long")
	}
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			ascii, err := idna.Lookup.ToASCII(s)
			if err != nil {
				return "", bad("domain is no valid internationalized name")
			}
			s = ascii
			break
		}
	}
	s = asciiLower(s)
	if len(s) > maxDomain {
		return "", bad("domain too long")
	}
	labels := strings.Split(s, ".")
	for _, l := range labels {
		if err := checkLabel(l); err != nil {
			return "", err
		}
	}
	if last := labels[len(labels)-1]; strings.Trim(last, "0123456789") == "" {
		return "", bad("IP address in place of a domain")
	}
	return s, nil
}

func checkLabel(l string) error {
	if l == "" {
		return bad("empty label in the domain")
	}
	if len(l) > maxLabel {
		return bad("label of the domain too long")
	}
	if l[0] == '-' || l[len(l)-1] == '-' {
		return bad("label of the domain begins or ends with a hyphen")
	}
	for i := range len(l) {
		if c := l[i]; !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-') {
			return bad("character in the domain that no host name has")
		}
	}
	return nil
}

func checkLocal(l string) error {
	if l == "" {
		return bad("no local part")
	}
	if len(l) > maxLocal {
		return bad("local part too long")
	}
	if l[0] == '"' {
		return checkQuoted(l)
	}
	if l[0] == '.' || l[len(l)-1] == '.' || strings.Contains(l, "..") {
		return bad("dots at an end of the local part, or two together")
	}
	for _, r := range l {
		if r != '.' && !isAtext(r) {
			return bad("character in the local part that needs quotes or is refused")
		}
	}
	return nil
}

// checkQuoted takes the few quoted local parts that are harmless on a command line: one pair of quotes, no backslash.
func checkQuoted(l string) error {
	if len(l) < 3 || l[len(l)-1] != '"' {
		return bad("quoted local part without end or content")
	}
	for _, r := range l[1 : len(l)-1] {
		if r == '"' || r == '\\' || r != '.' && !isAtext(r) && !strings.ContainsRune("@:;()[]", r) {
			return bad("character inside the quoted local part that is refused")
		}
	}
	return nil
}

// isAtext is RFC 5322 section 3.2.3, with RFC 6532's UTF-8 less what nobody can see.
func isAtext(r rune) bool {
	if r >= utf8.RuneSelf {
		return unicode.IsPrint(r) && !unicode.IsSpace(r) && r != utf8.RuneError
	}
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("!#$%&'*+-/=?^_`{|}~", r)
}

func bad(why string) error { return fmt.Errorf("%w: %s", ErrBadAddress, why) }

// asciiLower folds A to Z only: strings.ToLower would also turn a Kelvin sign into a k.
func asciiLower(s string) string {
	for i := range len(s) {
		if c := s[i]; c >= 'A' && c <= 'Z' {
			b := []byte(s)
			for ; i < len(b); i++ {
				if b[i] >= 'A' && b[i] <= 'Z' {
					b[i] += 'a' - 'A'
				}
			}
			return string(b)
		}
	}
	return s
}
