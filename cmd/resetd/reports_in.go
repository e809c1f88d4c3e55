package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"time"

	"github.com/resetd/resetd/internal/config"
	"github.com/resetd/resetd/internal/store"
	"github.com/resetd/resetd/mailer/bounce/aggregate"
	"github.com/resetd/resetd/mailer/bounce/hook"
)

// reportsPerHour bounds what strangers can have us read: a domain with mail everywhere gets a few hundred reports a day.
var reportsPerHour = store.Limit{N: 600, Per: time.Hour}

// reportsWait is how much may be unread of what came back while a report is still taken: bounces come first, and reports of a mebibyte
// each must not fill the store while no worker reads them.
const reportsWait = 100

// What is answered 451, so that the sender comes again.
var (
	errManyReports = errors.New("too many reports came within the hour")
	errReportsWait = errors.New("what came back before is not read yet")
)

// keepReport stores a mail or a file with reports about our mail in bulk, as work for a worker. The same one again changes nothing.
func (e *events) keepReport(ctx context.Context, source, name string, raw []byte) error {
	if source != "file" {
		room, err := e.store.SpendReport(ctx, reportsPerHour)
		if err != nil {
			return err
		}
		if !room.OK {
			e.log.Warn().Time("until", room.Next).Msg("more reports came than are read in an hour; they are put off")
			return errManyReports
		}
		q, err := e.store.Status(ctx)
		if err != nil {
			return err
		}
		if q.Returns > reportsWait {
			e.log.Warn().Int("unread", q.Returns).Msg("a report is put off until what came back before is read")
			return errReportsWait
		}
	}
	sum := sha256.Sum256(raw)
	return e.keepUnit(ctx, hex.EncodeToString(sum[:]), hook.Unit{Source: source, Report: raw, Name: name})
}

// isReport says whether a mail of the bounce mailbox holds a report.
func isReport(raw []byte) bool {
	_, err := aggregate.Read("", raw)
	return err == nil
}

// reportBoxes are the local parts at the bounce domain that take reports.
func reportBoxes(cfg *config.Config) []string {
	var out []string
	for _, box := range []string{cfg.SMTP.DMARCReports, cfg.SMTP.TLSReports} {
		if box != "" {
			out = append(out, box)
		}
	}
	return out
}

// reportAddress is where reports reach us; "" = they do not: there is no way in, or it is switched off.
func reportAddress(cfg *config.Config, box string) string {
	if box == "" || cfg.SMTP.BounceListen == "" && cfg.BounceMailbox.IMAP == "" {
		return ""
	}
	return box + "@" + cfg.SMTP.BounceDomain
}
