package ledger

import (
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// plain reads JSON as encoding/json writes it, from its beginning: no white space, no null, no escapes in strings. Its methods say whether they
// could; where one could not, what was read is not to be used, and nothing is said about the JSON.
type plain struct {
	rest string
}

func (p *plain) eat(c byte) bool {
	if p.rest == "" || p.rest[0] != c {
		return false
	}
	p.rest = p.rest[1:]
	return true
}

// object reads an object; member is called after each key and reads its value.
func (p *plain) object(member func(key string) bool) bool {
	if !p.eat('{') {
		return false
	}
	if p.eat('}') {
		return true
	}
	for {
		key, ok := p.string()
		if !ok || !p.eat(':') || !member(key) {
			return false
		}
		if !p.eat(',') {
			return p.eat('}')
		}
	}
}

// once reads an object into a detail that was not there before; a second one of the same name would have to be merged.
func once[T any](p *plain, to **T, member func(*T, string) bool) bool {
	if *to != nil {
		return false
	}
	v := new(T)
	*to = v
	return p.object(func(key string) bool { return member(v, key) })
}

// string reads a string that stands for itself, and shares its memory.
func (p *plain) string() (string, bool) {
	if !p.eat('"') {
		return "", false
	}
	ascii := true
	for i := 0; i < len(p.rest); i++ {
		switch c := p.rest[i]; {
		case c == '"':
			s := p.rest[:i]
			p.rest = p.rest[i+1:]
			return s, ascii || utf8.ValidString(s)
		case c == '\\' || c < ' ':
			return "", false
		case c >= utf8.RuneSelf:
			ascii = false
		}
	}
	return "", false
}

func word[S ~string](p *plain, to *S) bool {
	s, ok := p.string()
	*to = S(s)
	return ok
}

func (p *plain) list(to *[]string) bool {
	if *to != nil || !p.eat('[') {
		return false
	}
	out := []string{}
	for {
		s, ok := p.string()
		if !ok {
			return false // an empty list is never written
		}
		out = append(out, s)
		if !p.eat(',') {
			*to = out
			return p.eat(']')
		}
	}
}

func number[N ~int | ~int64](p *plain, to *N) bool {
	end := strings.IndexAny(p.rest, ",}")
	if end <= 0 || end > 18 { // shorter than the largest int64
		return false
	}
	digits := p.rest[:end]
	n, err := strconv.ParseInt(digits, 10, strconv.IntSize)
	if err != nil || strconv.FormatInt(n, 10) != digits { // +1, 007 and -0 are none in JSON, or are read otherwise
		return false
	}
	*to, p.rest = N(n), p.rest[end:]
	return true
}

func (p *plain) flag(to *bool) bool {
	var rest string
	if rest, *to = strings.CutPrefix(p.rest, "true"); *to {
		p.rest = rest
		return true
	}
	rest, ok := strings.CutPrefix(p.rest, "false")
	p.rest = rest
	return ok
}

func (p *plain) time(to *time.Time) bool {
	s, ok := p.string()
	return ok && to.UnmarshalText([]byte(s)) == nil
}
