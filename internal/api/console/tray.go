package console

import (
	"errors"
	"net/http"

	"github.com/resetd/resetd/internal/desk"
	"github.com/resetd/resetd/internal/store"
)

// trayBody is a page of the tray: what waits, and what was answered.
type trayBody struct {
	Open, Answered []trayView
	Next           string
	Reasons        []string
}

// trayView is an item as somebody sees it who may, or may not, look at its reset.
type trayView struct {
	store.TrayItem
	MayRead bool
}

func (c *Console) tray(v *visit) { c.trayPage(v, http.StatusOK, nil) }

func (c *Console) trayPage(v *visit, status int, n *notice) {
	items, next, err := c.Desk.Tray(v.r.Context(), v.by, v.r.URL.Query().Get("cursor"))
	if err != nil {
		c.fail(v, err)
		return
	}
	b := trayBody{Next: next, Reasons: desk.ReturnReasons()}
	for _, item := range items {
		t := trayView{item, v.by.May(desk.DoRead)}
		if t.Answer == nil {
			b.Open = append(b.Open, t)
		} else {
			b.Answered = append(b.Answered, t)
		}
	}
	c.show(v.w, v.s, status, "tray", page{Title: "Tray", Tab: "tray", Notice: n, Body: b})
}

func (c *Console) answer(v *visit) {
	r := desk.Reading{Reason: v.form("reason"), Words: v.form("words"), Note: v.form("note")}
	if r.Reason == "none" {
		r.Reason, r.Action = "", "none"
	}
	_, err := c.Desk.AnswerReturn(v.r.Context(), v.by, v.form("id"), r)
	var bad *desk.Bad
	switch {
	case errors.As(err, &bad):
		c.trayPage(v, http.StatusBadRequest, &notice{"bad", "Nothing was recorded", bad.Detail})
	case err != nil:
		c.fail(v, err)
	default:
		c.trayPage(v, http.StatusOK, &notice{"good", "Recorded", "The verdict goes by it from now on. The rule stands below, ready for the file of [diag] rules_file."})
	}
}
