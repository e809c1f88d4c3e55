package hook

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

const deliveryEvent = `{"eventType":"Delivery","mail":{"messageId":"m-1","destination":["jo@mail.example"]},
 "delivery":{"timestamp":"2026-11-24T07:59:00Z","recipients":["jo@mail.example"],"smtpResponse":"250 ok"}}`

// SNS signs in two ways, with a subject or without, and all of them are proven.
func TestSNSSigned(t *testing.T) {
	h, p := snsWorld(t, nil)
	for _, version := range []string{"1", "2"} {
		for _, subject := range []bool{false, true} {
			body := envelope("Notification", deliveryEvent, version, func(m map[string]string) {
				if subject {
					m["Subject"] = "Amazon SES Email Event Notification"
				}
			})
			b, err := h.Read(t.Context(), nil, body)
			if err != nil || len(b.Events) != 1 || b.Events[0].Kind != Delivered || b.Replay == "" || !b.Until.After(now()) {
				t.Errorf("version %s, subject %v: %+v, %v", version, subject, b, err)
			}
		}
	}
	if p.count(certURL) != 1 || p.count(issuer) != 1 {
		t.Errorf("the certificate was fetched %d times, its issuer %d", p.count(certURL), p.count(issuer))
	}
}

// Whatever is altered after signing is refused, and so is what is signed but not for us or not now.
func TestSNSRefused(t *testing.T) {
	alter := func(field, value string) func() []byte {
		return func() []byte {
			var m map[string]string
			if err := json.Unmarshal(envelope("Notification", deliveryEvent, "2", func(m map[string]string) { m["Subject"] = "s" }), &m); err != nil {
				t.Fatal(err)
			}
			m[field] = value
			return must(json.Marshal(m))
		}
	}
	signed := func(field, value string) func() []byte {
		return func() []byte {
			return envelope("Notification", deliveryEvent, "2", func(m map[string]string) { m[field] = value })
		}
	}
	for _, c := range []struct {
		name string
		body func() []byte
		want error
	}{
		{"message altered", alter("Message", strings.Replace(deliveryEvent, "jo@", "kim@", 1)), ErrSignature},
		{"id altered", alter("MessageId", "x"), ErrSignature},
		{"subject altered", alter("Subject", "t"), ErrSignature},
		{"time altered", alter("Timestamp", "2026-11-24T07:59:59.000Z"), ErrSignature},
		{"signature cut", alter("Signature", "AAAA"), ErrSignature},
		{"signature empty", alter("Signature", ""), ErrSignature},
		{"signature no base64", alter("Signature", "%%%"), ErrSignature},
		{"other version", alter("SignatureVersion", "1"), ErrSignature},
		{"no such version", alter("SignatureVersion", "3"), ErrSignature},
		{"another's topic", signed("TopicArn", "arn:aws:sns:eu-west-1:666666666666:mail-events"), ErrTopic},
		{"no topic", signed("TopicArn", ""), ErrTopic},
		{"longer topic", signed("TopicArn", topic+"\nType"), ErrTopic},
		{"too old", signed("Timestamp", "2026-11-24T06:54:59.000Z"), ErrReplay},
		{"from the future", signed("Timestamp", "2026-11-24T08:05:01.000Z"), ErrReplay},
		{"no time", signed("Timestamp", "yesterday"), ErrMalformed},
		{"no id", signed("MessageId", ""), ErrMalformed},
		{"no such type", signed("Type", "Rumour"), ErrMalformed},
		{"unsigned event", func() []byte { return []byte(deliveryEvent) }, ErrSignature},
		{"no JSON", func() []byte { return []byte("hello") }, ErrMalformed},
		{"cut JSON", func() []byte { return envelope("Notification", "{}", "2", nil)[:200] }, ErrMalformed},
		{"two bodies", func() []byte { return append(envelope("Notification", "{}", "2", nil), "{}"...) }, ErrMalformed},
		{"a list", func() []byte { return []byte("[]") }, ErrMalformed},
		{"null", func() []byte { return []byte("null") }, ErrMalformed},
		{"event cut", func() []byte { return envelope("Notification", `{"eventType":`, "2", nil) }, ErrMalformed},
		{"event too deep", func() []byte { return envelope("Notification", `{"a":`+strings.Repeat("[", 100), "2", nil) }, ErrMalformed},
		{"too deep", func() []byte { return []byte(`{"a":` + strings.Repeat("[", 100)) }, ErrMalformed},
		{"too large", func() []byte { return make([]byte, MaxBody+1) }, ErrTooLarge},
	} {
		t.Run(c.name, func(t *testing.T) {
			h, _ := snsWorld(t, nil)
			b, err := h.Read(t.Context(), nil, c.body())
			if !errors.Is(err, c.want) || len(b.Events) > 0 {
				t.Errorf("%d events, %v; want %v", len(b.Events), err, c.want)
			}
			if err != nil && strings.Contains(err.Error(), "@") {
				t.Errorf("the error quotes what came: %v", err)
			}
		})
	}
}

