package worker_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/hibiken/asynq"

	"github.com/resetd/resetd/diag"
	"github.com/resetd/resetd/internal/ledger"
	"github.com/resetd/resetd/internal/realm"
	"github.com/resetd/resetd/internal/sim"
	"github.com/resetd/resetd/worker"
	"github.com/resetd/resetd/worker/task"
)

// Six people write to a host that refuses our DKIM: the worker opens an incident with its cause and its size, and no login stands in it.
func TestIncidentIsOpened(t *testing.T) {
	var accounts []realm.Account
	for i := range 6 {
		login := fmt.Sprintf("p%d@there.example", i)
		accounts = append(accounts, realm.Account{ID: login, Login: login, Address: login, LoginMethod: realm.LoginPassword})
	}
	b := newBench(t, func(w *worker.Worker) { w.Watch = 200 * time.Millisecond }, accounts...)
	mx := b.world.Host("mx.there.example", sim.RejectAtDot(550, "5.7.26", "This mail fails the DMARC policy of the domain us.example"))
	b.world.Domain("there.example", mx)
	for _, a := range accounts {
		b.until(b.ask(a.Login, time.Now()), "refused by the host", state(ledger.IsFailed))
	}
	var tr diag.Trouble
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end) && tr.Size < 6; time.Sleep(50 * time.Millisecond) {
		bodies, err := b.store.Incidents(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, body := range bodies {
			if err := json.Unmarshal(body, &tr); err != nil {
				t.Fatal(err)
			}
		}
	}
	if tr.Size != 6 || tr.Kind != diag.OfSender || tr.Name != "us.example" || tr.Cause != "sender.dmarc_rejected" || !tr.Until.IsZero() {
		t.Errorf("incident %+v", tr)
	}
	rows, err := b.store.FailingSince(t.Context(), tr.Since.Add(-time.Minute))
	if err != nil || len(rows) != 6 {
		t.Errorf("%d failing rows, %v", len(rows), err)
	}
	for _, r := range rows {
		if f, ok := diag.ReadFailing(r.At, r.Text); !ok || f.Code == "" || !tr.Holds(f) {
			t.Errorf("row %q", r.Text)
		}
	}
}

// queue.stuck cannot happen: a dead job of a message, archived under its name, keeps no later ring of that message out, since each ring has a
// name of its own.
func TestDeadJobBlocksNoOther(t *testing.T) {
	b := newBench(t, nil, jo())
	mx := b.world.Host("mx.there.example", sim.Accept())
	b.world.Domain("there.example", mx)
	b.stop()
	id := b.ask("jo@there.example", time.Now())
	inspector := asynq.NewInspectorFromRedisClient(b.rdb)
	if n, err := inspector.ArchiveAllPendingTasks(task.Queue); err != nil || n != 1 {
		t.Fatalf("%d jobs archived, %v", n, err)
	}
	b.start()
	b.until(id, "sent", state(ledger.Sent))
}
