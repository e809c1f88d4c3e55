package config

import (
	"slices"
	"strings"
)

// report collects what is wrong while one file is read and checked.
type report struct {
	file   string
	lines  []string
	starts []int // offset of each line
	places map[string]place
	meant  map[string]bool // keys and tables that stand in the file with a slip: not missing as well

	problems, warnings Problems
}

func newReport(file, doc string) *report {
	r := &report{file: file, lines: strings.Split(doc, "\n"), places: map[string]place{}, meant: map[string]bool{}}
	n := 0
	for _, l := range r.lines {
		r.starts = append(r.starts, n)
		n += len(l) + 1
	}
	return r
}

// bad is a fault in the value at path; where the key is missing, its table is shown. One fault of a value is enough: what follows from it is not said.
func (r *report) bad(path, what, try string) {
	if r.broken(path) || r.slipped(path) {
		return
	}
	r.problems = append(r.problems, r.at(path, false, what, try))
}

// broken says whether the value at path was complained about already: its field holds a default or nothing.
func (r *report) broken(path string) bool {
	if list := parent(path); strings.HasSuffix(path, "]") && r.places[list].env != "" {
		path = list // a list from a variable: its elements have no place of their own
	}
	if pl, ok := r.places[path]; !ok || pl.valLine == 0 && pl.env == "" {
		return false
	}
	p := r.at(path, false, "", "")
	return slices.ContainsFunc(r.problems, func(o Problem) bool {
		if p.Line == 0 {
			return o.File == p.File && strings.HasPrefix(o.What, p.What)
		}
		return o.File == p.File && o.Line == p.Line && o.Col == p.Col
	})
}

// slipped says whether the missing key at path, or its table, stands in the file under a name that is nearly right.
func (r *report) slipped(path string) bool {
	for ; path != "" && !r.has(path); path = parent(path) {
		if r.meant[path] {
			return true
		}
	}
	return false
}

// badKey is a fault in the key itself.
func (r *report) badKey(path, what, try string) {
	r.problems = append(r.problems, r.at(path, true, what, try))
}

// warn is something that works, and should be known.
func (r *report) warn(path, what, try string) {
	r.warnings = append(r.warnings, r.at(path, false, what, try))
}

// has says whether the key was set, by the file or by a variable.
func (r *report) has(path string) bool {
	_, ok := r.places[path]
	return ok
}

func (r *report) isTable(path string) bool {
	p, ok := r.places[path]
	return !ok || p.env == "" && p.valLine == 0
}

func (r *report) at(path string, key bool, what, try string) Problem {
	p := Problem{File: r.file, What: inert(what), Try: inert(try)}
	pl, ok := r.places[path]
	for !ok && path != "" {
		path, key = parent(path), true
		pl, ok = r.places[path]
	}
	switch {
	case !ok:
		return p
	case pl.env != "":
		p.File, p.What = "environment", pl.env+": "+what
		return p
	}
	line, off, n := pl.line, pl.key, pl.keyLen
	if !key && pl.valLine > 0 {
		line, off, n = pl.valLine, pl.value, pl.valLen
	}
	r.locate(&p, line, off, n)
	return p
}

// locate fills in line, column and text.
func (r *report) locate(p *Problem, line, offset, length int) {
	if line < 1 || line > len(r.lines) {
		return
	}
	p.Line, p.Col = line, max(offset-r.starts[line-1], 0)+1
	p.Text = shown(r.lines[line-1])
	p.Len = max(1, min(length, len(r.lines[line-1])-p.Col+1))
	if p.Col > len(p.Text)+1 {
		p.Col = len(p.Text) + 1
	}
}

func parent(path string) string {
	if strings.HasSuffix(path, "]") {
		return path[:strings.LastIndexByte(path, '[')]
	}
	if i := strings.LastIndexByte(path, '.'); i >= 0 {
		return path[:i]
	}
	return ""
}

// sorted puts problems in the order of the file, without repeats; other files come after it.
func (r *report) sorted(ps Problems) Problems {
	slices.SortStableFunc(ps, func(a, b Problem) int {
		if a.File != b.File {
			switch r.file {
			case a.File:
				return -1
			case b.File:
				return 1
			}
			return strings.Compare(a.File, b.File)
		}
		if a.Line != b.Line {
			return a.Line - b.Line
		}
		return a.Col - b.Col
	})
	return slices.Compact(ps)
}
