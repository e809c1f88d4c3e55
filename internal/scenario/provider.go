package scenario

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/resetd/resetd/internal/sim"
)

// Hook says that a mail provider tells what becomes of mails, and by which routes it is given them.
type Hook struct {
	Provider string
	Routes   []string
}

// What proves the providers' events in every story. SendGrid's key is made anew for each stage.
const (
	providerSecret = "a secret that the provider was told"
	standardKey    = "0123456789abcdef01234567"
	snsTopic       = "arn:aws:sns:eu-west-1:123456789012:mail-events"
)

// The events that a provider can tell, in its own words.
var providerWords = map[string]map[string]string{
	"standard": {"delivered": "email.delivered", "bounced": "email.bounced", "deferred": "email.deferred", "dropped": "email.dropped", "rejected": "email.rejected",
		"complained": "email.complained", "opened": "email.opened", "clicked": "email.clicked", "unsubscribed": "email.unsubscribed", "processed": "email.sent"},
	"sendgrid": {"delivered": "delivered", "bounced": "bounce", "deferred": "deferred", "dropped": "dropped", "complained": "spamreport", "opened": "open",
		"clicked": "click", "unsubscribed": "unsubscribe", "processed": "processed"},
	"mailgun": {"delivered": "delivered", "bounced": "failed", "deferred": "failed", "dropped": "failed", "rejected": "rejected", "complained": "complained",
		"opened": "opened", "clicked": "clicked", "unsubscribed": "unsubscribed", "processed": "accepted"},
	"postmark": {"delivered": "Delivery", "bounced": "HardBounce", "deferred": "Transient", "dropped": "ManuallyDeactivated", "complained": "SpamComplaint",
		"opened": "Open", "clicked": "Click", "unsubscribed": "Unsubscribe"},
	"ses": {"delivered": "Delivery", "bounced": "Permanent", "deferred": "DeliveryDelay", "dropped": "Permanent", "complained": "Complaint", "opened": "Open",
		"clicked": "Click"},
}

// told is one event as its story has it.
type told struct {
	event, word string // what happened, and the provider's word for it
	id, words   string
	to          string
	messageID   string // of our header, in brackets; "" = the provider does not name the mail
	ours        string // X-Resetd-Message
	at          time.Time
}

// tells lets a provider post an event about a mail.
func (p *Player) tells(ctx context.Context, provider, realm string, a *args) (string, error) {
	e := told{event: a.next()}
	word, ok := providerWords[provider][e.event]
	if !ok {
		return "", fmt.Errorf("%s does not tell of %q", provider, e.event)
	}
	e.word = word
	m, err := p.pick(a.next(), realm, a)
	if err != nil {
		return "", err
	}
	now := p.Stage.Sim.Now()
	e.at, e.to, e.messageID, e.ours = now, m.To[0], m.Header("Message-Id"), m.Header("X-Resetd-Message")
	if a.flag("nameless") {
		e.messageID, e.ours = "", ""
	}
	e.to = a.get("about", e.to)
	ago, err := span(a, "ago")
	if err != nil {
		return "", err
	}
	e.at = e.at.Add(-ago)
	p.events++
	e.id = a.get("id", "e"+strconv.Itoa(p.events)) + "-" + hex.EncodeToString([]byte(e.to))
	signed, err := span(a, "signed")
	if err != nil {
		return "", err
	}
	forged := a.flag("forged")
	e.words = a.next()
	body, err := json.Marshal(e.body(provider))
	if err != nil {
		return "", err
	}
	body, header := p.Stage.prove(provider, now.Add(-signed), e.id, body)
	if forged {
		body = bytes.Replace(body, []byte(e.to), []byte("x"+e.to), 1)
		if provider == "postmark" || provider == "ses" || provider == "mailgun" {
			body, header = p.Stage.guess(provider, body)
		}
	}
	return p.hook(ctx, provider, header, body)
}

// span takes a pair that is a time; nought when it is not given.
func span(a *args, key string) (time.Duration, error) {
	if v := a.get(key, ""); v != "" {
		return duration(v)
	}
	return 0, nil
}

func (p *Player) hook(ctx context.Context, provider string, header http.Header, body []byte) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.URL+"/v1/hooks/"+provider, bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	req.Header = header
	res, err := p.client().Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	said := strconv.Itoa(res.StatusCode)
	var problem struct{ Code string }
	if res.StatusCode >= 400 && json.NewDecoder(res.Body).Decode(&problem) == nil {
		said += " " + problem.Code
	}
	return said, nil
}

