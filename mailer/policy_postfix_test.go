package mailer_test

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/resetd/resetd/internal/ledger"
	"github.com/resetd/resetd/internal/sim"
	"github.com/resetd/resetd/internal/sim/postfixtest"
	"github.com/resetd/resetd/mailer"
)

// Policies against a real Postfix as the recipient's MX: its TLS, its certificate, and what it does with a header field that it does not know.
func TestPoliciesWithPostfix(t *testing.T) {
	o := newOutside(t)
	at := netip.MustParseAddr("127.0.0.1")
	cert, key, err := o.WriteCertificate("mx.d.example", at, sim.CertValid)
	if err != nil {
		t.Fatal(err)
	}
	mx := postfixtest.Start(t, postfixtest.Options{Hostname: "mx.d.example", Mailboxes: []string{"jo@d.example"},
		Main: map[string]string{"smtpd_tls_security_level": "may", "smtpd_tls_cert_file": cert, "smtpd_tls_key_file": key}})
	_, port, err := net.SplitHostPort(mx.Addr())
	if err != nil {
		t.Fatal(err)
	}
	if o.mail.Port, err = strconv.Atoi(port); err != nil {
		t.Fatal(err)
	}
	o.DNS().SetMX("d.example", sim.MX{Preference: 10, Host: "mx.d.example"})
	o.DNS().SetA("mx.d.example", at)

	text, err := os.ReadFile(cert)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	leaf, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	tlsa := "_" + port + "._tcp.mx.d.example"
	publish := func(spki []byte) {
		sum := sha256.Sum256(spki)
		o.DNS().Remove(tlsa)
		if err := o.DNS().Add(tlsa + ". 60 IN TLSA 3 1 1 " + hex.EncodeToString(sum[:])); err != nil {
			t.Fatal(err)
		}
	}
	since := time.Date(2019, 5, 1, 0, 0, 0, 0, time.UTC)
	mails := 0
	for _, c := range []struct {
		what string
		do   func()
		want string
	}{
		{"no policy", func() {}, "accepted dot tls verified"},
		{"MTA-STS fits", func() { o.sts("enforce", "mx.d.example") }, "accepted dot tls verified by mta_sts"},
		{"MTA-STS names another host", func() {
			o.sts("enforce", "mx.elsewhere.example")
			o.DNS().SetTXT("_mta-sts.d.example", "v=STSv1; id=2;")
		}, "blocked dns clear by mta_sts failed sts_mx_mismatch"},
		{"DANE fits, and goes before MTA-STS", func() {
			o.DNS().SetSigned("d.example", true)
			publish(leaf.RawSubjectPublicKeyInfo)
		}, "accepted dot tls verified by dane"},
		{"DANE, another key", func() { publish([]byte("another")) }, "blocked starttls clear verified by dane failed tlsa_invalid"},
	} {
		c.do()
		as := o.d.Deliver(t.Context(), o.mail, mailer.Envelope{From: "b-x@bounces.sender.example", To: "jo@d.example", MessageID: "msg_test", Since: since},
			[]byte("From: <a@sender.example>\r\nTo: <jo@d.example>\r\nSubject: x\r\n\r\nhello\r\n"))
		if got := tellTLS(as); got != c.want {
			t.Errorf("%s: %s, want %s (%+v)", c.what, got, c.want, as[0])
		}
		if as[len(as)-1].Outcome == ledger.Accepted {
			mails++
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	got, err := mx.WaitMail(ctx, "jo@d.example", mails)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range got {
		if !strings.Contains(string(m), fmt.Sprintf("\nRequire-Recipient-Valid-Since: jo@d.example; %s", since.Format(time.RFC1123Z))) {
			t.Errorf("the field did not come along:\n%s", m)
		}
	}
	if len(got) != 3 {
		t.Errorf("%d mails", len(got))
	}
}
