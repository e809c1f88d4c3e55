package dnscheck

import (
	"net/url"
	"slices"
	"strings"
)

// DMARCRecord is a policy record (RFC 9989 section 4.7) with its defaults filled in.
type DMARCRecord struct {
	Text     string   `json:"text"`
	P        string   `json:"p"`            // none, quarantine, reject; "" = absent, which counts as none
	SP       string   `json:"sp,omitempty"` // for existing subdomains; "" = as P
	NP       string   `json:"np,omitempty"` // for subdomains that do not exist; "" = as SP
	PSD      string   `json:"psd"`          // y, n, u
	Test     bool     `json:"t"`            // t=y: receivers are asked not to apply the policy
	StrictD  bool     `json:"strict_dkim"`  // adkim=s
	StrictS  bool     `json:"strict_spf"`   // aspf=s
	RUA      []string `json:"rua,omitempty"`
	RUF      []string `json:"ruf,omitempty"`
	Pct      string   `json:"pct,omitempty"` // RFC 7489 only; RFC 9989 dropped it
	Problems []string `json:"problems,omitempty"`

	wrongSP, wrongNP bool // sp= or np= is there and is no policy; a wrong p= leaves P empty
}

// isDMARC tells a DMARC record: the first tag is v=DMARC1, and DMARC1 is compared by case.
func isDMARC(txt string) bool {
	first, _, _ := strings.Cut(txt, ";")
	name, value, found := strings.Cut(first, "=")
	return found && strings.Trim(name, " \t") == "v" && strings.Trim(value, " \t") == "DMARC1"
}

// parseDMARC reads a record for which isDMARC holds. Nothing in it is fatal: unknown tags are ignored, and what cannot be read
// counts as absent and is named in Problems.
func parseDMARC(txt string) DMARCRecord {
	r := DMARCRecord{Text: show(txt, 4<<10), PSD: "u"}
	tags, err := parseTags(txt)
	if err != nil {
		r.problem(err.Error())
	}
	policy := func(name string, into *string) (wrong bool) {
		v, ok := tags.get(name)
		if !ok {
			return false
		}
		switch v = lower(v); v {
		case "none", "quarantine", "reject":
			*into = v
			return false
		}
		r.problem(name + "= is none of none, quarantine, reject")
		return true
	}
	policy("p", &r.P)
	r.wrongSP, r.wrongNP = policy("sp", &r.SP), policy("np", &r.NP)
	flag := func(name, values string) string {
		v, ok := tags.get(name)
		if v = lower(v); ok && (len(v) != 1 || !strings.Contains(values, v)) {
			r.problem(name + "= is none of " + strings.Join(strings.Split(values, ""), ", "))
			return ""
		}
		return v
	}
	if v := flag("psd", "ynu"); v != "" {
		r.PSD = v
	}
	r.Test = flag("t", "yn") == "y"
	r.StrictD = flag("adkim", "rs") == "s"
	r.StrictS = flag("aspf", "rs") == "s"
	r.Pct, _ = tags.get("pct")
	r.RUA, r.RUF = r.uris(tags, "rua"), r.uris(tags, "ruf")
	for _, t := range tags {
		if !slices.Contains([]string{"v", "p", "sp", "np", "psd", "t", "adkim", "aspf", "rua", "ruf", "fo", "pct", "rf", "ri"}, t.name) {
			r.problem("the tag " + clip(t.name, 20) + "= is unknown and is ignored")
		}
	}
	return r
}

// maxURIs bounds the addresses and the problems of a record that are kept.
const maxURIs = 50

func (r *DMARCRecord) problem(s string) {
	if len(r.Problems) < maxURIs {
		r.Problems = append(r.Problems, s)
	}
}

// uris reads a list of report addresses and leaves out what is no URI. The size limit "!10m" of RFC 7489 is cut off.
func (r *DMARCRecord) uris(tags tagList, name string) []string {
	v, ok := tags.get(name)
	if !ok {
		return nil
	}
	var uris []string
	for s := range strings.SplitSeq(v, ",") {
		s, _, _ = strings.Cut(strings.Trim(s, " \t"), "!")
		u, err := url.Parse(s)
		if err != nil || u.Scheme == "" || reportHost(s) == "" {
			r.problem(name + "= holds an address without mailto:, or one that cannot be read")
			continue
		}
		if len(uris) < maxURIs {
			uris = append(uris, s)
		}
	}
	return uris
}

// reportHost is the domain that a report address belongs to, folded; "" if there is none.
func reportHost(uri string) string {
	u, err := url.Parse(uri)
	if err != nil {
		return ""
	}
	if strings.EqualFold(u.Scheme, "mailto") {
		at := strings.LastIndexByte(u.Opaque, '@')
		if at <= 0 {
			return ""
		}
		return cleanDomain(u.Opaque[at+1:])
	}
	return cleanDomain(u.Hostname())
}

// policyFor is the policy of the record for an author domain: the one that publishes it, or a subdomain that exists or not.
func (r DMARCRecord) policyFor(subdomain, exists bool) string {
	p := or(r.P, "none")
	if !subdomain {
		return p
	}
	sp := or(r.SP, p)
	if exists {
		return sp
	}
	return or(r.NP, sp)
}
