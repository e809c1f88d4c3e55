package dnscheck

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// Caps bound the work that one mail can cause. The zero value of a field means its default.
type Caps struct {
	Mail       int           // octets of the whole mail; 0 = 1 MiB
	Header     int           // octets of the header; 0 = 64 KiB
	Signatures int           // that are verified, each with one look-up; the rest is counted. 0 = 5
	Time       time.Duration // for all look-ups together; 0 = 5 s
	Now        time.Time     // for signatures that expire; zero = now
}

// ErrMailTooLarge is returned for a mail beyond the caps; nothing is known about its signatures.
var ErrMailTooLarge = errors.New("dnscheck: the mail is too large to verify")

// DKIMResult is the result of one signature, in the words of RFC 8601 section 2.7.1.
type DKIMResult string

const (
	// DKIMPass: the signature is good and the domain d= stands for the mail.
	DKIMPass DKIMResult = "pass"
	// DKIMFail: the mail is not what was signed, or another key signed it.
	DKIMFail DKIMResult = "fail"
	// DKIMPermError: the signature or its key record cannot be used.
	DKIMPermError DKIMResult = "permerror"
	// DKIMTempError: the key record could not be fetched.
	DKIMTempError DKIMResult = "temperror"
)

// DKIMSignature is one signature of a mail as a receiver sees it.
type DKIMSignature struct {
	Result    DKIMResult `json:"result"`
	Why       string     `json:"why"`
	Domain    string     `json:"domain"`             // d=
	Selector  string     `json:"selector"`           // s=
	Identity  string     `json:"identity,omitempty"` // i=, decoded; "@" and d= where absent
	Algorithm string     `json:"algorithm"`          // a=
	Headers   []string   `json:"headers,omitempty"`  // h=
	Bits      int        `json:"bits,omitempty"`
	Testing   bool       `json:"testing,omitempty"`  // t=y in the key record
	Unsigned  int        `json:"unsigned,omitempty"` // octets of the body beyond l=, which anybody may have added
	BodyOK    bool       `json:"body_ok"`            // the body hash matches: then a failure lies in the header or the key
}

// DKIM is what verifying a mail brought.
type DKIM struct {
	Signatures []DKIMSignature `json:"signatures"`
	Skipped    int             `json:"skipped,omitempty"` // signatures beyond the cap
}

// Passed are the domains whose signatures are good.
func (d DKIM) Passed() []string {
	var domains []string
	for _, s := range d.Signatures {
		if s.Result == DKIMPass && !slices.Contains(domains, s.Domain) {
			domains = append(domains, s.Domain)
		}
	}
	return domains
}

// VerifyDKIM verifies the signatures of a mail as a receiver would. Bare line feeds are read as line ends. Time is linear in
// the size of the mail, for each of the signatures that the caps let through.
func VerifyDKIM(ctx context.Context, raw []byte, resolver DNS, caps Caps) (DKIM, error) {
	var out DKIM
	if len(raw) > or(caps.Mail, 1<<20) {
		return out, ErrMailTooLarge
	}
	m, ok := splitMail(raw, or(caps.Header, 64<<10))
	if !ok {
		return out, ErrMailTooLarge
	}
	ctx, cancel := context.WithTimeout(ctx, or(caps.Time, 5*time.Second))
	defer cancel()
	if m.now = caps.Now; m.now.IsZero() {
		m.now = time.Now()
	}
	for i, f := range m.fields {
		if f.name != "dkim-signature" {
			continue
		}
		if len(out.Signatures) == or(caps.Signatures, 5) {
			out.Skipped++
			continue
		}
		out.Signatures = append(out.Signatures, m.verify(ctx, resolver, i))
	}
	return out, nil
}

// dkimEnd ends the verification of one signature with a result other than pass.
type dkimEnd struct {
	result DKIMResult
	why    string
}

func (e dkimEnd) Error() string { return e.why }

func unusable(format string, args ...any) error {
	return dkimEnd{DKIMPermError, fmt.Sprintf(format, args...)}
}

