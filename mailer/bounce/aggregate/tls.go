package aggregate

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
)

// tlsReport is the JSON of RFC 8460 section 4.4. Numbers are also written as strings, and one value in the place of a list.
type tlsReport struct {
	Org     string `json:"organization-name"`
	Contact string `json:"contact-info"`
	ID      string `json:"report-id"`
	Range   struct {
		Start string `json:"start-datetime"`
		End   string `json:"end-datetime"`
	} `json:"date-range"`
	Policies []tlsPolicy `json:"policies"`
}

type tlsPolicy struct {
	Policy struct {
		Type   string `json:"policy-type"`
		Domain string `json:"policy-domain"`
	} `json:"policy"`
	Summary struct {
		Good number `json:"total-successful-session-count"`
		Bad  number `json:"total-failure-session-count"`
	} `json:"summary"`
	Failures []tlsFailure `json:"failure-details"`
}

type tlsFailure struct {
	Result string `json:"result-type"`
	Host   string `json:"receiving-mx-hostname"`
	Count  number `json:"failed-session-count"`
}

// number is a count, in quotes or not; what is no count is zero.
type number int64

// UnmarshalJSON takes any value.
func (n *number) UnmarshalJSON(b []byte) error {
	v, err := strconv.ParseInt(strings.Trim(string(b[:min(len(b), 32)]), `" `), 10, 64)
	if err != nil || v < 0 || v > maxCount {
		v = 0
	}
	*n = number(v)
	return nil
}

// readTLS reads a TLS report.
func readTLS(text []byte) (Report, error) {
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	if !shallow(text) {
		return Report{}, ErrTooMuch
	}
	var in tlsReport
	if err := json.Unmarshal(text, &in); err != nil {
		return Report{}, broken("no JSON of a TLS report", 0)
	}
	if in.Policies == nil {
		return Report{}, ErrNoReport
	}
	r := Report{Kind: TLS, Org: label(in.Org), Contact: domainOf(strings.TrimPrefix(in.Contact, "mailto:")), ID: label(in.ID),
		Begin: timeOf(in.Range.Start), End: timeOf(in.Range.End)}
	for _, p := range in.Policies {
		domain := domainOf(p.Policy.Domain)
		if domain == "" {
			r.note("a policy without a domain was left out")
			continue
		}
		r.policy(domain, p)
	}
	for i, s := range r.Sessions {
		if i == 0 {
			r.Domain = s.Domain
		} else if r.Domain != s.Domain {
			r.Domain = ""
		}
	}
	return r, nil
}

// policy takes what is said about one policy of a domain. Failures that the summary counts and no detail explains are kept as such.
func (r *Report) policy(domain string, p tlsPolicy) {
	add := func(host, result string, n number) {
		if n > 0 && len(r.Sessions) < maxRows {
			r.Sessions = append(r.Sessions, Sessions{Domain: domain, Policy: word(p.Policy.Type), Host: host, Result: result, Count: int64(n)})
		}
	}
	add("", "", p.Summary.Good)
	left := p.Summary.Bad
	for _, f := range p.Failures {
		result := word(f.Result)
		if result == "" {
			result = "unspecified"
		}
		add(domainOf(f.Host), result, f.Count)
		left -= f.Count
	}
	add("", "unspecified", left)
}

// shallow says whether a text is worth the parser: not nested deeper, and not of more objects, than a report.
func shallow(text []byte) bool {
	depth, objects, quoted := 0, 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			depth++
			objects++
		case c == '}' || c == ']':
			depth--
		}
		if depth > maxDepth || objects > maxObjects {
			return false
		}
	}
	return true
}
