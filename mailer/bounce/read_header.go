package bounce

import "strings"

const (
	maxHeader      = 64 << 10 // bytes of one header block
	maxFields      = 500      // fields of one header block, and of all blocks of a mail together times four
	maxFieldLines  = 100      // lines of one folded field
	maxParamLength = 4 << 10  // bytes of Content-Type that are searched for parameters
)

// field is one header field. Its value is raw: folded and encoded, without the leading colon.
type field struct {
	name  string // as written
	value string
	off   int // where the field begins
}

// header reads the header block at pos and returns where the body begins. It is lenient: a block may be cut short by
// a boundary line, begin with an mbox "From " line or hold a broken line between good ones.
func (w *walk) header(pos int, stack []open, top bool) ([]field, int) {
	data := w.data
	var fs []field
	start := pos
	if top {
		for pos < len(data) { // leading blank lines and an mbox separator
			end := lineEnd(data, pos)
			line := data[pos:end]
			if strings.TrimSpace(line) == "" || strings.HasPrefix(line, "From ") || strings.HasPrefix(line, ">From ") {
				pos = end
				continue
			}
			break
		}
	}
	for pos < len(data) {
		end := lineEnd(data, pos)
		line := data[pos:end]
		if isBlank(line) {
			return fs, end
		}
		if line[0] == '-' && len(stack) > 0 && strings.HasPrefix(line, "--") {
			if k, _ := match(stack, line); k >= 0 {
				return fs, pos
			}
		}
		n := nameLen(line)
		if n == 0 {
			if pos == start || len(fs) == 0 && !top {
				if strings.HasPrefix(line, "From ") || strings.HasPrefix(line, ">From ") {
					pos = end
					continue
				}
				return fs, pos // no header at all
			}
			next := data[end:lineEnd(data, min(end, len(data)))]
			if nameLen(next) == 0 {
				return fs, pos
			}
			pos = end
			continue
		}
		off, lines := pos, 1
		for end < len(data) {
			e := lineEnd(data, end)
			if isBlank(data[end:e]) || data[end] != ' ' && data[end] != '\t' && !isLostParam(data[pos:end], data[end:e]) {
				break
			}
			end = e
			lines++
		}
		pos = end
		if end-start > maxHeader {
			w.unread("a header larger than 64 KiB; the rest of it was not read")
			return fs, skipHeader(data, pos)
		}
		if len(fs) >= maxFields || w.fields >= 4*maxFields {
			w.unread("a header of more than 500 fields; the others were not read")
			return fs, skipHeader(data, pos)
		}
		if lines > maxFieldLines {
			w.unread("a header field of more than 100 lines was left out")
			continue
		}
		if fs == nil {
			fs = make([]field, 0, 16)
		}
		w.fields++
		fs = append(fs, field{name: data[off : off+n], value: strings.TrimSpace(data[off+n+1+colonGap(data[off+n:]) : end]), off: off})
	}
	return fs, len(data)
}

// isLostParam recognises a parameter that was folded without the blank that folding needs.
func isLostParam(value, next string) bool {
	if !strings.HasSuffix(value, ";\n") {
		return false
	}
	for _, name := range []string{"boundary=", "charset=", "report-type="} {
		if hasFold(next, name) {
			return true
		}
	}
	return false
}

// nameLen returns the length of the field name that line begins with; 0 = it is no field.
func nameLen(line string) int {
	for i := 0; i < len(line); i++ {
		c := line[i]
		if c == ':' {
			return i
		}
		if c == ' ' || c == '\t' { // "Subject : x" is obsolete syntax, but seen
			if g := colonGap(line[i:]); g > 0 && i > 0 && i+g < len(line) && line[i+g] == ':' {
				return i
			}
			return 0
		}
		if c <= ' ' || c >= 0x7f {
			return 0
		}
		if i > 76 {
			return 0
		}
	}
	return 0
}

