package token

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"errors"
)

// Sealer keeps what must not lie open in the store: a returned mail carries the live link. AES-256-GCM under keys derived from the
// token keys; the first seals, all open.
type Sealer struct{ aeads []cipher.AEAD }

// ErrSealed means that no key opens the text: it was altered, or its key is gone.
var ErrSealed = errors.New("sealed copy does not open: altered, or its token key is no longer configured")

// NewSealer makes a sealer from the ring's keys.
func NewSealer(keys []Key) (*Sealer, error) {
	if len(keys) == 0 {
		return nil, errors.New("no token key to seal with")
	}
	s := &Sealer{}
	for _, k := range keys {
		block, err := aes.NewCipher(Sub(k.Secret, "resetd seal"))
		if err != nil {
			return nil, err
		}
		a, err := cipher.NewGCMWithRandomNonce(block)
		if err != nil {
			return nil, err
		}
		s.aeads = append(s.aeads, a)
	}
	return s, nil
}

// Seal encrypts; about binds the copy to what it belongs to (an id), so that it opens nowhere else.
func (s *Sealer) Seal(plain []byte, about string) []byte {
	return s.aeads[0].Seal(nil, nil, plain, []byte(about))
}

// Open decrypts with whichever key fits.
func (s *Sealer) Open(sealed []byte, about string) ([]byte, error) {
	for _, a := range s.aeads {
		if plain, err := a.Open(nil, nil, sealed, []byte(about)); err == nil {
			return plain, nil
		}
	}
	return nil, ErrSealed
}

// NewKey draws a key.
func NewKey(id string) Key {
	k := Key{ID: id}
	rand.Read(k.Secret[:]) // never fails since Go 1.24
	return k
}
