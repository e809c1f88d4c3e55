package desk

import (
	"github.com/resetd/resetd/diag/reply"
	"github.com/resetd/resetd/mailer/bounce"
)

// Rules are an operator's own rules about replies, tried before the built-in ones; nil = none.
type Rules struct{ book *reply.Book }

// ParseRules reads rules as the tray makes them and diag/reply/rules has them.
func ParseRules(text string) (*Rules, error) {
	b, err := reply.With(text)
	if err != nil {
		return nil, err
	}
	return &Rules{b}, nil
}

// read says what a reply means.
func (rules *Rules) read(in reply.Reply) reply.Reading {
	if rules == nil {
		return reply.Read(in)
	}
	return rules.book.Read(in)
}

// Apply lets the operator's rules read the diagnostic lines of a mail; where one decides, its reason counts.
func (rules *Rules) Apply(m *bounce.Mail) {
	if rules == nil {
		return
	}
	for i := range m.Reports {
		p := &m.Reports[i]
		if p.Diagnostic == "" || p.Action != bounce.ActionFailed && p.Action != bounce.ActionDelayed {
			continue
		}
		in := reply.Reply{Host: p.RemoteHost, Enhanced: p.Status, Text: p.Diagnostic}
		if own := rules.book.Read(in); own.Rule != reply.Read(in).Rule {
			p.Reason, p.Cause = own.Reason, own.Cause
		}
	}
}
