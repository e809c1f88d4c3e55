package aggregate

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

// dmarc reads the XML of RFC 7489 appendix C and of RFC 9990 appendix A. Names are compared folded and without namespaces: reporters have
// written all of them. Unknown elements, and those of extensions, are passed over.
func (b *budget) dmarc(text []byte) (Report, error) {
	text, err := utf8Text(text)
	if err != nil {
		return Report{}, err
	}
	if longRun(text) {
		return Report{}, ErrTooMuch
	}
	d := xml.NewDecoder(bytes.NewReader(text))
	d.Strict = false // a bare & in a company's name, a tag that nobody closed
	d.CharsetReader = charset
	p := &dmarcReader{r: Report{Kind: DMARC}}
	for n := 0; ; n++ {
		if n%1024 == 0 && b.spent() {
			return Report{}, ErrTooMuch
		}
		t, err := d.RawToken()
		if err == io.EOF {
			break
		}
		if err != nil {
			line, _ := d.InputPos() // the rows before it are not taken: the whole report may come yet, under the same name
			return Report{}, broken("no XML", line)
		}
		if err := p.token(t); err != nil {
			return Report{}, err
		}
	}
	if !p.root {
		return Report{}, ErrNoReport
	}
	return p.r, nil
}

// dmarcReader is the state between two tokens.
type dmarcReader struct {
	r    Report
	root bool     // feedback was seen
	path []string // open elements
	skip int      // depth of the extension that is passed over; 0 = none
	text strings.Builder
	row  dmarcRow
	sig  Signature
}

// dmarcRow is a Row before its alignment is known.
type dmarcRow struct {
	Row
	dkim, spf string // policy_evaluated
	spfPass   bool   // auth_results
	counted   bool
}

func (p *dmarcReader) token(t xml.Token) error {
	switch t := t.(type) {
	case xml.Directive:
		if bytes.HasPrefix(bytes.ToUpper(bytes.TrimSpace(t)), []byte("DOCTYPE")) {
			return ErrDTD
		}
	case xml.StartElement:
		return p.open(plain(t.Name.Local))
	case xml.EndElement:
		p.close(plain(t.Name.Local))
	case xml.CharData:
		if room := maxWord - p.text.Len(); room > 0 {
			p.text.Write(t[:min(len(t), room)])
		}
	}
	return nil
}

// plain folds the ways in which names are written.
func plain(name string) string {
	if len(name) > 64 {
		return ""
	}
	return strings.ReplaceAll(strings.ToLower(name), "-", "_")
}

func (p *dmarcReader) open(name string) error {
	if !p.root {
		if name != "feedback" {
			return ErrNoReport
		}
		p.root = true
	}
	if len(p.path) >= maxDepth {
		return ErrTooMuch
	}
	p.path = append(p.path, name)
	p.text.Reset()
	switch {
	case p.skip > 0:
	case name == "extension":
		p.skip = len(p.path)
	case name == "record":
		p.row = dmarcRow{}
	case name == "dkim":
		p.sig = Signature{}
	}
	return nil
}

// close ends an element, and those inside it that nobody closed.
func (p *dmarcReader) close(name string) {
	i := len(p.path) - 1
	for i >= 0 && p.path[i] != name {
		i--
	}
	if i < 0 {
		return // closes nothing that is open
	}
	for len(p.path) > i {
		p.end()
	}
}

// end ends the innermost element.
func (p *dmarcReader) end() {
	i := len(p.path) - 1
	name, in := p.path[i], ""
	if i > 0 {
		in = p.path[i-1]
	}
	p.path = p.path[:i]
	if p.skip > 0 {
		if len(p.path) < p.skip {
			p.skip = 0
		}
		return
	}
	value := strings.TrimSpace(p.text.String())
	p.text.Reset()
	switch in {
	case "report_metadata", "date_range":
		p.metadata(name, value)
	case "policy_published":
		switch name {
		case "domain":
			p.r.Domain = domainOf(value)
		case "p":
			p.r.Policy = word(value)
		}
	case "row", "policy_evaluated", "reason", "identifiers", "identities":
		p.evaluated(in, name, value)
	case "dkim", "spf", "auth_results", "auth_result":
		p.authentication(in, name, value)
	}
	if name == "record" {
		p.record()
	}
}

func (p *dmarcReader) metadata(name, value string) {
	switch name {
	case "org_name":
		p.r.Org = label(value)
	case "email":
		p.r.Contact = domainOf(value)
	case "report_id":
		p.r.ID = label(value)
	case "begin":
		p.r.Begin = timeOf(value)
	case "end":
		p.r.End = timeOf(value)
	}
}

