package worker

import (
	"context"

	"github.com/resetd/resetd/internal/ledger"
	"github.com/resetd/resetd/internal/store"
	"github.com/resetd/resetd/mailer/bounce"
	"github.com/resetd/resetd/mailer/bounce/hook"
)

// unmatchedMail lays a report into the tray that is about no mail that we know.
func (w *Worker) unmatchedMail(ctx context.Context, id ledger.ReturnID, from string, m bounce.Mail) error {
	t := store.TrayItem{ID: id, Source: from, Subject: clipped(m.Subject), From: clipped(m.From), Notice: m.Notice, Unread: m.Unread}
	for i, r := range m.Reports {
		if i == 0 {
			t.Recipient, t.Action, t.Status, t.Host = r.Recipient, string(r.Action), r.Status, r.RemoteHost
		}
		if r.Diagnostic != "" && len(t.Lines) < maxTrayLines {
			t.Lines = append(t.Lines, r.Diagnostic)
		}
	}
	return w.putUnmatched(ctx, t)
}

// unmatchedEvent lays an event into the tray that says of a mail to an address of ours that it failed or waits, and not of which.
func (w *Worker) unmatchedEvent(ctx context.Context, from string, e hook.Event) error {
	action := ""
	switch e.Kind {
	case hook.Bounced, hook.Dropped, hook.Rejected:
		action = "failed"
	case hook.Deferred:
		action = "delayed"
	default:
		return nil // nobody has to look at what went well
	}
	t := store.TrayItem{ID: store.UnitID(from, "event "+e.ID), Source: from, Recipient: e.Recipient, Action: action, Status: e.Status, Host: e.Host}
	if e.Diagnostic != "" {
		t.Lines = append(t.Lines, e.Diagnostic)
	}
	return w.putUnmatched(ctx, t)
}

func (w *Worker) putUnmatched(ctx context.Context, t store.TrayItem) error {
	t.At, t.Why = w.Store.Now(), store.TrayUnmatched
	return w.putTray(ctx, t)
}