// colonGap counts the blanks before a colon.
func colonGap(s string) int {
	i := 0
	for i < len(s) && (s[i] == ' ' || s[i] == '\t') {
		i++
	}
	return i
}

// skipHeader returns where the header's blank line ends.
func skipHeader(data string, pos int) int {
	if pos > 0 && pos <= len(data) && strings.HasPrefix(data[pos:], "\n") {
		return pos + 1
	}
	if i := strings.Index(data[pos:], "\n\n"); i >= 0 {
		return pos + i + 2
	}
	return len(data)
}

// isBlank reports whether a line ends a header. Blanks alone count: gateways add them.
func isBlank(line string) bool {
	for i := 0; i < len(line); i++ {
		if c := line[i]; c != ' ' && c != '\t' && c != '\n' {
			return false
		}
	}
	return true
}

// find returns the first field of that lower-case name.
func find(hdr []field, name string) (field, bool) {
	for i := range hdr {
		if len(hdr[i].name) == len(name) && strings.EqualFold(hdr[i].name, name) {
			return hdr[i], true
		}
	}
	return field{}, false
}

// get returns the unfolded value of the first field of that lower-case name; "" = not there.
func get(hdr []field, name string) string {
	f, _ := find(hdr, name)
	return unfold(f.value)
}

// has reports whether a field of that lower-case name is there, even an empty one.
func has(hdr []field, name string) bool {
	_, ok := find(hdr, name)
	return ok
}

// unfold joins folded lines with one blank (RFC 5322 section 2.2.3).
func unfold(s string) string {
	if strings.IndexByte(s, '\n') < 0 {
		return s
	}
	var b strings.Builder
	b.Grow(len(s))
	for len(s) > 0 {
		i := strings.IndexByte(s, '\n')
		if i < 0 {
			b.WriteString(s)
			break
		}
		b.WriteString(strings.TrimRight(s[:i], " \t"))
		b.WriteByte(' ')
		s = strings.TrimLeft(s[i+1:], " \t\n")
	}
	return b.String()
}

// param returns a parameter of a Content-Type value, lower-case name, unquoted. RFC 2231 forms are not needed here:
// no reporting program uses them for boundary, charset or report-type.
func param(s, name string) string {
	if len(s) > maxParamLength {
		s = s[:maxParamLength]
	}
	for len(s) > 0 {
		s = strings.TrimLeft(s, "; \t\n")
		i := strings.IndexAny(s, "=;")
		if i < 0 {
			return ""
		}
		key := strings.TrimSpace(s[:i])
		if s[i] == ';' {
			s = s[i+1:]
			continue
		}
		s = strings.TrimLeft(s[i+1:], " \t\n")
		var val string
		if strings.HasPrefix(s, `"`) {
			val, s = quoted(s[1:])
		} else {
			j := strings.IndexByte(s, ';')
			if j < 0 {
				j = len(s)
			}
			val, s = strings.TrimSpace(s[:j]), s[j:]
		}
		if strings.EqualFold(key, name) {
			return val
		}
	}
	return ""
}

// quoted reads a quoted-string whose opening quote is gone.
func quoted(s string) (val, rest string) {
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '"':
			return s[:i], s[i+1:]
		case '\\':
			return quotedEscaped(s)
		}
	}
	return s, ""
}

func quotedEscaped(s string) (val, rest string) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '"':
			return b.String(), s[i+1:]
		case s[i] == '\\' && i+1 < len(s):
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String(), ""
}

// lower lower-cases ASCII and copies only when it must.
func lower(s string) string {
	for i := 0; i < len(s); i++ {
		if c := s[i]; 'A' <= c && c <= 'Z' {
			b := []byte(s)
			for ; i < len(b); i++ {
				if c := b[i]; 'A' <= c && c <= 'Z' {
					b[i] = c + 'a' - 'A'
				}
			}
			return string(b)
		}
	}
	return s
}
