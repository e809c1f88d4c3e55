package bounce

import (
	"encoding/base64"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/japanese"
)

// content returns a part's body as UTF-8 text with LF line ends: transfer encoding and charset undone, HTML kept.
func (w *walk) content(i int) string {
	p := &w.parts[i]
	if p.decoded {
		return p.text
	}
	p.decoded = true
	raw := w.data[p.body:p.end]
	if len(raw) > w.budget {
		w.unread("more than 128 KiB of notice text; the rest was not read")
		raw = raw[:w.budget]
	}
	w.budget -= len(raw)
	switch p.cte {
	case "base64":
		raw = decodeBase64(raw)
	case "quoted-printable":
		raw = decodeQP(raw)
	}
	p.text = toUTF8(raw, param(p.params, "charset"))
	p.verbatim = len(p.text) <= p.end-p.body && p.text == w.data[p.body:p.body+len(p.text)]
	return p.text
}

// decodeBase64 is base64Bytes as text, with LF line ends.
func decodeBase64(s string) string { return normalize(base64Bytes(s)) }

// base64Bytes ignores what is not in the alphabet and stops at padding or the first line that cannot be base64.
func base64Bytes(s string) []byte {
	clean := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case 'A' <= c && c <= 'Z', 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '+', c == '/':
			clean = append(clean, c)
		case c == '=':
			i = len(s)
		}
	}
	n, _ := base64.RawStdEncoding.Decode(clean, clean[:len(clean)-boolInt(len(clean)%4 == 1)])
	return clean[:n]
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// decodeQP undoes quoted-printable (RFC 2045 section 6.7); what is not valid stays as it is.
func decodeQP(s string) string {
	if strings.IndexByte(s, '=') < 0 {
		return s
	}
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] != '=' {
			out = append(out, s[i])
			continue
		}
		if i+2 < len(s) {
			if h, l := unhex(s[i+1]), unhex(s[i+2]); h >= 0 && l >= 0 {
				if c := byte(h<<4 | l); c != '\r' { // an encoded CRLF is one line end here
					out = append(out, c)
				}
				i += 2
				continue
			}
		}
		j := i + 1
		for j < len(s) && (s[j] == ' ' || s[j] == '\t') {
			j++
		}
		if j < len(s) && s[j] == '\n' {
			i = j // soft line break
			continue
		}
		out = append(out, '=')
	}
	return string(out)
}

func unhex(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	}
	return -1
}

// toUTF8 decodes text of the named charset. A wrong or missing name is common in old reports: escape sequences of
// ISO-2022-JP and valid UTF-8 are recognised first, and Windows-1252 is the last resort.
func toUTF8(s, charset string) string {
	ascii := isASCII(s)
	if ascii && strings.Contains(s, "\x1b$") {
		return transform(s, japanese.ISO2022JP)
	}
	charset = lower(strings.Trim(charset, "\"' \t"))
	if ascii && !strings.HasPrefix(charset, "utf-16") && !strings.HasPrefix(charset, "utf-7") && charset != "hz-gb-2312" {
		return s
	}
	if !ascii && utf8.ValidString(s) {
		return s
	}
	return transform(s, charsetOf(charset))
}

func charsetOf(name string) encoding.Encoding {
	switch name {
	case "", "us-ascii", "utf-8", "ascii", "unknown-8bit", "iso-8859-1":
		return charmap.Windows1252
	case "cp932", "ms932", "shift-jis", "x-sjis":
		return japanese.ShiftJIS
	}
	e, err := htmlindex.Get(name)
	if err != nil {
		return charmap.Windows1252
	}
	return e
}

func transform(s string, e encoding.Encoding) string {
	out, err := e.NewDecoder().String(s)
	if err != nil {
		return strings.ToValidUTF8(s, "\uFFFD")
	}
	return out
}

func isASCII(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

// decodeWords decodes the encoded words of a header value (RFC 2047), joining neighbours of one charset first:
// senders cut characters apart.
func decodeWords(s string) string {
	if !strings.Contains(s, "=?") {
		if isASCII(s) && !strings.Contains(s, "\x1b$") {
			return s
		}
		return toUTF8(s, "")
	}
	var out strings.Builder
	var raw []byte // decoded bytes of neighbouring words
	cs := ""
	flush := func() {
		if len(raw) > 0 {
			out.WriteString(toUTF8(string(raw), cs))
			raw = raw[:0]
		}
	}
	for len(s) > 0 {
		i := strings.Index(s, "=?")
		if i < 0 {
			break
		}
		charset, enc, text, n := encodedWord(s[i:])
		if n == 0 {
			flush()
			out.WriteString(toUTF8(s[:i+2], ""))
			s = s[i+2:]
			continue
		}
		gap := s[:i]
		if len(raw) == 0 || strings.TrimSpace(gap) != "" || !strings.EqualFold(charset, cs) {
			flush()
			if len(raw) == 0 && (out.Len() == 0 || strings.TrimSpace(gap) != "") {
				out.WriteString(toUTF8(gap, ""))
			}
		}
		cs = charset
		if enc == 'b' {
			raw = append(raw, decodeBase64(text)...)
		} else {
			raw = append(raw, decodeQP(strings.ReplaceAll(text, "_", " "))...)
		}
		s = s[i+n:]
	}
	flush()
	out.WriteString(toUTF8(s, ""))
	return out.String()
}

// encodedWord parses "=?charset?enc?text?=" at the beginning of s; n is its length, 0 = it is none.
func encodedWord(s string) (charset string, enc byte, text string, n int) {
	const longest = 1000 // RFC 2047 says 75; real ones are longer
	if len(s) > longest {
		s = s[:longest]
	}
	a := strings.IndexByte(s[2:], '?')
	if a < 1 || a+5 > len(s) {
		return
	}
	a += 2
	if a+2 >= len(s) || s[a+2] != '?' {
		return
	}
	enc = s[a+1] | 0x20
	if enc != 'b' && enc != 'q' {
		return
	}
	z := strings.Index(s[a+3:], "?=")
	if z < 0 {
		return
	}
	charset, _, _ = strings.Cut(s[2:a], "*") // RFC 2231 language tag
	return charset, enc, s[a+3 : a+3+z], a + 3 + z + 2
}
