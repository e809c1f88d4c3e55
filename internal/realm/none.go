package realm

import (
	"context"
	"strings"
)

// None is the directory of an app that vouches for its users: the login is the address, and the account is active. The zero value is ready.
type None struct{}

// Lookup never fails and never says "unknown".
func (None) Lookup(_ context.Context, realm, login string) (Found, error) {
	login = strings.TrimSpace(login)
	return Found{Accounts: []Account{{ID: Normal(login), Realm: realm, Login: login, Address: login, State: Active}}}, nil
}
