package worker

import (
	"strings"

	"github.com/resetd/resetd/internal/ledger"
	"github.com/resetd/resetd/internal/realm"
	"github.com/resetd/resetd/mailer"
)

// decide says whether a mail may go to the account that a directory found, and to which address. A refusal is one of the closed set.
func decide(r realm.Realm, found realm.Found) (realm.Account, mailer.Address, *ledger.Refusal) {
	refuse := func(why ledger.Why) *ledger.Refusal { return &ledger.Refusal{Why: why} }
	if len(found.Accounts) == 0 {
		// In a realm of an identity provider nobody is unknown for want of an account here.
		if ref := elsewhere(r, realm.Account{}); ref != nil {
			return realm.Account{}, mailer.Address{}, ref
		}
		return realm.Account{}, mailer.Address{}, refuse(ledger.WhyUnknownAddress)
	}
	if len(found.Accounts) > 1 {
		ref := refuse(ledger.WhySeveralAccounts)
		ref.Count = len(found.Accounts)
		return realm.Account{}, mailer.Address{}, ref
	}
	a := found.Accounts[0]
	ref := standing(a)
	if ref == nil {
		ref = elsewhere(r, a)
	}
	var to mailer.Address
	if ref == nil {
		to, ref = destination(a)
	}
	if ref != nil {
		ref.Account = a.ID
	}
	return a, to, ref
}

// standing refuses accounts that may have no reset, whatever their address.
func standing(a realm.Account) *ledger.Refusal {
	switch a.State {
	case realm.Deleted:
		return &ledger.Refusal{Why: ledger.WhyDeleted, MergedTo: a.MergedInto}
	case realm.Suspended:
		return &ledger.Refusal{Why: ledger.WhySuspended}
	}
	return nil
}

// elsewhere refuses accounts whose password is not kept here, and then those that may not have one yet.
func elsewhere(r realm.Realm, a realm.Account) *ledger.Refusal {
	provider := a.Provider
	if provider == "" {
		provider = r.Provider.Name
	}
	switch r.MethodOf(a) {
	case realm.LoginSSO:
		return &ledger.Refusal{Why: ledger.WhySSO, Provider: provider}
	case realm.LoginDirectory:
		return &ledger.Refusal{Why: ledger.WhyDirectoryManaged, Provider: provider}
	}
	switch a.State {
	case realm.Invited:
		return &ledger.Refusal{Why: ledger.WhyInvited}
	case realm.NotActivated:
		return &ledger.Refusal{Why: ledger.WhyNotActivated}
	}
	if r.MethodOf(a) == realm.LoginNone {
		return &ledger.Refusal{Why: ledger.WhyNoPassword}
	}
	return nil
}

func destination(a realm.Account) (mailer.Address, *ledger.Refusal) {
	if strings.TrimSpace(a.Address) == "" {
		return mailer.Address{}, &ledger.Refusal{Why: ledger.WhyNoAddress}
	}
	if a.State == realm.Unverified {
		return mailer.Address{}, &ledger.Refusal{Why: ledger.WhyUnverified}
	}
	to, err := mailer.ParseAddress(a.Address)
	if err != nil {
		return mailer.Address{}, &ledger.Refusal{Why: ledger.WhyBadAddress, Detail: err.Error()}
	}
	return to, nil
}
