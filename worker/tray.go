package worker

import (
	"context"

	"github.com/resetd/resetd/diag/reply"
	"github.com/resetd/resetd/internal/ledger"
	"github.com/resetd/resetd/internal/store"
	"github.com/resetd/resetd/mailer/bounce"
)

// layAside puts a return into the tray when a person must look at it: nothing in it could be read as a report, or not why the mail failed.
// It keeps what the facts keep, and lays the same return aside once, however often it is read.
func (w *Worker) layAside(ctx context.Context, c store.Claim, m bounce.Mail) error {
	t := store.TrayItem{ID: ledger.ReturnID(c.ID), At: w.Store.Now(), Source: source(c), Realm: c.Realm, Ledger: c.Ledger, Reset: c.Reset, Message: c.Message,
		Subject: clipped(m.Subject), From: clipped(m.From), Notice: m.Notice, Unread: m.Unread}
	switch m.Kind {
	case bounce.KindNone:
		t.Why = store.TrayUnread
		if m.Because.Text != "" {
			t.Lines = append(t.Lines, m.Because.Text)
		}
	case bounce.KindBounce:
		for _, r := range m.Reports {
			if r.Reason != reply.ReasonUnknown || r.Action != bounce.ActionFailed && r.Action != bounce.ActionDelayed {
				continue
			}
			if t.Why == "" {
				t.Why, t.Recipient, t.Action, t.Status, t.Host = store.TrayNoReason, r.Recipient, string(r.Action), r.Status, r.RemoteHost
			}
			for _, line := range []string{r.Diagnostic, r.Because.Text} {
				if line != "" && len(t.Lines) < maxTrayLines {
					t.Lines = append(t.Lines, line)
					break
				}
			}
		}
	}
	if t.Why == "" {
		return nil
	}
	return w.putTray(ctx, t)
}

// putTray lays an item into the tray; lists that hold nothing are lists too.
func (w *Worker) putTray(ctx context.Context, t store.TrayItem) error {
	for _, list := range []*[]string{&t.Lines, &t.Notice, &t.Unread} {
		if *list == nil {
			*list = []string{}
		}
	}
	w.count(ctx, "tray_"+t.Why)
	return w.Store.PutTray(ctx, t)
}

// maxTrayLines is how many diagnostic lines of one return are kept.
const maxTrayLines = 10
