package sim_test

import (
	"crypto/tls"
	"fmt"
	"strings"
	"testing"

	"github.com/resetd/resetd/internal/sim"
)

// A good host tells a client what it does wrong, command by command, and goes on.
func TestProtocolErrors(t *testing.T) {
	w := newWorld(t)
	h := w.Host("mx.strict.example", sim.Accept().MaxSize(1000).RequireAuth("u", "p"))
	r := dialRaw(t, h)
	r.expect("220 mx.strict.example ESMTP")
	for _, step := range []struct{ say, want string }{
		{"MAIL FROM:<a@b.example>", "503 Send HELO"},
		{"AUTH PLAIN AHUAcA==", "502 "},
		{"EHLO", "501 "},
		{"FOO", "500 Command not recognized"},
		{"", "500 "},
		{"EHLO c.example", "250 "},
		{"STARTTLS", "502 5.5.1"},
		{"MAIL FROM:<a@b.example>", "530 5.7.0 Authentication required"},
		{"AUTH CRAM-MD5", "504 5.5.4"},
		{"AUTH PLAIN !!!", "535 5.7.8"},
		{"AUTH PLAIN AHUA", "535 5.7.8"},
		{"AUTH PLAIN", "334 "},
		{"AHUAcA==", "235 2.7.0"},
		{"AUTH PLAIN AHUAcA==", "503 5.5.1"},
		{"RCPT TO:<a@b.example>", "503 5.5.1"},
		{"DATA", "503 5.5.1"},
		{"MAIL FROM:a@b.example", "501 5.5.4"},
		{"MAIL TO:<a@b.example>", "501 5.5.4"},
		{"MAIL FROM:<a@b.example> SIZE=x", "501 5.5.4 Bad SIZE"},
		{"MAIL FROM:<a@b.example> SIZE=1001", "552 5.3.4"},
		{"MAIL FROM:<a@b.example> BODY=9BIT", "501 5.5.4 Bad BODY"},
		{"MAIL FROM:<a@b.example> RET=SOME", "501 5.5.4 Bad RET"},
		{"MAIL FROM:<a@b.example> ENVID=+", "501 5.5.4 Bad ENVID"},
		{"MAIL FROM:<a@b.example> XYZ=1", "555 5.5.4"},
		{"MAIL FROM:<a@b.example> AUTH=<> SIZE=1000", "250 2.1.0"},
		{"MAIL FROM:<a@b.example>", "503 5.5.1 Nested"},
		{"RCPT TO:<>", "501 5.5.4"},
		{"RCPT TO:<a@b.example> NOTIFY=NEVER,DELAY", "501 5.5.4 Bad NOTIFY"},
		{"RCPT TO:<a@b.example> ORCPT=nobody", "501 5.5.4 Bad ORCPT"},
		{"RCPT TO:<a@b.example>", "250 2.1.5"},
		{"NOOP", "250 "}, {"VRFY a", "252 "},
		{"DATA now", "501 5.5.4"},
		{"RSET", "250 "},
		{"DATA", "503 5.5.1"},
		{"HELO c.example", "250 mx.strict.example"},
		{"MAIL FROM:<a@b.example> SIZE=1", "555 Unsupported option: SIZE"},
	} {
		r.say(step.say, step.want)
	}
	fmt.Fprintf(r.conn, "NOOP %s\r\n", strings.Repeat("x", 5000))
	r.expect("500 Line too long")
}

func TestTooManyRecipients(t *testing.T) {
	w := newWorld(t)
	r := dialRaw(t, w.Host("mx.crowd.example", sim.Accept()))
	r.expect("220 ")
	r.say("EHLO c.example", "250 ")
	r.say("MAIL FROM:<>", "250 ")
	for i := range 100 {
		r.say(fmt.Sprintf("RCPT TO:<u%d@b.example>", i), "250 ")
	}
	r.say("RCPT TO:<one-more@b.example>", "452 4.5.3")
}

// What is said in the clear after STARTTLS must not count inside (CVE-2011-0411).
func TestNothingCrossesIntoTLS(t *testing.T) {
	w := newWorld(t)
	h := w.Host("mx.tls.example", sim.Accept().StartTLS())
	r := dialRaw(t, h)
	r.expect("220 ")
	r.say("EHLO c.example", "250 ")
	fmt.Fprint(r.conn, "STARTTLS\r\nMAIL FROM:<evil@b.example>\r\n")
	r.expect("220 ")
	c := tls.Client(r.conn, &tls.Config{InsecureSkipVerify: true}) // whose certificate it is does not matter here
	if err := c.Handshake(); err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(c, "NOOP\r\n")
	buf := make([]byte, 100)
	n, err := c.Read(buf)
	if err != nil || !strings.HasPrefix(string(buf[:n]), "250 ") {
		t.Errorf("%q, %v", buf[:n], err)
	}
	if text := strings.Join(h.Transcript(), "\n"); strings.Contains(text, "evil") {
		t.Errorf("transcript:\n%s", text)
	}
}

// A reply may have several lines, as Gmail's have.
func TestReplyOfSeveralLines(t *testing.T) {
	w := newWorld(t)
	r := dialRaw(t, w.Host("mx.many.example", sim.RejectSender(550, "5.7.26", "This mail has been blocked\nbecause of DMARC")))
	r.expect("220 ")
	r.say("EHLO c.example", "250 ")
	if got, want := r.say("MAIL FROM:<>", "550 "), "550-5.7.26 This mail has been blocked\r\n550 5.7.26 because of DMARC\r\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
