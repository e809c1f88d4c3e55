package console

import (
	"net/http"

	"github.com/resetd/resetd/internal/ledger"
)

// reset shows one reset to the last detail: its mails, every dialogue, every fact.
func (c *Console) reset(v *visit) {
	id, err := ledger.ParseResetID(v.r.PathValue("id"))
	if err != nil {
		c.fail(v, err)
		return
	}
	view, err := c.Desk.Reset(v.r.Context(), v.by, id)
	if err != nil {
		c.fail(v, err)
		return
	}
	c.show(v.w, v.s, http.StatusOK, "reset", page{Title: "One reset", Tab: "find", Body: view})
}
