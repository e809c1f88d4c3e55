package console

import (
	"errors"
	"net/http"
	"time"

	"github.com/resetd/resetd/diag/dnscheck"
	"github.com/resetd/resetd/internal/desk"
	"github.com/resetd/resetd/mailer"
)

// probeWrite is how long the page of a probe may take to be written: its list is finished only when the last host has answered.
const probeWrite = time.Minute

// domainsBody is the page of our domains, with one report opened.
type domainsBody struct {
	Domains []desk.DomainView
	Report  *dnscheck.Report
	MayLoop bool // canaries can be sent
}

func (c *Console) domains(v *visit) { c.domainsPage(v, http.StatusOK, nil, nil) }

func (c *Console) domainsPage(v *visit, status int, n *notice, r *dnscheck.Report) {
	all, err := c.Desk.Domains(v.r.Context(), v.by)
	if err != nil {
		c.fail(v, err)
		return
	}
	c.show(v.w, v.s, status, "domains", page{Title: "Domains", Tab: "domains", Notice: n, Body: domainsBody{all, r, c.Desk.Loops.Receives && v.by.May(desk.DoLoop)}})
}

func (c *Console) checkDomain(v *visit) {
	r, err := c.Desk.CheckDomain(v.r.Context(), v.by, v.form("domain"))
	if n := c.refusal(err); n != nil {
		c.domainsPage(v, http.StatusBadRequest, n, nil)
		return
	}
	if err != nil {
		c.fail(v, err)
		return
	}
	c.domainsPage(v, http.StatusOK, nil, &r)
}

// checkLoop sends a canary by each way of a domain's mail. The page has its beginning; it is there whenever the page is loaded again.
func (c *Console) checkLoop(v *visit) {
	_, err := c.Desk.CheckLoop(v.r.Context(), v.by, v.form("domain"), "")
	if n := c.refusal(err); n != nil {
		c.domainsPage(v, http.StatusBadRequest, n, nil)
		return
	}
	if err != nil {
		c.fail(v, err)
		return
	}
	c.domainsPage(v, http.StatusOK, &notice{"good", "A canary is on its way", "It goes through the whole chain and back. Load this page again to see how far it has come."}, nil)
}

// loopGrade colours how a loop check stands.
func loopGrade(state string) string {
	switch state {
	case "failed":
		return "bad"
	case "unknown":
		return "care"
	case "ok":
		return "good"
	}
	return ""
}

// refusal is what to say on the page itself of an error that whoever asked can mend; nil = it is none.
func (c *Console) refusal(err error) *notice {
	var bad *desk.Bad
	var hasty *desk.Hasty
	if !errors.As(err, &bad) && !errors.As(err, &hasty) {
		return nil
	}
	_, detail := c.Fault(err)
	return &notice{"bad", "Nothing was asked", detail}
}

// probeBody is the page of a probe; Address is shown to whoever typed it and stands in no URL.
type probeBody struct {
	Address string
	Probed  *mailer.Probed
}

func (c *Console) probePage(v *visit) {
	if !v.by.May(desk.DoProbe) {
		c.fail(v, c.Desk.Authorise(v.r.Context(), v.by, desk.DoProbe, "", "", false))
		return
	}
	c.show(v.w, v.s, http.StatusOK, "probe", page{Title: "Probe", Tab: "probe", Body: probeBody{}})
}

func (c *Console) probe(v *visit) {
	_ = http.NewResponseController(v.w).SetWriteDeadline(time.Now().Add(probeWrite)) // where there is none to set, none cuts it
	out, err := c.Desk.Probe(v.r.Context(), v.by, v.form("address"), nil)
	b := probeBody{Address: v.form("address")}
	if n := c.refusal(err); n != nil {
		c.show(v.w, v.s, http.StatusBadRequest, "probe", page{Title: "Probe", Tab: "probe", Notice: n, Body: b})
		return
	}
	if err != nil {
		c.fail(v, err)
		return
	}
	b.Probed = &out
	c.show(v.w, v.s, http.StatusOK, "probe", page{Title: "Probe", Tab: "probe", Body: b})
}

// gradeOf colours a severity.
func gradeOf(s dnscheck.Severity) string {
	switch s {
	case dnscheck.Error:
		return "bad"
	case dnscheck.Warning:
		return "care"
	case dnscheck.OK, dnscheck.Note:
		return "good"
	}
	return ""
}
