package realm

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// Caps on one account's texts, in bytes. RFC 5321 section 4.5.3.1.3 allows 254 for an address; logins are 1,024 as in the API.
const (
	maxID    = 256
	maxLogin = 1024
)

// ParseAccount reads one account in CONTRACT.md's JSON and refuses what a decision could not rest on: no id, a state or login method that we
// do not know, control characters in what goes into a mail's header. Unknown keys are left to the directory's owner. The error says what is
// wrong and quotes nothing.
func ParseAccount(data []byte) (Account, error) {
	var a Account
	if err := strictJSON(data, &a); err != nil {
		return Account{}, err
	}
	if err := a.check(); err != nil {
		return Account{}, err
	}
	return a, nil
}

func (a Account) check() error {
	switch {
	case a.ID == "":
		return errors.New("an account has no id")
	case len(a.ID) > maxID:
		return fmt.Errorf("an account's id is over %d bytes", maxID)
	}
	switch a.State {
	case Active, Invited, NotActivated, Suspended, Deleted, Unverified:
	case "":
		return errors.New("an account has no state")
	default:
		return errors.New("an account's state is none that we know (active, invited, not_activated, suspended, deleted, unverified)")
	}
	switch a.LoginMethod {
	case "", LoginPassword, LoginSSO, LoginDirectory, LoginNone:
	default:
		return errors.New("an account's login_method is none that we know (password, sso, directory, none)")
	}
	for _, s := range append([]string{a.ID, a.Login, a.Address, a.Username, a.Locale, a.Provider, a.MergedInto}, a.OtherAddresses...) {
		if len(s) > maxLogin {
			return fmt.Errorf("an account has a text of over %d bytes", maxLogin)
		}
		if strings.ContainsFunc(s, isControl) {
			return errors.New("an account has a control character in a text")
		}
	}
	return nil
}

func isControl(r rune) bool { return r < 0x20 || r >= 0x7f && r < 0xa0 || r == 0x2028 || r == 0x2029 }

// names are all the texts under which people may know an account.
func (a Account) names() []string {
	out := make([]string, 0, 3+len(a.OtherAddresses))
	for _, s := range append([]string{a.Login, a.Address, a.Username}, a.OtherAddresses...) {
		if s != "" {
			out = append(out, s)
		}
	}
	return out
}

// strictJSON decodes exactly one JSON value. encoding/json would take the last of two equal keys, take bytes that are no UTF-8, and leave what follows unread: three
// ways for two readers of one answer to see different accounts.
func strictJSON(data []byte, into any) error {
	if !utf8.Valid(data) {
		return errors.New("not UTF-8")
	}
	if err := noDuplicates(data); err != nil {
		return err
	}
	if err := json.Unmarshal(data, into); err != nil {
		var t *json.UnmarshalTypeError
		if errors.As(err, &t) && t.Field != "" {
			return fmt.Errorf("JSON has the wrong type at %s: a %s is expected", t.Field, t.Type)
		}
		return errors.New("not the JSON that is expected")
	}
	return nil
}

// noDuplicates walks the tokens and compares keys as encoding/json does, folded. Depth is capped: no account nests.
func noDuplicates(data []byte) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	type level struct {
		keys  map[string]bool // nil in an array
		value bool            // in an object: the next token is a value
	}
	var stack []*level
	done := false
	for {
		tok, err := dec.Token()
		if err == io.EOF && done {
			return nil
		}
		if err != nil || done {
			return errors.New("not JSON")
		}
		top := func() *level {
			if len(stack) == 0 {
				return nil
			}
			return stack[len(stack)-1]
		}
		if d, ok := tok.(json.Delim); ok && (d == '}' || d == ']') {
			stack = stack[:len(stack)-1]
			done = len(stack) == 0
			continue
		}
		if t := top(); t != nil && t.keys != nil {
			if !t.value {
				k := strings.ToLower(tok.(string))
				if t.keys[k] {
					return errors.New("JSON with the same key twice")
				}
				t.keys[k], t.value = true, true
				continue
			}
			t.value = false
		}
		switch d, ok := tok.(json.Delim); {
		case ok && len(stack) >= 16:
			return errors.New("JSON that is nested too deeply")
		case ok && d == '{':
			stack = append(stack, &level{keys: map[string]bool{}})
		case ok:
			stack = append(stack, &level{})
		default:
			done = len(stack) == 0
		}
	}
}
