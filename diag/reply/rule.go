package reply

import (
	"fmt"
	"strconv"
	"strings"
)

// rule is one entry of rules/*.txt.
type rule struct {
	id        string
	providers []string      // for: who must speak; empty = anyone
	stages    []string      // stage: where in the dialogue; empty = anywhere, also unknown
	codes     []uint16      // code: reply codes; 4 and 5 stand for 4xx and 5xx; empty = any
	statuses  []statusRange // status: enhanced status codes; empty = any
	says      []string      // says: any of these phrases; empty = codes alone
	unless    []string      // unless: none of these
	reason    Reason
	cause     string     // "" = the reason's usual one
	sure      Confidence // default Likely
	permanent *bool      // lasts: yes or no; nil = as the code says
	proves    string     // what one may conclude, a sentence
	source    string     // where it is known from
	sample    string     // a reply that this rule decides
	file      string
	line      int  // where it begins in file, from 1
	broken    bool // one of its lines cannot be read
}

// statusRange is a set of enhanced codes: class 0 = any, subject as given, detail low to high; low = high = anyDetail means any.
type statusRange struct{ class, subject, low, high uint16 }

const anyDetail = 1000

// parseRules reads a table of rules: a line `rule ID` begins one, indented lines `key value` fill it, # begins a comment line. A rule with
// a fault is left out.
func parseRules(text string) (rules []rule, wrong Faults) {
	bad := func(line int, what string) { wrong = append(wrong, Fault{Line: line, What: what}) }
	for n, line := range strings.Split(text, "\n") {
		trimmed := strings.TrimSpace(line)
		if trimmed == "" || strings.HasPrefix(trimmed, "#") {
			continue
		}
		key, value, _ := strings.Cut(trimmed, " ")
		value = strings.TrimSpace(value)
		switch {
		case value == "":
			bad(n+1, strconv.Quote(clipped(key))+" without a value")
		case key == "rule":
			rules = append(rules, rule{id: value, sure: Likely, line: n + 1})
		case len(rules) == 0:
			bad(n+1, strconv.Quote(clipped(key))+" before the first rule")
		default:
			if err := rules[len(rules)-1].set(key, value); err != nil {
				bad(n+1, err.Error())
				rules[len(rules)-1].broken = true
			}
		}
	}
	whole := rules[:0]
	for _, r := range rules {
		switch {
		case r.broken:
		case r.reason == "" || r.proves == "" || r.source == "" || r.sample == "":
			wrong = append(wrong, r.fault("needs reason, proves, source and sample"))
		default:
			whole = append(whole, r)
		}
	}
	return whole, wrong
}

// clipped bounds what a message quotes of a file that may be anything.
func clipped(s string) string { return s[:min(len(s), 40)] }

func (r *rule) set(key, value string) (err error) {
	switch key {
	case "for":
		r.providers = append(r.providers, strings.Fields(value)...)
	case "stage":
		r.stages = append(r.stages, strings.Fields(value)...)
	case "code":
		for _, f := range strings.Fields(value) {
			if f == "4xx" || f == "5xx" {
				f = f[:1]
			}
			c, err := strconv.ParseUint(f, 10, 16)
			if err != nil || c != 4 && c != 5 && c < 400 || c > 599 {
				return fmt.Errorf("code %q", f)
			}
			r.codes = append(r.codes, uint16(c))
		}
	case "status":
		for _, f := range strings.Fields(value) {
			x, err := parseRange(f)
			if err != nil {
				return err
			}
			r.statuses = append(r.statuses, x)
		}
	case "says":
		r.says = append(r.says, value)
	case "unless":
		r.unless = append(r.unless, value)
	case "reason":
		r.reason = Reason(value)
		if !known(r.reason) {
			return fmt.Errorf("unknown reason %q", value)
		}
	case "cause":
		if r.cause = value; blameOf(value) == "" {
			return fmt.Errorf("unknown cause %q", value)
		}
	case "sure":
		switch value {
		case "certain":
			r.sure = Certain
		case "likely":
			r.sure = Likely
		case "possible":
			r.sure = Possible
		default:
			return fmt.Errorf("sure: %q is none of certain, likely, possible", value)
		}
	case "lasts":
		yes := value == "yes"
		if !yes && value != "no" {
			return fmt.Errorf("lasts: %q is neither yes nor no", value)
		}
		r.permanent = &yes
	case "proves":
		r.proves = value
	case "source":
		r.source = value
	case "sample":
		r.sample = value
	default:
		return fmt.Errorf("unknown key %q", key)
	}
	return nil
}

func known(r Reason) bool {
	for _, x := range Reasons() {
		if x == r {
			return true
		}
	}
	return false
}

