package dnscheck

import (
	"bytes"
	"crypto/sha256"
	"io"
	"strings"
	"time"
)

// mail is a mail cut into the parts that signatures cover. Line ends are CRLF throughout.
type mail struct {
	fields          []field
	body            []byte
	now             time.Time
	simple, relaxed []byte // canonical bodies, made once; nil = not yet
}

// field is one header field with its folds.
type field struct {
	name string // lower case, without the white space that may stand before the colon
	raw  []byte // with the final CRLF
	sep  int    // where the colon is in raw
}

func (f field) value() string { return string(f.raw[f.sep+1:]) }

// splitMail cuts raw at its first empty line; false if the header is longer than limit octets. Lines that are no field (an
// mbox "From " line, garbage) are passed over, as mail hosts do.
func splitMail(raw []byte, limit int) (*mail, bool) {
	raw = crlf(raw)
	m := &mail{}
	for len(raw) > 0 {
		end := fieldEnd(raw)
		line := raw[:end]
		if bytes.Equal(line, []byte("\r\n")) {
			raw = raw[end:]
			break
		}
		if limit -= len(line); limit < 0 {
			return nil, false
		}
		raw = raw[end:]
		colon := bytes.IndexByte(line, ':')
		if colon <= 0 {
			continue
		}
		if !bytes.HasSuffix(line, []byte("\r\n")) {
			line = append(line[:len(line):len(line)], '\r', '\n')
		}
		m.fields = append(m.fields, field{lower(strings.TrimRight(string(line[:colon]), " \t")), line, colon})
	}
	m.body = raw
	return m, true
}

// fieldEnd finds the end of the first field with its continuation lines.
func fieldEnd(raw []byte) int {
	end := 0
	for {
		i := bytes.IndexByte(raw[end:], '\n')
		if i < 0 {
			return len(raw)
		}
		first := end == 0 && i <= 1 // the empty line has no continuation
		end += i + 1
		if first || end >= len(raw) || raw[end] != ' ' && raw[end] != '\t' {
			return end
		}
	}
}

// crlf gives every line feed its carriage return; a mail in proper form is returned as it is.
func crlf(raw []byte) []byte {
	bare := 0
	for i, c := range raw {
		if c == '\n' && (i == 0 || raw[i-1] != '\r') {
			bare++
		}
	}
	if bare == 0 {
		return raw
	}
	out := make([]byte, 0, len(raw)+bare)
	for i, c := range raw {
		if c == '\n' && (i == 0 || raw[i-1] != '\r') {
			out = append(out, '\r')
		}
		out = append(out, c)
	}
	return out
}

// canonicalBody is the body of RFC 6376 section 3.4.3 (simple) or 3.4.4 (relaxed).
func (m *mail) canonicalBody(relaxed bool) []byte {
	if relaxed {
		if m.relaxed == nil {
			m.relaxed = relaxBody(m.body)
		}
		return m.relaxed
	}
	if m.simple == nil {
		body := m.body
		for bytes.HasSuffix(body, []byte("\r\n")) {
			body = body[:len(body)-2]
		}
		m.simple = append(body[:len(body):len(body)], '\r', '\n')
	}
	return m.simple
}

func relaxBody(body []byte) []byte {
	out := make([]byte, 0, len(body)+2)
	empty := 0 // empty lines that count only if text follows
	for len(body) > 0 {
		line := body
		if i := bytes.Index(body, []byte("\r\n")); i >= 0 {
			line, body = body[:i], body[i+2:]
		} else {
			body = nil
		}
		line = bytes.TrimRight(line, " \t")
		if len(line) == 0 {
			empty++
			continue
		}
		for ; empty > 0; empty-- {
			out = append(out, '\r', '\n')
		}
		out = append(squash(out, line), '\r', '\n')
	}
	return out
}

// squash appends s to out with each run of white space as one space.
func squash(out, s []byte) []byte {
	space := false
	for _, c := range s {
		if c == ' ' || c == '\t' {
			space = true
			continue
		}
		if space {
			out, space = append(out, ' '), false
		}
		out = append(out, c)
	}
	if space {
		out = append(out, ' ')
	}
	return out
}

// headerHash is the SHA-256 hash that both algorithms sign.
func (m *mail) headerHash(relaxed bool, names []string, sig int) []byte {
	h := sha256.New()
	m.writeSigned(h, relaxed, names, sig)
	return h.Sum(nil)
}

// writeSigned writes the fields that h= names, the last of each name first (RFC 6376 section 5.4.2), then the signature
// itself without the value of its b=.
func (m *mail) writeSigned(w io.Writer, relaxed bool, names []string, sig int) {
	left := map[string][]int{}
	for i, f := range m.fields {
		if i != sig {
			left[f.name] = append(left[f.name], i)
		}
	}
	for _, name := range names {
		name = lower(name)
		idx := left[name]
		if len(idx) == 0 {
			continue // absent fields are signed as absent
		}
		m.fields[idx[len(idx)-1]].write(w, relaxed)
		left[name] = idx[:len(idx)-1]
	}
	bare := m.fields[sig].withoutB()
	if relaxed {
		bare = bare.relax()
	}
	w.Write(bytes.TrimSuffix(bare.raw, []byte("\r\n")))
}

func (f field) write(w io.Writer, relaxed bool) {
	if relaxed {
		f = f.relax()
	}
	w.Write(f.raw)
}

// relax is the form of RFC 6376 section 3.4.2.
func (f field) relax() field {
	value := bytes.ReplaceAll(f.raw[f.sep+1:], []byte("\r\n"), nil)
	out := make([]byte, 0, len(f.raw))
	out = append(append(out, f.name...), ':')
	out = squash(out, bytes.Trim(value, " \t"))
	return field{f.name, append(out, '\r', '\n'), len(f.name)}
}

// withoutB empties the value of the b= tag, and nothing else: neither bh= nor a "b=" inside base64.
func (f field) withoutB() field {
	out := make([]byte, 0, len(f.raw))
	out = append(out, f.raw[:f.sep+1]...)
	rest := f.raw[f.sep+1:]
	for len(rest) > 0 {
		part := rest
		if i := bytes.IndexByte(rest, ';'); i >= 0 {
			part = rest[:i+1]
		}
		rest = rest[len(part):]
		eq := bytes.IndexByte(part, '=')
		if eq < 0 || string(bytes.Trim(part[:eq], " \t\r\n")) != "b" {
			out = append(out, part...)
			continue
		}
		out = append(out, part[:eq+1]...)
		if part[len(part)-1] == ';' {
			out = append(out, ';')
		} else {
			out = append(out, '\r', '\n')
		}
	}
	return field{f.name, out, f.sep}
}
