package hook

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
)

func basic(user, password string) string {
	return base64.StdEncoding.EncodeToString([]byte(user + ":" + password))
}

func decodePEM(b []byte) []byte {
	block, _ := pem.Decode(b)
	return block.Bytes
}

const sendgridBody = `[{"event":"delivered","email":"jo@mail.example","timestamp":1795507100,"sg_event_id":"e1"}]`

// SendGrid signs timestamp and body with either kind of key; several keys may be configured while one is changed for another.
func TestSendGridProof(t *testing.T) {
	tw, other := theTwilio(), must(ed25519KeyPair())
	both := spki(other.Public()) + "\n" + spki(tw.ec.Public())
	asPEM := string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: must(base64.StdEncoding.DecodeString(spki(tw.ec.Public())))}))
	body := []byte(sendgridBody)
	changed := func(name, value string) http.Header {
		h := sendgridHeader(tw.ec, now(), body)
		h.Set(name, value)
		return h
	}
	for _, c := range []struct {
		name, secret string
		header       http.Header
		body         string
		want         error
	}{
		{"ECDSA", spki(tw.ec.Public()), sendgridHeader(tw.ec, now(), body), sendgridBody, nil},
		{"Ed25519", spki(tw.ed.Public()), sendgridHeader(tw.ed, now(), body), sendgridBody, nil},
		{"the second key", both, sendgridHeader(tw.ec, now(), body), sendgridBody, nil},
		{"a key in PEM", asPEM, sendgridHeader(tw.ec, now(), body), sendgridBody, nil},
		{"another's key", spki(other.Public()), sendgridHeader(tw.ec, now(), body), sendgridBody, ErrSignature},
		{"body altered", spki(tw.ec.Public()), sendgridHeader(tw.ec, now(), body), strings.Replace(sendgridBody, "jo@", "ko@", 1), ErrSignature},
		{"body longer", spki(tw.ed.Public()), sendgridHeader(tw.ed, now(), body), sendgridBody + " ", ErrSignature},
		{"time altered", spki(tw.ec.Public()), changed(sendgridTimestamp, "1795507201"), sendgridBody, ErrSignature},
		{"no signature", spki(tw.ec.Public()), changed(sendgridSignature, ""), sendgridBody, ErrSignature},
		{"no headers", spki(tw.ec.Public()), nil, sendgridBody, ErrSignature},
		{"six minutes old", spki(tw.ec.Public()), sendgridHeader(tw.ec, now().Add(-6*time.Minute), body), sendgridBody, ErrReplay},
		{"six minutes ahead", spki(tw.ed.Public()), sendgridHeader(tw.ed, now().Add(6*time.Minute), body), sendgridBody, ErrReplay},
		{"no list", spki(tw.ec.Public()), sendgridHeader(tw.ec, now(), []byte(`"x"`)), `"x"`, ErrMalformed},
		{"null", spki(tw.ec.Public()), sendgridHeader(tw.ec, now(), []byte(`null`)), `null`, ErrMalformed},
		{"too many", spki(tw.ec.Public()), sendgridHeader(tw.ec, now(), tooMany()), string(tooMany()), ErrTooLarge},
	} {
		h := newHook(t, Config{Provider: "sendgrid", Secret: c.secret, Now: now})
		b, err := h.Read(t.Context(), c.header, []byte(c.body))
		if !errors.Is(err, c.want) || (err == nil) != (len(b.Events) == 1) {
			t.Errorf("%s: %d events, %v; want %v", c.name, len(b.Events), err, c.want)
		}
	}
}

func ed25519KeyPair() (ed25519.PrivateKey, error) {
	_, k, err := ed25519.GenerateKey(rand.Reader)
	return k, err
}

func tooMany() []byte {
	return append(append([]byte("[0"), bytes.Repeat([]byte(",0"), maxEvents)...), ']')
}

