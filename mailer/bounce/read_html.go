package bounce

import (
	"html"
	"strings"
)

// plainHTML turns HTML into lines of text: tags go, block tags end a line, entities are decoded. It is no renderer;
// it keeps the words of a notice in order and one statement per line.
func plainHTML(s string) string {
	out := make([]byte, 0, len(s)/2)
	unclosed := false // a head or title that never ends: searched for once only
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case c == '<':
			end := strings.IndexByte(s[i:], '>')
			if end < 0 {
				i = len(s)
				break
			}
			tag := tagName(s[i+1 : i+end])
			if addr := strings.TrimSuffix(s[i+1:i+end], "/"); tag == "" && strings.Contains(addr, "@") {
				out = append(out, s[i:i+end+1]...) // an address in bare angle brackets
			}
			closes := strings.HasPrefix(s[i+1:], "/")
			i += end + 1
			switch tag {
			case "style", "script", "head", "title":
				if closes {
					break
				}
				closing := -1
				if !unclosed {
					closing = indexFold(s[i:], "</"+tag)
				}
				switch {
				case closing >= 0:
					i += closing
				case tag == "style" || tag == "script":
					i = len(s)
				default:
					unclosed = true
				}
			case "br", "p", "div", "tr", "li", "ul", "ol", "table", "h1", "h2", "h3", "h4", "hr", "pre", "blockquote", "dt", "dd":
				out = append(out, '\n')
			case "td", "th":
				out = append(out, ' ')
			}
		case c == '\n' || c == '\t':
			if n := len(out); n > 0 && out[n-1] != '\n' && out[n-1] != ' ' {
				out = append(out, ' ')
			}
			i++
		default:
			out = append(out, c)
			i++
		}
	}
	if strings.IndexByte(s, '&') < 0 {
		return string(out)
	}
	return strings.ReplaceAll(html.UnescapeString(string(out)), "\u00a0", " ")
}

// tagName returns the lower-case name of a known-looking tag, "" if it is none.
func tagName(s string) string {
	s = strings.TrimPrefix(s, "/")
	n := 0
	for n < len(s) && (s[n]|0x20 >= 'a' && s[n]|0x20 <= 'z' || n > 0 && s[n] >= '0' && s[n] <= '9') {
		n++
	}
	if n == 0 || n > 10 || n < len(s) && s[n] != ' ' && s[n] != '/' && s[n] != '\n' && s[n] != '\t' {
		return ""
	}
	return lower(s[:n])
}

// indexFold is strings.Index for an ASCII needle in lower case, without regard to case.
func indexFold(s, needle string) int {
	for i := 0; ; {
		j := strings.IndexByte(s[i:], needle[0])
		if j < 0 || i+j+len(needle) > len(s) {
			return -1
		}
		i += j
		if strings.EqualFold(s[i:i+len(needle)], needle) {
			return i
		}
		i++
	}
}
