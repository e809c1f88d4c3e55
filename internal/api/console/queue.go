package console

import (
	"errors"
	"net/http"

	"github.com/resetd/resetd/internal/desk"
)

func (c *Console) queue(v *visit) { c.queuePage(v, http.StatusOK, nil) }

func (c *Console) queuePage(v *visit, status int, n *notice) {
	q, err := c.Desk.Queue(v.r.Context(), v.by)
	if err != nil {
		c.fail(v, err)
		return
	}
	c.show(v.w, v.s, status, "queue", page{Title: "Queue", Tab: "queue", Notice: n, Body: q})
}

func (c *Console) pause(v *visit) {
	err := c.Desk.Pause(v.r.Context(), v.by, v.form("route"), v.form("reason"))
	c.held(v, err, notice{"care", "Sending is held", "Resets are taken and kept; their mails wait until sending goes on."})
}

func (c *Console) resume(v *visit) {
	err := c.Desk.Resume(v.r.Context(), v.by, v.form("route"), v.form("reason"))
	c.held(v, err, notice{"good", "Sending goes on", "What waited is sent now, the oldest first."})
}

func (c *Console) held(v *visit, err error, done notice) {
	var bad *desk.Bad
	switch {
	case errors.As(err, &bad):
		c.queuePage(v, http.StatusBadRequest, &notice{"bad", "Nothing was changed", bad.Detail})
	case err != nil:
		c.fail(v, err)
	default:
		c.queuePage(v, http.StatusOK, &done)
	}
}