// A message within the hour in which SNS repeats itself is taken: its time is that of publication.
func TestSNSRepeatedLate(t *testing.T) {
	h, _ := snsWorld(t, nil)
	body := envelope("Notification", deliveryEvent, "2", func(m map[string]string) { m["Timestamp"] = "2026-11-24T07:00:00.000Z" })
	if b, err := h.Read(t.Context(), nil, body); err != nil || len(b.Events) != 1 {
		t.Errorf("%+v, %v", b, err)
	}
}

// Certificates come from SNS only. A forged URL is refused before anything is fetched.
func TestSNSCertificateURL(t *testing.T) {
	for _, url := range []string{
		"http://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0123abcd.pem",
		"https://sns.eu-west-1.amazonaws.com.evil.example/SimpleNotificationService-0123abcd.pem",
		"https://evil.example/SimpleNotificationService-0123abcd.pem",
		"https://sns.evil.s3.amazonaws.com/SimpleNotificationService-0123abcd.pem",
		"https://sns.eu-west-1.amazonaws.com@evil.example/SimpleNotificationService-0123abcd.pem",
		"https://user@sns.eu-west-1.amazonaws.com/SimpleNotificationService-0123abcd.pem",
		"https://sns.eu-west-1.amazonaws.com:8443/SimpleNotificationService-0123abcd.pem",
		"https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription",
		"https://sns.eu-west-1.amazonaws.com/x/SimpleNotificationService-0123abcd.pem",
		"https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0123abcd.pem?x=1",
		"https://SNS.eu-west-1.amazonaws.com\\@evil.example/a.pem", "https://169.254.169.254/latest/meta-data", "", "::", "//sns.eu-west-1.amazonaws.com/a.pem",
	} {
		h, p := snsWorld(t, nil)
		_, err := h.Read(t.Context(), nil, envelope("Notification", deliveryEvent, "2", func(m map[string]string) { m["SigningCertURL"] = url }))
		if !errors.Is(err, ErrSignature) || len(p.asked) > 0 {
			t.Errorf("%q: %v, asked for %v", url, err, p.asked)
		}
	}
	for _, url := range []string{
		"https://sns.cn-north-1.amazonaws.com.cn/SimpleNotificationService-0123abcd.pem",
		"https://sns.us-gov-west-1.amazonaws.com:443/SimpleNotificationService-0123abcd.pem",
	} {
		h, p := snsWorld(t, nil)
		p.set(strings.Replace(url, ":443", "", 1), 200, theAmazon().leaf(nil))
		if _, err := h.Read(t.Context(), nil, envelope("Notification", deliveryEvent, "2", func(m map[string]string) { m["SigningCertURL"] = url })); err != nil {
			t.Errorf("%q: %v", url, err)
		}
	}
}

