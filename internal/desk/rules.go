package desk

import (
	"github.com/resetd/resetd/diag/reply"
	"github.com/resetd/resetd/mailer/bounce"
)

// Rules are an operator's own rules about replies, tried before the built-in ones; nil = none.
type Rules struct {
	book   *reply.Book
	reader bounce.Reader
}

// ParseRules reads rules as the tray makes them and diag/reply/rules has them.
func ParseRules(text string) (*Rules, error) {
	b, err := reply.With(text)
	if err != nil {
		return nil, err
	}
	return NewRules(b)
}

// NewRules makes Rules of a book; nil = there are none.
func NewRules(b *reply.Book) (*Rules, error) {
	if b == nil {
		return nil, nil
	}
	r, err := bounce.NewReader(b)
	if err != nil {
		return nil, err
	}
	return &Rules{b, r}, nil
}

// Book is what the rules say of replies; nil = there are none of an operator.
func (rules *Rules) Book() *reply.Book {
	if rules == nil {
		return nil
	}
	return rules.book
}

// Reader reads mail by the rules.
func (rules *Rules) Reader() bounce.Reader {
	if rules == nil {
		return bounce.Reader{}
	}
	return rules.reader
}
