package dnscheck

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// spfTerm is one mechanism or modifier of a record.
type spfTerm struct {
	raw    string       // as published
	name   string       // lower case: "a", "include", "redirect"
	sign   byte         // + - ~ ?; '+' where none is written; 0 for a modifier
	spec   string       // the domain-spec with its macros; "" = the current domain
	prefix netip.Prefix // of ip4 and ip6
	v4, v6 int          // prefix lengths of a and mx
}

// queries reports whether evaluating the term asks DNS, which RFC 7208 section 4.6.4 counts.
func (t spfTerm) queries() bool {
	switch t.name {
	case "include", "a", "mx", "ptr", "exists", "redirect":
		return true
	}
	return false
}

// spfRecord is a record that has no syntax error.
type spfRecord struct {
	mechanisms    []spfTerm
	redirect, exp *spfTerm
}

// isSPF tells an SPF record from other TXT records: the version section ends with a space or the record (section 4.5).
func isSPF(txt string) bool {
	const version = "v=spf1"
	return len(txt) >= len(version) && strings.EqualFold(txt[:len(version)], version) && (len(txt) == len(version) || txt[len(version)] == ' ')
}

// parseSPF reads a whole record before anything is evaluated: a syntax error anywhere is a permerror (section 4.6).
func parseSPF(txt string) (spfRecord, error) {
	var rec spfRecord
	for i := 0; i < len(txt); i++ {
		if txt[i] >= 0x7f || txt[i] < ' ' {
			return rec, errors.New("it holds a character outside printable ASCII")
		}
	}
	for _, raw := range strings.Split(txt[len("v=spf1"):], " ") {
		if raw == "" {
			continue
		}
		t, err := parseSPFTerm(raw)
		if err != nil {
			return rec, fmt.Errorf("%q %w", clip(raw, 60), err)
		}
		switch {
		case t.sign != 0:
			rec.mechanisms = append(rec.mechanisms, t)
		case t.name == "redirect":
			if rec.redirect != nil {
				return rec, errors.New("it holds redirect= twice")
			}
			rec.redirect = &t
		case t.name == "exp":
			if rec.exp != nil {
				return rec, errors.New("it holds exp= twice")
			}
			rec.exp = &t
		}
	}
	return rec, nil
}

func parseSPFTerm(raw string) (spfTerm, error) {
	t := spfTerm{raw: raw}
	if i := strings.IndexAny(raw, "=:/"); i > 0 && raw[i] == '=' && isModifierName(raw[:i]) {
		t.name, t.spec = lower(raw[:i]), raw[i+1:]
		if t.name == "redirect" || t.name == "exp" {
			return t, checkDomainSpec(t.spec)
		}
		_, err := parseMacros(t.spec, true) // section 6: unknown modifiers are ignored, but must be well formed
		return t, err
	}
	t.sign = '+'
	rest := raw
	if strings.IndexByte("+-~?", rest[0]) >= 0 {
		t.sign, rest = rest[0], rest[1:]
	}
	end := strings.IndexAny(rest, ":/")
	if end < 0 {
		end = len(rest)
	}
	t.name, rest = lower(rest[:end]), rest[end:]
	t.v4, t.v6 = 32, 128
	switch t.name {
	case "all":
		if rest != "" {
			return t, errors.New("takes no argument")
		}
		return t, nil
	case "include", "exists":
		if !strings.HasPrefix(rest, ":") {
			return t, errors.New("needs a domain")
		}
		t.spec = rest[1:]
		return t, checkDomainSpec(t.spec)
	case "ptr":
		if rest == "" {
			return t, nil
		}
		t.spec = strings.TrimPrefix(rest, ":")
		if t.spec == rest {
			return t, errors.New("takes no prefix length")
		}
		return t, checkDomainSpec(t.spec)
	case "a", "mx":
		return t, t.parseDual(rest)
	case "ip4", "ip6":
		if !strings.HasPrefix(rest, ":") {
			return t, errors.New("needs an address")
		}
		return t, t.parseNetwork(rest[1:])
	}
	return t, errors.New("is no mechanism that SPF knows")
}

