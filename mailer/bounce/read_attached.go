package bounce

import "strings"

// Attached is one part of a mail that holds no further parts, its transfer encoding undone.
type Attached struct {
	Type string // media type, lower case
	Name string // file name; "" = none
	Body []byte
}

// Attachments gives the innermost parts of a mail in their order, those of attached mails too: at most 64, of the first 1 MiB. A body in
// neither base64 nor quoted-printable has LF line ends.
func Attachments(raw []byte) []Attached {
	w := walkMail(normalize(raw))
	var out []Attached
	for i := range w.parts {
		p := &w.parts[i]
		if p.preamble || strings.HasPrefix(p.ctype, "multipart/") || isMessage(p.ctype) && p.cte != "base64" && p.cte != "quoted-printable" {
			continue
		}
		a := Attached{Type: p.ctype, Name: p.fileName()}
		body := w.data[p.body:p.end]
		switch p.cte {
		case "base64":
			a.Body = base64Bytes(body)
		case "quoted-printable":
			a.Body = []byte(decodeQP(body))
		default:
			a.Body = []byte(body)
		}
		out = append(out, a)
	}
	return out
}

// fileName is what the part calls itself: Content-Disposition counts before Content-Type (RFC 2183 section 2.3).
func (p *part) fileName() string {
	_, rest, _ := strings.Cut(get(p.hdr, "content-disposition"), ";")
	name := param(rest, "filename")
	if name == "" {
		name = param(p.params, "name")
	}
	return decodeWords(name)
}
