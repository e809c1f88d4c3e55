package arrival

import (
	"bytes"
	netmail "net/mail"
	"strings"
)

// What is read of a header: strangers wrote it.
const (
	maxHeader = 64 << 10 // bytes
	maxFields = 500
	maxHops   = 30
	maxClaims = 10
	maxWord   = 255 // bytes of a name that is kept
)

type field struct{ name, value string } // name in lower case, value unfolded

type header []field // from the top

// readHeader reads as much of a header as fits; what is no field is passed over.
func readHeader(raw []byte) header {
	head, _ := cutHead(raw)
	var out header
	for line := range strings.Lines(string(head)) {
		line = strings.TrimRight(line, "\r\n")
		if strings.HasPrefix(line, " ") || strings.HasPrefix(line, "\t") {
			if n := len(out); n > 0 {
				out[n-1].value += " " + strings.TrimLeft(line, " \t")
			}
			continue
		}
		name, value, ok := strings.Cut(line, ":")
		if !ok || len(out) == maxFields {
			continue
		}
		out = append(out, field{strings.ToLower(strings.TrimSpace(name)), strings.TrimSpace(value)})
	}
	return out
}

// cutHead parts a mail at the empty line, with line ends of either kind.
func cutHead(raw []byte) (head, body []byte) {
	at, gap := len(raw), 0
	for _, end := range []string{"\r\n\r\n", "\n\n"} {
		if i := bytes.Index(raw, []byte(end)); i >= 0 && i < at {
			at, gap = i, len(end)
		}
	}
	return raw[:min(at, maxHeader)], raw[at+gap:]
}

// get gives the first field of a name; "" = none.
func (h header) get(name string) string {
	for _, f := range h {
		if f.name == name {
			return f.value
		}
	}
	return ""
}

func (h header) has(name string) bool {
	for _, f := range h {
		if f.name == name {
			return true
		}
	}
	return false
}

// author is the domain of the From field; "" where there is not exactly one.
func (h header) author() string {
	list, err := netmail.ParseAddressList(h.get("from"))
	if err != nil || len(list) != 1 {
		return ""
	}
	return strings.ToLower(list[0].Address[strings.LastIndexByte(list[0].Address, '@')+1:])
}

// hops are the hosts that passed the mail on, the first one first: each writes its line above the others' (RFC 5321 section 4.4).
func (h header) hops() []string {
	var out []string
	for i := len(h) - 1; i >= 0 && len(out) < maxHops; i-- {
		if h[i].name != "received" {
			continue
		}
		words := strings.Fields(h[i].value)
		for j := 0; j+1 < len(words); j++ {
			if strings.EqualFold(words[j], "by") {
				out = append(out, word(words[j+1]))
				break
			}
		}
	}
	return out
}

// word makes a stranger's word fit to be kept: printable, and not long.
func word(s string) string { return strings.ReplaceAll(phrase(s), " ", "") }

// phrase is word for several words.
func phrase(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == 0xfffd {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, ""))
	return strings.ToValidUTF8(s[:min(len(s), maxWord)], "")
}

// claims tells what hosts on the way say of the mail's authentication.
func (h header) claims() []string {
	var out []string
	for _, f := range h {
		if f.name != "authentication-results" || len(out) == maxClaims {
			continue
		}
		if r, ok := ReadResults(f.value); ok {
			out = append(out, r.String())
		}
	}
	return out
}
