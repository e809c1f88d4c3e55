package worker

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/resetd/resetd/diag"
	"github.com/resetd/resetd/diag/dnscheck"
	"github.com/resetd/resetd/internal/ledger"
	"github.com/resetd/resetd/internal/store"
	"github.com/resetd/resetd/mailer/bounce/aggregate"
	"github.com/resetd/resetd/mailer/bounce/hook"
)

// digestReport reads reports about our mail in bulk and counts them. What cannot be read, or is about domains of others, is counted as
// that and dropped: it is no mail that anybody waits for.
func (w *Worker) digestReport(ctx context.Context, c store.Claim, u hook.Unit) error {
	all, err := aggregate.Read(u.Name, u.Report)
	if err != nil {
		w.count(ctx, "reports:unreadable")
		w.Log.Warn().Str("return", c.ID).Str("source", u.Source).Str("why", err.Error()).Msg("a report about our mail cannot be read")
		return w.settle(ctx, c, store.Plan{})
	}
	by := w.reporter(ctx, u)
	for _, r := range all {
		if err := w.countReport(ctx, c, r, by); err != nil {
			return err
		}
	}
	return w.settle(ctx, c, store.Plan{})
}

// reporterOf says whose a report is, and why that is believed.
type reporterOf func(aggregate.Report) (name string, proof diag.Proof)

// reporter believes the signature of the mail that brought a report, if it is on all of it: then the reporter is the domain that signed,
// whatever the report calls itself. Whoever hands in a file vouches for it. All others are who they say, and believed in nothing.
func (w *Worker) reporter(ctx context.Context, u hook.Unit) reporterOf {
	own := func(proof diag.Proof) reporterOf {
		return func(r aggregate.Report) (string, diag.Proof) { return r.Org, proof }
	}
	if u.Source == "file" {
		// Its contact's domain is mostly the one that signs, so that the same report by mail is known.
		return func(r aggregate.Report) (string, diag.Proof) { return cmp.Or(r.Contact, r.Org), diag.ProofPerson }
	}
	if w.DNS.DNS == nil {
		return own(diag.ProofNone)
	}
	got, err := dnscheck.VerifyDKIM(ctx, u.Report, w.dns.cache, dnscheck.Caps{})
	if err != nil {
		return own(diag.ProofNone)
	}
	return func(r aggregate.Report) (string, diag.Proof) {
		signer := ""
		for _, s := range got.Signatures {
			if s.Result != dnscheck.DKIMPass || s.Unsigned > 0 {
				continue
			}
			// A mail may carry the signature of the reporter and that of the provider it is sent by.
			if signer == "" || strings.EqualFold(s.Domain, r.Org) || dnscheck.SameOrganization(s.Domain, r.Contact) {
				signer = s.Domain
			}
		}
		if signer == "" {
			return r.Org, diag.ProofNone
		}
		return signer, diag.ProofSigned
	}
}

// countReport counts one report, once, for each of our domains that it is about.
func (w *Worker) countReport(ctx context.Context, c store.Claim, r aggregate.Report, by reporterOf) error {
	name, proof := by(r)
	counts := map[string][]store.BulkCount{}
	about := false
	if r.Kind == aggregate.DMARC {
		about = aggregate.About(r, w.senders())
		for domain, list := range aggregate.Sort(r, w.senders()) {
			about = true
			for _, t := range list {
				m := diag.SeenMail{Reporter: name, Proof: proof, Class: string(t.Class), Source: t.Source, Selector: t.Selector, DKIM: t.DKIM, SPF: t.SPF, Disposition: t.Disposition}
				counts[domain] = append(counts[domain], store.BulkCount{Field: m.Field(), Spill: m.Spill(), N: t.Count})
			}
		}
	} else {
		for _, s := range r.Sessions {
			if !w.takesTLS(s.Domain) {
				continue
			}
			about = true
			m := diag.SeenTLS{Reporter: name, Proof: proof, Policy: s.Policy, Host: s.Host, Result: s.Result}
			counts[s.Domain] = append(counts[s.Domain], store.BulkCount{Field: m.Field(), Spill: m.Spill(), N: s.Count})
		}
	}
	log := w.Log.Info().Str("return", c.ID).Str("kind", string(r.Kind)).Str("domain", r.Domain).Time("day", r.Day()).Bool("signed", proof == diag.ProofSigned)
	switch {
	case !about:
		w.count(ctx, "reports:not_ours")
		log.Msg("a report is about no domain of ours")
		return nil
	case len(counts) == 0:
		w.count(ctx, "reports:empty")
		log.Msg("a report tells of no mail of our domains")
		return nil
	}
	counted := false
	for domain, list := range counts {
		became, err := w.Store.KeepBulk(ctx, store.Bulk{Kind: string(r.Kind), Domain: domain, Day: r.Day(), Reporter: name, ID: r.ID, Signed: proof != diag.ProofNone, Counts: list})
		if err != nil {
			return err
		}
		w.count(ctx, "reports:"+string(became))
		counted = counted || became == store.BulkCounted
		if became != store.BulkCounted && became != store.BulkKnown {
			continue
		}
		// Also of a known one: a worker may have died between the two.
		if err := w.saySeen(ctx, string(r.Kind), domain); err != nil {
			return err
		}
	}
	log.Bool("counted", counted).Int("notes", len(r.Notes)).Msg("read a report about our mail")
	return nil
}