// parseRange reads 5.1.1, x.7.1, 5.2.* or 5.7.606-649.
func parseRange(f string) (statusRange, error) {
	p := strings.Split(f, ".")
	bad := fmt.Errorf("status %q", f)
	if len(p) != 3 {
		return statusRange{}, bad
	}
	var x statusRange
	num := func(s string) uint16 {
		n, err := strconv.ParseUint(s, 10, 16)
		if err != nil || n > 999 {
			n = 9999
		}
		return uint16(n)
	}
	if p[0] != "x" {
		x.class = num(p[0])
	}
	x.subject = num(p[1])
	low, high, ranged := strings.Cut(p[2], "-")
	switch {
	case low == "*":
		x.low, x.high = anyDetail, anyDetail
	case ranged:
		x.low, x.high = num(low), num(high)
	default:
		x.low = num(low)
		x.high = x.low
	}
	if x.class == 9999 || x.subject == 9999 || x.low == 9999 || x.high == 9999 || x.high < x.low {
		return statusRange{}, bad
	}
	return x, nil
}

// has tells whether s is in the set.
func (x statusRange) has(s status) bool {
	return (x.class == 0 || x.class == s.class) && x.subject == s.subject && (x.low == anyDetail || x.low <= s.detail && s.detail <= x.high)
}

// expand writes the braces of a phrase out: "user {unknown,not found}" is two phrases, "{the ,}user" too.
func expand(s string) ([]string, error) {
	i := strings.IndexByte(s, '{')
	if i < 0 {
		if strings.IndexByte(s, '}') >= 0 {
			return nil, fmt.Errorf("a brace without a partner in %q", s)
		}
		return []string{s}, nil
	}
	j := strings.IndexByte(s[i:], '}')
	if j < 0 {
		return nil, fmt.Errorf("a brace without a partner in %q", s)
	}
	rest, err := expand(s[i+j+1:])
	if err != nil {
		return nil, err
	}
	var all []string
	for _, x := range strings.Split(s[i+1:i+j], ",") {
		for _, y := range rest {
			all = append(all, s[:i]+x+y)
		}
	}
	return all, nil
}

// variants counts the phrases that braces stand for, before they are written out; it stops counting beyond maxVariants.
func variants(s string) int {
	n, in := 1, 0
	for i := 0; i < len(s) && n <= maxVariants; i++ {
		switch s[i] {
		case '{':
			in = 1
		case ',':
			if in > 0 {
				in++
			}
		case '}':
			n *= max(in, 1)
			in = 0
		}
	}
	return n
}

// maxVariants bounds the phrases of one step: {a,b}{a,b}… doubles them with each brace.
const maxVariants = 500

// foldPhrase folds a phrase as texts are folded. "@" stands for an address, "#" for an IP address, a final * for any rest of the
// word. Scripts without spaces between words match anywhere.
func foldPhrase(p string) (string, error) {
	prefix := strings.HasSuffix(p, "*")
	words := len(strings.Fields(p))
	if strings.Contains(strings.TrimSuffix(p, "*"), "*") {
		return "", fmt.Errorf("phrase %q: * stands only at the end", p)
	}
	var f folded
	f.reset()
	for i, w := range strings.Fields(strings.TrimSuffix(p, "*")) {
		if i > 0 {
			f.endWord(0)
			f.hard = len(f.text)
		}
		if w == "#" || digits(w, 0) == len(w) { // numbers stand as they are: here they are no codes
			f.emitString(w, 0)
			continue
		}
		var g folded
		g.fold(w, 0)
		f.emitString(strings.TrimSpace(string(g.text)), 0)
	}
	f.endWord(0)
	s := strings.TrimPrefix(string(f.text), " ")
	if w := strings.TrimSpace(s); len(w) < 2 && w != "@" && w != "#" {
		return "", fmt.Errorf("phrase %q says nothing", p)
	}
	if words > 1 && strings.Count(strings.TrimSpace(s), " ") == 0 {
		return "", fmt.Errorf("phrase %q folds to one word, %q", p, s)
	}
	if prefix || s[0] >= wideLead {
		s = strings.TrimSuffix(s, " ")
	}
	return s, nil
}

// wideLead is the first byte, in UTF-8, of the scripts that write without spaces (U+3000 and on: kana, han, hangul).
const wideLead = 0xe3

// String writes the set as rules do.
func (x statusRange) String() string {
	class := "x"
	if x.class != 0 {
		class = strconv.Itoa(int(x.class))
	}
	switch {
	case x.low == anyDetail:
		return fmt.Sprintf("%s.%d.*", class, x.subject)
	case x.low != x.high:
		return fmt.Sprintf("%s.%d.%d-%d", class, x.subject, x.low, x.high)
	}
	return fmt.Sprintf("%s.%d.%d", class, x.subject, x.low)
}
