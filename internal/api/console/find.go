package console

import (
	"crypto/rand"
	"errors"
	"net/http"
	"reflect"
	"slices"
	"strings"

	"github.com/resetd/resetd/diag"
	"github.com/resetd/resetd/internal/desk"
	"github.com/resetd/resetd/internal/ledger"
)

// findBody is the search form and what it found.
type findBody struct {
	Login, Realm, Page string
	Realms             []string
	Routes             []string
	Problem            string // why the search could not be made
	Cases              []caseView
	MayAsk, MayCancel  bool
	MayIncidents       bool // incidents may be opened
}

// caseView is a case with what can be done about it.
type caseView struct {
	diag.Case
	Number  string // of its forms
	Refused *desk.ResendRefused
	Reason  string // as given to the resend that was refused
	Route   string
}

// Offered says whether a host was offered the mail, so that the recipient's IT can find something.
func (c caseView) Offered() bool {
	return slices.ContainsFunc(c.Timeline, func(e diag.Entry) bool { return e.Fact == ledger.Attempted })
}

// OpenTimeline says whether the story is short enough to be told at once.
func (c caseView) OpenTimeline() bool { return len(c.Timeline) <= 40 }

// Anchor is the case's id on the page.
func (c caseView) Anchor() string {
	if c.Realm == "" {
		return "case"
	}
	return "case-" + c.Realm
}

func (c *Console) findPage(v *visit, status int, b findBody) {
	c.noticed(v, status, b, nil)
}

func (c *Console) noticed(v *visit, status int, b findBody, n *notice) {
	b.Realms = c.realmsOf(v.by)
	b.MayAsk, b.MayCancel = v.by.May(desk.DoRequest), v.by.May(desk.DoCancel)
	b.MayIncidents = v.by.May(desk.DoIncidents)
	for _, r := range c.Desk.Routes {
		b.Routes = append(b.Routes, r.Name)
	}
	for i := range b.Cases {
		b.Cases[i].Number = rand.Text()
	}
	c.show(v.w, v.s, status, "find", page{Title: "Find a person", Tab: "find", Notice: n, Body: b})
}

// searched reads the search form, which every form of the page carries along.
func searched(v *visit) findBody {
	b := findBody{Login: v.form("login"), Realm: v.form("realm"), Page: v.form("page")}
	if b.Page != "" && !strings.Contains(b.Page, "://") {
		b.Page = "https://" + b.Page // as people read it to each other on the phone
	}
	return b
}

// look fills in the cases.
func (c *Console) look(v *visit, b *findBody) error {
	cases, err := c.Desk.Why(v.r.Context(), v.by, desk.Question{Login: b.Login, Realm: b.Realm, Page: b.Page})
	for _, x := range cases {
		b.Cases = append(b.Cases, caseView{Case: x})
	}
	return err
}

func (c *Console) find(v *visit) {
	b := searched(v)
	if err := c.look(v, &b); err != nil {
		c.badForm(v, b, err)
		return
	}
	c.findPage(v, http.StatusOK, b)
}

// badForm shows what was wrong with a form in the form's own place.
func (c *Console) badForm(v *visit, b findBody, err error) {
	var bad *desk.Bad
	if !errors.As(err, &bad) {
		c.fail(v, err)
		return
	}
	b.Problem = bad.Detail
	c.findPage(v, http.StatusBadRequest, b)
}

// again shows the person anew, with what became of an action.
func (c *Console) again(v *visit, b findBody, n notice) {
	if err := c.look(v, &b); err != nil {
		c.badForm(v, b, err)
		return
	}
	c.noticed(v, http.StatusOK, b, &n)
}

func (c *Console) ask(v *visit) {
	b := searched(v)
	realm := v.form("for_realm")
	_, err := c.Desk.Request(v.r.Context(), v.by, v.s.seed(v.form("number")), desk.Ask{Realm: realm, Login: b.Login, Reason: v.form("reason")})
	var bad *desk.Bad
	switch {
	case errors.As(err, &bad):
		c.again(v, b, notice{"bad", "No reset was started", bad.Detail})
	case err != nil:
		c.fail(v, err)
	default:
		c.again(v, b, notice{"good", "A reset was started", "The worker decides what becomes of it; look again in a few seconds."})
	}
}

func (c *Console) resend(v *visit) {
	b := searched(v)
	id, err := ledger.ParseResetID(v.form("reset"))
	if err != nil {
		c.fail(v, err)
		return
	}
	w := desk.Again{Reason: v.form("reason"), Route: v.form("route"), Force: v.form("force") != ""}
	_, err = c.Desk.Resend(v.r.Context(), v.by, v.s.seed(v.form("number")), id, w)
	var bad *desk.Bad
	var refused *desk.ResendRefused
	switch {
	case errors.As(err, &bad):
		c.again(v, b, notice{"bad", "Nothing was sent", bad.Detail})
	case errors.As(err, &refused):
		c.refused(v, b, id, w, refused)
	case err != nil:
		c.fail(v, err)
	default:
		c.again(v, b, notice{"good", "Another mail is on its way", "What was still booked of older mails was taken back. Look again in a few seconds."})
	}
}

// refused shows the case again, with the refusal in the place of the form.
func (c *Console) refused(v *visit, b findBody, id ledger.ResetID, w desk.Again, r *desk.ResendRefused) {
	if err := c.look(v, &b); err != nil {
		c.badForm(v, b, err)
		return
	}
	for i := range b.Cases {
		if b.Cases[i].Reset == id {
			b.Cases[i].Refused, b.Cases[i].Reason, b.Cases[i].Route = r, w.Reason, w.Route
		}
	}
	n := notice{"bad", "Nothing was sent: another mail would not help", r.Case.Verdict.Says}
	switch {
	case r.Impossible:
		n.Title = "Nothing was sent: no mail can help here"
	case r.Repeated:
		n = notice{"care", "Nothing was sent: it was resent once already", "Nothing is known of either mail. " + r.Case.Verdict.Says}
	}
	c.noticed(v, http.StatusConflict, b, &n)
}

func (c *Console) cancel(v *visit) {
	b := searched(v)
	id, err := ledger.ParseResetID(v.form("reset"))
	if err != nil {
		c.fail(v, err)
		return
	}
	_, err = c.Desk.Cancel(v.r.Context(), v.by, id, v.form("reason"))
	var bad *desk.Bad
	switch {
	case errors.As(err, &bad):
		c.again(v, b, notice{"bad", "Nothing was taken back", bad.Detail})
	case err != nil:
		c.fail(v, err)
	default:
		c.again(v, b, notice{"good", "Taken back", "Nothing more will be sent for this reset."})
	}
}

func asText(s any) string {
	if v := reflect.ValueOf(s); v.Kind() == reflect.String {
		return v.String()
	}
	return ""
}