// senders are our domains as their own mail is known.
func (w *Worker) senders() []aggregate.Sender {
	out := make([]aggregate.Sender, len(w.Domains))
	for i, q := range w.Domains {
		out[i] = aggregate.Sender{Domain: q.Domain, IPs: q.IPs}
		for _, s := range q.Selectors {
			out[i].Selectors = append(out[i].Selectors, strings.ToLower(s.Name))
		}
	}
	return out
}

// takesTLS says whether TLS reports about a domain concern us: bounces come to the domain of our return paths, and people of ours may
// have their mailboxes in a domain that we send as.
func (w *Worker) takesTLS(domain string) bool {
	return domain == w.Paths.Domain() || slices.ContainsFunc(w.Domains, func(q dnscheck.Question) bool { return q.Domain == domain })
}

// saySeen writes what the reports about a domain add up to into the facts of the house, where it is something else than before.
func (w *Worker) saySeen(ctx context.Context, kind, domain string) error {
	now := w.Store.Now()
	days, err := w.Store.Bulks(ctx, kind, domain, now.Add(-diag.SeenDays*24*time.Hour), now.Add(24*time.Hour))
	if err != nil {
		return err
	}
	var check ledger.Check
	ok := false
	if kind == string(aggregate.DMARC) {
		var lines []diag.SeenMail
		for day, fields := range days {
			lines = append(lines, diag.ReadSeenMail(day, fields)...)
		}
		check, ok = diag.JudgeSeen(domain, lines, w.alignedSPF(domain))
	} else {
		var lines []diag.SeenTLS
		for day, fields := range days {
			lines = append(lines, diag.ReadSeenTLS(day, fields)...)
		}
		check, ok = diag.JudgeTLS(domain, lines, domain == w.Paths.Domain())
	}
	if !ok {
		return nil
	}
	f := ledger.Fact{ID: ledger.NewEventID(), At: now, Event: ledger.Checked, Check: &check}
	said, err := w.Store.SaySeen(ctx, f, seenGist(check, now))
	if err == nil && said && len(check.Causes) > 0 {
		w.count(ctx, "reports:trouble")
		w.Log.Warn().Str("domain", domain).Strs("causes", check.Causes).Bool("signed", check.Seen.Signed).Msg("reports say that our mail fails; `resetd reports` shows which")
	}
	return err
}

// alignedSPF says whether SPF can pass for a domain as DMARC has it: our return paths belong to the same organization.
func (w *Worker) alignedSPF(domain string) bool {
	for _, q := range w.Domains {
		if q.Domain == domain {
			return q.EnvelopeDomain == "" || dnscheck.SameOrganization(q.EnvelopeDomain, domain)
		}
	}
	return false
}

// seenGist is what must change for a new fact: that all is well is said once, trouble once for each further day that is told of and for
// each tenth of the mail. What nobody signed is said once a day at most, since anybody can make it change.
func seenGist(c ledger.Check, now time.Time) string {
	s := c.Seen
	switch {
	case !s.Signed:
		return "unsigned " + c.Severity + " " + now.Format(time.DateOnly)
	case len(c.Causes) == 0:
		return "ok"
	}
	failed := max(s.DKIM, s.SPF, s.Failed)
	return fmt.Sprintf("%s %s %d %s %s", c.Severity, strings.Join(c.Causes, ","), 10*failed/max(s.Mails, 1), s.From.Format(time.DateOnly), s.To.Format(time.DateOnly))
}
