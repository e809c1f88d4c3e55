package arrival

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"html"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/url"
	"slices"
	"strings"

	"github.com/resetd/resetd/internal/ledger"
)

// What is read of a body.
const (
	maxParts   = 20
	maxDepth   = 4
	maxChanges = 10
	maxQuote   = 80 // bytes of what was added that a change quotes
)

// ours are the fields that we write and that nobody has to touch.
var ours = []string{"From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "X-Resetd-Message"}

// compare says what is not as it was sent. White space at the very end of a mail does not count: hosts may add a line end.
func (m Mail) compare(a *ledger.Arrival, got header) {
	if len(m.Sent) == 0 {
		return
	}
	sent := readHeader(m.Sent)
	say := func(format string, args ...any) {
		if len(a.Changes) < maxChanges {
			a.Changes = append(a.Changes, fmt.Sprintf(format, args...))
		}
	}
	for _, name := range ours {
		k := strings.ToLower(name)
		switch {
		case !got.has(k):
			say("The field %s is gone.", name)
		case squeeze(got.get(k)) != squeeze(sent.get(k)):
			say("The field %s was changed.", name)
		}
	}
	for _, f := range got {
		if (strings.HasPrefix(f.name, "list-") || f.name == "reply-to" || f.name == "sender" || f.name == "precedence") && !sent.has(f.name) {
			say("The field %s was added.", word(f.name))
		}
	}
	_, was := cutHead(m.Sent)
	_, is := cutHead(m.Raw)
	a.BodyOK = bytes.Equal(bytes.TrimRight(lineEnds(was), "\r\n"), bytes.TrimRight(lineEnds(is), "\r\n"))
	before, after := texts(sent, was), texts(got, is)
	if !a.BodyOK {
		for _, s := range changed(before, after) {
			say("%s", s)
		}
	}
	a.Link, a.LinkHost = linkIn(m.Link, before, after)
}

func lineEnds(b []byte) []byte {
	return bytes.ReplaceAll(bytes.ReplaceAll(b, []byte("\r\n"), []byte("\n")), []byte("\n"), []byte("\r\n"))
}

// squeeze takes folding and white space out of a field's value: how long a line is says nothing.
func squeeze(s string) string { return strings.Join(strings.Fields(s), " ") }

// changed tells how the texts of two mails differ.
func changed(before, after map[string]string) []string {
	var out []string
	for _, kind := range []string{"text/plain", "text/html"} {
		was, had := before[kind]
		is, has := after[kind]
		name := "plain text"
		if kind == "text/html" {
			name = "HTML"
		}
		switch was, is := strings.TrimSpace(squeezeLines(was)), strings.TrimSpace(squeezeLines(is)); {
		case had && !has:
			out = append(out, "The "+name+" part is gone.")
		case !had && has:
			out = append(out, "A "+name+" part was added.")
		case was == is:
		case strings.HasPrefix(is, was):
			out = append(out, fmt.Sprintf("At the end of the %s this was added: %q.", name, quote(is[len(was):])))
		case strings.HasSuffix(is, was):
			out = append(out, fmt.Sprintf("At the beginning of the %s this was added: %q.", name, quote(is[:len(is)-len(was)])))
		default:
			out = append(out, fmt.Sprintf("The %s was changed, from here on: %q.", name, quote(is[common(was, is):])))
		}
	}
	if len(out) == 0 {
		out = append(out, "The body was encoded anew; its texts are the same.")
	}
	return out
}

func squeezeLines(s string) string {
	lines := strings.Split(strings.ReplaceAll(s, "\r\n", "\n"), "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " \t")
	}
	return strings.Join(lines, "\n")
}

func common(a, b string) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

// quote gives the beginning of a text without its links: they may hold a token.
func quote(s string) string {
	s = squeeze(strings.ToValidUTF8(s, ""))
	for _, u := range urls(s) {
		host := "…"
		if p, err := url.Parse(u); err == nil && p.Host != "" {
			host = p.Scheme + "://" + p.Host + "/…"
		}
		s = strings.ReplaceAll(s, u, host)
	}
	if len(s) > maxQuote {
		s = strings.ToValidUTF8(s[:maxQuote], "") + "…"
	}
	return s
}

// linkIn says what became of the link. It must stand, byte for byte, in each text in which it stood.
func linkIn(link string, before, after map[string]string) (what, host string) {
	if link == "" || len(before) == 0 {
		return "", ""
	}
	stays := true
	for kind, text := range before {
		if strings.Contains(text, link) && !strings.Contains(after[kind], link) {
			stays = false
		}
	}
	if stays {
		return "same", ""
	}
	var known []string
	for _, text := range before {
		known = append(known, urls(text)...)
	}
	for _, kind := range []string{"text/plain", "text/html"} {
		if strings.Contains(after[kind], link) {
			continue
		}
		for _, u := range urls(after[kind]) {
			if p, err := url.Parse(u); err == nil && !slices.Contains(known, u) {
				return "rewritten", word(p.Hostname())
			}
		}
	}
	return "missing", ""
}

// urls finds what looks like a link.
func urls(text string) []string {
	var out []string
	for len(out) < 100 {
		i := strings.Index(text, "://")
		if i < 0 {
			break
		}
		from := i
		for from > 0 && (text[from-1] >= 'a' && text[from-1] <= 'z' || text[from-1] >= 'A' && text[from-1] <= 'Z') && i-from < 10 {
			from--
		}
		end := i + 3
		for end < len(text) && text[end] > ' ' && !strings.ContainsRune(`"'<>()[]{}`, rune(text[end])) {
			end++
		}
		if scheme := strings.ToLower(text[from:i]); scheme == "http" || scheme == "https" {
			out = append(out, text[from:end])
		}
		text = text[end:]
	}
	return out
}

// texts gives the decoded texts of a mail by their type: the first of each. In HTML, entities are resolved, so that a link in it can be
// compared.
func texts(h header, body []byte) map[string]string {
	out := map[string]string{}
	left := maxParts
	walk(h.get("content-type"), h.get("content-transfer-encoding"), body, maxDepth, &left, out)
	return out
}

func walk(kind, encoding string, body []byte, depth int, left *int, out map[string]string) {
	if *left--; *left < 0 || depth == 0 {
		return
	}
	media, params, err := mime.ParseMediaType(kind)
	if err != nil {
		media = "text/plain"
	}
	if strings.HasPrefix(media, "multipart/") && params["boundary"] != "" {
		r := multipart.NewReader(bytes.NewReader(body), params["boundary"])
		for *left > 0 {
			p, err := r.NextRawPart()
			if err != nil {
				return
			}
			part, err := io.ReadAll(p)
			if err != nil && len(part) == 0 {
				return
			}
			walk(p.Header.Get("Content-Type"), p.Header.Get("Content-Transfer-Encoding"), part, depth-1, left, out)
		}
		return
	}
	if media != "text/plain" && media != "text/html" {
		return
	}
	if _, have := out[media]; have {
		return
	}
	text := decoded(encoding, body)
	if media == "text/html" {
		text = html.UnescapeString(text)
	}
	out[media] = text
}

// decoded undoes a transfer encoding as far as it goes.
func decoded(encoding string, body []byte) string {
	var r io.Reader = bytes.NewReader(body)
	switch strings.ToLower(strings.TrimSpace(encoding)) {
	case "quoted-printable":
		r = quotedprintable.NewReader(r)
	case "base64":
		r = base64.NewDecoder(base64.StdEncoding, r)
	}
	text, _ := io.ReadAll(r) // what cannot be read ends the text; the comparison shows it
	return string(text)
}
