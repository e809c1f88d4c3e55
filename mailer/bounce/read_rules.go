package bounce

import (
	_ "embed"
	"strings"
	"sync"

	"github.com/resetd/resetd/diag/reply"
)

//go:embed notices.txt
var noticeRules string

// rules is diag/reply's book with what programs say in their own notices in front.
var rules = sync.OnceValue(func() *reply.Book {
	book, err := (*reply.Book)(nil).Over(noticeRules)
	if err != nil {
		panic("bounce: notices.txt: " + err.Error())
	}
	return book
})

// ownReport lets an operator's own rules read a mail in which nothing was recognised: where the words of one stand in it, it is a bounce.
// It names nobody; whom it is about follows from where it came to.
func (w *walk) ownReport(m *Mail) {
	if len(w.parts) == 0 {
		return
	}
	n := w.noticeAt(0)
	for i := 0; i < len(n.lines); i++ {
		if n.lines[i].blank() || !n.lines[i].said {
			continue
		}
		text, end := n.paragraph(i, len(n.lines))
		g := w.book.Read(reply.Reply{Text: text})
		if !w.book.Owns(g.Rule) {
			i = end
			continue
		}
		at := i
		for k := i; k < end; k++ {
			if strings.Contains(n.lines[k].text, g.Because.Text) {
				at = k
				break
			}
		}
		r := w.report(finding{action: ActionFailed, diagnostic: text, because: n.evidence(at)}, m.Date)
		r.Reason, r.Cause, r.Permanent, r.Code = g.Reason, g.Cause, g.Permanent, g.Code
		w.matching(m, 0)
		m.Kind, m.Because, m.Reports = KindBounce, reply.Because{}, []Report{r}
		return
	}
}
