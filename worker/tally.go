package worker

import (
	"context"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/resetd/resetd/diag"
	"github.com/resetd/resetd/diag/reply"
	"github.com/resetd/resetd/internal/ledger"
	"github.com/resetd/resetd/internal/store"
)

// tally counts what became of mails until it is flushed into the store: one write every few seconds, not one for each mail.
type tally struct {
	writing sync.Mutex // held while what was taken is on its way to the store: whoever flushes after that finds it there

	mu     sync.Mutex // holds the fields below
	slices map[time.Time]store.Tallied
	opens  map[time.Time]store.Tallied
	rows   map[string]store.Row
}

// tallyMost bounds what one flush holds; beyond it nothing is counted, since statistics must not eat the worker.
const tallyMost = 20000

func (t *tally) mail(at time.Time, m diag.Marks, cause string, tried bool) {
	if cause == "" && !tried {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.slices == nil {
		t.slices = map[time.Time]store.Tallied{}
	}
	start := at.Truncate(diag.Slice)
	if t.slices[start] == nil {
		t.slices[start] = store.Tallied{}
	}
	for _, f := range diag.Tally(m, cause, tried) {
		if len(t.slices[start]) < tallyMost || t.slices[start][f] > 0 {
			t.slices[start][f]++
		}
	}
}

func (t *tally) failing(f diag.Failing) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.rows == nil {
		t.rows = map[string]store.Row{}
	}
	if row := f.Row(); len(t.rows) < tallyMost {
		t.rows[row] = store.Row{At: f.At, Text: row}
	}
}

func (t *tally) accepted(at time.Time, provider string) {
	if provider == "" {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.opens == nil {
		t.opens = map[time.Time]store.Tallied{}
	}
	hour := at.Truncate(time.Hour)
	if t.opens[hour] == nil {
		t.opens[hour] = store.Tallied{}
	}
	if len(t.opens[hour]) < tallyMost {
		t.opens[hour][provider+" a"]++
	}
}

// take empties the tally.
func (t *tally) take() (slices, opens map[time.Time]store.Tallied, rows []store.Row) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, r := range t.rows {
		rows = append(rows, r)
	}
	slices, opens = t.slices, t.opens
	t.slices, t.opens, t.rows = nil, nil, nil
	return slices, opens, rows
}

// flush writes the tally. What could not be written is forgotten: it is statistics.
func (w *Worker) flush(ctx context.Context) {
	w.tally.writing.Lock()
	defer w.tally.writing.Unlock()
	slices, opens, rows := w.tally.take()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	err := w.Store.MarkFailing(ctx, rows)
	for start, counts := range slices {
		if err == nil {
			err = w.Store.Tally(ctx, start, counts)
		}
	}
	for hour, counts := range opens {
		if err == nil {
			err = w.Store.TallyOpens(ctx, hour, counts)
		}
	}
	if err != nil {
		w.Log.Debug().Err(err).Msg("mails are not counted")
	}
}

// marks are what a job's mail has in common with others.
func (j *job) marks(provider, route string) diag.Marks {
	m := diag.Marks{Provider: provider, Route: route, Realm: j.Realm}
	if j.realm != nil {
		m.Sender = domainOf(j.realm.From)
	}
	return m
}

func domainOf(from string) string {
	i := strings.LastIndexByte(from, '@')
	if i < 0 {
		return ""
	}
	return strings.ToLower(strings.Trim(from[i+1:], "> "))
}

// tallyAttempt counts the last dialogue of a try. A mail counts once in a slice; that it fails is noted each time.
func (w *Worker) tallyAttempt(j *job, f ledger.Fact) {
	if j.canary() {
		return
	}
	a := *f.Attempt
	m, cause := j.marks(diag.ProviderOf(&a), a.Route), diag.AttemptCause(w.Replies, a)
	again := false
	for _, old := range j.msg.Attempts {
		again = again || old.At.Truncate(diag.Slice).Equal(f.At.Truncate(diag.Slice))
	}
	if !again {
		w.tally.mail(f.At, m, cause, true)
	}
	if cause != "" {
		code := said(a.Code, a.Enhanced)
		if diag.NotAnswered(a) {
			code = diag.NoAnswer
		}
		w.tally.failing(diag.Failing{At: f.At, Reset: j.Reset, Marks: m, Cause: cause, Code: code})
	}
	if a.Outcome == ledger.Accepted {
		w.tally.accepted(f.At, m.Provider)
	}
}

// tallyFailure counts a mail that failed without a dialogue, or after one: it came back, could not be built, could not begin.
func (w *Worker) tallyFailure(j *job, at time.Time, m diag.Marks, cause, code string, tried bool) {
	if cause == "" || j.canary() {
		return
	}
	w.tally.mail(at, m, cause, tried)
	w.tally.failing(diag.Failing{At: at, Reset: j.Reset, Marks: m, Cause: cause, Code: code})
}

// tallyReturns counts mails that came back after they were accepted.
func (w *Worker) tallyReturns(j *job, facts []ledger.Fact) {
	for _, f := range facts {
		if f.Return != nil && f.Event == ledger.Bounced && j.msg != nil {
			w.tallyReturn(j, f)
		}
	}
}

func (w *Worker) tallyReturn(j *job, f ledger.Fact) {
	provider := reply.Provider(f.Return.RemoteHost, "", "")
	if n := len(j.msg.Attempts); provider == "" && n > 0 {
		provider = diag.ProviderOf(j.msg.Attempts[n-1].Attempt)
	}
	w.tallyFailure(j, f.At, j.marks(provider, j.msg.Route), diag.ReturnCause(w.Replies, *f.Return), said(0, f.Return.Status), false)
}

// said is a reply's codes; its words may hold an address.
func said(code int, enhanced string) string {
	var parts []string
	if code > 0 {
		parts = append(parts, strconv.Itoa(code))
	}
	if enhanced != "" {
		parts = append(parts, enhanced)
	}
	return strings.Join(parts, " ")
}