// Mailgun's signature covers a time and a token. The token is the caller's to remember; however it is split, the key is the same.
func TestMailgunProof(t *testing.T) {
	body := []byte(`{"event-data":{"event":"delivered","id":"e1","recipient":"jo@mail.example"}}`)
	set := func(field, value string) []byte {
		var m map[string]map[string]any
		if err := json.Unmarshal(mailgunRequest(mailgunKey, now(), "123token", body), &m); err != nil {
			t.Fatal(err)
		}
		m["signature"][field] = value
		return must(json.Marshal(m))
	}
	stamp := strconv.FormatInt(now().Unix(), 10)
	for _, c := range []struct {
		name string
		body []byte
		want error
	}{
		{"signed", mailgunRequest(mailgunKey, now(), "token", body), nil},
		{"four minutes old", mailgunRequest(mailgunKey, now().Add(-4*time.Minute), "token", body), nil},
		{"with the older key", mailgunRequest("key-of-last-year", now(), "token", body), nil},
		{"with another's key", mailgunRequest("key-of-another", now(), "token", body), ErrSignature},
		{"six minutes old", mailgunRequest(mailgunKey, now().Add(-6*time.Minute), "token", body), ErrReplay},
		{"six minutes ahead", mailgunRequest(mailgunKey, now().Add(6*time.Minute), "token", body), ErrReplay},
		{"time altered", set("timestamp", "1795507201"), ErrSignature},
		{"token altered", set("token", "tokem"), ErrSignature},
		{"token empty", set("token", ""), ErrSignature},
		{"signature cut", set("signature", "ab"), ErrSignature},
		{"split elsewhere", mailgunSplit(set, stamp+"1", "23token"), ErrReplay}, // signed all the same: its time betrays it
		{"no signature", body, ErrSignature},
		{"no event", mailgunRequest(mailgunKey, now(), "token", []byte(`{}`)), ErrMalformed},
		{"no JSON", []byte(`x`), ErrMalformed},
		{"a list", []byte(`[]`), ErrMalformed},
	} {
		h := newHook(t, Config{Provider: "mailgun", Secret: mailgunKey + "\nkey-of-last-year\n", Now: now})
		b, err := h.Read(t.Context(), nil, c.body)
		if !errors.Is(err, c.want) || (err == nil) != (len(b.Events) == 1) || (err == nil) != (b.Replay != "") {
			t.Errorf("%s: %+v, %v; want %v", c.name, b, err, c.want)
		}
		if err == nil && b.Until.Before(now()) {
			t.Errorf("%s: the token can be forgotten %v", c.name, b.Until)
		}
	}
}

func mailgunSplit(set func(field, value string) []byte, stamp, token string) []byte {
	var m map[string]map[string]any
	if err := json.Unmarshal(set("timestamp", stamp), &m); err != nil {
		panic(err)
	}
	m["signature"]["token"] = token
	return must(json.Marshal(m))
}

// Postmark shows a secret, as a password or in a header. Any user name will do; an empty secret never does.
func TestPostmarkProof(t *testing.T) {
	body := []byte(`{"RecordType":"Delivery","MessageID":"m","Recipient":"jo@mail.example","DeliveredAt":"2026-11-24T07:00:00Z"}`)
	for _, c := range []struct {
		name, header, value string
		want                error
	}{
		{"password", "Authorization", "Basic " + basic("postmark", postmarkSecret), nil},
		{"header", "x-resetd-secret", postmarkSecret, nil},
		{"the older one", "x-resetd-secret", "the secret of last year", nil},
		{"wrong password", "Authorization", "Basic " + basic("postmark", "wrong"), ErrSignature},
		{"as user", "Authorization", "Basic " + basic(postmarkSecret, ""), ErrSignature},
		{"as bearer", "Authorization", "Bearer " + postmarkSecret, ErrSignature},
		{"both at once", "x-resetd-secret", postmarkSecret + "\nthe secret of last year", ErrSignature},
		{"prefix", "x-resetd-secret", postmarkSecret[:10], ErrSignature},
		{"empty", "x-resetd-secret", "", ErrSignature},
		{"nothing", "Other", "x", ErrSignature},
	} {
		h := newHook(t, Config{Provider: "postmark", Secret: postmarkSecret + "\n\nthe secret of last year\n", Now: now})
		header := http.Header{}
		header.Set(c.header, c.value)
		b, err := h.Read(t.Context(), header, body)
		if !errors.Is(err, c.want) || (err == nil) != (len(b.Events) == 1) {
			t.Errorf("%s: %+v, %v", c.name, b, err)
		}
	}
	h := newHook(t, Config{Provider: "postmark", Secret: postmarkSecret, Now: now})
	for _, body := range []string{"", "x", "[]", "null", `{"RecordType":"Delivery"}x`, `{"RecordType":`} {
		if _, err := h.Read(t.Context(), http.Header{SecretHeader: {postmarkSecret}}, []byte(body)); !errors.Is(err, ErrMalformed) {
			t.Errorf("%q: %v", body, err)
		}
	}
}

