package dnscheck

import (
	"context"
	"crypto"
	"crypto/rsa"
	"errors"
	"fmt"
	"strings"

	"github.com/miekg/dns"
)

// Selector is a DKIM key that we sign with.
type Selector struct {
	Name   string           // the s= tag
	Public crypto.PublicKey // *rsa.PublicKey or ed25519.PublicKey
	Use    KeyUse           // "" = it signs
}

// KeyUse says whether mail is signed with a key.
type KeyUse string

const (
	// KeyPending: not yet; mail is signed with it once its record was seen.
	KeyPending KeyUse = "pending"
	// KeyUnasked: whoever checks does not know: the daemon, which signs with a key once it has seen its record, was not asked.
	KeyUnasked KeyUse = "unasked"
)

// KeyStatus is how the record of a selector compares with our key.
type KeyStatus string

const (
	// KeyMatch: the record holds our key, and verifiers can use it.
	KeyMatch KeyStatus = "match"
	// KeyAbsent: there is no record; every signature of ours fails.
	KeyAbsent KeyStatus = "absent"
	// KeyRevoked: the record is there with an empty p=.
	KeyRevoked KeyStatus = "revoked"
	// KeyOther: the record holds a key that is not ours.
	KeyOther KeyStatus = "other_key"
	// KeyShort: our key, with fewer than 1024 bits: verifiers must not accept it (RFC 8301).
	KeyShort KeyStatus = "too_short"
	// KeyWrongType: k= names another algorithm than that of our key.
	KeyWrongType KeyStatus = "wrong_type"
	// KeySeveral: more than one key record; what verifiers do is undefined (RFC 6376 section 3.6.2.2).
	KeySeveral KeyStatus = "several"
	// KeyCut: the record holds the beginning of our key only, as panels do that cut at 255 octets.
	KeyCut KeyStatus = "cut"
	// KeyUnusable: our key, but h= or s= forbid its use for mail.
	KeyUnusable KeyStatus = "unusable"
	// KeyUnreadable: a record that verifiers cannot read.
	KeyUnreadable KeyStatus = "unreadable"
	// KeyUnknown: DNS failed.
	KeyUnknown KeyStatus = "unknown"
)

// DKIMKey is what DNS says about one selector.
type DKIMKey struct {
	Selector string    `json:"selector"`
	Name     string    `json:"name"` // of the record
	Status   KeyStatus `json:"status"`
	Why      string    `json:"why"`
	Records  []string  `json:"records,omitempty"` // the TXT records that are there
	Bits     int       `json:"bits,omitempty"`    // of the published key
	Use      KeyUse    `json:"use,omitempty"`     // "" = mail is signed with it
	Kind     string    `json:"kind,omitempty"`    // of our key: rsa, ed25519
	Testing  bool      `json:"testing,omitempty"` // t=y: verifiers may treat our signatures as none
	Alias    string    `json:"alias,omitempty"`   // the record is kept elsewhere, behind a CNAME
	Publish  string    `json:"publish,omitempty"` // the record to publish, in zone-file form
}

// dkimName is where the key of a selector stands.
func dkimName(selector, domain string) string { return selector + "._domainkey." + domain }

// CheckKey compares the record of a selector with the key that we sign with.
func CheckKey(ctx context.Context, resolver DNS, domain string, s Selector) DKIMKey {
	k := DKIMKey{Selector: s.Name, Name: foldName(dkimName(s.Name, domain)), Use: s.Use}
	kind, data, err := keyData(s.Public)
	if err != nil {
		k.Status, k.Why = KeyUnreadable, "our own key is of no kind that DKIM knows"
		return k
	}
	k.Kind = kind
	k.Publish = txtRecord(k.Name, fmt.Sprintf("v=DKIM1; k=%s; p=%s", kind, data))
	a := resolver.Lookup(ctx, k.Name, dns.TypeTXT)
	texts := a.Texts()
	for i, txt := range texts {
		if i < 10 {
			k.Records = append(k.Records, show(txt, 4<<10))
		}
	}
	if len(a.Aliases) > 0 {
		k.Alias = a.Aliases[len(a.Aliases)-1]
	}
	switch {
	case a.Outcome.Temporary():
		k.Status, k.Why = KeyUnknown, "the key record cannot be read now: "+a.Why
		return k
	case a.Outcome.Absent():
		k.Status, k.Why = KeyAbsent, "there is no key record: "+a.Why
		return k
	}
	k.judge(texts, kind, data, s.Public)
	return k
}

