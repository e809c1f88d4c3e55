package mailer

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
	"strings"

	"github.com/resetd/resetd/internal/ledger"
)

// What is wrong with a return path or Message-ID that came back.
var (
	ErrForeign = errors.New("not one of ours")                      // another domain, or no shape of ours: to take it would be relaying
	ErrForged  = errors.New("shaped like ours, but the MAC is not") // guessed, cut or altered; or made with a key long gone
)

// Key is a secret from which return paths are made.
type Key struct {
	ID     string
	Secret [32]byte
}

// Paths makes and checks the names by which a mail that comes to us finds its message: the return path (VERP: each message has an envelope
// sender of its own) and the Message-ID header. A canary, a mail of ours to ourselves, has a third: its address. All carry a MAC, because anybody can send us mail. Safe for concurrent use.
type Paths struct {
	domain string
	keys   []pathKey // the first makes, all verify
}

// pathKey holds the sub-keys of one secret: a MAC for one purpose is worth nothing for the other.
type pathKey struct{ path, header, canary []byte }

const (
	labelPath   = "resetd return path"
	labelHeader = "resetd message id"
	labelCanary = "resetd canary"
	pathMAC     = 10 // bytes: 80 bits, 16 characters
	headerMAC   = 8  // bytes: 64 bits, 13 characters
	pathPrefix  = "b-"
	birdPrefix  = "c-"
	idLen       = 28 // characters of a ledger id after its prefix
	pathMACLen  = 16
	headMACLen  = 13
)

var lower32 = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// NewPaths makes return paths at the bounce domain. The first key makes them and all verify, so a key is rotated by putting a new one
// in front and dropping the old one once no mail of its time can come back.
func NewPaths(bounceDomain string, keys []Key) (*Paths, error) {
	domain, err := ParseDomain(bounceDomain)
	if err != nil {
		return nil, fmt.Errorf("bounce domain: %w", err)
	}
	if len(keys) == 0 {
		return nil, errors.New("return paths need at least one key")
	}
	p := &Paths{domain: domain}
	for _, k := range keys {
		path, err := hkdf.Key(sha256.New, k.Secret[:], nil, labelPath, 32)
		if err != nil {
			return nil, fmt.Errorf("key %s: %w", k.ID, err)
		}
		header, err := hkdf.Key(sha256.New, k.Secret[:], nil, labelHeader, 32)
		if err != nil {
			return nil, fmt.Errorf("key %s: %w", k.ID, err)
		}
		canary, err := hkdf.Key(sha256.New, k.Secret[:], nil, labelCanary, 32)
		if err != nil {
			return nil, fmt.Errorf("key %s: %w", k.ID, err)
		}
		p.keys = append(p.keys, pathKey{path, header, canary})
	}
	return p, nil
}

// Domain is the bounce domain, in A-labels and lower case.
func (p *Paths) Domain() string { return p.domain }

// ReturnPath gives the envelope sender of a message: b-ID-MAC@bounce.domain, 47 characters before the @. It is lower case throughout,
// since hosts on the way may fold it. The id must come from the ledger; any other text gives "" (the null sender).
func (p *Paths) ReturnPath(id ledger.MessageID) string {
	return p.signed(pathPrefix, id, p.keys[0].path)
}

// Canary gives the address that a canary is sent to: c-ID-MAC@bounce.domain, signed as a return path is and with a key of its own, so
// that nobody who has seen the one can make the other. Any text that is no ledger id gives "".
func (p *Paths) Canary(id ledger.MessageID) string {
	return p.signed(birdPrefix, id, p.keys[0].canary)
}

func (p *Paths) signed(prefix string, id ledger.MessageID, key []byte) string {
	raw, err := ledger.Raw(string(id))
	if err != nil {
		return ""
	}
	return prefix + string(id)[4:] + "-" + lower32.EncodeToString(mac(key, raw[:], pathMAC)) + "@" + p.domain
}

// ParseReturnPath says whose return path an address is. ErrForeign: another domain's address. ErrForged: at our domain, but no path
// that we made.
func (p *Paths) ParseReturnPath(addr string) (ledger.MessageID, error) {
	return p.parse(pathPrefix, addr, func(k pathKey) []byte { return k.path })
}

// ParseCanary says whose canary an address is, with the errors of ParseReturnPath.
func (p *Paths) ParseCanary(addr string) (ledger.MessageID, error) {
	return p.parse(birdPrefix, addr, func(k pathKey) []byte { return k.canary })
}

func (p *Paths) parse(prefix, addr string, key func(pathKey) []byte) (ledger.MessageID, error) {
	if len(addr) > maxLocal+1+maxDomain {
		return "", ErrForeign
	}
	addr = asciiLower(addr)
	local, domain, ok := strings.Cut(addr, "@")
	if !ok || domain != p.domain {
		return "", ErrForeign
	}
	rest, ok := strings.CutPrefix(local, prefix)
	if !ok || len(rest) != idLen+1+pathMACLen || rest[idLen] != '-' {
		return "", ErrForged
	}
	return p.check(rest[:idLen], rest[idLen+1:], pathMAC, key)
}

// MessageIDHeader gives the Message-ID of a message, angle brackets included: <ID.MAC@domain>. It is the same for every attempt, so
// that a receiver can drop a second copy. A text that is no ledger id gives "".
func (p *Paths) MessageIDHeader(id ledger.MessageID, fromDomain string) string {
	raw, err := ledger.Raw(string(id))
	if err != nil {
		return ""
	}
	m := mac(p.keys[0].header, raw[:], headerMAC)
	return "<" + string(id)[4:] + "." + lower32.EncodeToString(m) + "@" + fromDomain + ">"
}

// ParseMessageIDHeader is the reverse of MessageIDHeader, for returns that kept the header and lost the return path. Brackets and
// white space around it may be missing; the domain may be any, since one daemon sends for several.
func (p *Paths) ParseMessageIDHeader(s string) (ledger.MessageID, error) {
	s = strings.TrimSpace(s)
	s = strings.TrimSuffix(strings.TrimPrefix(s, "<"), ">")
	if len(s) > 998 {
		return "", ErrForeign
	}
	local, domain, ok := strings.Cut(asciiLower(s), "@")
	if !ok || domain == "" || len(local) != idLen+1+headMACLen || local[idLen] != '.' {
		return "", ErrForeign
	}
	return p.check(local[:idLen], local[idLen+1:], headerMAC, func(k pathKey) []byte { return k.header })
}

// check compares in constant time, and with every key whichever fits.
func (p *Paths) check(id, sum string, size int, sub func(pathKey) []byte) (ledger.MessageID, error) {
	msg, err := ledger.ParseMessageID("msg_" + id)
	if err != nil {
		return "", ErrForged
	}
	got, err := lower32.DecodeString(sum)
	if err != nil || len(got) != size || lower32.EncodeToString(got) != sum { // 13 characters hold one bit too many
		return "", ErrForged
	}
	raw, err := ledger.Raw(string(msg))
	if err != nil {
		return "", ErrForged
	}
	fits := false
	for _, k := range p.keys {
		if hmac.Equal(got, mac(sub(k), raw[:], size)) {
			fits = true
		}
	}
	if !fits {
		return "", ErrForged
	}
	return msg, nil
}

func mac(key, msg []byte, size int) []byte {
	h := hmac.New(sha256.New, key)
	h.Write(msg)
	return h.Sum(nil)[:size]
}
