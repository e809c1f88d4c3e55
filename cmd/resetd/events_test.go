package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/resetd/resetd/internal/desk"
	"github.com/resetd/resetd/internal/sim"
	"github.com/resetd/resetd/internal/sim/redistest"
)

// providers signs events as the providers do.
type providers struct {
	standard, mailgun, postmark string
	sendgrid                    *ecdsa.PrivateKey
}

func newProviders(t *testing.T) providers {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return providers{standard: "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3", mailgun: "key-0123456789abcdef", postmark: "a long secret of ours", sendgrid: key}
}

func (p providers) config(t *testing.T) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(p.sendgrid.Public())
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for name, secret := range map[string]string{"standard": p.standard, "mailgun": p.mailgun, "postmark": p.postmark, "sendgrid": base64.StdEncoding.EncodeToString(der)} {
		fmt.Fprintf(&b, "[[hook]]\nprovider = %q\nsecret = %q\n", name, secret)
	}
	return b.String()
}

func (p providers) standardHeader(at time.Time, id string, body []byte) http.Header {
	key, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(p.standard, "whsec_"))
	stamp := strconv.FormatInt(at.Unix(), 10)
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(id + "." + stamp + "."))
	mac.Write(body)
	h := http.Header{}
	h.Set("webhook-id", id)
	h.Set("webhook-timestamp", stamp)
	h.Set("webhook-signature", "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	return h
}

