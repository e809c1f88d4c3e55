package main

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"os"

	"github.com/resetd/resetd/internal/config"
	"github.com/resetd/resetd/internal/ledger"
	"github.com/resetd/resetd/internal/store"
	"github.com/resetd/resetd/mailer/bounce"
	"github.com/resetd/resetd/mailer/bounce/hook"
)

// mailboxOf makes what fetches the bounce mailbox; nil = none is configured.
func mailboxOf(c config.BounceMailbox) (*bounce.Mailbox, error) {
	if c.IMAP == "" {
		return nil, nil
	}
	m := &bounce.Mailbox{URL: c.IMAP, Username: c.Username, Password: string(c.Password)}
	if c.CAFile != "" {
		pem, err := os.ReadFile(c.CAFile)
		if err != nil {
			return nil, fmt.Errorf("bounce_mailbox: ca_file: %w", err)
		}
		m.TLS = &tls.Config{RootCAs: x509.NewCertPool()}
		if !m.TLS.RootCAs.AppendCertsFromPEM(pem) {
			return nil, errors.New("bounce_mailbox: ca_file holds no PEM certificate")
		}
	}
	return m, nil
}

// fetch fetches returned mail from the bounce mailbox.
func (d *daemon) fetch(ctx context.Context) error {
	m := d.mailbox
	match := bounce.Matcher{Verify: d.paths.ParseReturnPath, Own: d.paths.ParseMessageIDHeader}
	m.Keep = func(ctx context.Context, raw []byte) (bool, error) { return d.keepFetched(ctx, match.Match(raw), raw) }
	m.Note = func(what string, err error) { d.log.Warn().Str("part", "bounce").Err(err).Msg(what) }
	return m.Run(ctx)
}

// keepFetched stores a mail of the bounce mailbox, if it is about a mail of ours: by its return path or message, else by whom it is
// about, where one mail only went there lately. A report that is about none goes to the tray.
func (d *daemon) keepFetched(ctx context.Context, m bounce.Match, raw []byte) (ours bool, err error) {
	if m.Message == "" && m.Recipient != "" {
		list, err := d.store.WrittenTo(ctx, m.Recipient, d.store.Now())
		if err != nil {
			return false, err
		}
		if len(list) == 1 {
			m.Message, m.Found = list[0], ledger.ByRecipient
		}
	}
	if m.Message == "" && isReport(raw) {
		return true, d.events.keepReport(ctx, "imap", "", raw)
	}
	switch {
	case m.Message == "" && m.Kind == bounce.KindBounce:
		sum := sha256.Sum256(raw)
		return true, d.events.keepUnit(ctx, hex.EncodeToString(sum[:]), hook.Unit{Source: "imap", Mail: raw})
	case m.Message == "":
		d.log.Info().Str("part", "bounce").Msg("a mail in the bounce mailbox is no report, and about none of ours")
		return false, nil
	}
	return true, d.keepFrom(ctx, store.Origin{Source: "imap", Found: m.Found}, m.Message, raw)
}

// mailboxBeat says that the bounce mailbox can be seen, while it can.
func (d *daemon) mailboxBeat(ctx context.Context) error {
	if !d.mailbox.Seeing() {
		return nil
	}
	err := d.store.Beat(ctx, "mailbox")
	if !d.receives {
		err = errors.Join(err, d.store.Beat(ctx, "bounces")) // there is no other way back
	}
	return err
}
