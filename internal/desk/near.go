package desk

import (
	"context"

	"github.com/resetd/resetd/diag"
	"github.com/resetd/resetd/internal/realm"
)

// askSpellings asks a directory that knows no such login, and names no look-alike itself, for the spellings that were probably meant. What it
// finds is for support: no ask of the public comes here.
func (d *Desk) askSpellings(ctx context.Context, v *view, login string) {
	if v.vouched || v.unavailable != nil || len(v.found.Accounts)+len(v.found.Near) > 0 {
		return
	}
	for _, s := range diag.Spellings(login) {
		other := view{realm: v.realm}
		d.askDirectory(ctx, &other, s)
		if other.unavailable != nil {
			return // it had enough
		}
		for _, a := range other.found.Accounts {
			if !known(v.found.Near, a.ID) {
				v.found.Near = append(v.found.Near, a)
			}
		}
	}
}

func known(list []realm.Account, id string) bool {
	for _, a := range list {
		if a.ID == id {
			return true
		}
	}
	return false
}