func isModifierName(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i] | 0x20; 'a' <= c && c <= 'z' {
			continue
		}
		if i == 0 || !isDigit(s[i]) && s[i] != '-' && s[i] != '_' && s[i] != '.' {
			return false
		}
	}
	return s != ""
}

// parseDual reads [":" domain-spec] ["/" n] ["//" n] of a and mx.
func (t *spfTerm) parseDual(rest string) error {
	var err error
	if i := strings.LastIndex(rest, "//"); i >= 0 && digitsOnly(rest[i+2:]) {
		if t.v6, err = prefixLength(rest[i+2:], 128); err != nil {
			return err
		}
		rest = rest[:i]
	}
	if i := strings.LastIndexByte(rest, '/'); i >= 0 && digitsOnly(rest[i+1:]) {
		if t.v4, err = prefixLength(rest[i+1:], 32); err != nil {
			return err
		}
		rest = rest[:i]
	}
	if rest == "" {
		return nil
	}
	if rest[0] != ':' {
		return errors.New("has a prefix length that cannot be read")
	}
	t.spec = rest[1:]
	return checkDomainSpec(t.spec)
}

func digitsOnly(s string) bool {
	for i := 0; i < len(s); i++ {
		if !isDigit(s[i]) {
			return false
		}
	}
	return s != ""
}

// prefixLength reads 0 to limit without leading zeros (section 5.6).
func prefixLength(s string, limit int) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil || !digitsOnly(s) || len(s) > 1 && s[0] == '0' || n > limit {
		return 0, fmt.Errorf("has a prefix length other than 0 to %d", limit)
	}
	return n, nil
}

func (t *spfTerm) parseNetwork(s string) error {
	bits, limit := 0, 32
	if t.name == "ip6" {
		limit = 128
	}
	host, length, cut := strings.Cut(s, "/")
	ip, err := netip.ParseAddr(host)
	if err != nil || ip.Zone() != "" || ip.Is4() != (t.name == "ip4") {
		return errors.New("has no such address")
	}
	if bits = limit; cut {
		if bits, err = prefixLength(length, limit); err != nil {
			return err
		}
	}
	// An IPv4-mapped network is written with an IPv6 length; netip cannot mask it, so it stays and matches nothing, as
	// clients with mapped addresses are judged as IPv4 (section 5).
	t.prefix = netip.PrefixFrom(ip, bits)
	return nil
}

// checkDomainSpec holds a domain-spec to the grammar of section 7.1: a macro-string that ends in a macro or in a dot and a
// top label (no number) with an optional dot.
func checkDomainSpec(s string) error {
	if s == "" {
		return errors.New("needs a domain")
	}
	parts, err := parseMacros(s, false)
	if err != nil {
		return err
	}
	last := parts[len(parts)-1]
	if last.letter != 0 || last.escape {
		return nil
	}
	text := strings.TrimSuffix(last.text, ".")
	i := strings.LastIndexByte(text, '.')
	if i < 0 || !isTopLabel(text[i+1:]) {
		return errors.New("ends in nothing that could be a domain")
	}
	return nil
}

// isTopLabel: letters, digits and hyphens, not at either end, and not digits alone.
func isTopLabel(s string) bool {
	if s == "" || len(s) > 63 || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	number := true
	for i := 0; i < len(s); i++ {
		c := s[i] | 0x20
		switch {
		case isDigit(s[i]):
		case 'a' <= c && c <= 'z', s[i] == '-':
			number = false
		default:
			return false
		}
	}
	return !number
}

// show makes text from outside fit for people: no control characters, not too long.
func show(s string, n int) string { return clip(printable(s), n) }

// clip shortens text for a sentence.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return s[:n] + "…"
}
