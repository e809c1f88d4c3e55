package postfixtest

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Mail is what a mailbox holds, oldest first, each as delivered: Postfix has put Return-Path, Delivered-To and Received
// before it and has made the line ends LF.
func (p *Postfix) Mail(address string) ([][]byte, error) {
	dir := filepath.Join(p.dir, "mail", box(address), "new")
	entries, err := os.ReadDir(dir)
	if os.IsNotExist(err) {
		return nil, nil // the folder comes with the first mail
	}
	if err != nil {
		return nil, err
	}
	// A Maildir name begins with the time of delivery: SECONDS.V…I…M…
	slices.SortFunc(entries, func(a, b os.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	var mails [][]byte
	for _, e := range entries {
		raw, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, err
		}
		mails = append(mails, raw)
	}
	return mails, nil
}

// WaitMail returns the mailbox once it holds n mails.
func (p *Postfix) WaitMail(ctx context.Context, address string, n int) (mails [][]byte, err error) {
	var failed error
	err = p.until(ctx, "mail", func() bool {
		mails, failed = p.Mail(address)
		return failed != nil || len(mails) >= n
	})
	if failed != nil {
		return nil, failed
	}
	return mails, err
}
