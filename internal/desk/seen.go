package desk

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/resetd/resetd/diag"
	"github.com/resetd/resetd/internal/ledger"
	"github.com/resetd/resetd/internal/store"
)

// How many days of reports may be asked for.
const (
	seenDays    = 30
	maxSeenDays = int(store.BulkFor / (24 * time.Hour))
	seenRows    = 50 // reporters and sources that are listed, those with most mails first
)

// SeenView is what receivers reported about a domain of ours.
type SeenView struct {
	Domain string    `json:"domain"`
	From   time.Time `json:"from"` // the first day, UTC
	To     time.Time `json:"to"`   // the last
	SendTo SeenAt    `json:"send_to"`
	Says   []string  `json:"says"`   // what they add up to, a sentence each
	Counts string    `json:"counts"` // signed: what nobody signed is left out of days and sources; unsigned: there is nothing else
	Days   []SeenDay `json:"days"`   // every day, also those without reports
	// Sources, By and TLS are the largest 50 of each.
	Sources []SeenSource   `json:"sources"`
	By      []SeenReporter `json:"reporters"`
	TLS     []SeenTLS      `json:"tls"`
}

// SeenAt is where reports reach us; "" = nowhere.
type SeenAt struct {
	DMARC string `json:"dmarc"`
	TLS   string `json:"tls"`
}

// SeenDay is one day, as all that count for it saw it.
type SeenDay struct {
	Day       time.Time `json:"day"`
	Own       SeenMails `json:"own"`
	Forwarded SeenMails `json:"forwarded"`
	Unknown   SeenMails `json:"unknown"` // somebody else sent it in our name
	Attempts  int64     `json:"tls_attempts"`
	TLSFailed int64     `json:"tls_failed"`
}

// SeenMails is how a number of mails fared.
type SeenMails struct {
	Mails      int64 `json:"mails"`
	DKIMFailed int64 `json:"dkim_failed"`
	SPFFailed  int64 `json:"spf_failed"`
	Failed     int64 `json:"dmarc_failed"` // both, and so DMARC
	Quarantine int64 `json:"quarantined"`
	Rejected   int64 `json:"rejected"`
}

func (s *SeenMails) add(m diag.SeenMail) {
	s.Mails += m.N
	if !m.DKIM {
		s.DKIMFailed += m.N
	}
	if !m.SPF {
		s.SPFFailed += m.N
	}
	if !m.DKIM && !m.SPF {
		s.Failed += m.N
	}
	switch m.Disposition {
	case "quarantine":
		s.Quarantine += m.N
	case "reject":
		s.Rejected += m.N
	}
}

// SeenSource is where mail in our name came from.
type SeenSource struct {
	Source   string `json:"source"` // an address of ours, or a network; "" = several that had no room of their own
	Class    string `json:"class"`  // own, forwarded, unknown
	Selector string `json:"selector"`
	SeenMails
}

// SeenReporter is who reports, and what of our own mail.
type SeenReporter struct {
	Name  string    `json:"name"`
	Proof string    `json:"proof"` // signed, by_file, nobody
	Last  time.Time `json:"last"`  // the newest day that it told of
	SeenMails
	Attempts int64 `json:"tls_attempts"`
}

// SeenTLS is how attempts to reach the domain over TLS ended.
type SeenTLS struct {
	Result   string `json:"result"` // "" = well
	Host     string `json:"host"`
	Policy   string `json:"policy"`
	Reporter string `json:"reporter"`
	Attempts int64  `json:"attempts"`
}

// Seen gives what receivers reported about a domain of ours, or about that of our return paths, in the last days; 0 = 30.
func (d *Desk) Seen(ctx context.Context, a Actor, domain string, days int) (SeenView, error) {
	if err := d.Authorise(ctx, a, DoDomains, "", "", false); err != nil {
		return SeenView{}, err
	}
	if days == 0 {
		days = seenDays
	}
	if days < 1 || days > maxSeenDays {
		return SeenView{}, &Bad{Code: "bad_request", Detail: "`days` is no number from 1 to 92. Reports are kept for 92 days."}
	}
	q, ours := QuestionFor(d.Outside.Domains, domain)
	domain = strings.ToLower(q.Domain)
	if !ours && !strings.EqualFold(domain, d.Us.Bounces) {
		return SeenView{}, &Bad{Code: "bad_domain", Detail: "Reports are kept of our own domains. `GET /v1/domains` lists them."}
	}
	v := SeenView{Domain: domain, To: d.now().UTC().Truncate(24 * time.Hour), SendTo: SeenAt{q.DMARCReports, q.TLSReports}, Counts: "signed", Says: []string{}}
	v.From = v.To.Add(-time.Duration(days-1) * 24 * time.Hour)
	for day := v.From; !day.After(v.To); day = day.Add(24 * time.Hour) {
		v.Days = append(v.Days, SeenDay{Day: day})
	}
	mails, err := d.Store.Bulks(ctx, "dmarc", domain, v.From, v.To)
	if err != nil {
		return SeenView{}, err
	}
	tls, err := d.Store.Bulks(ctx, "tls", domain, v.From, v.To)
	if err != nil {
		return SeenView{}, err
	}
	v.count(mails, tls)
	facts, _, err := d.Store.House(ctx)
	if err != nil {
		return SeenView{}, err
	}
	v.say(facts)
	return v, nil
}

