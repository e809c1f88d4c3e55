// Package token makes and reads the secret in the link. A token is derived from the id of its reset, its generation and a key; it is
// never stored, so nothing that leaks from the store is worth anything to a thief.
package token

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"

	"github.com/resetd/resetd/internal/ledger"
)

// Reasons why a presented token is dead, in the order in which they are told. The texts are the codes of the API.
var (
	ErrMalformed  = errors.New("malformed")   // cut, altered, or made by nobody we know
	ErrOtherRealm = errors.New("other_realm") // good, but for another realm
	ErrUnknown    = errors.New("unknown")     // its MAC is right and there is no record of it any more
	ErrUsed       = errors.New("used")
	ErrReplaced   = errors.New("replaced") // by a newer generation, another redeem, or a password change
	ErrExpired    = errors.New("expired")
)

// Key is one secret; the first of a ring makes tokens, all of them verify.
type Key struct {
	ID     string
	Secret [32]byte
}

// Ring derives and verifies tokens. It is immutable.
type Ring struct{ keys []subkey }

type subkey struct {
	id  string
	mac []byte
}

// Sub derives a key of its own for one use from a secret, so that no two uses share one. The label is the use's name and never changes.
func Sub(secret [32]byte, label string) []byte {
	k, err := hkdf.Key(sha256.New, secret[:], nil, label, 32)
	if err != nil {
		panic("hkdf of a 32 byte key: " + err.Error()) // only for lengths that are not asked for here
	}
	return k
}

// NewRing makes a ring of at least one key.
func NewRing(keys []Key) (*Ring, error) {
	if len(keys) == 0 {
		return nil, errors.New("no token key: make one with `resetd keys token`")
	}
	r := &Ring{}
	for _, k := range keys {
		r.keys = append(r.keys, subkey{id: k.ID, mac: Sub(k.Secret, "resetd token")})
	}
	return r, nil
}

// Current is the id of the key that new generations use.
func (r *Ring) Current() string { return r.keys[0].id }

const (
	rawID  = 17
	macLen = 20
	rawLen = rawID + 1 + macLen
)

var enc = base64.RawURLEncoding.Strict()

// ErrNoKey means that a token cannot be repeated, since its key is no longer in the ring.
var ErrNoKey = errors.New("the key that made this token is no longer configured")

// MaxGeneration is the last generation that a token can carry.
const MaxGeneration = 255

// Make derives the token of a reset's generation (1 to MaxGeneration) under a key of the ring: 51 characters that need no escaping in
// a URL. The same arguments give the same token.
func (r *Ring) Make(id ledger.ResetID, generation int, keyID string) (string, error) {
	raw, err := ledger.Raw(string(id))
	if err != nil {
		return "", err
	}
	if generation < 1 || generation > MaxGeneration {
		return "", errors.New("token generation out of range")
	}
	for _, k := range r.keys {
		if k.id == keyID {
			buf := make([]byte, 0, rawLen)
			buf = append(buf, raw[:]...)
			buf = append(buf, byte(generation))
			return enc.EncodeToString(k.sum(buf, buf)), nil
		}
	}
	return "", ErrNoKey
}

// sum appends the MAC of body to dst.
func (k subkey) sum(dst, body []byte) []byte {
	m := hmac.New(sha256.New, k.mac)
	m.Write(body)
	return append(dst, m.Sum(nil)[:macLen]...)
}

// Parse reads a token and verifies its MAC under every key: ErrMalformed, or whose it is. Whether it lives is the record's business.
func (r *Ring) Parse(s string) (ledger.ResetID, int, error) {
	if len(s) != enc.EncodedLen(rawLen) {
		return "", 0, ErrMalformed
	}
	buf, err := enc.DecodeString(s)
	if err != nil || len(buf) != rawLen || int(buf[0]) >= ledger.Partitions {
		return "", 0, ErrMalformed
	}
	ok := 0
	for _, k := range r.keys {
		ok |= subtle.ConstantTimeCompare(k.sum(nil, buf[:rawID+1]), buf[rawID+1:])
	}
	if ok != 1 || buf[rawID] == 0 {
		return "", 0, ErrMalformed
	}
	return ledger.ResetIDFromRaw([rawID]byte(buf[:rawID])), int(buf[rawID]), nil
}

// Hint reads the reset that an altered or cut token names, if enough of it is there. It proves nothing: whoever uses it must do no more
// than remember that somebody held such a link.
func Hint(s string) (ledger.ResetID, bool) {
	const chars = (rawID*8 + 5) / 6 // that hold the id; the last of them holds bits of what follows
	if len(s) < chars {
		return "", false
	}
	buf, err := base64.RawURLEncoding.DecodeString(s[:chars])
	if err != nil || len(buf) < rawID || int(buf[0]) >= ledger.Partitions {
		return "", false
	}
	return ledger.ResetIDFromRaw([rawID]byte(buf[:rawID])), true
}

// Len is the length of every token in characters.
func Len() int { return enc.EncodedLen(rawLen) }
