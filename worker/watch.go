package worker

import (
	"context"
	"encoding/json"
	"time"

	"github.com/resetd/resetd/diag"
	"github.com/resetd/resetd/internal/ledger"
)

// watchAt is how often the tally is looked at; tallyAt how often it is written.
const (
	watchAt = 30 * time.Second
	tallyAt = 2 * time.Second
)

// watch looks for failures that share something, and opens, follows and ends incidents. The worker that reconciles does it.
func (w *Worker) watch(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if mine, err := w.Store.Sweep(ctx, w.Name, 3*reconcileAt); err != nil || !mine {
		return
	}
	w.flush(ctx) // what this worker has seen itself is not to be missed
	if err := w.incidents(ctx); err != nil && ctx.Err() == nil {
		w.Log.Warn().Err(err).Msg("incidents cannot be looked for")
	}
	if err := w.compare(ctx); err != nil && ctx.Err() == nil {
		w.Log.Warn().Err(err).Msg("providers cannot be compared")
	}
}

func (w *Worker) incidents(ctx context.Context) error {
	now := w.Store.Now()
	look := diag.Watch{Now: now}
	day := now.Add(-24 * time.Hour)
	tallies, err := w.Store.Tallies(ctx, day, now, diag.Slice)
	if err != nil {
		return err
	}
	for t := day.Truncate(diag.Slice); !t.After(now); t = t.Add(diag.Slice) {
		if fields, ok := tallies[t]; ok {
			look.Slices = append(look.Slices, diag.ReadTally(t, fields))
		}
	}
	rows, err := w.Store.FailingSince(ctx, day)
	if err != nil {
		return err
	}
	for _, r := range rows {
		if f, ok := diag.ReadFailing(r.At, r.Text); ok {
			look.Failing = append(look.Failing, f)
		}
	}
	bodies, err := w.Store.Incidents(ctx)
	if err != nil {
		return err
	}
	for _, b := range bodies {
		var t diag.Trouble
		if json.Unmarshal(b, &t) == nil && (t.Until.IsZero() || t.Until.After(day)) {
			look.Known = append(look.Known, t)
		}
	}
	facts, _, err := w.Store.House(ctx)
	if err != nil {
		return err
	}
	for _, f := range facts {
		if f.At.After(day) {
			look.Changes = append(look.Changes, diag.ChangesOf(f)...)
		}
	}
	for _, t := range diag.Detect(look) {
		if t.ID == "" {
			t.ID = ledger.NewIncidentID(ledger.NewSeed())
			w.count(ctx, "incidents")
			w.Log.Warn().Str("incident", t.ID).Str("kind", string(t.Kind)).Str("name", t.Name).Str("cause", t.Cause).Int("resets", t.Size).Msg("an incident began")
		} else if !t.Until.IsZero() {
			w.Log.Info().Str("incident", t.ID).Int("resets", t.Size).Msg("an incident is over")
		}
		body, err := json.Marshal(t)
		if err != nil {
			return err
		}
		if err := w.Store.KeepIncident(ctx, t.ID, t.Since, body); err != nil {
			return err
		}
	}
	return nil
}

// compare works out how many accepted mails of each provider were opened in the last week.
func (w *Worker) compare(ctx context.Context) error {
	now := w.Store.Now()
	counts, err := w.Store.Opens(ctx, now.Add(-7*24*time.Hour), now.Add(-time.Hour))
	if err != nil {
		return err
	}
	body, err := json.Marshal(diag.Comparison{Opens: diag.CompareOpens(counts)})
	if err != nil {
		return err
	}
	return w.Store.KeepComparison(ctx, body)
}
