package dnscheck

import (
	"errors"
	"strings"

	"github.com/miekg/dns"
	"golang.org/x/net/idna"
)

var errBadName = errors.New("dnscheck: a name that cannot be asked")

// wireName gives a name in the one form in which names are compared and asked: lower case, A-labels, the escapes that
// miekg/dns itself writes, with a trailing dot. Dots separate labels; any other octet may stand in one, because SPF macros
// put local parts into names.
func wireName(name string) (string, error) {
	name = strings.TrimSuffix(name, ".")
	if name == "" {
		return "", errBadName
	}
	for i := 0; i < len(name); i++ {
		if name[i] >= 0x80 {
			ascii, err := idna.New(idna.MapForLookup(), idna.StrictDomainName(false)).ToASCII(name)
			if err != nil {
				return "", errBadName
			}
			name = ascii
			break
		}
	}
	if len(name) > 253 || strings.HasPrefix(name, ".") || strings.Contains(name, "..") {
		return "", errBadName
	}
	buf := make([]byte, 256)
	n, err := dns.PackDomainName(strings.ReplaceAll(name, `\`, `\\`)+".", buf, 0, nil, false)
	if err != nil {
		return "", errBadName
	}
	out, _, err := dns.UnpackDomainName(buf[:n], 0)
	if err != nil {
		return "", errBadName
	}
	return lower(out), nil
}

// foldName makes names from DNS or configuration comparable: lower case, no trailing dot.
func foldName(name string) string { return lower(strings.TrimSuffix(name, ".")) }

// lower folds ASCII only; DNS knows no other case (RFC 4343).
func lower(s string) string {
	for i := 0; i < len(s); i++ {
		if c := s[i]; 'A' <= c && c <= 'Z' {
			b := []byte(s)
			for ; i < len(b); i++ {
				if 'A' <= b[i] && b[i] <= 'Z' {
					b[i] += 'a' - 'A'
				}
			}
			return string(b)
		}
	}
	return s
}

// isUnder reports that name is domain or lies below it; both folded.
func isUnder(name, domain string) bool {
	return name == domain || len(name) > len(domain) && strings.HasSuffix(name, domain) && name[len(name)-len(domain)-1] == '.'
}

// parent cuts the left-most label; "" at the top.
func parent(name string) string {
	_, rest, _ := strings.Cut(name, ".")
	return rest
}

// cleanDomain turns what people configure ("Example.ORG.", "bücher.example") into a folded name; "" where it is none.
func cleanDomain(domain string) string {
	wire, err := wireName(strings.TrimSpace(domain))
	if err != nil {
		return ""
	}
	return foldName(wire)
}