// A certificate must be made out to SNS, live, be strong enough and lead to a root that we know.
func TestSNSCertificate(t *testing.T) {
	a := theAmazon()
	for _, c := range []struct {
		name string
		set  func(p *pages)
		want error
	}{
		{"another's name", func(p *pages) {
			p.set(certURL, 200, a.leaf(func(c *x509.Certificate) { c.DNSNames = []string{"evil.example"} }))
		}, ErrSignature},
		{"the region's name", func(p *pages) {
			p.set(certURL, 200, a.leaf(func(c *x509.Certificate) { c.DNSNames = []string{"sns.eu-west-1.amazonaws.com"} }))
		}, nil},
		{"expired", func(p *pages) {
			p.set(certURL, 200, a.leaf(func(c *x509.Certificate) { c.NotAfter = now().Add(-time.Minute) }))
		}, ErrSignature},
		{"not yet", func(p *pages) {
			p.set(certURL, 200, a.leaf(func(c *x509.Certificate) { c.NotBefore = now().Add(time.Minute) }))
		}, ErrSignature},
		{"an authority's", func(p *pages) { p.set(certURL, 200, a.leaf(func(c *x509.Certificate) { c.IsCA = true })) }, ErrSignature},
		{"no issuer named", func(p *pages) {
			p.set(certURL, 200, a.leaf(func(c *x509.Certificate) { c.IssuingCertificateURL = nil }))
		}, ErrSignature},
		{"issuer elsewhere", func(p *pages) {
			p.set(certURL, 200, a.leaf(func(c *x509.Certificate) { c.IssuingCertificateURL = []string{"http://evil.example/a.cer"} }))
			p.set("http://evil.example/a.cer", 200, a.inter)
		}, ErrSignature},
		{"issuer is another", func(p *pages) { p.set(issuer, 200, mustDER(a.leaf(nil))) }, ErrSignature},
		{"issuer not to be had", func(p *pages) { p.set(issuer, 503, nil) }, ErrUnavailable},
		{"no certificate", func(p *pages) { p.set(certURL, 200, []byte("<html>")) }, ErrSignature},
		{"not there", func(p *pages) { p.set(certURL, 404, nil) }, ErrSignature},
		{"server down", func(p *pages) { p.set(certURL, 503, nil) }, ErrUnavailable},
		{"no network", func(p *pages) { delete(p.page, certURL) }, ErrUnavailable},
		{"endless", func(p *pages) { p.set(certURL, 200, append(a.leaf(nil), make([]byte, webBytes)...)) }, ErrUnavailable},
		{"redirected", func(p *pages) { p.set(certURL, 302, nil, "Location", issuer) }, ErrSignature},
	} {
		t.Run(c.name, func(t *testing.T) {
			h, p := snsWorld(t, nil)
			c.set(p)
			if _, err := h.Read(t.Context(), nil, envelope("Notification", deliveryEvent, "2", nil)); !errors.Is(err, c.want) {
				t.Errorf("%v, want %v", err, c.want)
			}
			if n := p.count("http://evil.example/a.cer"); n > 0 {
				t.Errorf("asked a stranger %d times", n)
			}
		})
	}
	t.Run("system roots", func(t *testing.T) {
		h, _ := snsWorld(t, func(c *Config) { c.Roots = nil })
		if _, err := h.Read(t.Context(), nil, envelope("Notification", deliveryEvent, "2", nil)); err == nil {
			t.Error("a certificate of our own making is believed")
		}
	})
}

func mustDER(pemText []byte) []byte {
	return must(x509.ParseCertificate(decodePEM(pemText))).Raw
}

// A stranger who knows the topic and names ever new certificates makes us fetch a few a minute, and the one we have stays.
func TestSNSFetchesAreCounted(t *testing.T) {
	h, p := snsWorld(t, nil)
	good := envelope("Notification", deliveryEvent, "2", nil)
	if _, err := h.Read(t.Context(), nil, good); err != nil {
		t.Fatal(err)
	}
	for i := range 100 {
		url := fmt.Sprintf("https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-%d.pem", i)
		p.set(url, 404, nil)
		if _, err := h.Read(t.Context(), nil, envelope("Notification", deliveryEvent, "2", func(m map[string]string) { m["SigningCertURL"] = url })); err == nil {
			t.Fatal("taken")
		}
	}
	total := 0
	for _, n := range p.asked {
		total += n
	}
	if total > certFetches {
		t.Errorf("%d fetches", total)
	}
	if _, err := h.Read(t.Context(), nil, good); err != nil || p.count(certURL) != 1 {
		t.Errorf("the good one: %v, fetched %d times", err, p.count(certURL))
	}
}

