package mailer

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"testing"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// strict is a session of a server that understands all that we may say, and remembers it.
type strict struct {
	mail smtp.MailOptions
	rcpt smtp.RcptOptions
	user string
	body string
}

func (s *strict) Reset()        {}
func (s *strict) Logout() error { return nil }
func (s *strict) Mail(_ string, o *smtp.MailOptions) error {
	s.mail = *o
	return nil
}
func (s *strict) Rcpt(_ string, o *smtp.RcptOptions) error {
	s.rcpt = *o
	return nil
}
func (s *strict) Data(r io.Reader) error {
	b, err := io.ReadAll(r)
	s.body = string(b)
	return err
}
func (s *strict) AuthMechanisms() []string { return []string{sasl.Plain} }
func (s *strict) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if password != "secret-word" {
			return errors.New("wrong")
		}
		s.user = user
		return nil
	}), nil
}

// A whole dialogue with a server that is not of our making: STARTTLS, login, DSN and SMTPUTF8 parameters, dots.
func TestAgainstLibraryServer(t *testing.T) {
	h := newSilentHost(t)
	sess := &strict{}
	srv := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return sess, nil }))
	srv.Domain, srv.EnableDSN, srv.EnableSMTPUTF8 = "relay.example", true, true
	srv.TLSConfig = &tls.Config{Certificates: []tls.Certificate{h.cert}}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() { done <- srv.Serve(l) }()
	defer func() {
		srv.Close()
		<-done
	}()
	h.addr = l.Addr().String()
	r := h.relay()
	r.TLS, r.Username, r.Password = TLSRequired, "resetd", "secret-word"
	env := testEnvelope()
	env.To = "jörg+x=1@müller.example"
	d := deliverer(t, zone{})
	as := d.Deliver(t.Context(), r, env, []byte(testMail))
	if got := summary(as); got != "accepted dot 250 2.0.0 TLS1.3" {
		t.Fatalf("%s %+v", got, as)
	}
	if sess.mail.Return != smtp.DSNReturnHeaders || sess.mail.EnvelopeID != "msg_test" || !sess.mail.UTF8 || sess.user != "resetd" || sess.body != testMail {
		t.Errorf("%+v", sess)
	}
	if len(sess.rcpt.Notify) != 3 || sess.rcpt.OriginalRecipient != "jörg+x=1@xn--mller-kva.example" || sess.rcpt.OriginalRecipientType != smtp.DSNAddressTypeUTF8 {
		t.Errorf("%+v", sess.rcpt)
	}
	r.Password = "wrong"
	d.Close() // the kept connection is logged in already
	if got := summary(d.Deliver(t.Context(), r, env, []byte(testMail))); got != "deferred auth 454 4.7.0 TLS1.3" {
		t.Error(got)
	}
}