func (m *mail) verify(ctx context.Context, resolver DNS, at int) DKIMSignature {
	var s DKIMSignature
	err := m.verifyInto(ctx, resolver, at, &s)
	var end dkimEnd
	switch {
	case err == nil:
		s.Result, s.Why = DKIMPass, "the signature is good"
	case errors.As(err, &end):
		s.Result, s.Why = end.result, end.why
	}
	return s
}

func (m *mail) verifyInto(ctx context.Context, resolver DNS, at int, s *DKIMSignature) error {
	tags, err := parseTags(m.fields[at].value())
	if err != nil {
		return unusable("the signature cannot be read: %v", err)
	}
	sig, err := readSignature(tags, s, m.now)
	if err != nil {
		return err
	}
	body := m.canonicalBody(sig.relaxedBody)
	if sig.length >= 0 {
		if sig.length > len(body) {
			return unusable("its l= is longer than the body")
		}
		s.Unsigned = len(body) - sig.length
		body = body[:sig.length]
	}
	sum := sha256.Sum256(body)
	s.BodyOK = subtle.ConstantTimeCompare(sum[:], sig.bodyHash) == 1

	rec, err := fetchKey(ctx, resolver, s)
	if err != nil {
		return err
	}
	s.Bits, s.Testing = rec.bits, rec.testing
	if kind, _, _ := strings.Cut(s.Algorithm, "-"); rec.kind != kind {
		return unusable("the signature is %s, the published key %s", s.Algorithm, rec.kind)
	}
	if rec.strict && foldName(s.Identity[strings.LastIndexByte(s.Identity, '@')+1:]) != s.Domain {
		return unusable("the key record has t=s, and i= lies in a subdomain of d=")
	}
	if !s.BodyOK {
		return dkimEnd{DKIMFail, "the body is not what was signed"}
	}
	digest := m.headerHash(sig.relaxedHeader, s.Headers, at)
	if !goodSignature(rec.public, digest, sig.signature) {
		return dkimEnd{DKIMFail, "the signed header fields were changed, or another key signed"}
	}
	return nil
}

// signature is what a DKIM-Signature field tells beyond what is reported.
type signature struct {
	bodyHash, signature        []byte
	relaxedHeader, relaxedBody bool
	length                     int // l=; -1 = absent
}

func readSignature(tags tagList, s *DKIMSignature, now time.Time) (signature, error) {
	sig := signature{length: -1}
	d, _ := tags.get("d")
	sel, _ := tags.get("s")
	a, _ := tags.get("a")
	s.Domain, s.Selector, s.Algorithm = foldName(squeeze(d)), foldName(squeeze(sel)), lower(squeeze(a))
	s.Headers = tags.list("h")
	for _, name := range []string{"v", "a", "b", "bh", "d", "h", "s"} {
		if v, ok := tags.get(name); !ok || v == "" {
			return sig, unusable("the signature has no %s=", name)
		}
	}
	if v, _ := tags.get("v"); v != "1" {
		return sig, unusable("the signature is of an unknown version")
	}
	if s.Algorithm == "rsa-sha1" {
		return sig, unusable("rsa-sha1 must not be accepted any more (RFC 8301)")
	}
	if s.Algorithm != "rsa-sha256" && s.Algorithm != "ed25519-sha256" {
		return sig, unusable("the algorithm of the signature is unknown")
	}
	s.Identity = "@" + s.Domain
	if i, ok := tags.get("i"); ok {
		s.Identity = unquote(i)
		at := strings.LastIndexByte(s.Identity, '@')
		if at < 0 || !isUnder(foldName(s.Identity[at+1:]), s.Domain) {
			return sig, unusable("i= does not lie in the domain of d=")
		}
	}
	if !slices.ContainsFunc(s.Headers, func(h string) bool { return strings.EqualFold(h, "From") }) {
		return sig, unusable("the From field is not signed")
	}
	if q, ok := tags.get("q"); ok && !slices.Contains(strings.Split(lower(squeeze(q)), ":"), "dns/txt") {
		return sig, unusable("its key is not kept in DNS")
	}
	var ok bool
	c, _ := tags.get("c")
	if sig.relaxedHeader, sig.relaxedBody, ok = canonicalizations(lower(squeeze(c))); !ok {
		return sig, unusable("its canonicalization is unknown")
	}
	if err := readTimes(tags, now); err != nil {
		return sig, err
	}
	if l, ok := tags.get("l"); ok {
		n, err := strconv.Atoi(squeeze(l))
		if err != nil || n < 0 {
			return sig, unusable("its l= is no length")
		}
		sig.length = n
	}
	var err error
	bh, _ := tags.get("bh")
	b, _ := tags.get("b")
	if sig.bodyHash, err = base64.StdEncoding.DecodeString(squeeze(bh)); err != nil || len(sig.bodyHash) != sha256.Size {
		return sig, unusable("its bh= is no SHA-256 hash")
	}
	if sig.signature, err = base64.StdEncoding.DecodeString(squeeze(b)); err != nil {
		return sig, unusable("its b= is not base64")
	}
	return sig, nil
}

