package config

import (
	"strconv"
	"strings"
)

// place is where a key and its value stand. Offsets are bytes from 0; lines from 1.
type place struct {
	env           string // the variable that set it; then nothing else is set
	line          int    // of the key
	key, keyLen   int    // offset and length of the key, or of the header
	valLine       int    // of the value; 0 where there is none (a header)
	value, valLen int
}

// places finds every key of a TOML document that was already parsed without error. The library keeps positions to itself, and only the first fault; we
// want a line for every key, and to name all faults at once. Paths are as in realm[1].directory.kind.
func places(doc string) map[string]place {
	s := &placer{doc: doc, line: 1, out: map[string]place{}, tables: map[string]int{}}
	s.document()
	return s.out
}

type placer struct {
	doc    string
	i      int
	line   int
	out    map[string]place
	tables map[string]int // path of an array of tables -> how many so far
}

// join makes a path; a part that is not a bare key is quoted, so that "a.b" and a.b differ.
func join(path, part string) string {
	for i := 0; i < len(part); i++ {
		if c := part[i]; !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '-') {
			part = strconv.Quote(part)
			break
		}
	}
	if part == "" {
		part = `""`
	}
	if path == "" {
		return part
	}
	return path + "." + part
}

func at(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }

func (s *placer) peek(prefix string) bool { return strings.HasPrefix(s.doc[s.i:], prefix) }

func (s *placer) next() {
	if s.i < len(s.doc) {
		if s.doc[s.i] == '\n' {
			s.line++
		}
		s.i++
	}
}

// skip passes over blanks; with lines also over line ends and comments.
func (s *placer) skip(lines bool, also string) {
	for s.i < len(s.doc) {
		switch c := s.doc[s.i]; {
		case c == ' ' || c == '\t' || strings.IndexByte(also, c) >= 0:
		case lines && (c == '\n' || c == '\r'):
		case lines && c == '#':
			for s.i < len(s.doc) && s.doc[s.i] != '\n' {
				s.i++
			}
			continue
		default:
			return
		}
		s.next()
	}
}

func (s *placer) document() {
	table := ""
	for {
		start := s.i
		s.skip(true, "")
		if s.i >= len(s.doc) {
			return
		}
		if s.doc[s.i] == '[' {
			table = s.header()
		} else {
			s.keyValue(table)
		}
		if s.i == start { // cannot happen in a document that parses
			return
		}
	}
}

// header reads [a.b] or [[a.b]] and gives the path that its keys have.
func (s *placer) header() string {
	p := place{line: s.line, key: s.i}
	list := s.peek("[[")
	s.skip(false, "[")
	parts := s.key()
	s.skip(false, "")
	for s.i < len(s.doc) && s.doc[s.i] == ']' {
		s.i++
	}
	p.keyLen = s.i - p.key
	path := ""
	for i, part := range parts {
		path = join(path, part)
		last := i == len(parts)-1
		if last && list {
			s.tables[path]++
		}
		if n := s.tables[path]; n > 0 {
			path = at(path, n-1)
		}
		if _, seen := s.out[path]; !seen || last {
			s.out[path] = p
		}
	}
	return path
}

// key reads a dotted key.
func (s *placer) key() []string {
	var parts []string
	for {
		s.skip(false, "")
		start := s.i
		switch {
		case s.peek(`"`) || s.peek("'"):
			s.text()
			raw := s.doc[start:s.i]
			if len(raw) < 2 {
				return parts
			}
			part := raw[1 : len(raw)-1]
			if raw[0] == '"' {
				if u, err := strconv.Unquote(raw); err == nil {
					part = u
				}
			}
			parts = append(parts, part)
		default:
			for s.i < len(s.doc) && strings.IndexByte(" \t.=]\n\r", s.doc[s.i]) < 0 {
				s.i++
			}
			parts = append(parts, s.doc[start:s.i])
		}
		s.skip(false, "")
		if !s.peek(".") {
			return parts
		}
		s.i++
	}
}

func (s *placer) keyValue(table string) {
	p := place{line: s.line, key: s.i}
	parts := s.key()
	p.keyLen = len(strings.TrimRight(s.doc[p.key:s.i], " \t"))
	s.skip(false, "=")
	path := table
	for i, part := range parts {
		path = join(path, part)
		if i < len(parts)-1 {
			if _, seen := s.out[path]; !seen {
				s.out[path] = p
			}
		}
	}
	s.value(path, p)
}

// value passes over a value and records it; p says where its key is.
func (s *placer) value(path string, p place) {
	p.valLine, p.value = s.line, s.i
	switch {
	case s.peek(`"`) || s.peek("'"):
		s.text()
	case s.peek("["):
		s.next()
		for i := 0; ; i++ {
			s.skip(true, ",")
			if s.i >= len(s.doc) || s.peek("]") {
				s.next()
				break
			}
			start := s.i
			s.value(at(path, i), place{line: s.line, key: s.i})
			if s.i == start {
				s.next()
			}
		}
	case s.peek("{"):
		s.next()
		for {
			s.skip(true, ",")
			if s.i >= len(s.doc) || s.peek("}") {
				s.next()
				break
			}
			start := s.i
			s.keyValue(path)
			if s.i == start {
				s.next()
			}
		}
	default:
		for s.i < len(s.doc) && strings.IndexByte(",]}#\r\n", s.doc[s.i]) < 0 {
			s.i++
		}
	}
	p.valLen = len(strings.TrimRight(s.doc[p.value:s.i], " \t"))
	s.out[path] = p
}

// text passes over a string of any of TOML's four kinds.
func (s *placer) text() {
	q := s.doc[s.i : s.i+1]
	if triple := strings.Repeat(q, 3); s.peek(triple) {
		s.i += 3
		for s.i < len(s.doc) && !s.peek(triple) {
			if q == `"` && s.doc[s.i] == '\\' {
				s.next()
			}
			s.next()
		}
		for n := 0; n < 5 && s.peek(q); n++ { // up to two quotes may stand before the end
			s.i++
		}
		return
	}
	s.i++
	for s.i < len(s.doc) && !s.peek(q) && s.doc[s.i] != '\n' {
		if q == `"` && s.doc[s.i] == '\\' {
			s.next()
		}
		s.next()
	}
	if s.peek(q) {
		s.i++
	}
}
