package hook

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"io"
	"math/big"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// now is when all tests take place.
func now() time.Time { return time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC) }

const (
	topic   = "arn:aws:sns:eu-west-1:123456789012:mail-events"
	certURL = "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0123abcd.pem"
	issuer  = "http://crt.test01.amazontrust.com/test01.cer"
	subURL  = "https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn=" + topic + "&Token=t0k3n"
)

// amazon is a small SNS: an authority, an intermediate one whose certificate is published elsewhere, and a key that signs messages.
type amazon struct {
	roots *x509.CertPool
	key   *rsa.PrivateKey
	leaf  func(change func(*x509.Certificate)) []byte // PEM of a certificate for key
	inter []byte                                      // DER
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

var theAmazon = sync.OnceValue(func() *amazon {
	template := func(cn string, ca bool) *x509.Certificate {
		return &x509.Certificate{
			SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: cn}, NotBefore: now().AddDate(0, -1, 0), NotAfter: now().AddDate(0, 6, 0),
			IsCA: ca, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		}
	}
	rootKey := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	root := template("Test Root", true)
	rootDER := must(x509.CreateCertificate(rand.Reader, root, root, rootKey.Public(), rootKey))
	interKey := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	inter := template("Test Issuer", true)
	interDER := must(x509.CreateCertificate(rand.Reader, inter, root, interKey.Public(), rootKey))
	a := &amazon{roots: x509.NewCertPool(), key: must(rsa.GenerateKey(rand.Reader, 2048)), inter: interDER}
	a.roots.AddCert(must(x509.ParseCertificate(rootDER)))
	a.leaf = func(change func(*x509.Certificate)) []byte {
		t := template("sns.amazonaws.com", false)
		t.DNSNames = []string{"sns.amazonaws.com"}
		t.IssuingCertificateURL = []string{issuer}
		if change != nil {
			change(t)
		}
		der := must(x509.CreateCertificate(rand.Reader, t, inter, a.key.Public(), interKey))
		return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	}
	return a
})

// pages is a web of fixed answers that counts what it is asked.
type pages struct {
	mu    sync.Mutex
	asked map[string]int
	page  map[string]func() *http.Response
}

func newPages() *pages {
	return &pages{asked: map[string]int{}, page: map[string]func() *http.Response{}}
}

func (p *pages) set(url string, status int, body []byte, header ...string) {
	p.page[url] = func() *http.Response {
		h := http.Header{}
		for i := 0; i+1 < len(header); i += 2 {
			h.Set(header[i], header[i+1])
		}
		return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(bytes.NewReader(body))}
	}
}

func (p *pages) RoundTrip(r *http.Request) (*http.Response, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	url := r.URL.String()
	p.asked[url]++
	if f := p.page[url]; f != nil {
		return f(), nil
	}
	return nil, io.ErrUnexpectedEOF
}

func (p *pages) count(url string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.asked[url]
}

// snsWorld is a hook that listens to a topic of theAmazon.
func snsWorld(t testing.TB, change func(*Config)) (*Hook, *pages) {
	a, p := theAmazon(), newPages()
	p.set(certURL, 200, a.leaf(nil))
	p.set(issuer, 200, a.inter)
	p.set(subURL, 200, []byte("<ConfirmSubscriptionResponse/>"))
	c := Config{Provider: "ses", Topics: []string{topic}, HTTP: &http.Client{Transport: p}, Now: now, Roots: a.roots}
	if change != nil {
		change(&c)
	}
	return newHook(t, c), p
}