func (p *dmarcReader) evaluated(in, name, value string) {
	row := &p.row
	switch name {
	case "source_ip":
		ip, err := netip.ParseAddr(strings.Trim(value, "[]"))
		if err == nil {
			row.Source = ip.Unmap().WithZone("")
		}
	case "count":
		if n, err := strconv.ParseInt(value, 10, 64); err == nil && n >= 0 && n <= maxCount {
			row.Count, row.counted = n, true
		}
	case "disposition":
		row.Disposition = word(value)
	case "dkim":
		row.dkim = word(value)
	case "spf":
		row.spf = word(value)
	case "type":
		if in == "reason" && len(row.Overrides) < 5 && value != "" && !slices.Contains(row.Overrides, word(value)) {
			row.Overrides = append(row.Overrides, word(value))
		}
	case "header_from":
		row.From = domainOf(value)
	case "envelope_from":
		if row.Envelope == "" {
			row.Envelope = domainOf(value)
		}
	}
}

func (p *dmarcReader) authentication(in, name, value string) {
	switch {
	case in == "dkim" && name == "domain":
		p.sig.Domain = domainOf(value)
	case in == "dkim" && name == "selector":
		p.sig.Selector = strings.ToLower(label(value))
	case in == "dkim" && name == "result":
		p.sig.Pass = word(value) == "pass"
	case name == "dkim":
		if p.sig.Domain != "" && len(p.row.Signatures) < 10 {
			p.row.Signatures = append(p.row.Signatures, p.sig)
		}
		p.sig = Signature{}
	case in == "spf" && name == "domain":
		p.row.Envelope = domainOf(value)
	case in == "spf" && name == "result":
		// Several results stand for several identities; only that of MAIL FROM counts, and old reporters do not say which is which.
		p.row.spfPass = p.row.spfPass || word(value) == "pass"
	}
}

// record takes a row that is whole. What policy_evaluated does not say follows from the results, relaxed: a domain is aligned with its
// parents and children. Telling an organizational domain needs DNS.
func (p *dmarcReader) record() {
	row := p.row
	p.row = dmarcRow{}
	switch {
	case !row.Source.IsValid():
		p.r.note("rows without a source address were left out")
		return
	case !row.counted:
		p.r.note("rows without a number of mails were left out")
		return
	case row.Count == 0:
		return
	case len(p.r.Rows) >= maxRows:
		p.r.note("more than 20,000 rows; the rest was left out")
		return
	}
	if row.From == "" {
		row.From = p.r.Domain
	}
	row.DKIM, row.SPF = row.dkim == "pass", row.spf == "pass"
	if row.dkim == "" {
		row.DKIM = slices.ContainsFunc(row.Signatures, func(s Signature) bool { return s.Pass && related(s.Domain, row.From) })
	}
	if row.spf == "" {
		row.SPF = row.spfPass && related(row.Envelope, row.From)
	}
	switch row.Disposition {
	case "", "none", "quarantine", "reject":
	case "pass": // RFC 9990: the mail passed, so the policy was not applied
		row.Disposition = "none"
	default:
		row.Disposition = ""
	}
	p.r.Rows = append(p.r.Rows, row.Row)
}

// longRun says whether a tag or a text is longer than any of a report, before the parser makes strings of it.
func longRun(text []byte) bool {
	for len(text) > maxRun {
		i := bytes.IndexAny(text[:maxRun], "<>")
		if i < 0 {
			return true
		}
		text = text[i+1:]
	}
	return false
}

// utf8Text turns UTF-16 with its mark into UTF-8, and leaves everything else to the declaration.
func utf8Text(text []byte) ([]byte, error) {
	if !bytes.HasPrefix(text, []byte("\xfe\xff")) && !bytes.HasPrefix(text, []byte("\xff\xfe")) {
		return bytes.TrimLeft(bytes.TrimPrefix(text, []byte("\xef\xbb\xbf")), " \t\r\n"), nil
	}
	out, _, err := transform.Bytes(unicode.UTF16(unicode.BigEndian, unicode.UseBOM).NewDecoder(), text)
	if err != nil {
		return nil, broken("no UTF-16", 0)
	}
	return out, nil
}

// charset decodes what an XML declaration names. UTF-16 was decoded before.
func charset(name string, in io.Reader) (io.Reader, error) {
	if strings.HasPrefix(strings.ToLower(name), "utf-16") {
		return in, nil
	}
	e, err := htmlindex.Get(name)
	if err != nil {
		return nil, errors.New("unknown charset")
	}
	if e == encoding.Nop {
		return in, nil
	}
	return e.NewDecoder().Reader(in), nil
}
