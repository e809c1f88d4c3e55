package console

import (
	"net/http"

	"github.com/resetd/resetd/internal/desk"
)

// maxPaste is how long the form with a pasted mail may be, in bytes: a MiB of mail, most of it escaped.
const maxPaste = 4 << 20

// explainBody is the box and what came of it.
type explainBody struct {
	Text  string
	Mail  *desk.ExplainedMail
	Reply *desk.ExplainedReply
}

func (c *Console) explainPage(v *visit) {
	if !v.by.May(desk.DoExplain) {
		_, err := c.Desk.ExplainReply(v.r.Context(), v.by, "")
		c.fail(v, err)
		return
	}
	c.show(v.w, v.s, http.StatusOK, "explain", page{Title: "Explain", Tab: "explain", Body: explainBody{}})
}

func (c *Console) explain(v *visit) {
	b := explainBody{Text: v.r.PostFormValue("text")}
	var err error
	switch {
	case v.form("text") == "":
	case c.Desk.Rules.IsReply(b.Text, true):
		var r desk.ExplainedReply
		r, err = c.Desk.ExplainReply(v.r.Context(), v.by, v.form("text"))
		b.Reply = &r
	default:
		var m desk.ExplainedMail
		m, err = c.Desk.ExplainMail(v.r.Context(), v.by, []byte(b.Text))
		b.Mail = &m
	}
	if err != nil {
		c.fail(v, err)
		return
	}
	c.show(v.w, v.s, http.StatusOK, "explain", page{Title: "Explain", Tab: "explain", Body: b})
}
