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

// errManyReports is answered 451: the sender comes again.
var errManyReports = errors.New("too many reports came within the hour")

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
