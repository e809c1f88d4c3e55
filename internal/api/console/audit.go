package console

import (
	"fmt"
	"net/http"

	"github.com/resetd/resetd/internal/store"
)

// auditBody is a page of the audit trail.
type auditBody struct {
	Items []store.Entry
	Next  string
}

func (c *Console) audit(v *visit) { c.auditPage(v, nil) }

func (c *Console) auditPage(v *visit, n *notice) {
	items, next, err := c.Desk.Audit(v.r.Context(), v.by, v.r.URL.Query().Get("cursor"))
	if err != nil {
		c.fail(v, err)
		return
	}
	c.show(v.w, v.s, http.StatusOK, "audit", page{Title: "Audit trail", Tab: "audit", Notice: n, Body: auditBody{items, next}})
}

func (c *Console) verify(v *visit) {
	check, err := c.Desk.VerifyAudit(v.r.Context(), v.by)
	switch {
	case err != nil:
		c.fail(v, err)
	case check.Wrong != "":
		c.auditPage(v, &notice{"bad", "The trail was changed", fmt.Sprintf("%d entries are in an unbroken row; then %s.", check.Good, check.Wrong)})
	default:
		c.auditPage(v, &notice{"good", "The trail is whole", fmt.Sprintf("%d entries, each bound to the one before it.", check.Good)})
	}
}
