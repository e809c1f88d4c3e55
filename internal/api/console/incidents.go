package console

import (
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/resetd/resetd/diag"
	"github.com/resetd/resetd/internal/api/words"
	"github.com/resetd/resetd/internal/desk"
)

// incidentsBody is the list, those that go on first.
type incidentsBody struct {
	Open, Over []diag.Trouble
}

// incidentBody is one incident, who waits because of it, and the form that sends to them again.
type incidentBody struct {
	desk.IncidentView
	Number  string // of the form
	Reason  string // as given to a resend that was refused
	Routes  []string
	MayRead bool // the person may open resets
	Left    []string
}

// Shown are those whose ids stand on the page; the rest is counted.
func (b incidentBody) Shown() []desk.Waiting { return b.Waiting[:min(len(b.Waiting), 50)] }

// More is how many wait beyond those shown.
func (b incidentBody) More() int { return len(b.Waiting) + b.Remaining - len(b.Shown()) }

// Total is how many wait.
func (b incidentBody) Total() int { return len(b.Waiting) + b.Remaining }

func (c *Console) incidents(v *visit) {
	all, err := c.Desk.Incidents(v.r.Context(), v.by)
	if err != nil {
		c.fail(v, err)
		return
	}
	var b incidentsBody
	for _, t := range all {
		if t.Until.IsZero() {
			b.Open = append(b.Open, t)
		} else {
			b.Over = append(b.Over, t)
		}
	}
	c.show(v.w, v.s, http.StatusOK, "incidents", page{Title: "Incidents", Tab: "incidents", Body: b})
}

func (c *Console) incident(v *visit) { c.incidentPage(v, http.StatusOK, "", nil) }

func (c *Console) incidentPage(v *visit, status int, reason string, n *notice) {
	view, err := c.Desk.Incident(v.r.Context(), v.by, v.r.PathValue("id"))
	if err != nil {
		c.fail(v, err)
		return
	}
	b := incidentBody{IncidentView: view, Number: rand.Text(), Reason: reason, MayRead: v.by.May(desk.DoRead), Left: left(view.Others)}
	for _, r := range c.Desk.Routes {
		b.Routes = append(b.Routes, r.Name)
	}
	c.show(v.w, v.s, status, "incident", page{Title: "Incident", Tab: "incidents", Notice: n, Body: b})
}

func (c *Console) resendAll(v *visit) {
	w := desk.Again{Reason: v.form("reason"), Route: v.form("route"), Force: v.form("force") != ""}
	out, err := c.Desk.ResendAll(v.r.Context(), v.by, v.s.seed(v.form("number")), v.r.PathValue("id"), w)
	var bad *desk.Bad
	switch {
	case errors.As(err, &bad) && bad.Code == "incident_open":
		c.incidentPage(v, http.StatusConflict, w.Reason, &notice{"bad", "Nothing was sent: the incident goes on", "Another mail would meet the same end. Send all the same only where another way out leads around it."})
	case errors.As(err, &bad):
		c.incidentPage(v, http.StatusBadRequest, w.Reason, &notice{"bad", "Nothing was sent", bad.Detail})
	case err != nil:
		c.fail(v, err)
	default:
		c.incidentPage(v, http.StatusOK, "", booked(out))
	}
}

// booked says what a resend of all did.
func booked(out desk.AllAgain) *notice {
	n := &notice{Tone: "good", Title: fmt.Sprintf("%d mails are booked", out.Resent)}
	switch out.Resent {
	case 0:
		n.Tone, n.Title = "care", "Nobody was sent another mail"
	case 1:
		n.Title = "One mail is booked"
	}
	if out.Resent > 0 {
		n.Text = "They leave at most 20 a second, the last one at " + out.Until.UTC().Add(time.Second).Format("15:04:05") + " UTC."
	}
	for _, s := range left(out.Skipped) {
		n.Text += " Left out, " + s + "."
	}
	if out.Remaining > 0 {
		n.Text += fmt.Sprintf(" %d were not looked at yet: send again for them.", out.Remaining)
	}
	return n
}

func left(why map[string]int) []string {
	var out []string
	for _, w := range slices.Sorted(maps.Keys(why)) {
		out = append(out, fmt.Sprintf("%s: %d", words.WaitsNoMore(w), why[w]))
	}
	return out
}