func canonicalizations(c string) (header, body, ok bool) {
	h, b, _ := strings.Cut(c, "/")
	valid := func(s string) bool { return s == "" || s == "simple" || s == "relaxed" }
	return h == "relaxed", b == "relaxed", valid(h) && valid(b)
}

// readTimes refuses a signature that has expired, or that expired before it was made (RFC 6376 section 3.5).
func readTimes(tags tagList, now time.Time) error {
	var made int64
	if t, ok := tags.get("t"); ok {
		n, err := strconv.ParseInt(squeeze(t), 10, 64)
		if err != nil || n < 0 {
			return unusable("its t= is no time")
		}
		made = n
	}
	if x, ok := tags.get("x"); ok {
		n, err := strconv.ParseInt(squeeze(x), 10, 64)
		switch {
		case err != nil || n < made:
			return unusable("its x= is no time after t=")
		case now.Unix() > n:
			return unusable("the signature has expired")
		}
	}
	return nil
}

func fetchKey(ctx context.Context, resolver DNS, s *DKIMSignature) (dkimRecord, error) {
	a := resolver.Lookup(ctx, dkimName(s.Selector, s.Domain), dns.TypeTXT)
	switch {
	case a.Outcome.Temporary():
		return dkimRecord{}, dkimEnd{DKIMTempError, "the key record cannot be read now: " + a.Why}
	case a.Outcome.Absent():
		return dkimRecord{}, unusable("there is no key record: %s", a.Why)
	}
	var keys []string
	for _, txt := range a.Texts() {
		if looksLikeKey(txt) {
			keys = append(keys, txt)
		}
	}
	if len(keys) != 1 {
		return dkimRecord{}, unusable("there are %d key records instead of one", len(keys))
	}
	rec, err := parseDKIMRecord(keys[0])
	switch {
	case err != nil:
		return rec, unusable("the key record is unusable: %v", err)
	case rec.public == nil:
		return rec, unusable("the key is revoked")
	case rec.kind == "rsa" && rec.bits < 1024:
		return rec, unusable("the key has %d bits; fewer than 1024 must not be accepted (RFC 8301)", rec.bits)
	case rec.forMail() != "":
		return rec, unusable("the key record is unusable: %s", rec.forMail())
	}
	return rec, nil
}

// goodSignature: both algorithms sign the SHA-256 hash of the header (RFC 6376 section 3.7, RFC 8463 section 3).
func goodSignature(public crypto.PublicKey, digest, sig []byte) bool {
	switch k := public.(type) {
	case *rsa.PublicKey:
		return rsa.VerifyPKCS1v15(k, crypto.SHA256, digest, sig) == nil
	case ed25519.PublicKey:
		return ed25519.Verify(k, digest, sig)
	}
	return false
}