func (k *DKIMKey) judge(texts []string, kind, data string, public crypto.PublicKey) {
	var keys []string
	for _, txt := range texts {
		if looksLikeKey(txt) {
			keys = append(keys, txt)
		}
	}
	if len(texts) > 1 {
		for _, txt := range texts { // one record, published as two because it was too long for one string
			for _, rest := range texts {
				if rest != txt && len(texts) == 2 && !looksLikeKey(rest) && strings.HasSuffix(squeeze(txt+rest), "p="+data) {
					k.Status, k.Why = KeyCut, "the key is split over two records; it must be one record of two strings"
					return
				}
			}
		}
	}
	switch len(keys) {
	case 0:
		k.Status, k.Why = KeyUnreadable, "there is a TXT record, but it is no DKIM key"
		return
	case 1:
	default:
		k.Status, k.Why = KeySeveral, fmt.Sprintf("there are %d key records; verifiers may take any or none", len(keys))
		return
	}
	rec, err := parseDKIMRecord(keys[0])
	k.Bits, k.Testing = rec.bits, rec.testing
	switch {
	case rec.data != "" && rec.data != data && len(rec.data) >= 8 && strings.HasPrefix(data, rec.data):
		k.Status, k.Why = KeyCut, fmt.Sprintf("the record holds only the first %d of %d characters of our key", len(rec.data), len(data))
	case errors.Is(err, errKeyKind):
		k.Status, k.Why = KeyWrongType, "the key record is unusable: "+err.Error()
	case err != nil && rec.kind != kind && errors.Is(err, errKeyData) && rec.data == data:
		k.Status, k.Why = KeyWrongType, fmt.Sprintf("the record says k=%s, but our key is %s", rec.kind, kind)
	case err != nil:
		k.Status, k.Why = KeyUnreadable, "the key record is unusable: "+err.Error()
	case rec.public == nil:
		k.Status, k.Why = KeyRevoked, "the key is revoked: its p= is empty"
	case rec.kind != kind:
		k.Status, k.Why = KeyWrongType, fmt.Sprintf("the record holds a key for %s, but ours is %s", rec.kind, kind)
	case !sameKey(rec.public, public):
		k.Status, k.Why = KeyOther, "the record holds another key than the one that we sign with"
	case kind == "rsa" && rec.bits < 1024:
		k.Status, k.Why = KeyShort, fmt.Sprintf("the key has %d bits; verifiers must not accept fewer than 1024 (RFC 8301)", rec.bits)
	case rec.forMail() != "":
		k.Status, k.Why = KeyUnusable, "the record holds our key, but "+rec.forMail()
	default:
		k.Status, k.Why = KeyMatch, "the record holds our key"
	}
}

func sameKey(a, b crypto.PublicKey) bool {
	eq, ok := a.(interface{ Equal(crypto.PublicKey) bool })
	return ok && eq.Equal(b)
}

// weakKey reports an RSA key that verifiers accept, but that should be longer (RFC 8301 section 3.2: 2048).
func weakKey(public crypto.PublicKey) bool {
	k, ok := public.(*rsa.PublicKey)
	return ok && k.N.BitLen() < 2048
}

// txtRecord writes a TXT record in zone-file form, in strings of at most 255 octets.
func txtRecord(name, value string) string {
	var b strings.Builder
	b.WriteString(foldName(name) + ". IN TXT")
	for {
		n := min(len(value), 255)
		b.WriteString(` "` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(value[:n]) + `"`)
		if value = value[n:]; value == "" {
			return b.String()
		}
	}
}