func (p providers) sendgridHeader(t *testing.T, at time.Time, body []byte) http.Header {
	t.Helper()
	stamp := strconv.FormatInt(at.Unix(), 10)
	sum := sha256.Sum256(append([]byte(stamp), body...))
	sig, err := ecdsa.SignASN1(rand.Reader, p.sendgrid, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	h := http.Header{}
	h.Set("X-Twilio-Email-Event-Webhook-Signature", base64.StdEncoding.EncodeToString(sig))
	h.Set("X-Twilio-Email-Event-Webhook-Timestamp", stamp)
	return h
}

func (p providers) mailgunBody(at time.Time, token string, event obj) []byte {
	stamp := strconv.FormatInt(at.Unix(), 10)
	mac := hmac.New(sha256.New, []byte(p.mailgun))
	mac.Write([]byte(stamp + token))
	b, _ := json.Marshal(obj{"signature": obj{"timestamp": stamp, "token": token, "signature": hex.EncodeToString(mac.Sum(nil))}, "event-data": event})
	return b
}

// hook posts one request of a provider and gives the status.
func (c caller) hook(provider string, h http.Header, body []byte) int {
	c.t.Helper()
	req, err := http.NewRequest(http.MethodPost, c.url+"/v1/hooks/"+provider, bytes.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	if h != nil {
		req.Header = h
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, res.Body)
	return res.StatusCode
}

func (c caller) untilSent(id string) desk.ResetView {
	c.t.Helper()
	return c.untilReset(id, func(v desk.ResetView) bool { return v.State == "sent" })
}

func facts(v desk.ResetView, name string) (n int) {
	for _, f := range v.Facts {
		if string(f.Fact) == name {
			n++
		}
	}
	return n
}

// Four providers tell what became of the mails that the running daemon gave to a relay: what is signed is taken once, however often
// and in whatever order it is told; what is forged, late or replayed changes nothing.
func TestProviderEvents(t *testing.T) {
	world, err := sim.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { world.Close() })
	mx := world.Host("mx.home.example", sim.Accept())
	world.Domain("home.example", mx)
	p := newProviders(t)
	in := &installation{t: t, redis: redistest.Start(t), resolver: world.Resolver(),
		accounts: []string{account("u1", "ann@home.example"), account("u2", "bob@home.example"), account("u3", "cid@home.example"), account("u4", "dot@home.example")},
		routes:   fmt.Sprintf("[[route]]\nname = \"out\"\nmx = true\nport = %d\ntls = \"opportunistic\"\n", world.SMTPPort()), extra: p.config(t)}
	daemon := launch(t, "serve", "-config", in.write())
	c := caller{t, "http://" + daemon.listening("api")}
	sent := func(login string) (reset, message, header string) {
		before := len(mx.Mail())
		reset = c.ask(login)
		v := c.untilSent(reset)
		mails, err := mx.Wait(t.Context(), before+1)
		if err != nil {
			t.Fatal(err)
		}
		return reset, string(v.Messages[0].Message), mails[before].Header("Message-Id")
	}
	now := time.Now()

	t.Run("standard: delivered, told three times, forged and late ones refused", func(t *testing.T) {
		c := caller{t, c.url}
		reset, message, _ := sent("ann@home.example")
		body := []byte(fmt.Sprintf(`{"type":"email.delivered","timestamp":%q,"data":{"recipient":"ann@home.example","resetd_message":%q}}`, now.UTC().Format(time.RFC3339), message))
		bad := p.standardHeader(now, "e1", append([]byte(" "), body...))
		if got := c.hook("standard", bad, body); got != 401 {
			t.Errorf("forged: %d", got)
		}
		if got := c.hook("standard", p.standardHeader(now.Add(-time.Hour), "e1", body), body); got != 409 {
			t.Errorf("late: %d", got)
		}
		for range 3 {
			if got := c.hook("standard", p.standardHeader(now, "e1", body), body); got != 200 {
				t.Fatalf("told: %d", got)
			}
		}
		// The same event in another request: a provider that got no answer signs it anew.
		spaced := append([]byte(" "), body...)
		if got := c.hook("standard", p.standardHeader(now.Add(time.Second), "e1", spaced), spaced); got != 200 {
			t.Errorf("told anew: %d", got)
		}
		v := c.untilReset(reset, func(v desk.ResetView) bool { return facts(v, "confirmed") > 0 })
		if n := facts(v, "confirmed"); n != 1 {
			t.Errorf("%d times confirmed", n)
		}
	})

	t.Run("mailgun: a signature serves one event", func(t *testing.T) {
		c := caller{t, c.url}
		reset, _, header := sent("bob@home.example")
		event := func(kind, id string) obj {
			return obj{"event": kind, "id": id, "timestamp": float64(now.Unix()), "recipient": "bob@home.example", "severity": "permanent",
				"message":         obj{"headers": obj{"message-id": strings.Trim(header, "<>"), "to": "bob@home.example"}},
				"delivery-status": obj{"code": 550, "message": "5.1.1 no such user here", "enhanced-code": "5.1.1", "mx-host": "mx.home.example"}}
		}
		if got := c.hook("mailgun", nil, p.mailgunBody(now, "token-1", event("delivered", "m1"))); got != 200 {
			t.Fatalf("told: %d", got)
		}
		c.untilReset(reset, func(v desk.ResetView) bool { return facts(v, "confirmed") == 1 })
		// Somebody who saw that request writes an event of their own under its signature.
		if got := c.hook("mailgun", nil, p.mailgunBody(now, "token-1", event("failed", "m2"))); got != 200 {
			t.Errorf("replayed: %d", got)
		}
		// Nor under one that came with an event which says nothing.
		for _, body := range [][]byte{p.mailgunBody(now, "token-3", event("accepted", "m4")), p.mailgunBody(now, "token-3", event("failed", "m5"))} {
			if got := c.hook("mailgun", nil, body); got != 200 {
				t.Errorf("a signature of nothing: %d", got)
			}
		}
		if got := c.hook("mailgun", nil, p.mailgunBody(now, "token-2", event("opened", "m3"))); got != 200 {
			t.Errorf("the next: %d", got)
		}
		c.untilRead()
		v := c.untilReset(reset, func(v desk.ResetView) bool { return facts(v, "opened") == 1 })
		if facts(v, "bounced") != 0 || v.State != "sent" {
			t.Errorf("a replayed signature acted: %+v", v.Facts)
		}
	})

	t.Run("sendgrid: a batch out of order", func(t *testing.T) {
		c := caller{t, c.url}
		reset, _, header := sent("cid@home.example")
		one := func(kind, id string, at int64, more string) string {
			return fmt.Sprintf(`{"event":%q,"sg_event_id":%q,"timestamp":%d,"email":"cid@home.example","smtp-id":%q%s}`, kind, id, at, header, more)
		}
		body := []byte("[" + strings.Join([]string{
			one("bounce", "s3", now.Unix()+1, `,"reason":"550 5.2.2 mailbox is full","status":"5.2.2","type":"bounce"`),
			one("deferred", "s2", now.Unix(), `,"response":"451 4.2.0 try later"`),
			one("processed", "s1", now.Unix(), ""),
		}, ",") + "]")
		if got := c.hook("sendgrid", p.sendgridHeader(t, now, body), body); got != 200 {
			t.Fatalf("told: %d", got)
		}
		v := c.untilReset(reset, func(v desk.ResetView) bool { return facts(v, "bounced") == 2 })
		if v.State != "failed" {
			t.Errorf("state %s", v.State)
		}
		c.why("cid@home.example", "recipient.mailbox_full")
	})

	t.Run("postmark: suppressed at the provider", func(t *testing.T) {
		c := caller{t, c.url}
		_, message, _ := sent("dot@home.example")
		body := []byte(fmt.Sprintf(`{"RecordType":"Bounce","ID":7,"Type":"ManuallyDeactivated","TypeCode":100006,"MessageID":"1-2-3","Email":"dot@home.example",`+
			`"Inactive":true,"BouncedAt":%q,"Details":"","Description":"Manually deactivated","Metadata":{"resetd":%q}}`, now.UTC().Format(time.RFC3339), message))
		if got := c.hook("postmark", http.Header{"X-Resetd-Secret": {"another secret of theirs"}}, body); got != 401 {
			t.Errorf("without the secret: %d", got)
		}
		if got := c.hook("postmark", http.Header{"X-Resetd-Secret": {p.postmark}}, body); got != 200 {
			t.Fatalf("told: %d", got)
		}
		c.why("dot@home.example", "suppressed.by_provider")
	})

	if strings.Contains(daemon.logText(), "@home.example") {
		t.Error("an address stands in the log")
	}
	if code := daemon.stop(); code != 0 {
		t.Errorf("stopped with status %d", code)
	}
}
