package main

import (
	"bufio"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/resetd/resetd/internal/desk"
	"github.com/resetd/resetd/internal/sim"
	"github.com/resetd/resetd/internal/sim/redistest"
)

// The binary is told of Amazon's authorities by SSL_CERT_FILE, which Go reads on Linux, and reaches its hosts through a proxy of ours.

const (
	snsName  = "sns.eu-west-1.amazonaws.com"
	snsTopic = "arn:aws:sns:eu-west-1:123456789012:resets"
)

// amazon is a small SNS: an authority, the host of its certificate and of confirmations, and the key that signs.
type amazon struct {
	t     *testing.T
	key   *rsa.PrivateKey
	roots string // PEM file
	proxy string // URL

	mu        sync.Mutex
	confirmed []string // tokens
	asked     []string // hosts that the proxy was to connect to
}

func newAmazon(t *testing.T) *amazon {
	t.Helper()
	fail := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	template := func(serial int64, name string, ca bool) *x509.Certificate {
		return &x509.Certificate{SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(0, 1, 0),
			IsCA: ca, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign}
	}
	rootKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	fail(err)
	root := template(1, "Test Root", true)
	rootDER, err := x509.CreateCertificate(rand.Reader, root, root, rootKey.Public(), rootKey)
	fail(err)
	a := &amazon{t: t, roots: filepath.Join(t.TempDir(), "roots.pem")}
	fail(os.WriteFile(a.roots, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: rootDER}), 0o600))
	a.key, err = rsa.GenerateKey(rand.Reader, 2048)
	fail(err)
	signing := template(2, "sns.amazonaws.com", false)
	signing.DNSNames = []string{"sns.amazonaws.com"}
	signingDER, err := x509.CreateCertificate(rand.Reader, signing, root, a.key.Public(), rootKey)
	fail(err)
	hostKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	fail(err)
	host := template(3, snsName, false)
	host.DNSNames = []string{snsName}
	hostDER, err := x509.CreateCertificate(rand.Reader, host, root, hostKey.Public(), rootKey)
	fail(err)

	sns := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/SimpleNotificationService-0123abcd.pem":
			_ = pem.Encode(w, &pem.Block{Type: "CERTIFICATE", Bytes: signingDER})
		case r.URL.Query().Get("Action") == "ConfirmSubscription" && r.URL.Query().Get("TopicArn") == snsTopic:
			a.mu.Lock()
			a.confirmed = append(a.confirmed, r.URL.Query().Get("Token"))
			a.mu.Unlock()
			fmt.Fprint(w, "<ConfirmSubscriptionResponse/>")
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	sns.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{hostDER}, PrivateKey: hostKey}}}
	sns.StartTLS()
	t.Cleanup(sns.Close)
	proxy, err := net.Listen("tcp", "127.0.0.1:0")
	fail(err)
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			c, err := proxy.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { a.tunnel(c, sns.Listener.Addr().String()) })
		}
	})
	t.Cleanup(func() { proxy.Close(); serving.Wait() })
	a.proxy = "http://" + proxy.Addr().String()
	return a
}

// tunnel serves one CONNECT: whatever host is asked for, SNS answers.
func (a *amazon) tunnel(c net.Conn, sns string) {
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(30 * time.Second))
	in := bufio.NewReader(c)
	req, err := http.ReadRequest(in)
	if err != nil || req.Method != http.MethodConnect {
		return
	}
	a.mu.Lock()
	a.asked = append(a.asked, req.Host)
	a.mu.Unlock()
	up, err := net.Dial("tcp", sns)
	if err != nil {
		return
	}
	defer up.Close()
	fmt.Fprint(c, "HTTP/1.1 200 OK\r\n\r\n")
	go func() { _, _ = io.Copy(up, in); _ = up.(*net.TCPConn).CloseWrite() }()
	_, _ = io.Copy(c, up)
}

