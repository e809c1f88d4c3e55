package scenario

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/resetd/resetd/diag"
)

// Expectation is what must be said of a case. Zero values are not looked at.
type Expectation struct {
	Cause      string
	Confidence string
	Resend     string // the word of resend.helps; "" = as in the catalogue
	Who        string // of the first action
	Also       []string
	Not        []string // neither the verdict nor beside it
	Blind      *bool    // something could not be seen, or nothing
	Cases      int
	Realm      string // of the first case
	Incident   string // the probable cause of the incident that it belongs to
	Alone      bool   // it belongs to none
}

// Helps is what must be said of a resend: the word of the line, else the catalogue's for the cause. So every verdict's answer is checked.
func (e Expectation) Helps() string {
	c, _ := diag.CauseOf(e.Cause)
	return cmp.Or(e.Resend, string(c.Resend))
}

func readExpectation(parts []string) (Expectation, error) {
	var e Expectation
	for i, part := range parts {
		k, v, _ := strings.Cut(part, " ")
		switch {
		case i == 0:
			e.Cause, e.Confidence = k, v
			if v != "" && v != string(diag.Certain) && v != string(diag.Likely) && v != string(diag.Possible) {
				return e, fmt.Errorf("%q is no confidence", v)
			}
		case k == "resend":
			e.Resend = v
		case k == "who":
			e.Who = v
		case k == "also":
			e.Also = append(e.Also, v)
		case k == "not":
			e.Not = append(e.Not, v)
		case k == "realm":
			e.Realm = v
		case k == "incident":
			e.Incident = v
		case part == "alone":
			e.Alone = true
		case part == "blind" || part == "sighted":
			blind := part == "blind"
			e.Blind = &blind
		case k == "cases":
			n, err := strconv.Atoi(v)
			if err != nil {
				return e, err
			}
			e.Cases = n
		default:
			return e, fmt.Errorf("what is expected by %q?", part)
		}
	}
	for _, c := range append(append([]string{e.Cause, cmp.Or(e.Incident, e.Cause)}, e.Also...), e.Not...) {
		if _, known := diag.CauseOf(c); !known {
			return e, fmt.Errorf("no cause is called %q", c)
		}
	}
	return e, nil
}

// wrong says what of an answer is not as expected.
func (e Expectation) wrong(cases []diag.Case) []string {
	var out []string
	if len(cases) == 0 {
		return []string{"there is no case"}
	}
	if e.Cases > 0 && len(cases) != e.Cases {
		out = append(out, fmt.Sprintf("%d cases, not %d", len(cases), e.Cases))
	}
	c := cases[0]
	v := c.Verdict
	var also []string
	for _, a := range c.Also {
		also = append(also, a.Cause)
	}
	differ := func(what, said, want string) {
		if want != "" && said != want {
			out = append(out, fmt.Sprintf("%s is %s, not %s", what, said, want))
		}
	}
	differ("the cause", v.Cause, e.Cause)
	differ("the realm", c.Realm, e.Realm)
	differ("the confidence", string(v.Confidence), e.Confidence)
	differ("resend", string(v.Resend.Helps), e.Helps())
	if len(v.Actions) == 0 {
		out = append(out, "nobody is told what to do")
	} else {
		differ("the first to act", string(v.Actions[0].Who), e.Who)
	}
	for _, a := range e.Also {
		if !slices.Contains(also, a) {
			out = append(out, fmt.Sprintf("%s is not said beside it (%s)", a, strings.Join(also, " ")))
		}
	}
	for _, n := range e.Not {
		if v.Cause == n || slices.Contains(also, n) {
			out = append(out, n+" is said")
		}
	}
	switch {
	case c.Incident != nil && e.Alone:
		out = append(out, "it belongs to an incident: "+c.Incident.Says)
	case c.Incident == nil && e.Incident != "":
		out = append(out, "it belongs to no incident")
	case c.Incident != nil:
		differ("the incident's cause", c.Incident.Cause, e.Incident)
	}
	if e.Blind != nil && *e.Blind != (len(c.BlindSpots) > 0) {
		out = append(out, fmt.Sprintf("blind spots: %q", c.BlindSpots))
	}
	if v.Says == "" || v.TellUser == "" || v.Resend.Helps == "" {
		out = append(out, "the verdict lacks words")
	}
	return out
}

// Outcome is what came of one line that expects something.
type Outcome struct {
	Scenario string
	Line     int
	Text     string
	Want     Expectation // of a `why`
	Said     diag.Case   // to a `why`; the first case
	Wrong    []string    // empty = as expected
}