// Many requests at once fetch a certificate once.
func TestSNSFetchOnce(t *testing.T) {
	h, p := snsWorld(t, nil)
	body := envelope("Notification", deliveryEvent, "2", nil)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if _, err := h.Read(t.Context(), nil, body); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if p.count(certURL) != 1 {
		t.Errorf("%d fetches", p.count(certURL))
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	h, _ = snsWorld(t, nil)
	h.src.(*ses).certs.turn <- struct{}{} // somebody else is fetching
	if _, err := h.Read(ctx, nil, body); !errors.Is(err, ErrUnavailable) {
		t.Errorf("a request that is over: %v", err)
	}
}

// A subscription to a topic on the list is confirmed; to any other, or with a URL that leads elsewhere, nothing is fetched.
func TestSNSSubscription(t *testing.T) {
	h, p := snsWorld(t, nil)
	b, err := h.Read(t.Context(), nil, envelope("SubscriptionConfirmation", "You have chosen to subscribe.", "2", nil))
	if err != nil || !b.Confirmed || len(b.Events) > 0 || p.count(subURL) != 1 {
		t.Errorf("%+v, %v, %d", b, err, p.count(subURL))
	}
	b, err = h.Read(t.Context(), nil, envelope("UnsubscribeConfirmation", "You have left.", "1", nil))
	if err != nil || !b.Ended || b.Confirmed || p.count(subURL) != 1 {
		t.Errorf("%+v, %v", b, err)
	}
	for name, c := range map[string]struct {
		field, value string
		want         error
	}{
		"another's topic": {"TopicArn", "arn:aws:sns:eu-west-1:666666666666:evil", ErrTopic},
		"another's host":  {"SubscribeURL", "https://evil.example/?Action=ConfirmSubscription&TopicArn=" + topic, ErrMalformed},
		"other action":    {"SubscribeURL", "https://sns.eu-west-1.amazonaws.com/?Action=DeleteTopic&TopicArn=" + topic, ErrMalformed},
		"topic in URL":    {"SubscribeURL", "https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn=arn:x", ErrMalformed},
	} {
		h, p := snsWorld(t, nil)
		b, err := h.Read(t.Context(), nil, envelope("SubscriptionConfirmation", "", "2", func(m map[string]string) { m[c.field] = c.value }))
		if !errors.Is(err, c.want) || b.Confirmed || p.count(subURL) > 0 || p.count(c.value) > 0 {
			t.Errorf("%s: %+v, %v", name, b, err)
		}
	}
	h, p = snsWorld(t, nil)
	p.set(subURL, 500, nil)
	if b, err := h.Read(t.Context(), nil, envelope("SubscriptionConfirmation", "", "2", nil)); !errors.Is(err, ErrUnavailable) || b.Confirmed {
		t.Errorf("SNS down: %+v, %v", b, err)
	}
}

// Raw delivery is not signed: only the shared secret proves it, and without one configured nothing does.
func TestSNSRaw(t *testing.T) {
	with := func(c *Config) { c.Secret = "raw secret of ours" }
	header := func(topic, secret string) http.Header {
		h := http.Header{}
		h.Set("x-amz-sns-topic-arn", topic)
		h.Set("x-amz-sns-message-id", "mid-1")
		h.Set("Authorization", "Basic "+basic("sns", secret))
		return h
	}
	for name, c := range map[string]struct {
		change func(*Config)
		header http.Header
		want   error
	}{
		"proven":            {with, header(topic, "raw secret of ours"), nil},
		"another's topic":   {with, header("arn:other", "raw secret of ours"), ErrTopic},
		"no topic":          {with, header("", "raw secret of ours"), ErrTopic},
		"wrong secret":      {with, header(topic, "raw secret of theirs"), ErrSignature},
		"no secret at all":  {nil, header(topic, ""), ErrSignature},
		"secret not wanted": {nil, header(topic, "raw secret of ours"), ErrSignature},
	} {
		h, _ := snsWorld(t, c.change)
		b, err := h.Read(t.Context(), c.header, []byte(deliveryEvent))
		if !errors.Is(err, c.want) || (err == nil) != (len(b.Events) == 1) {
			t.Errorf("%s: %+v, %v", name, b, err)
		}
	}
}

// The same event in two SNS messages is one event; two opens are two.
func TestSESEventIDs(t *testing.T) {
	h, _ := snsWorld(t, nil)
	id := func(message, event string) string {
		b, err := h.Read(t.Context(), nil, envelope("Notification", event, "2", func(m map[string]string) { m["MessageId"] = message }))
		if err != nil || len(b.Events) != 1 {
			t.Fatalf("%+v, %v", b, err)
		}
		return b.Events[0].ID
	}
	if id("a", deliveryEvent) != id("b", deliveryEvent) {
		t.Error("one delivery, two ids")
	}
	open := `{"eventType":"Open","mail":{"messageId":"m-1","destination":["jo@mail.example"]},"open":{"timestamp":"2026-11-24T07:59:0%dZ"}}`
	if id("a", fmt.Sprintf(open, 1)) == id("b", fmt.Sprintf(open, 2)) {
		t.Error("two opens, one id")
	}
	silent := `{"eventType":"Reject","mail":{"messageId":"m-1","destination":["jo@mail.example"]},"reject":{"reason":"Bad content"}}`
	if id("a", silent) == id("b", silent) {
		t.Error("two events without a time, one id")
	}
}