// message is what SNS posts, signed by version 1 or 2; change acts after signing.
func (a *amazon) message(typ, id, body, version string, at time.Time, change func(map[string]string)) []byte {
	a.t.Helper()
	m := map[string]string{"Type": typ, "MessageId": id, "TopicArn": snsTopic, "Message": body, "Timestamp": at.UTC().Format("2006-01-02T15:04:05.000Z"),
		"SignatureVersion": version, "SigningCertURL": "https://" + snsName + "/SimpleNotificationService-0123abcd.pem"}
	if typ != "Notification" {
		m["Token"], m["SubscribeURL"] = "t0k3n", "https://"+snsName+"/?Action=ConfirmSubscription&TopicArn="+snsTopic+"&Token=t0k3n"
	}
	var text strings.Builder
	for _, name := range []string{"Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"} {
		if v, ok := m[name]; ok {
			text.WriteString(name + "\n" + v + "\n")
		}
	}
	kind, sum := crypto.SHA256, sha256.Sum256([]byte(text.String()))
	digest := sum[:]
	if version == "1" {
		old := sha1.Sum([]byte(text.String()))
		kind, digest = crypto.SHA1, old[:]
	}
	sig, err := rsa.SignPKCS1v15(nil, a.key, kind, digest)
	if err != nil {
		a.t.Fatal(err)
	}
	m["Signature"] = base64.StdEncoding.EncodeToString(sig)
	if change != nil {
		change(m)
	}
	out, err := json.Marshal(m)
	if err != nil {
		a.t.Fatal(err)
	}
	return out
}

