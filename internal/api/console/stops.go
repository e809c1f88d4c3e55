package console

import (
	"errors"
	"net/http"

	"github.com/resetd/resetd/internal/desk"
	"github.com/resetd/resetd/internal/store"
)

// stopsBody is the list of suppressions, and one that was looked up.
type stopsBody struct {
	MayList, MayRelease bool
	Items               []store.Suppression
	Next                string
	Asked               string // the address that was looked up; "" = none was
	Found               *store.Suppression
}

func (c *Console) stops(v *visit) { c.stopsPage(v, http.StatusOK, nil, stopsBody{}) }

func (c *Console) stopsPage(v *visit, status int, n *notice, b stopsBody) {
	b.MayList, b.MayRelease = v.by.May(desk.DoSuppressions), v.by.May(desk.DoRelease)
	if b.MayList {
		var err error
		if b.Items, b.Next, err = c.Desk.Suppressions(v.r.Context(), v.by, v.r.URL.Query().Get("cursor")); err != nil {
			c.fail(v, err)
			return
		}
	} else if !v.by.May(desk.DoSuppression) {
		c.fail(v, desk.ErrForbidden)
		return
	}
	c.show(v.w, v.s, status, "stops", page{Title: "Stop list", Tab: "stops", Notice: n, Body: b})
}

func (c *Console) lookup(v *visit) {
	b := stopsBody{Asked: v.form("address")}
	found, err := c.Desk.Suppression(v.r.Context(), v.by, b.Asked)
	var bad *desk.Bad
	switch {
	case errors.As(err, &bad):
		c.stopsPage(v, http.StatusBadRequest, &notice{"bad", "Not looked up", bad.Detail}, stopsBody{})
	case err != nil:
		c.fail(v, err)
	default:
		b.Found = found
		c.stopsPage(v, http.StatusOK, nil, b)
	}
}

func (c *Console) release(v *visit) {
	err := c.Desk.ReleaseSuppression(v.r.Context(), v.by, v.form("address"), v.form("reason"))
	var bad *desk.Bad
	switch {
	case errors.As(err, &bad):
		c.stopsPage(v, http.StatusBadRequest, &notice{"bad", "Nothing was released", bad.Detail}, stopsBody{})
	case errors.Is(err, store.ErrNotFound):
		c.stopsPage(v, http.StatusNotFound, &notice{"care", "It is not on the list", "Mail is written to this address; perhaps somebody released it before you."}, stopsBody{})
	case err != nil:
		c.fail(v, err)
	default:
		c.stopsPage(v, http.StatusOK, &notice{"good", "Released", "Mail is written to this address again. Resend the reset, or let the person ask again."}, stopsBody{})
	}
}