func (e told) body(provider string) any {
	stamp := e.at.UTC().Format(time.RFC3339)
	switch provider {
	case "standard":
		return body{"type": e.word, "timestamp": stamp, "data": body{"recipient": e.to, "message_id": e.messageID, "diagnostic": e.words, "at": stamp}}
	case "sendgrid":
		one := body{"event": e.word, "email": e.to, "timestamp": e.at.Unix(), "smtp-id": e.messageID, "sg_event_id": e.id, "type": "bounce"}
		if e.event == "deferred" || e.event == "delivered" {
			one["response"] = e.words
		} else {
			one["reason"] = e.words
		}
		return []body{one}
	case "mailgun":
		one := body{"event": e.word, "id": e.id, "timestamp": e.at.Unix(), "recipient": e.to,
			"message": body{"headers": body{"message-id": strings.Trim(e.messageID, "<>"), "to": e.to}}, "delivery-status": body{"message": e.words}}
		switch e.event {
		case "bounced":
			one["severity"], one["reason"] = "permanent", "bounce"
		case "deferred":
			one["severity"], one["reason"] = "temporary", "generic"
		case "dropped":
			one["severity"], one["reason"] = "permanent", e.words
		case "rejected":
			one["reject"] = body{"reason": e.words}
		}
		return body{"event-data": one}
	case "postmark":
		one := body{"RecordType": "Bounce", "Type": e.word, "ID": e.id, "Email": e.to, "BouncedAt": stamp, "DeliveredAt": stamp, "ReceivedAt": stamp, "Details": e.words,
			"MessageID": e.id, "Metadata": body{"resetd": e.ours}}
		switch e.event {
		case "delivered", "complained", "opened", "clicked":
			one["RecordType"], one["Recipient"] = e.word, e.to
			delete(one, "BouncedAt")
		}
		return one
	}
	return e.ses(stamp)
}

func (e told) ses(stamp string) body {
	mail := body{"timestamp": stamp, "messageId": e.id, "destination": []string{e.to}, "headers": []body{{"name": "Message-ID", "value": e.messageID}}}
	to := body{"emailAddress": e.to, "diagnosticCode": "smtp; " + e.words}
	out := body{"mail": mail}
	switch e.event {
	case "bounced", "dropped":
		bounce := body{"bounceType": e.word, "bounceSubType": "General", "bouncedRecipients": []body{to}, "timestamp": stamp, "feedbackId": e.id}
		if e.event == "dropped" {
			bounce["bounceSubType"] = "Suppressed"
		}
		out["eventType"], out["bounce"] = "Bounce", bounce
	case "complained":
		out["eventType"], out["complaint"] = e.word, body{"complainedRecipients": []body{to}, "timestamp": stamp, "feedbackId": e.id}
	case "deferred":
		out["eventType"], out["deliveryDelay"] = e.word, body{"delayType": "General", "delayedRecipients": []body{to}, "timestamp": stamp}
	case "delivered":
		out["eventType"], out["delivery"] = e.word, body{"timestamp": stamp, "recipients": []string{e.to}, "smtpResponse": e.words}
	default:
		out["eventType"], out[strings.ToLower(e.word)] = e.word, body{"timestamp": stamp, "ipAddress": "192.0.2.30", "userAgent": sim.BrowserUserAgent}
	}
	return out
}

// prove signs a request, or shows the secret where the provider signs nothing.
func (st *Stage) prove(provider string, at time.Time, id string, body []byte) ([]byte, http.Header) {
	h := http.Header{"Content-Type": {"application/json"}}
	stamp := strconv.FormatInt(at.Unix(), 10)
	switch provider {
	case "standard":
		h.Set("webhook-id", id)
		h.Set("webhook-timestamp", stamp)
		h.Set("webhook-signature", "v1,"+base64.StdEncoding.EncodeToString(mac([]byte(standardKey), []byte(id+"."+stamp+"."), body)))
	case "sendgrid":
		h.Set("X-Twilio-Email-Event-Webhook-Timestamp", stamp)
		h.Set("X-Twilio-Email-Event-Webhook-Signature", base64.StdEncoding.EncodeToString(ed25519.Sign(st.sendgrid, append([]byte(stamp), body...))))
	case "mailgun":
		var nonce [16]byte
		rand.Read(nonce[:])
		token := hex.EncodeToString(nonce[:])
		signature, _ := json.Marshal(map[string]string{"timestamp": stamp, "token": token, "signature": hex.EncodeToString(mac([]byte(providerSecret), []byte(stamp+token)))})
		body = append([]byte(`{"signature":`+string(signature)+","), body[1:]...)
	case "ses": // raw message delivery: SNS signs nothing then
		h.Set("X-Amz-Sns-Topic-Arn", snsTopic)
		h.Set("X-Amz-Sns-Message-Id", id)
		fallthrough
	default:
		h.Set("X-Resetd-Secret", providerSecret)
	}
	return body, h
}

// guess is a request of somebody who does not know the secret.
func (st *Stage) guess(provider string, body []byte) ([]byte, http.Header) {
	if provider == "mailgun" {
		body = bytes.Replace(body, []byte(`"signature":"`), []byte(`"signature":"00`), 1)
	}
	return body, http.Header{"X-Resetd-Secret": {"a guess"}}
}

func mac(key []byte, parts ...[]byte) []byte {
	m := hmac.New(sha256.New, key)
	for _, p := range parts {
		m.Write(p)
	}
	return m.Sum(nil)
}

// hooks writes the tables by which resetd knows a provider's proofs.
func (st *Stage) hooks(p func(string, ...any)) error {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return err
	}
	st.sendgrid = private
	for _, h := range st.world.Hooks {
		secret := providerSecret
		switch h.Provider {
		case "standard":
			secret = "whsec_" + base64.StdEncoding.EncodeToString([]byte(standardKey))
		case "sendgrid":
			secret = base64.StdEncoding.EncodeToString(der)
		}
		p("[[hook]]\nprovider = %q\nsecret = %q\nroutes = %s", h.Provider, secret, quoted(h.Routes))
		if h.Provider == "ses" {
			p("topics = [%q]", snsTopic)
		}
	}
	return nil
}
