package desk

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/resetd/resetd/diag"
	"github.com/resetd/resetd/diag/dnscheck"
	"github.com/resetd/resetd/internal/store"
	"github.com/resetd/resetd/mailer"
)

// Outside is what people may ask of the world: DNS and other people's mail hosts.
type Outside struct {
	Domains []dnscheck.Question // our own domains, and how each is meant to send
	DNS     dnscheck.Deps       // nil DNS in it = nothing may be asked
	Prober  *mailer.Prober      // nil = no mail host may be asked
}

// How often one API key may ask about the world: other people's servers answer.
var (
	checksPerMinute = store.Limit{N: 30, Per: time.Minute}
	probesPerMinute = store.Limit{N: 10, Per: time.Minute}
)

// Hasty means that somebody asks too often.
type Hasty struct {
	Next time.Time // when there is room again
}

func (h *Hasty) Error() string { return "asked too often" }

// ErrNoOutside means that this process was not told whom it could ask.
var ErrNoOutside = errors.New("this process asks neither DNS nor mail hosts")

var badDomain = &Bad{Code: "bad_domain", Detail: "This is no domain name. Give one such as example.org."}

// DomainView is one of our domains and what DNS said about it last.
type DomainView struct {
	Domain    string            `json:"domain"`
	CheckedAt *time.Time        `json:"checked_at"` // nil = not yet
	Severity  dnscheck.Severity `json:"severity"`   // "" = not checked yet
	Report    *dnscheck.Report  `json:"report"`
	// Loops are the newest loop checks, one for each route that the domain's mail takes.
	Loops []diag.LoopRun `json:"loops,omitempty"`
}

// Domains lists our domains with their newest reports.
func (d *Desk) Domains(ctx context.Context, a Actor) ([]DomainView, error) {
	if err := d.Authorise(ctx, a, DoDomains, "", "", false); err != nil {
		return nil, err
	}
	reports, err := d.Store.Reports(ctx)
	if err != nil {
		return nil, err
	}
	results, err := d.loopResults(ctx)
	if err != nil {
		return nil, err
	}
	running, err := d.runningLoops(ctx)
	if err != nil {
		return nil, err
	}
	views := []DomainView{}
	for _, q := range d.Outside.Domains {
		v := DomainView{Domain: q.Domain, Loops: d.loopsOf(results, running, q.Domain)}
		if r, ok := reports[q.Domain]; ok {
			v.CheckedAt, v.Severity, v.Report = &r.At, r.Severity, &r
		}
		views = append(views, v)
	}
	return views, nil
}

// CheckDomain asks DNS now. Of a domain of ours the report is kept; of another one it says what somebody who writes to it must know.
func (d *Desk) CheckDomain(ctx context.Context, a Actor, domain string) (dnscheck.Report, error) {
	if err := d.Authorise(ctx, a, DoDomains, "", "", false); err != nil {
		return dnscheck.Report{}, err
	}
	// An address here would stand in a URL, and so in the logs of whoever stands between; it is not asked about.
	if !strings.Contains(domain, ".") || strings.ContainsFunc(domain, func(r rune) bool { return r <= ' ' || strings.ContainsRune("@/:\\,;\"<>", r) }) {
		return dnscheck.Report{}, badDomain
	}
	if d.Outside.DNS.DNS == nil {
		return dnscheck.Report{}, ErrNoOutside
	}
	if err := d.patience(ctx, "check "+a.Name, checksPerMinute); err != nil {
		return dnscheck.Report{}, err
	}
	q, ours := QuestionFor(d.Outside.Domains, domain)
	if ours {
		seen, err := d.Store.SeenKeys(ctx)
		if err != nil {
			return dnscheck.Report{}, err
		}
		q = store.InUse(q, func(id string) bool { return !seen[id].IsZero() })
	}
	r := dnscheck.Check(ctx, q, d.Outside.DNS)
	if r.Domain == "" {
		return r, badDomain
	}
	if ours {
		if _, err := d.Store.KeepReport(ctx, r, a.Name, string(a.Role)); err != nil {
			return r, err
		}
	}
	return r, nil
}

// QuestionFor says what to ask about a domain: as a sender where it is one of ours, else as a recipient's.
func QuestionFor(ours []dnscheck.Question, domain string) (q dnscheck.Question, isOurs bool) {
	domain = strings.TrimSuffix(strings.TrimSpace(domain), ".")
	i := slices.IndexFunc(ours, func(q dnscheck.Question) bool { return strings.EqualFold(q.Domain, domain) })
	if i >= 0 {
		return ours[i], true
	}
	return dnscheck.Question{Domain: domain, Recipient: true}, false
}

// Probe asks the hosts of an address whether they would take mail for it, and tells each step as it ends; tell may be nil. Nothing is
// sent. It is written to the audit trail with a hash of the address.
func (d *Desk) Probe(ctx context.Context, a Actor, address string, tell func(mailer.ProbeStep)) (mailer.Probed, error) {
	to, err := mailer.ParseAddress(strings.TrimSpace(address))
	if err != nil {
		return mailer.Probed{}, d.denyFirst(a, DoProbe, &Bad{Code: "bad_address", Detail: "This is no mail address that a host could be asked about."})
	}
	if err := d.Authorise(ctx, a, DoProbe, string(store.AccountOf("address", store.ExactAddress(address))), "", false); err != nil {
		return mailer.Probed{}, err
	}
	if d.Outside.Prober == nil {
		return mailer.Probed{}, ErrNoOutside
	}
	if err := d.patience(ctx, "probe "+a.Name, probesPerMinute); err != nil {
		return mailer.Probed{}, err
	}
	return d.Outside.Prober.Probe(ctx, to, tell), nil
}

func (d *Desk) patience(ctx context.Context, who string, limit store.Limit) error {
	room, err := d.Store.SpendProbe(ctx, who, limit)
	if err != nil {
		return fmt.Errorf("counting what was asked: %w", err)
	}
	if !room.OK {
		return &Hasty{Next: room.Next}
	}
	return nil
}
