package api

import (
	"crypto/sha256"
	"net/http"
	"strings"

	"github.com/resetd/resetd/internal/desk"
)

// Key is one API key. Its secret is kept nowhere, only the SHA-256 of it.
type Key struct {
	Name   string // shows in the audit trail
	Role   desk.Role
	Realms []string // empty = all
	SHA256 [32]byte // of the bytes after "Bearer "
}

// keyring finds actors by the hash of what they present. A look-up by hash tells an attacker's clock nothing about any secret: what it
// compares are SHA-256 sums, which nobody can steer.
type keyring map[[32]byte]desk.Actor

func newKeyring(keys []Key) keyring {
	k := make(keyring, len(keys))
	for _, key := range keys {
		k[key.SHA256] = desk.Actor{Name: key.Name, Role: key.Role, Realms: key.Realms}
	}
	return k
}

// find gives the actor of a secret.
func (k keyring) find(secret string) (desk.Actor, bool) {
	if secret == "" {
		return desk.Actor{}, false
	}
	a, ok := k[sha256.Sum256([]byte(secret))]
	return a, ok
}

// authenticate reads the Bearer key of a request (RFC 6750 section 2.1).
func (k keyring) authenticate(r *http.Request) (desk.Actor, bool) {
	scheme, secret, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") {
		return desk.Actor{}, false
	}
	return k.find(strings.TrimSpace(secret))
}
