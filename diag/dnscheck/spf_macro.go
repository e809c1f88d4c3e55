package dnscheck

import (
	"context"
	"errors"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// macroPart is literal text or one macro-expand (RFC 7208 section 7).
type macroPart struct {
	text       string // literal
	letter     byte   // lower case; 0 for literal text
	url        bool   // an upper-case letter: escape as in a URL
	reverse    bool
	keep       int  // right-hand parts to keep; 0 = all
	escape     bool // text came from %%, %_ or %-
	hasDelims  bool
	delimiters string
}

// parseMacros splits a macro-string; exp allows the letters that only explanations may hold.
func parseMacros(s string, exp bool) ([]macroPart, error) {
	var parts []macroPart
	for s != "" {
		i := strings.IndexByte(s, '%')
		if i < 0 {
			i = len(s)
		}
		if i > 0 {
			parts = append(parts, macroPart{text: s[:i]})
			s = s[i:]
			continue
		}
		if len(s) < 2 {
			return nil, errors.New("ends in a lone %")
		}
		switch s[1] {
		case '%':
			parts, s = append(parts, macroPart{text: "%", escape: true}), s[2:]
		case '_':
			parts, s = append(parts, macroPart{text: " ", escape: true}), s[2:]
		case '-':
			parts, s = append(parts, macroPart{text: "%20", escape: true}), s[2:]
		case '{':
			end := strings.IndexByte(s, '}')
			if end < 0 {
				return nil, errors.New("opens a macro and does not close it")
			}
			p, err := parseMacro(s[2:end], exp)
			if err != nil {
				return nil, err
			}
			parts, s = append(parts, p), s[end+1:]
		default:
			return nil, errors.New("has a % that begins no macro")
		}
	}
	return parts, nil
}

func parseMacro(s string, exp bool) (macroPart, error) {
	if s == "" {
		return macroPart{}, errors.New("has an empty macro")
	}
	p := macroPart{letter: s[0] | 0x20, url: 'A' <= s[0] && s[0] <= 'Z'}
	letters := "slodiphv"
	if exp {
		letters += "crt"
	}
	if strings.IndexByte(letters, p.letter) < 0 || s[0] < 'A' {
		return p, errors.New("has an unknown macro")
	}
	s = s[1:]
	n := 0
	for n < len(s) && isDigit(s[n]) {
		n++
	}
	if n > 0 {
		keep, err := strconv.Atoi(s[:n])
		if err != nil {
			keep = 128 // more parts than a name has labels: all of them
		}
		if keep == 0 {
			return p, errors.New("has a macro that keeps 0 parts")
		}
		p.keep, s = keep, s[n:]
	}
	if s != "" && s[0]|0x20 == 'r' {
		p.reverse, s = true, s[1:]
	}
	for i := 0; i < len(s); i++ {
		if strings.IndexByte(".-+,/_=", s[i]) < 0 {
			return p, errors.New("has a macro with a wrong transformer")
		}
	}
	if s != "" {
		p.hasDelims, p.delimiters = true, s
	}
	return p, nil
}

// expand fills the macros of s in for the domain that is being evaluated.
func (e *spfEval) expand(ctx context.Context, s, domain string, exp bool) (string, error) {
	parts, err := parseMacros(s, exp)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for _, p := range parts {
		if p.letter == 0 {
			b.WriteString(p.text)
			continue
		}
		v := e.macroValue(ctx, p.letter, domain)
		if p.reverse || p.keep > 0 || p.hasDelims {
			v = transform(v, p)
		}
		if p.url {
			v = strings.ReplaceAll(url.QueryEscape(v), "+", "%20")
		}
		b.WriteString(v)
	}
	return b.String(), nil
}

// target expands a domain-spec into the name to ask; over-long names lose labels on the left (section 7.3).
func (e *spfEval) target(ctx context.Context, spec, domain string) (string, error) {
	if spec == "" {
		return domain, nil
	}
	name, err := e.expand(ctx, spec, domain, false)
	if err != nil {
		return "", err
	}
	name = strings.TrimSuffix(name, ".")
	for len(name) > 253 {
		_, rest, found := strings.Cut(name, ".")
		if !found {
			break
		}
		name = rest
	}
	return name, nil
}

func (e *spfEval) macroValue(ctx context.Context, letter byte, domain string) string {
	switch letter {
	case 's':
		return e.local + "@" + e.sender
	case 'l':
		return e.local
	case 'o':
		return e.sender
	case 'd':
		return domain
	case 'i':
		return macroIP(e.ip)
	case 'p':
		return e.validatedName(ctx, domain)
	case 'h':
		return e.q.HELO
	case 'v':
		if e.ip.Is4() {
			return "in-addr"
		}
		return "ip6"
	case 'c':
		return e.ip.String()
	case 'r':
		return or(e.q.Receiver, "unknown")
	case 't':
		return strconv.FormatInt(e.now.Unix(), 10)
	}
	return ""
}

// macroIP is the form of %{i}: dotted quads, or the 32 nibbles with dots between. The case of nibbles shows only in
// explanations; the suite wants capitals.
func macroIP(ip netip.Addr) string {
	if ip.Is4() {
		return ip.String()
	}
	const hex = "0123456789ABCDEF"
	b := make([]byte, 0, 63)
	for i, octet := range ip.As16() {
		if i > 0 {
			b = append(b, '.')
		}
		b = append(b, hex[octet>>4], '.', hex[octet&15])
	}
	return string(b)
}

func transform(v string, p macroPart) string {
	delims := "."
	if p.hasDelims {
		delims = p.delimiters
	}
	var parts []string
	for {
		i := strings.IndexAny(v, delims)
		if i < 0 {
			break
		}
		parts, v = append(parts, v[:i]), v[i+1:]
	}
	parts = append(parts, v)
	if p.reverse {
		slices.Reverse(parts)
	}
	if p.keep > 0 && p.keep < len(parts) {
		parts = parts[len(parts)-p.keep:]
	}
	return strings.Join(parts, ".")
}
