package arrival

import "strings"

// What is read of one Authentication-Results field.
const (
	maxResultsField = 8 << 10 // bytes
	maxResults      = 20
)

// Results is one Authentication-Results field (RFC 8601): what the host By says of a mail. Anybody can write such a field, so it is evidence
// for a person and proves nothing.
type Results struct {
	By   string // the authserv-id
	List []Result
}

// Result is what one method came to.
type Result struct {
	Method, Result string // in lower case: spf, dkim, dmarc …; pass, fail …
	Reason         string // of reason=; "" = none given
}

// String is a sentence without addresses or properties.
func (r Results) String() string {
	if len(r.List) == 0 {
		return r.By + " checked nothing"
	}
	var parts []string
	for _, x := range r.List {
		p := x.Method + "=" + x.Result
		if x.Reason != "" {
			p += " (" + x.Reason + ")"
		}
		parts = append(parts, p)
	}
	return r.By + " says " + strings.Join(parts, ", ")
}

// ReadResults reads the value of an Authentication-Results field. ok is false where it names no host. What cannot be read of the rest is
// passed over: properties and comments are not kept.
func ReadResults(value string) (r Results, ok bool) {
	if len(value) > maxResultsField {
		return r, false
	}
	sections := split(value)
	head := fields(sections[0])
	if len(head) == 0 {
		return r, false
	}
	if r.By = word(strings.Trim(head[0], `"`)); r.By == "" || strings.Contains(r.By, "=") {
		return Results{}, false
	}
	for _, s := range sections[1:] {
		if x, ok := readResult(s); ok && len(r.List) < maxResults {
			r.List = append(r.List, x)
		}
	}
	return r, true
}

// readResult reads methodspec [reasonspec] of RFC 8601 section 2.2; "none" alone is no result.
func readResult(s string) (x Result, ok bool) {
	for i, w := range fields(s) {
		name, value, eq := strings.Cut(w, "=")
		if !eq {
			return x, i > 0
		}
		name, value = strings.ToLower(word(name)), phrase(strings.Trim(value, `"`))
		switch {
		case i == 0:
			x.Method, _, _ = strings.Cut(name, "/")
			x.Result = strings.ToLower(word(value))
			if x.Method == "" || x.Result == "" {
				return x, false
			}
			ok = true
		case name == "reason":
			x.Reason = value
		}
	}
	return x, ok
}

// split parts a value at its semicolons and leaves comments out; neither counts inside quotes. It gives at least one part.
func split(value string) []string {
	var parts []string
	var b strings.Builder
	depth, quoted := 0, false
	for i := 0; i < len(value); i++ {
		switch c := value[i]; {
		case c == '\\' && (quoted || depth > 0) && i+1 < len(value):
			if i++; depth == 0 {
				b.WriteByte(value[i])
			}
		case depth > 0:
			if c == '(' {
				depth++
			} else if c == ')' {
				depth--
			}
		case c == '"':
			quoted = !quoted
			b.WriteByte(c)
		case quoted:
			b.WriteByte(c)
		case c == '(':
			depth++
			b.WriteByte(' ')
		case c == ';':
			parts = append(parts, b.String())
			b.Reset()
		default:
			b.WriteByte(c)
		}
	}
	return append(parts, b.String())
}

// fields parts at white space outside quotes, and lets = have white space around it.
func fields(s string) []string {
	var out []string
	var b strings.Builder
	quoted := false
	flush := func() {
		if b.Len() > 0 {
			out = append(out, b.String())
			b.Reset()
		}
	}
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '"':
			quoted = !quoted
			b.WriteByte(c)
		case !quoted && (c == ' ' || c == '\t' || c == '\r' || c == '\n'):
			flush()
		default:
			b.WriteByte(c)
		}
	}
	flush()
	var joined []string
	for _, w := range out {
		n := len(joined)
		if n > 0 && (strings.HasPrefix(w, "=") || strings.HasSuffix(joined[n-1], "=")) {
			joined[n-1] += w
			continue
		}
		joined = append(joined, w)
	}
	return joined
}