// Standard Webhooks: both schemes, lists of signatures, and all that can be wrong with them.
func TestStandardProof(t *testing.T) {
	ed := must(ed25519KeyPair())
	whpk := "whpk_" + base64.StdEncoding.EncodeToString(ed.Public().(ed25519.PublicKey))
	body := []byte(`{"type":"email.delivered","timestamp":"2026-11-24T07:59:00Z","data":{"recipient":"jo@mail.example"}}`)
	stamp := strconv.FormatInt(now().Unix(), 10)
	v1 := standardHeader(whsec, "evt-1", now(), body).Get("webhook-signature")
	v1a := "v1a," + base64.StdEncoding.EncodeToString(ed25519.Sign(ed, append([]byte("evt-1."+stamp+"."), body...)))
	svix := http.Header{}
	for name, values := range standardHeader(whsec, "evt-1", now(), body) {
		svix[strings.Replace(name, "Webhook", "Svix", 1)] = values
	}
	old, ahead := now().Add(-6*time.Minute), now().Add(6*time.Minute)
	for _, c := range []struct {
		name, secret string
		header       http.Header
		want         error
	}{
		{"symmetric", whsec, standardHeaders("evt-1", stamp, v1), nil},
		{"asymmetric", whpk, standardHeaders("evt-1", stamp, v1a), nil},
		{"both offered, one known", whpk, standardHeaders("evt-1", stamp, v1+" "+v1a), nil},
		{"the second of a list", whsec, standardHeaders("evt-1", stamp, "v1,AAAA v9,x garbage "+v1), nil},
		{"the second secret", "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n" + whsec, standardHeaders("evt-1", stamp, v1), nil},
		{"secret as consoles show it", "v1," + whsec, standardHeaders("evt-1", stamp, v1), nil},
		{"older header names", whsec, svix, nil},
		{"id altered", whsec, standardHeaders("evt-2", stamp, v1), ErrSignature},
		{"time altered", whsec, standardHeaders("evt-1", "1795507201", v1), ErrSignature},
		{"scheme exchanged", whsec, standardHeaders("evt-1", stamp, "v1a,"+strings.TrimPrefix(v1, "v1,")), ErrSignature},
		{"another's key", "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", standardHeaders("evt-1", stamp, v1), ErrSignature},
		{"asymmetric, altered", whpk, standardHeaders("evt-2", stamp, v1a), ErrSignature},
		{"no id", whsec, standardHeaders("", stamp, v1), ErrSignature},
		{"no time", whsec, standardHeaders("evt-1", "", v1), ErrSignature},
		{"no signature", whsec, standardHeaders("evt-1", stamp, ""), ErrSignature},
		{"no headers", whsec, nil, ErrSignature},
		{"six minutes old", whsec, standardHeader(whsec, "evt-1", old, body), ErrReplay},
		{"six minutes ahead", whsec, standardHeader(whsec, "evt-1", ahead, body), ErrReplay},
	} {
		h := newHook(t, Config{Provider: "standard", Secret: c.secret, Now: now})
		b, err := h.Read(t.Context(), c.header, body)
		if !errors.Is(err, c.want) || (err == nil) != (len(b.Events) == 1) || (err == nil) != (b.Replay == "evt-1") {
			t.Errorf("%s: %+v, %v; want %v", c.name, b, err, c.want)
		}
	}
	h := newHook(t, Config{Provider: "standard", Secret: whsec, Now: now})
	if _, err := h.Read(t.Context(), standardHeaders("evt-1", stamp, v1), append(body, ' ')); !errors.Is(err, ErrSignature) {
		t.Errorf("body altered: %v", err)
	}
	for _, body := range []string{"", "x", "[]", "null", `{"type":"email.bounced"}`, `{"type":"email.bounced","data":[]}`} {
		if _, err := h.Read(t.Context(), standardHeader(whsec, "e", now(), []byte(body)), []byte(body)); !errors.Is(err, ErrMalformed) {
			t.Errorf("%q: %v", body, err)
		}
	}
}

// A hook that could verify nothing is not made, and the error does not quote the secret.
func TestNew(t *testing.T) {
	for _, c := range []Config{
		{Provider: ""}, {Provider: "SES"}, {Provider: "acme"},
		{Provider: "sendgrid"}, {Provider: "sendgrid", Secret: "s3cr3t-s3cr3t"}, {Provider: "sendgrid", Secret: "czNjcjN0LXMzY3IzdA=="},
		{Provider: "sendgrid", Secret: spki(theAmazon().key.Public())}, {Provider: "sendgrid", Secret: "-----BEGIN s3cr3t"},
		{Provider: "mailgun"}, {Provider: "mailgun", Secret: " \n "},
		{Provider: "postmark"}, {Provider: "postmark", Secret: "s3cr3t"},
		{Provider: "standard"}, {Provider: "standard", Secret: "whsec_s3cr3t"}, {Provider: "standard", Secret: "whsk_s3cr3t"}, {Provider: "standard", Secret: "whpk_s3cr3t"},
		{Provider: "ses", Secret: "s3cr3t"},
	} {
		h, err := New(c)
		if err == nil || h != nil || strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("%s %q: %v", c.Provider, c.Secret, err)
		}
	}
	h := newHook(t, Config{Provider: "ses"})
	if _, err := h.Read(t.Context(), nil, envelope("Notification", "{}", "2", nil)); h.Provider() != "ses" || !errors.Is(err, ErrTopic) {
		t.Errorf("ses without topics: %v", err)
	}
}

// A longer tolerance can be configured, for a provider whose repeats carry the first attempt's time.
func TestTolerance(t *testing.T) {
	body := mailgunRequest(mailgunKey, now().Add(-7*time.Hour), "token", []byte(`{"event-data":{"event":"delivered","recipient":"jo@mail.example"}}`))
	h := newHook(t, Config{Provider: "mailgun", Secret: mailgunKey, Now: now, Tolerance: 8 * time.Hour})
	if b, err := h.Read(t.Context(), nil, body); err != nil || len(b.Events) != 1 {
		t.Errorf("%+v, %v", b, err)
	}
}
