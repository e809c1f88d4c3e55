package desk

import (
	"context"
	"encoding/json"
	"time"

	"github.com/resetd/resetd/diag"
	"github.com/resetd/resetd/internal/ledger"
	"github.com/resetd/resetd/internal/store"
)

// crowd is what other people's mails say of one person's.
type crowd struct {
	troubles   []diag.Trouble // the newest first
	outages    []diag.Outage
	unanswered []diag.Unanswered
	opens      map[string]diag.Opens
	heard      map[string]time.Time // provider -> its newest event
}

// compare reads the incidents, and what the worker has worked out of its counts.
func (d *Desk) compare(ctx context.Context, s *sight) error {
	var err error
	if s.crowd.troubles, err = d.troubles(ctx); err != nil {
		return err
	}
	for _, t := range s.crowd.troubles {
		if t.Cause == "network.port25_blocked" {
			s.crowd.unanswered = append(s.crowd.unanswered, diag.Unanswered{Since: t.Since, Until: t.Until})
		}
		if t.Kind == diag.OfProvider && t.Cause == "deferred.provider_outage" {
			s.crowd.outages = append(s.crowd.outages, diag.Outage{Provider: t.Name, Since: t.Since, Until: t.Until, Resets: t.Size})
		}
	}
	body, err := d.Store.Comparison(ctx)
	if err != nil {
		return err
	}
	var c diag.Comparison
	if json.Unmarshal(body, &c) == nil {
		s.crowd.opens = c.Opens
	}
	s.crowd.heard, err = d.Store.LastHeard(ctx)
	return err
}

func (d *Desk) troubles(ctx context.Context) ([]diag.Trouble, error) {
	bodies, err := d.Store.Incidents(ctx)
	if err != nil {
		return nil, err
	}
	var out []diag.Trouble
	for _, b := range bodies {
		var t diag.Trouble
		if json.Unmarshal(b, &t) == nil {
			out = append(out, t)
		}
	}
	return out, nil
}

// diagnose attaches the incident that a case belongs to. It stands beside the case's own cause and never replaces it.
func (s *sight) diagnose(in diag.Input) diag.Case {
	c := diag.Diagnose(in)
	c.Incident = diag.IncidentOf(in, s.crowd.troubles)
	return c
}

// countOpened counts a reset's first visit for the provider whose host took its newest mail, in the hour of that. A program's visit counts too:
// it shows that the mail was not thrown away. It is statistics: that it fails is no error.
func (d *Desk) countOpened(ctx context.Context, r *ledger.Reset) {
	var took *ledger.Fact
	for i, f := range r.Facts {
		switch {
		case f.Visit != nil && f.Visit.Via == "":
			return // not the first
		case f.Event == ledger.Attempted && f.Attempt != nil && f.Attempt.Outcome == ledger.Accepted:
			took = &r.Facts[i]
		}
	}
	if took == nil {
		return
	}
	if p := diag.ProviderOf(took.Attempt); p != "" {
		_ = d.Store.TallyOpens(ctx, took.At, store.Tallied{p + " o": 1})
	}
}
