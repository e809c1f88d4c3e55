package dnscheck

import (
	_ "embed"
	"strings"
)

//go:embed requirements.tsv
var requirementTable string

// Met says whether a requirement is met as far as DNS shows.
type Met string

const (
	// MetYes: DNS shows that it is met.
	MetYes Met = "yes"
	// MetNo: DNS shows that it is not.
	MetNo Met = "no"
	// MetUnknown: DNS failed, or we do not know from which addresses mail leaves.
	MetUnknown Met = "unknown"
	// MetElsewhere: DNS cannot show it; look at the deliveries or at the provider's own tools.
	MetElsewhere Met = "elsewhere"
)

// Requirement is one rule that a large provider sets for senders.
type Requirement struct {
	Provider string `json:"provider"` // gmail, yahoo, microsoft
	ID       string `json:"id"`
	Since    string `json:"since"` // the day from which it is enforced, YYYY-MM-DD
	Who      string `json:"who"`   // all, or bulk: 5,000 mails a day and more
	Rule     string `json:"rule"`
	Source   string `json:"source"`
	Met      Met    `json:"met"`
}

// Requirements are the rules as published, with nothing judged.
func Requirements() []Requirement {
	var list []Requirement
	for line := range strings.Lines(requirementTable) {
		f := strings.Split(strings.TrimRight(line, "\n"), "\t")
		if len(f) == 6 && !strings.HasPrefix(line, "#") {
			list = append(list, Requirement{Provider: f[0], ID: f[1], Since: f[2], Who: f[3], Rule: f[4], Source: f[5], Met: MetElsewhere})
		}
	}
	return list
}

// requirements is the checklist for what the report saw.
func (r *Report) requirements(q Question) []Requirement {
	spf, dkim := r.metSPF(q), r.metDKIM()
	met := map[string]Met{
		"spf_pass": spf, "dkim_pass": dkim, "spf_or_dkim": either(spf, dkim), "spf_and_dkim": both(spf, dkim),
		"dmarc_record": r.metRecord(), "dmarc_aligned": r.metAligned(q), "reverse_dns": r.metPTR(q), "return_mx": r.metMX(),
	}
	list := Requirements()
	for i := range list {
		if m, ok := met[list[i].ID]; ok {
			list[i].Met = m
		}
	}
	return list
}

func either(a, b Met) Met {
	switch {
	case a == MetYes || b == MetYes:
		return MetYes
	case a == MetNo && b == MetNo:
		return MetNo
	}
	return MetUnknown
}

func both(a, b Met) Met {
	switch {
	case a == MetNo || b == MetNo:
		return MetNo
	case a == MetYes && b == MetYes:
		return MetYes
	}
	return MetUnknown
}

func (r *Report) metSPF(q Question) Met {
	c := r.SPFRecord
	switch {
	case c.Unknown != "":
		return MetUnknown
	case len(c.Records) != 1 || c.Wrong != "":
		return MetNo
	case len(q.IPs) == 0:
		return MetUnknown
	}
	met := MetYes
	for _, v := range r.SPF {
		if v.Identity != "mail_from" {
			continue
		}
		switch v.Result {
		case SPFPass:
		case SPFTempError:
			met = both(met, MetUnknown)
		default:
			met = MetNo
		}
	}
	return met
}

// metDKIM: one good key is enough; signatures stand side by side. What receivers make of the test flag differs.
func (r *Report) metDKIM() Met {
	met := MetNo
	for _, k := range r.DKIM {
		if k.Use == KeyPending {
			continue
		}
		switch k.Status {
		case KeyMatch:
			if !k.Testing {
				return MetYes
			}
			met = MetUnknown
		case KeyUnknown:
			met = MetUnknown
		}
	}
	return met
}

func (r *Report) metRecord() Met {
	switch {
	case r.DMARC.TempError != "":
		return MetUnknown
	case r.DMARC.Found:
		return MetYes
	}
	return MetNo
}

// metBy is whether mail passes one of the methods of DMARC.
func (r *Report) metBy(q Question, method string) Met {
	if method == "spf" {
		return r.metSPF(q)
	}
	return r.metDKIM()
}

// metAligned: an identifier counts if it is aligned and its method passes.
func (r *Report) metAligned(q Question) Met {
	met := MetNo
	for _, id := range r.DMARC.Identifiers {
		by := r.metBy(q, id.Method)
		switch {
		case by == MetNo:
		case id.Aligned && by == MetYes:
			return MetYes
		case id.Aligned, id.Unknown:
			met = MetUnknown
		}
	}
	if r.DMARC.TempError != "" {
		return MetUnknown
	}
	return met
}

func (r *Report) metPTR(q Question) Met {
	if len(q.IPs) == 0 {
		return MetUnknown
	}
	met := MetYes
	for _, p := range r.PTR {
		switch {
		case p.Unknown || !IsPublic(p.IP):
			met = both(met, MetUnknown)
		case len(p.Confirmed) == 0:
			met = MetNo
		}
	}
	return met
}

func (r *Report) metMX() Met {
	switch r.MX.Status {
	case MXHosts, MXImplicit:
		return MetYes
	case MXUnknown:
		return MetUnknown
	}
	return MetNo
}
