package scenario

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/resetd/resetd/diag"
	"github.com/resetd/resetd/diag/dnscheck"
)

// What concerns many people at once: incidents, and what DNS says about our domain.

// incidents reads them as ops do, the newest first.
func (p *Player) incidents(ctx context.Context) ([]diag.Trouble, error) {
	_, out, err := p.post(ctx, "ops", "/v1/incidents", nil)
	if err != nil {
		return nil, err
	}
	var list struct {
		Items []diag.Trouble `json:"items"`
	}
	err = json.Unmarshal(out, &list)
	return list.Items, err
}

// incident compares the newest incident, or the newest of a kind and name, with what a line expects.
func (p *Player) incident(ctx context.Context, st *Step, a *args) (wrong []string, err error) {
	kind, name := a.next(), a.next()
	if err := a.end(); err != nil {
		return nil, err
	}
	all, err := p.incidents(ctx)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(all, func(t diag.Trouble) bool { return kind == "" || string(t.Kind) == kind && t.Name == name })
	if i < 0 {
		return []string{fmt.Sprintf("there is no such incident among %d", len(all))}, nil
	}
	t := all[i]
	for n, part := range st.expect {
		k, v, _ := strings.Cut(part, " ")
		said, ok := "", false
		switch {
		case n == 0:
			said, ok = t.Cause, t.Cause == part
		case part == "open" || part == "over":
			said = map[bool]string{true: "open", false: "over"}[t.Until.IsZero()]
			ok = said == part
		case k == "size":
			said, ok = strconv.Itoa(t.Size), strconv.Itoa(t.Size) == v
		case k == "about":
			said = string(t.Kind) + " " + t.Name
			ok = said == v
		case k == "evidence":
			said = strings.Join(t.Evidence, " ")
			ok = strings.Contains(said, v)
		default:
			return nil, fmt.Errorf("what is expected of an incident by %q?", part)
		}
		if !ok {
			wrong = append(wrong, fmt.Sprintf("it is %q, not %q", said, part))
		}
	}
	return wrong, nil
}

// resendAll sends another mail to all who wait because of the newest incident, and says what came of each.
func (p *Player) resendAll(ctx context.Context, who string, a *args) (string, error) {
	a.next() // the word incident
	all, err := p.incidents(ctx)
	if err != nil {
		return "", err
	}
	if len(all) == 0 {
		return "there is none", nil
	}
	in := body{"reason": "all who still wait"}
	if a.flag("force") {
		in["force"] = true
	}
	if route := a.get("route", ""); route != "" {
		in["route"] = route
	}
	said, out, err := p.post(ctx, who, "/v1/incidents/"+all[0].ID+"/resend", in)
	if err != nil || said != "202" {
		return said, err
	}
	var got struct {
		Resent  int
		Skipped map[string]int
	}
	if err := json.Unmarshal(out, &got); err != nil {
		return "", err
	}
	said += " resent " + strconv.Itoa(got.Resent)
	for _, why := range sorted(got.Skipped) {
		said += fmt.Sprintf(", %s %d", why, got.Skipped[why])
	}
	return said, nil
}

// checks asks DNS about a domain now, as ops do, and compares the report with what a line expects.
func (p *Player) checks(ctx context.Context, who string, st *Step, a *args) (wrong []string, err error) {
	domain := a.next()
	if err := a.end(); err != nil {
		return nil, err
	}
	said, out, err := p.post(ctx, who, "/v1/domains/"+url.PathEscape(domain)+"/check", body{})
	if err != nil {
		return nil, err
	}
	var r dnscheck.Report
	if err := json.Unmarshal(out, &r); err != nil || said != "200" {
		return []string{"it was answered " + said}, err
	}
	bad := map[string]bool{}
	for _, f := range r.Findings {
		if f.Severity == dnscheck.Error && f.Cause != "" {
			bad[f.Cause] = true
		}
	}
	for _, part := range st.expect {
		cause, not := strings.CutPrefix(part, "not ")
		if _, known := diag.CauseOf(cause); !known {
			return nil, fmt.Errorf("no cause is called %q", cause)
		}
		if bad[cause] == not {
			wrong = append(wrong, fmt.Sprintf("the errors are %s", strings.Join(sorted(bad), " ")))
		}
	}
	return wrong, nil
}

// looked tries a look until it is as expected, or patience ends.
func (p *Player) looked(s *Scenario, st *Step, look func() ([]string, error)) error {
	out := Outcome{Scenario: s.Name, Line: st.Line, Text: st.Text}
	for end := time.Now().Add(p.patience()); ; time.Sleep(100 * time.Millisecond) {
		wrong, err := look()
		if err != nil {
			return err
		}
		if out.Wrong = wrong; len(wrong) == 0 || time.Now().After(end) {
			p.Outcome(out)
			return nil
		}
	}
}
