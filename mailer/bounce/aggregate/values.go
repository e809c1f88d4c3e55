package aggregate

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// complete fills in from the file's name what the report does not say, and refuses what says too little to count.
func (r *Report) complete(name string, text []byte) error {
	n := parseName(name)
	if r.Org == "" {
		r.Org = n.receiver
	}
	if r.Org == "" {
		r.Org = r.Contact
	}
	if r.Org == "" {
		return broken("it does not say who reports", 0)
	}
	if r.Kind == DMARC && r.Domain == "" {
		r.Domain = n.domain
		if r.Domain == "" && len(r.Rows) > 0 {
			r.Domain = r.Rows[0].From
		}
	}
	for i := range r.Rows {
		if r.Rows[i].From == "" {
			r.Rows[i].From = r.Domain
		}
	}
	if r.Kind == DMARC && r.Domain == "" {
		return broken("it does not say which domain it is about", 0)
	}
	if r.Begin.IsZero() {
		r.Begin = n.begin
	}
	if r.End.IsZero() {
		r.End = n.end
	}
	switch {
	case r.Begin.IsZero() && r.End.IsZero():
		return broken("it does not say of which time", 0)
	case r.Begin.IsZero():
		r.Begin = r.End
	case r.End.Before(r.Begin):
		r.End = r.Begin
	}
	if r.End.Sub(r.Begin) > maxSpan {
		return broken("it is about more than 32 days", 0)
	}
	if r.ID == "" {
		r.ID = n.id
	}
	if r.ID == "" {
		sum := sha256.Sum256(text)
		r.ID = "sha256:" + hex.EncodeToString(sum[:8])
		r.note("the report has no name of its own; its content serves as one")
	}
	return nil
}

// Day is the UTC day that a report counts for: that of the middle of its time, since many reporters' days begin elsewhere on the clock.
func (r Report) Day() time.Time {
	return r.Begin.Add(r.End.Sub(r.Begin) / 2).UTC().Truncate(24 * time.Hour)
}

// fileName is what RFC 7489 section 7.2.1.1 puts into the name of a report's file: receiver!domain!begin!end!id.xml.gz. RFC 8460 section
// 5.1 has the same for TLS.
type fileName struct {
	receiver, domain, id string
	begin, end           time.Time
}

func parseName(name string) fileName {
	name = trimSuffix(trimSuffix(name, ".gz", ".zip"), ".xml", ".json")
	f := strings.Split(name, "!")
	if len(name) > maxWord || len(f) < 4 {
		return fileName{}
	}
	out := fileName{receiver: domainOf(f[0]), domain: domainOf(f[1]), begin: timeOf(f[2]), end: timeOf(f[3])}
	if len(f) > 4 {
		out.id = label(f[4])
	}
	return out
}

// timeOf reads a moment: seconds since 1970, as it should be; milliseconds, and dates as people write them. Zero = none.
func timeOf(s string) time.Time {
	s = strings.TrimSpace(s)
	s, _, _ = strings.Cut(s, ".")
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		if n > 100_000_000_000 {
			n /= 1000
		}
		if n < 946684800 || n > 100_000_000_000 { // before 2000, or after all of us
			return time.Time{}
		}
		return time.Unix(n, 0).UTC()
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02"} {
		if t, err := time.Parse(layout, s); err == nil && t.Year() >= 2000 && t.Year() < 3000 {
			return t.UTC()
		}
	}
	return time.Time{}
}

// domainOf takes a domain, or that of an address, in lower case; "" = it is none.
func domainOf(s string) string {
	s = strings.TrimSpace(s)
	if i := strings.LastIndexByte(s, '@'); i >= 0 {
		s = s[i+1:]
	}
	s = strings.ToLower(strings.Trim(s, "<>. \t"))
	if s == "" || len(s) > 253 || strings.ContainsFunc(s, func(r rune) bool {
		return r <= ' ' || r == unicode.ReplacementChar || r < 0x80 && !('a' <= r && r <= 'z' || '0' <= r && r <= '9' || r == '-' || r == '.' || r == '_')
	}) {
		return ""
	}
	return s
}

// word is a value of a closed set.
func word(s string) string { return strings.ToLower(strings.TrimSpace(s[:min(len(s), 64)])) }

// label is a name for people to read: without control characters, and at most 120 bytes.
func label(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == unicode.ReplacementChar || unicode.Is(unicode.Cf, r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, ""))
	s = strings.Join(strings.Fields(s), " ")
	if len(s) > 120 {
		s = strings.ToValidUTF8(s[:120], "")
	}
	return strings.TrimSpace(s)
}

// related says whether one of two domains is the other or a parent of it.
func related(a, b string) bool {
	return a != "" && b != "" && (a == b || strings.HasSuffix(a, "."+b) || strings.HasSuffix(b, "."+a))
}