// count adds up the days. What nobody signed counts only where there is nothing else, as in a verdict.
func (v *SeenView) count(mails, tls map[time.Time]store.Tallied) {
	var lines []diag.SeenMail
	for day, fields := range mails {
		lines = append(lines, diag.ReadSeenMail(day, fields)...)
	}
	var attempts []diag.SeenTLS
	for day, fields := range tls {
		attempts = append(attempts, diag.ReadSeenTLS(day, fields)...)
	}
	by := map[string]*SeenReporter{}
	reporter := func(name string, proof diag.Proof, day time.Time) *SeenReporter {
		key := string(proof) + name
		if by[key] == nil {
			by[key] = &SeenReporter{Name: name, Proof: map[diag.Proof]string{diag.ProofSigned: "signed", diag.ProofPerson: "by_file"}[proof]}
			by[key].Proof = cmp.Or(by[key].Proof, "nobody")
		}
		if day.After(by[key].Last) {
			by[key].Last = day
		}
		return by[key]
	}
	for _, m := range lines {
		if r := reporter(m.Reporter, m.Proof, m.Day); m.Class == "own" {
			r.add(m)
		}
	}
	for _, t := range attempts {
		reporter(t.Reporter, t.Proof, t.Day).Attempts += t.N
	}
	believed, signed := diag.Believed(lines)
	believedTLS, signedTLS := diag.BelievedTLS(attempts)
	if len(lines) > 0 && !signed || len(lines) == 0 && len(attempts) > 0 && !signedTLS {
		v.Counts = "unsigned"
	}
	v.sources(believed)
	v.tls(believedTLS)
	v.By = []SeenReporter{}
	for _, r := range by {
		v.By = append(v.By, *r)
	}
	slices.SortFunc(v.By, func(a, b SeenReporter) int {
		return cmp.Or(cmp.Compare(b.Mails+b.Attempts, a.Mails+a.Attempts), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Proof, b.Proof))
	})
	v.By = v.By[:min(len(v.By), seenRows)]
}

func (v *SeenView) sources(lines []diag.SeenMail) {
	v.Sources = []SeenSource{}
	at := map[SeenSource]*SeenMails{}
	for _, m := range lines {
		day := v.day(m.Day)
		switch m.Class {
		case "own":
			day.Own.add(m)
		case "forwarded":
			day.Forwarded.add(m)
		default:
			day.Unknown.add(m)
		}
		key := SeenSource{Source: m.Source, Class: m.Class, Selector: m.Selector}
		if at[key] == nil {
			at[key] = &SeenMails{}
		}
		at[key].add(m)
	}
	for key, n := range at {
		key.SeenMails = *n
		v.Sources = append(v.Sources, key)
	}
	slices.SortFunc(v.Sources, func(a, b SeenSource) int {
		return cmp.Or(cmp.Compare(b.Mails, a.Mails), cmp.Compare(a.Source, b.Source), cmp.Compare(a.Class+a.Selector, b.Class+b.Selector))
	})
	v.Sources = v.Sources[:min(len(v.Sources), seenRows)]
}

func (v *SeenView) tls(lines []diag.SeenTLS) {
	v.TLS = []SeenTLS{}
	at := map[SeenTLS]int64{}
	for _, t := range lines {
		day := v.day(t.Day)
		day.Attempts += t.N
		if t.Result != "" {
			day.TLSFailed += t.N
		}
		at[SeenTLS{Result: t.Result, Host: t.Host, Policy: t.Policy, Reporter: t.Reporter}] += t.N
	}
	for key, n := range at {
		key.Attempts = n
		v.TLS = append(v.TLS, key)
	}
	slices.SortFunc(v.TLS, func(a, b SeenTLS) int {
		return cmp.Or(cmp.Compare(b.Attempts, a.Attempts), cmp.Compare(a.Reporter+a.Result+a.Host+a.Policy, b.Reporter+b.Result+b.Host+b.Policy))
	})
	v.TLS = v.TLS[:min(len(v.TLS), seenRows)]
}

// day finds a day of the view; all that were read lie in it.
func (v *SeenView) day(at time.Time) *SeenDay {
	return &v.Days[int(at.Sub(v.From)/(24*time.Hour))]
}

// say takes the newest word on each kind of report, where it is about the days that were asked for.
func (v *SeenView) say(facts []ledger.Fact) {
	said := map[string]bool{}
	for _, f := range slices.Backward(facts) {
		if f.Check == nil || f.Check.Seen == nil || f.Check.Domain != v.Domain || said[f.Check.Seen.Kind] {
			continue
		}
		said[f.Check.Seen.Kind] = true
		if !f.Check.Seen.To.Before(v.From) && len(f.Check.Causes) > 0 {
			v.Says = append(v.Says, diag.Says(f))
		}
	}
	var unknown int64
	for _, d := range v.Days {
		unknown += d.Unknown.Mails
	}
	if unknown > 0 {
		v.Says = append(v.Says, diag.SaysSpoofed(v.Domain, unknown, v.From))
	}
}
