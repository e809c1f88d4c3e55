package main

import (
	"context"
	"time"

	"github.com/resetd/resetd/internal/ledger"
	"github.com/resetd/resetd/internal/realm"
	"github.com/resetd/resetd/internal/store"
	"github.com/resetd/resetd/mailer/bounce"
	"github.com/resetd/resetd/worker"
)

// canary is how loop checks are made.
type canary struct {
	every, within time.Duration
	openPage      bool
	mailbox       bool // a bounce mailbox is fetched as well
}

// loops are the loop checks of this process' worker: they begin at its own desk, as if somebody had asked.
func (d *daemon) loops() worker.Loops {
	l := worker.Loops{Lanes: d.desk.Loops.Lanes, Within: d.canary.within, OpenPage: d.canary.openPage, Redeem: d.desk.RedeemCanary}
	l.Mailbox = d.canary.mailbox
	// Where returned mail goes to a mailbox, a canary goes there too, and nobody would follow its link.
	if d.receives && !d.canary.mailbox {
		l.Every = d.canary.every
	}
	l.Ask = func(ctx context.Context, lane realm.Lane) error {
		_, err := d.desk.BeginLoop(ctx, lane, "")
		return err
	}
	return l
}

// keepCanary seals and stores a canary that came back, with what the receiver saw of the host that brought it.
func (d *daemon) keepCanary(ctx context.Context, id ledger.MessageID, came bounce.Came, raw []byte) error {
	packed, err := came.Pack(raw)
	if err != nil {
		return err
	}
	return d.keepFrom(ctx, store.Origin{Source: worker.SourceCanary}, id, packed)
}
