// Package realm says whose password it is: the places where passwords are kept, their accounts, and the directories that know them.
package realm

import (
	"context"
	"time"
)

// Login is how a realm's people sign in.
type Login string

const (
	LoginPassword  Login = "password"  // a password that a reset can change
	LoginSSO       Login = "sso"       // an identity provider keeps it: no mail of ours helps
	LoginDirectory Login = "directory" // a company directory keeps it
	LoginNone      Login = "none"      // accounts only: no password was ever set
)

// Realm is one place where a password is kept.
type Realm struct {
	Name         string
	Login        Login
	Pages        []string // URL prefixes of its login pages
	Provider     Provider
	ResetURL     string // where the app takes the new password; {token} is replaced
	From         string // RFC 5322 From of its mail
	Routes       []string
	TokenTTL     time.Duration
	RequiredRole string // "" = none needed
	ResetsOff    bool   // passwords are not reset here, as while it is read-only: every ask is refused
	Templates    string // folder; "" = built in
	Reveal       string // off, two_people, on
	Directory    Directory
}

// Provider is where the password really is, for sso and directory realms.
type Provider struct {
	Name string
	URL  string
}

// State is an account's standing in its directory.
type State string

const (
	Active       State = "active"
	Invited      State = "invited"
	NotActivated State = "not_activated"
	Suspended    State = "suspended"
	Deleted      State = "deleted"
	Unverified   State = "unverified" // the address was never verified
)

// Account is a login as its directory describes it. JSON is the shape of CONTRACT.md.
type Account struct {
	ID             string    `json:"id"`
	Realm          string    `json:"realm"`
	Login          string    `json:"login"`
	Address        string    `json:"address"`
	State          State     `json:"state"`
	LoginMethod    Login     `json:"login_method"` // "" = the realm's
	Provider       string    `json:"provider,omitempty"`
	OtherAddresses []string  `json:"other_addresses,omitempty"`
	Username       string    `json:"username,omitempty"`
	Locale         string    `json:"locale,omitempty"`
	Since          time.Time `json:"since,omitzero"` // since when the address is this account's
	MergedInto     string    `json:"merged_into,omitempty"`
	Roles          []string  `json:"roles,omitempty"`
}

// Directory knows the accounts of a realm.
type Directory interface {
	// Lookup gives the accounts that a login names, and look-alikes. An answer with no account is an answer; an error means that the
	// directory did not answer, or answered nonsense: errors.As to *Unavailable tells which.
	Lookup(ctx context.Context, realm, login string) (Found, error)
}

// Found is a directory's answer.
type Found struct {
	Accounts []Account `json:"accounts"`
	Near     []Account `json:"near"` // look-alikes, for support's eyes only
}

// Unavailable is a directory that could not be asked, or whose answer made no sense.
type Unavailable struct {
	Kind   string // silent, refused, status, nonsense, too_big, unreadable
	Detail string // for people; no address in it
	Err    error
}

func (u *Unavailable) Error() string { return "directory: " + u.Detail }

// Unwrap gives the cause.
func (u *Unavailable) Unwrap() error { return u.Err }

// MethodOf is the account's way to sign in; its own wins over the realm's.
func (r Realm) MethodOf(a Account) Login {
	if a.LoginMethod != "" {
		return a.LoginMethod
	}
	return r.Login
}
