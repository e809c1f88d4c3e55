package console

import (
	"io"
	"net/http"

	"github.com/resetd/resetd/internal/ledger"
)

// packet shows the text for the recipient's IT, as text and nothing else, to be copied into a mail.
func (c *Console) packet(v *visit) {
	id, err := ledger.ParseResetID(v.form("reset"))
	if err != nil {
		c.fail(v, err)
		return
	}
	text, err := c.Desk.Packet(v.r.Context(), v.by, id)
	if err != nil {
		c.fail(v, err)
		return
	}
	h := v.w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("Content-Disposition", `inline; filename="evidence.txt"`)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
	v.w.WriteHeader(http.StatusOK)
	_, _ = io.WriteString(v.w, text) // a page that breaks off was written to somebody who went away
}
