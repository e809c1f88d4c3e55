package config

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/resetd/resetd/diag/reply"
)

// diag reads the operator's own rules. Their faults are told as those of the configuration are: with file, line and reason.
func (k *checker) diag() {
	file := &k.c.Diag.RulesFile
	k.c.replies = nil
	if *file == "" {
		return
	}
	*file = k.abs(*file)
	text, err := readCapped(*file)
	if err != nil {
		try := ""
		if os.IsNotExist(err) {
			try = "relative paths count from the folder of " + filepath.Base(k.file)
		}
		k.bad("diag.rules_file", "the file cannot be read: "+reason(err), try)
		return
	}
	book, err := reply.With(text)
	var faults reply.Faults
	if err != nil && !errors.As(err, &faults) {
		k.bad("diag.rules_file", err.Error(), "")
		return
	}
	if err == nil {
		faults = book.Samples()
	}
	lines := strings.Split(text, "\n")
	slices.SortStableFunc(faults, func(a, b reply.Fault) int { return a.Line - b.Line })
	for i, f := range faults {
		if i == maxShown {
			break
		}
		p := Problem{File: *file, Line: f.Line, What: inert(f.What), Text: shown(lineAt(lines, f.Line))}
		if err == nil {
			p.Try = "the first rule that fits decides: put the more exact one above"
		}
		k.problems = append(k.problems, p)
	}
	k.c.replies = book
}

// Replies is what hosts' words mean by the operator's own rules; nil = there are none.
func (c *Config) Replies() *reply.Book { return c.replies }
