package bounce

import (
	_ "embed"
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