func newHook(t testing.TB, c Config) *Hook {
	t.Helper()
	h, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// envelope is a signed SNS message as it is posted; change acts before signing.
func envelope(typ, message, version string, change func(m map[string]string)) []byte {
	m := map[string]string{
		"Type": typ, "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324", "TopicArn": topic, "Message": message,
		"Timestamp": "2026-11-24T07:59:30.655Z", "SignatureVersion": version, "SigningCertURL": certURL,
	}
	if typ != "Notification" {
		m["Token"], m["SubscribeURL"] = "t0k3n", subURL
	}
	if change != nil {
		change(m)
	}
	sign(m)
	return must(json.Marshal(m))
}

// sign follows the field order of AWS's documentation, not of the code under test.
func sign(m map[string]string) {
	var text strings.Builder
	for _, name := range []string{"Message", "MessageId", "Subject", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"} {
		if v, ok := m[name]; ok {
			text.WriteString(name + "\n" + v + "\n")
		}
	}
	var sig []byte
	if m["SignatureVersion"] == "1" {
		h := sha1.Sum([]byte(text.String()))
		sig = must(rsa.SignPKCS1v15(nil, theAmazon().key, crypto.SHA1, h[:]))
	} else {
		h := sha256.Sum256([]byte(text.String()))
		sig = must(rsa.SignPKCS1v15(nil, theAmazon().key, crypto.SHA256, h[:]))
	}
	m["Signature"] = base64.StdEncoding.EncodeToString(sig)
}

// twilio holds SendGrid's keys of both kinds.
type twilio struct {
	ec *ecdsa.PrivateKey
	ed ed25519.PrivateKey
}

var theTwilio = sync.OnceValue(func() twilio {
	_, ed := must2(ed25519.GenerateKey(rand.Reader))
	return twilio{must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)), ed}
})

func must2[A, B any](a A, b B, err error) (A, B) {
	if err != nil {
		panic(err)
	}
	return a, b
}

func spki(pub any) string {
	return base64.StdEncoding.EncodeToString(must(x509.MarshalPKIXPublicKey(pub)))
}

func sendgridHeader(key crypto.Signer, at time.Time, body []byte) http.Header {
	stamp := strconv.FormatInt(at.Unix(), 10)
	signed := append([]byte(stamp), body...)
	var sig []byte
	if k, ok := key.(*ecdsa.PrivateKey); ok {
		h := sha256.Sum256(signed)
		sig = must(ecdsa.SignASN1(rand.Reader, k, h[:]))
	} else {
		sig = ed25519.Sign(key.(ed25519.PrivateKey), signed)
	}
	return http.Header{sendgridSignature: {base64.StdEncoding.EncodeToString(sig)}, sendgridTimestamp: {stamp}}
}

const mailgunKey = "key-0123456789abcdef"

// mailgunRequest puts a signature beside an event, or in place of the one that stands there.
func mailgunRequest(key string, at time.Time, token string, body []byte) []byte {
	var all map[string]json.RawMessage
	if json.Unmarshal(body, &all) != nil || all == nil {
		return body
	}
	stamp := strconv.FormatInt(at.Unix(), 10)
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(stamp + token))
	all["signature"] = must(json.Marshal(map[string]string{"timestamp": stamp, "token": token, "signature": hex.EncodeToString(mac.Sum(nil))}))
	return must(json.Marshal(all))
}

const (
	postmarkSecret = "a long secret of ours"
	whsec          = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3"
)

func standardHeader(secret, id string, at time.Time, body []byte) http.Header {
	key := must(base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_")))
	stamp := strconv.FormatInt(at.Unix(), 10)
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(id + "." + stamp + "."))
	mac.Write(body)
	return standardHeaders(id, stamp, "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
}

func standardHeaders(id, stamp, signature string) http.Header {
	h := http.Header{}
	h.Set("webhook-id", id)
	h.Set("webhook-timestamp", stamp)
	h.Set("webhook-signature", signature)
	return h
}

// proven reads a payload of a provider with all that proves it around it.
func proven(t testing.TB, provider string, payload []byte, own func(*Config)) (Batch, error) {
	t.Helper()
	c := Config{Provider: provider, Now: now}
	if own != nil {
		own(&c)
	}
	var header http.Header
	switch provider {
	case "ses":
		h, _ := snsWorld(t, func(w *Config) { w.Own = c.Own })
		return h.Read(t.Context(), nil, envelope("Notification", string(payload), "2", nil))
	case "sendgrid":
		c.Secret = spki(theTwilio().ec.Public())
		header = sendgridHeader(theTwilio().ec, now(), payload)
	case "mailgun":
		c.Secret = mailgunKey
		payload = mailgunRequest(mailgunKey, now(), "651869375b9df3c98fc15c4889b102119add1235c38fc92824", payload)
	case "postmark":
		c.Secret = postmarkSecret
		header = http.Header{SecretHeader: {postmarkSecret}}
	case "standard":
		c.Secret = whsec
		header = standardHeader(whsec, "evt-1", now(), payload)
	}
	return newHook(t, c).Read(t.Context(), header, payload)
}
