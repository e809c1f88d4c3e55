package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"reflect"
	"strings"
	"time"
	"unicode/utf16"
	"unicode/utf8"
)

// How long a request's body may be, in bytes.
const (
	MaxBody     = 64 << 10
	MaxMailBody = 2 << 20 // of a call that takes a mail: 1 MiB is read of it, and JSON or base64 makes it longer
)

// maxDepth is how deep a body's JSON may nest. No call needs more than 1; the limit says so before anything is built from it.
const maxDepth = 16

// errTooLarge means that a body is longer than its call takes.
var errTooLarge = errors.New("body too large")

// badBody is a body that cannot be read. It names fields that we know, and nothing of what was sent.
type badBody string

func (b badBody) Error() string { return string(b) }

// readBody reads a whole JSON body, at most `most` bytes.
func readBody(r *http.Request, most int64) ([]byte, error) {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/json" {
		return nil, badBody("The body is not said to be JSON. Send it with the header Content-Type: application/json.")
	}
	if r.ContentLength > most {
		return nil, errTooLarge
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, most+1))
	switch {
	case err != nil:
		return nil, badBody("The body broke off before its end.")
	case int64(len(body)) > most:
		return nil, errTooLarge
	}
	return body, nil
}

// decode reads a body into a struct of strings, booleans and times, whose json tags are the only names that it takes, as they are
// spelled. encoding/json would take Login for login, the last of two equal names, and U+FFFD for a broken byte.
func decode(body []byte, into any) error {
	v := reflect.ValueOf(into).Elem()
	fields := map[string]reflect.Value{}
	for i := range v.NumField() {
		name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
		fields[name] = v.Field(i)
	}
	members, err := scan(body)
	if err != nil {
		return err
	}
	for _, m := range members {
		f, ok := fields[m.name]
		if !ok {
			return badBody("The body has a field that this call does not know. It knows " + known(v.Type()) + ".")
		}
		if err := m.assign(f); err != nil {
			return err
		}
	}
	return nil
}

func known(t reflect.Type) string {
	var names []string
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		names = append(names, "`"+name+"`")
	}
	return strings.Join(names, ", ")
}

// member is one field of the body's object: a scalar, or the sign that it was something else.
type member struct {
	name  string
	value any // string, bool, json.Number, nil, or json.Delim for an array or object
}

// assign sets a struct's field. The name is one of ours by now, so that it may be said.
func (m member) assign(f reflect.Value) error {
	switch f.Interface().(type) {
	case string:
		s, ok := m.value.(string)
		if !ok {
			return badBody(fmt.Sprintf("`%s` is not a string. Send one, or leave the field out.", m.name))
		}
		f.SetString(s)
	case bool:
		b, ok := m.value.(bool)
		if !ok {
			return badBody(fmt.Sprintf("`%s` is neither true nor false.", m.name))
		}
		f.SetBool(b)
	case time.Time:
		s, _ := m.value.(string)
		t, err := time.Parse(time.RFC3339, s)
		if err != nil {
			return badBody(fmt.Sprintf("`%s` is not a time as RFC 3339 writes it, such as 2026-11-24T08:00:00Z.", m.name))
		}
		f.Set(reflect.ValueOf(t.UTC()))
	}
	return nil
}

// scan checks a body and gives the members of its object.
func scan(body []byte) ([]member, error) {
	switch {
	case len(bytes.TrimSpace(body)) == 0:
		return nil, badBody("The body is empty. Send a JSON object.")
	case !utf8.Valid(body):
		return nil, badBody("The body is not UTF-8.")
	case !json.Valid(body):
		return nil, badBody("The body is not one JSON object: it breaks off, has a mistake, or something follows it.")
	case loneSurrogate(body):
		return nil, badBody("The body has half of a surrogate pair: a \\u escape that stands for no character.")
	}
	var out []member
	type level struct {
		object bool
		names  map[string]bool
		value  bool // of an object: the next token is a value
	}
	var stack []level
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	for {
		t, err := d.Token()
		if err == io.EOF {
			return out, nil
		}
		if err != nil {
			return nil, badBody("The body is not one JSON object.")
		}
		if len(stack) == 0 {
			if t != json.Delim('{') {
				return nil, badBody("The body is not a JSON object.")
			}
			stack = append(stack, level{object: true, names: map[string]bool{}})
			continue
		}
		top := &stack[len(stack)-1]
		if t == json.Delim('}') || t == json.Delim(']') {
			stack = stack[:len(stack)-1]
			continue
		}
		if top.object && !top.value {
			name := t.(string)
			if top.names[name] {
				return nil, badBody("The body has a field twice. Which one should count?")
			}
			top.names[name], top.value = true, true
			if len(stack) == 1 {
				out = append(out, member{name: name})
			}
			continue
		}
		top.value = false
		if len(stack) == 1 {
			out[len(out)-1].value = t
		}
		if t == json.Delim('{') || t == json.Delim('[') {
			if len(stack) == maxDepth {
				return nil, badBody("The body is nested deeper than 16 levels.")
			}
			stack = append(stack, level{object: t == json.Delim('{'), names: map[string]bool{}})
		}
	}
}

// loneSurrogate looks for \u escapes of half a surrogate pair, which encoding/json would turn into U+FFFD. body is valid JSON.
func loneSurrogate(body []byte) bool {
	for i := 0; i < len(body); i++ {
		if body[i] != '\\' {
			continue
		}
		i++ // the escaped character
		if body[i] != 'u' {
			continue
		}
		r := hex4(body[i+1:])
		i += 4
		if !utf16.IsSurrogate(r) {
			continue
		}
		if i+6 >= len(body) || body[i+1] != '\\' || body[i+2] != 'u' || utf16.DecodeRune(r, hex4(body[i+3:])) == utf8.RuneError {
			return true
		}
		i += 6
	}
	return false
}

func hex4(b []byte) rune {
	var r rune
	for _, c := range b[:4] {
		switch {
		case c <= '9':
			c -= '0'
		case c <= 'F':
			c -= 'A' - 10
		default:
			c -= 'a' - 10
		}
		r = r<<4 | rune(c)
	}
	return r
}