// Amazon subscribes and tells: the daemon fetches the certificate, confirms the subscription to its own topic, takes what either version
// of the signature proves, once, and nothing else; and why goes by it.
func TestSESEvents(t *testing.T) {
	a := newAmazon(t)
	world, err := sim.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { world.Close() })
	mx := world.Host("mx.home.example", sim.Accept())
	world.Domain("home.example", mx)
	in := &installation{t: t, redis: redistest.Start(t), resolver: world.Resolver(),
		accounts: []string{account("u1", "ann@home.example"), account("u2", "bob@home.example"), account("u3", "cid@home.example")},
		routes:   fmt.Sprintf("[[route]]\nname = \"out\"\nmx = true\nport = %d\ntls = \"opportunistic\"\n", world.SMTPPort()),
		extra:    fmt.Sprintf("[[hook]]\nprovider = \"ses\"\ntopics = [%q]\n", snsTopic)}
	daemon := launchIn(t, []string{"SSL_CERT_FILE=" + a.roots, "SSL_CERT_DIR=" + t.TempDir(), "HTTPS_PROXY=" + a.proxy, "NO_PROXY="}, "serve", "-config", in.write())
	c := caller{t, "http://" + daemon.listening("api")}
	now := time.Now()
	send := func(want int, body []byte) {
		t.Helper()
		if got := c.hook("ses", nil, body); got != want {
			t.Errorf("status %d, want %d: %s", got, want, body)
		}
	}

	// A stranger's topic makes us fetch nothing.
	send(403, a.message("SubscriptionConfirmation", "m0", "confirm", "1", now, func(m map[string]string) { m["TopicArn"] = snsTopic + "-theirs" }))
	a.mu.Lock()
	if len(a.asked)+len(a.confirmed) != 0 {
		t.Errorf("asked %v, confirmed %v", a.asked, a.confirmed)
	}
	a.mu.Unlock()
	send(200, a.message("SubscriptionConfirmation", "m1", "confirm", "1", now, nil))
	a.mu.Lock()
	if len(a.confirmed) != 1 || a.confirmed[0] != "t0k3n" {
		t.Errorf("confirmed %v", a.confirmed)
	}
	a.mu.Unlock()
	send(200, a.message("Notification", "m2", "Successfully validated SNS topic for Amazon SES event publishing.", "2", now, nil))

	event := func(login, header, rest string) string {
		return fmt.Sprintf(`{"eventType":%s,"mail":{"timestamp":%q,"messageId":"0102-ses","destination":[%q],"headers":[{"name":"Message-ID","value":%q}]}}`,
			rest, now.UTC().Format(time.RFC3339), login, header)
	}
	sent := func(login string) (reset, header string) {
		before := len(mx.Mail())
		reset = c.ask(login)
		c.untilSent(reset)
		mails, err := mx.Wait(t.Context(), before+1)
		if err != nil {
			t.Fatal(err)
		}
		return reset, mails[before].Header("Message-Id")
	}
	stamp := now.Add(time.Second).UTC().Format(time.RFC3339)

	ann, header := sent("ann@home.example")
	gone := event("ann@home.example", header, fmt.Sprintf(`"Bounce","bounce":{"bounceType":"Permanent","bounceSubType":"General","timestamp":%q,"reportingMTA":"dns; a.smtp-out.amazonses.example",
		"bouncedRecipients":[{"emailAddress":"ann@home.example","status":"5.1.1","action":"failed","diagnosticCode":"smtp; 550 5.1.1 user unknown"}]}`, stamp))
	send(401, a.message("Notification", "m3", gone, "1", now, func(m map[string]string) { m["Message"] = strings.Replace(gone, "5.1.1", "5.2.2", 1) }))
	send(409, a.message("Notification", "m3", gone, "1", now.Add(-3*time.Hour), nil))
	for range 3 {
		send(200, a.message("Notification", "m3", gone, "1", now, nil))
	}
	send(200, a.message("Notification", "m4", gone, "2", now, nil)) // another topic of theirs may bring the same event
	v := c.why("ann@home.example", "recipient.unknown_mailbox")
	if v.Verdict.Confidence != "certain" {
		t.Errorf("%+v", v.Verdict)
	}
	if r := c.untilReset(ann, func(v desk.ResetView) bool { return v.State == "failed" }); facts(r, "bounced") != 1 {
		t.Errorf("%d times bounced", facts(r, "bounced"))
	}

	_, header = sent("bob@home.example")
	send(200, a.message("Notification", "m5", event("bob@home.example", header, `"Send","send":{}`), "2", now, nil))
	send(200, a.message("Notification", "m6", event("bob@home.example", header, fmt.Sprintf(`"Bounce","bounce":{"bounceType":"Permanent","bounceSubType":"OnAccountSuppressionList","timestamp":%q,
		"bouncedRecipients":[{"emailAddress":"bob@home.example","status":"5.1.1","action":"failed","diagnosticCode":"Amazon SES did not send the message to this address because it is on the suppression list for your account."}]}`, stamp)), "2", now, nil))
	c.why("bob@home.example", "suppressed.by_provider")

	cid, header := sent("cid@home.example")
	send(200, a.message("Notification", "m7", event("cid@home.example", header, fmt.Sprintf(`"Delivery","delivery":{"timestamp":%q,"recipients":["cid@home.example"],"smtpResponse":"250 2.0.0 ok","reportingMTA":"a.smtp-out.amazonses.example"}`, stamp)), "2", now, nil))
	c.untilReset(cid, func(v desk.ResetView) bool { return facts(v, "confirmed") == 1 })

	// The metrics tell it all, by provider and outcome alone.
	want := map[string]int{"bounced": 1, "dropped": 1, "delivered": 1, "again": 3, "processed": 1, "ignored": 1, "refused_topic_not_listed": 1, "refused_bad_signature": 1, "refused_replayed": 1}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var metrics []byte
	for missing := "x"; missing != ""; {
		_, metrics = c.call("", "/metrics", nil)
		missing = ""
		for outcome, n := range want {
			if line := fmt.Sprintf("resetd_provider_events_total{outcome=%q,provider=\"ses\"} %d\n", outcome, n); !strings.Contains(string(metrics), line) {
				missing += line
			}
		}
		if missing != "" && wait(ctx, 50*time.Millisecond) != nil {
			t.Errorf("the metrics lack %s", missing)
			break
		}
	}
	if strings.Contains(string(metrics), "@") || strings.Contains(string(metrics), "arn:aws") {
		t.Error("an address or a topic stands in the metrics")
	}
	for _, host := range a.asked {
		if host != snsName+":443" {
			t.Errorf("we went to %s", host)
		}
	}
	if t.Failed() {
		for line := range strings.Lines(string(metrics)) {
			if strings.HasPrefix(line, "resetd_provider") {
				t.Log(line)
			}
		}
	}
}
