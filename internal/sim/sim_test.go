package sim_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"github.com/resetd/resetd/internal/sim"
)

// story is a mail like resetd's, with its link in the text part.
const story = "Message-ID: <m1@mail.shop.example>\r\nFrom: Shop <no-reply@shop.example>\r\nTo: jo@full.example\r\nSubject: Reset\r\n" +
	"MIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary=b\r\n\r\n" +
	"--b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n" +
	"Press here: https://reset.shop.example/r/abc=\r\ndef_-123.\r\n.a line that begins with a dot\r\n" +
	"--b\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<a href=\"https://reset.shop.example/r/html\">here</a>\r\n--b--\r\n"

const sender = "b-m1@bounces.shop.example"

func newWorld(t *testing.T, opts ...sim.Option) *sim.World {
	t.Helper()
	w, err := sim.New(opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

func soon(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// deliver sends story to a host; the error tells the stage.
func deliver(h *sim.Host, to string, mo *smtp.MailOptions, ro *smtp.RcptOptions) error {
	return deliverText(h, to, mo, ro, story)
}

func deliverText(h *sim.Host, to string, mo *smtp.MailOptions, ro *smtp.RcptOptions, text string) error {
	c, err := smtp.Dial(h.Addr())
	if err != nil {
		return fmt.Errorf("dial: %w", err)
	}
	defer c.Close()
	c.CommandTimeout, c.SubmissionTimeout = 10*time.Second, 10*time.Second
	if err := c.Hello("mail.shop.example"); err != nil {
		return fmt.Errorf("hello: %w", err)
	}
	if err := c.Mail(sender, mo); err != nil {
		return fmt.Errorf("mail: %w", err)
	}
	if err := c.Rcpt(to, ro); err != nil {
		return fmt.Errorf("rcpt: %w", err)
	}
	w, err := c.Data()
	if err != nil {
		return fmt.Errorf("data: %w", err)
	}
	if _, err := w.Write([]byte(text)); err != nil {
		return fmt.Errorf("data: %w", err)
	}
	if err := w.Close(); err != nil {
		return fmt.Errorf("dot: %w", err)
	}
	return c.Quit()
}

// said is an error as "stage code enhanced", or what ended the dialogue.
func said(err error) string {
	var se *smtp.SMTPError
	switch {
	case err == nil:
		return "accepted"
	case errors.As(err, &se):
		stage, _, _ := strings.Cut(err.Error(), ":")
		return fmt.Sprintf("%s %d %d.%d.%d", stage, se.Code, se.EnhancedCode[0], se.EnhancedCode[1], se.EnhancedCode[2])
	default:
		stage, _, _ := strings.Cut(err.Error(), ":")
		return stage + " broken"
	}
}

func TestEachHostMisbehavesInOneWay(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct {
		name string
		b    sim.Behaviour
		want string
		mail int // left in the mailbox
	}{
		{"accept", sim.Accept(), "accepted", 1},
		{"unknown", sim.UnknownMailbox(), "rcpt 550 5.1.1", 0},
		{"reject-rcpt", sim.RejectRcpt(554, "5.7.1", "Relay access denied"), "rcpt 554 5.7.1", 0},
		{"others-only", sim.OnlyMailboxes("AL@x.example"), "rcpt 550 5.1.1", 0},
		{"known", sim.OnlyMailboxes("Jo@X.example"), "accepted", 1},
		{"full", sim.MailboxFull(), "rcpt 452 4.2.2", 0},
		{"defer", sim.DeferRcpt(), "rcpt 451 4.3.2", 0},
		{"sender", sim.RejectSender(550, "5.7.1", "listed"), "mail 550 5.7.1", 0},
		{"dmarc", sim.RejectAtDot(550, "5.7.26", "DMARC policy of shop.example"), "dot 550 5.7.26", 0},
		{"down", sim.Down(), "dial broken", 0},
		{"banner-554", sim.BannerReject(554, "5.7.1 no"), "hello 554 5.7.1", 0},
		{"banner-421", sim.BannerReject(421, "4.3.2 busy"), "hello 421 4.3.2", 0},
		{"close-after-dot", sim.CloseAfterDot(), "dot broken", 1},
		{"slow-dot", sim.SlowDot(time.Millisecond), "accepted", 1},
		{"helo-only", sim.Accept().NoEHLO(), "accepted", 1},
		{"plain", sim.Accept().Only(), "accepted", 1},
		{"small", sim.Accept().MaxSize(100), "dot 552 5.3.4", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := w.Host("mx."+c.name+".example", c.b)
			if got := said(deliver(h, "jo@x.example", nil, nil)); got != c.want {
				t.Errorf("got %q, want %q; transcript:\n%s", got, c.want, strings.Join(h.Transcript(), "\n"))
			}
			if got := len(h.Mail()); got != c.mail {
				t.Errorf("%d mails in the mailbox, want %d", got, c.mail)
			}
		})
	}
}

func TestGreylistDefersTheFirstContactOfATriple(t *testing.T) {
	w := newWorld(t)
	h := w.Host("mx.grey.example", sim.Greylist(0, 300))
	for _, step := range []struct{ to, want string }{
		{"jo@grey.example", "rcpt 451 4.7.1"}, {"al@grey.example", "rcpt 451 4.7.1"},
		{"jo@grey.example", "accepted"}, {"Al@grey.example", "accepted"},
	} {
		if got := said(deliver(h, step.to, nil, nil)); got != step.want {
			t.Errorf("%s: %s, want %s", step.to, got, step.want)
		}
	}
	patient := w.Host("mx.patient.example", sim.Greylist(time.Hour, 3600))
	for range 2 {
		if got := said(deliver(patient, "jo@patient.example", nil, nil)); got != "rcpt 451 4.7.1" {
			t.Errorf("within the hour: %s", got)
		}
	}
	if !strings.Contains(strings.Join(patient.Transcript(), "\n"), "come back in 3600 seconds") {
		t.Error("the time is not told")
	}
}

func TestMailIsKeptWithItsEnvelope(t *testing.T) {
	w := newWorld(t)
	h := w.Host("mx.full.example", sim.Accept())
	err := deliver(h, "jö@full.example", &smtp.MailOptions{Return: smtp.DSNReturnHeaders, EnvelopeID: "msg+1", UTF8: true, Body: smtp.Body8BitMIME},
		&smtp.RcptOptions{Notify: []smtp.DSNNotify{smtp.DSNNotifySuccess, smtp.DSNNotifyFailure}, OriginalRecipientType: smtp.DSNAddressTypeRFC822, OriginalRecipient: "jo=x@full.example"})
	if err != nil {
		t.Fatal(err)
	}
	mails, err := h.Wait(soon(t), 1)
	if err != nil {
		t.Fatal(err)
	}
	m := mails[0]
	got := fmt.Sprint(m.From, m.To, m.Ret, m.EnvID, m.UTF8, m.Body, m.Recipients[0].Notify, m.Recipients[0].ORcpt, m.Helo, m.TLS)
	want := fmt.Sprint(sender, []string{"jö@full.example"}, "HDRS", "msg+1", true, "8BITMIME", []string{"FAILURE", "SUCCESS"}, "RFC822;jo=x@full.example", "mail.shop.example", "")
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if string(m.Raw) != story {
		t.Errorf("the mail was changed on its way:\n%q", m.Raw)
	}
	if m.Link() != "https://reset.shop.example/r/abcdef_-123" {
		t.Errorf("link %q", m.Link())
	}
	if m.Header("Subject") != "Reset" {
		t.Errorf("subject %q", m.Header("Subject"))
	}
	if c := h.Counts(); c.Connections != 1 || c.Dialogues != 1 || c.Rcpts != 1 || c.Dots != 1 {
		t.Errorf("counts %+v", c)
	}
	text := strings.Join(h.Transcript(), "\n")
	if !strings.Contains(text, "C: RCPT TO:<jö@full.example>") || !strings.Contains(text, "queued as "+m.QueueID) || strings.Contains(text, "reset.shop.example") {
		t.Errorf("transcript:\n%s", text)
	}
	h.Clear()
	if len(h.Mail()) != 0 || len(h.Transcript()) != 0 || h.Counts() != (sim.Counts{}) {
		t.Error("Clear left something")
	}
}

func TestExtensionsNotOfferedAreRefused(t *testing.T) {
	w := newWorld(t)
	h := w.Host("mx.old.example", sim.Accept().Without(sim.ExtDSN, sim.ExtSMTPUTF8, sim.ExtEnhanced, sim.ExtSize, sim.Ext8BitMIME, sim.ExtPipelining))
	r := dialRaw(t, h)
	r.expect("220 ")
	r.say("EHLO c.example", "250 mx.old.example")
	r.say("MAIL FROM:<a@b.example> RET=HDRS", "555 Unsupported option: RET")
	r.say("MAIL FROM:<a@b.example> SMTPUTF8", "555 Unsupported option: SMTPUTF8")
	r.say("MAIL FROM:<ä@b.example>", "553 ")
	r.say("MAIL FROM:<a@b.example>", "250 Ok")
	r.say("RCPT TO:<a@b.example> NOTIFY=NEVER", "555 ")
	r.say("RCPT TO: <a@b.example>", "501 ")
	r.say("RCPT TO:<a b@b.example>", "501 ")
	r.say(`RCPT TO:<"a b>"@b.example>`, "250 Ok")
	r.say("QUIT", "221 ")
}

func TestPipelinedDialogueAndSmuggling(t *testing.T) {
	w := newWorld(t)
	h := w.Host("mx.pipe.example", sim.Accept())
	r := dialRaw(t, h)
	r.expect("220 ")
	long := strings.Repeat("x", 9000) // longer than any buffer
	fmt.Fprintf(r.conn, "EHLO c.example\r\nMAIL FROM:<>\r\nRCPT TO:<a@b.example>\r\nDATA\r\n")
	r.expect("250-", "250-", "250-", "250-", "250-", "250-", "250 ", "250 ", "250 ", "354 ")
	body := "Subject: x\r\n\r\n" + long + "\r\n.\nMAIL FROM:<evil@b.example>\r\n\n.\r\nstill the same mail\n"
	stuffed := "Subject: x\r\n\r\n" + long + "\r\n..\nMAIL FROM:<evil@b.example>\r\n\n.\r\nstill the same mail\n"
	fmt.Fprintf(r.conn, "%s\r\n.\r\nQUIT\r\n", stuffed)
	r.expect("250 2.0.0 ", "221 ")
	mails, err := h.Wait(soon(t), 1)
	if err != nil {
		t.Fatal(err)
	}
	if got := string(mails[0].Raw); got != body+"\r\n" || mails[0].From != "" {
		t.Errorf("got %q", got)
	}
}

func TestTLSAndLogin(t *testing.T) {
	w := newWorld(t)
	pem, err := os.ReadFile(w.CAFile())
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	relay := sim.Accept().RequireAuth("resetd", "secret")
	for _, c := range []struct {
		name     string
		b        sim.Behaviour
		password string
		want     string
	}{
		{"starttls", relay.StartTLS(), "secret", "accepted"},
		{"implicit", relay.ImplicitTLS(), "secret", "accepted"},
		{"wrong-password", relay.StartTLS(), "guess", "auth 535 5.7.8"},
		{"no-login", relay.StartTLS(), "", "mail 530 5.7.0"},
		{"expired", relay.StartTLS().Certificate(sim.CertExpired), "secret", "dial broken"},
		{"wrong-name", relay.StartTLS().Certificate(sim.CertWrongName), "secret", "dial broken"},
		{"untrusted", relay.ImplicitTLS().Certificate(sim.CertUntrusted), "secret", "dial broken"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := w.Host("relay."+c.name+".example", c.b)
			conf := &tls.Config{RootCAs: roots, ServerName: h.Name()}
			err := func() error {
				dial := smtp.DialStartTLS
				if strings.Contains("implicit untrusted", c.name) {
					dial = smtp.DialTLS
				}
				cl, err := dial(h.Addr(), conf)
				if err != nil {
					return fmt.Errorf("dial: %w", err)
				}
				defer cl.Close()
				if err := cl.Hello("c.example"); err != nil { // the handshake is lazy with implicit TLS
					return fmt.Errorf("dial: %w", err)
				}
				if c.password != "" {
					if err := cl.Auth(plain{"resetd", c.password}); err != nil {
						return fmt.Errorf("auth: %w", err)
					}
				}
				if err := cl.Mail(sender, nil); err != nil {
					return fmt.Errorf("mail: %w", err)
				}
				if err := cl.Rcpt("jo@x.example", nil); err != nil {
					return fmt.Errorf("rcpt: %w", err)
				}
				d, err := cl.Data()
				if err != nil {
					return fmt.Errorf("data: %w", err)
				}
				fmt.Fprint(d, story)
				return d.Close()
			}()
			if got := said(err); got != c.want {
				t.Errorf("got %q (%v), want %q; transcript:\n%s", got, err, c.want, strings.Join(h.Transcript(), "\n"))
			}
			if c.want == "accepted" {
				if m := h.Mail(); len(m) != 1 || m[0].TLS != "TLS 1.3" || m[0].User != "resetd" {
					t.Errorf("mail %+v", m)
				}
			}
			if strings.Contains(strings.Join(h.Transcript(), "\n"), "AHJlc2V0") {
				t.Error("the transcript holds the password")
			}
		})
	}
}

// plain is a sasl.Client for AUTH PLAIN.
type plain struct{ user, password string }

func (p plain) Start() (string, []byte, error) {
	return "PLAIN", []byte("\x00" + p.user + "\x00" + p.password), nil
}

func (p plain) Next([]byte) ([]byte, error) { return nil, errors.New("PLAIN has one step") }

func TestNoPasswordBeforeTLS(t *testing.T) {
	w := newWorld(t)
	h := w.Host("relay.strict.example", sim.Accept().StartTLS().RequireAuth("resetd", "secret"))
	r := dialRaw(t, h)
	r.expect("220 ")
	ehlo := r.say("EHLO c.example", "250 ")
	if strings.Contains(ehlo, "AUTH") || !strings.Contains(ehlo, "STARTTLS") {
		t.Errorf("before TLS: %s", ehlo)
	}
	r.say("AUTH PLAIN AHJlc2V0ZABzZWNyZXQ=", "538 5.7.11")
	r.say("MAIL FROM:<a@b.example>", "530 5.7.0 Must issue a STARTTLS")

	trap := w.Host("relay.trap.example", sim.Accept().StartTLS().RequireAuth("resetd", "secret").AuthInClear())
	r = dialRaw(t, trap)
	r.expect("220 ")
	if ehlo := r.say("EHLO c.example", "250 "); !strings.Contains(ehlo, "AUTH PLAIN LOGIN") {
		t.Errorf("the trap does not offer AUTH: %s", ehlo)
	}
	r.say("AUTH LOGIN", "334 VXNlcm5hbWU6")
	r.say("cmVzZXRk", "334 UGFzc3dvcmQ6")
	r.say("c2VjcmV0", "235 2.7.0")
	if c := trap.Counts(); c.LoginsInClear != 1 || c.LoginsRefused != 0 {
		t.Errorf("counts %+v", c)
	}
}

func TestBlackholeSaysNothing(t *testing.T) {
	w := newWorld(t)
	h := w.Host("mx.hole.example", sim.Blackhole())
	c, err := net.Dial("tcp", h.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprint(c, "EHLO anybody\r\n")
	c.SetReadDeadline(time.Now().Add(30 * time.Millisecond))
	if n, err := c.Read(make([]byte, 1)); n != 0 || err == nil {
		t.Errorf("it said something")
	}
}

func TestEndlessBannerStopsWhenThePeerGoes(t *testing.T) {
	w := newWorld(t)
	h := w.Host("mx.endless.example", sim.BannerEndless())
	c, err := net.Dial("tcp", h.Addr())
	if err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 64<<10)
	for n := 0; n < 1<<20; {
		k, err := c.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		n += k
	}
	if !strings.HasPrefix(string(buf), "220-") && !strings.Contains(string(buf), "\r\n220-") {
		t.Errorf("not a banner: %q", buf[:80])
	}
	c.Close()
	// Close would hang if the host went on writing; the cleanup waits for it.
}

func TestHostCanBeTakenDownAndBroughtBack(t *testing.T) {
	w := newWorld(t)
	h := w.Host("mx.flap.example", sim.Accept())
	for _, step := range []struct {
		b    sim.Behaviour
		want string
	}{{sim.Accept(), "accepted"}, {sim.Down(), "dial broken"}, {sim.MailboxFull(), "rcpt 452 4.2.2"}, {sim.Down(), "dial broken"}, {sim.Accept(), "accepted"}} {
		if err := h.Set(step.b); err != nil {
			t.Fatal(err)
		}
		if got := said(deliver(h, "jo@flap.example", nil, nil)); got != step.want {
			t.Errorf("%s, want %s", got, step.want)
		}
	}
}

func TestHeldDotIsSeenAndReleased(t *testing.T) {
	w := newWorld(t)
	release, seen := make(chan struct{}), make(chan string)
	h := w.Host("mx.hold.example", sim.HoldDot(release, seen))
	done := make(chan error)
	go func() { done <- deliver(h, "jo@hold.example", nil, nil) }()
	if from := <-seen; from != sender {
		t.Errorf("seen %q", from)
	}
	if len(h.Mail()) != 0 {
		t.Error("the mail was kept before its dot was answered")
	}
	close(release)
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestHostsShareOnePortOnDifferentAddresses(t *testing.T) {
	w := newWorld(t)
	seen := map[netip.Addr]bool{}
	for i := range 300 { // more than one octet holds
		h := w.Host(fmt.Sprintf("mx%d.many.example", i), sim.Accept())
		if seen[h.IP()] || !h.IP().IsLoopback() || !strings.HasSuffix(h.Addr(), fmt.Sprintf(":%d", w.SMTPPort())) {
			t.Fatalf("host %d has address %s", i, h.Addr())
		}
		seen[h.IP()] = true
	}
}

func TestWaitGivesUp(t *testing.T) {
	w := newWorld(t)
	h := w.Host("mx.idle.example", sim.Accept())
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := h.Wait(ctx, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("Wait: %v", err)
	}
	go deliver(h, "jo@idle.example", nil, nil)
	if err := h.WaitCounts(soon(t), func(c sim.Counts) bool { return c.Dots == 1 }); err != nil {
		t.Error(err)
	}
}

func TestRedisForgetsKeysAsTimePasses(t *testing.T) {
	w := newWorld(t, sim.WithRedis())
	c, err := net.Dial("tcp", w.Redis())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(10 * time.Second))
	buf := make([]byte, 256)
	ask := func(cmd string) string {
		t.Helper()
		fmt.Fprintf(c, "%s\r\n", cmd)
		n, err := c.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		return string(buf[:n])
	}
	// miniredis knows no inline commands: these are RESP.
	set := "*5\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n$2\r\nPX\r\n$2\r\n50"
	get := "*2\r\n$3\r\nGET\r\n$1\r\nk"
	if got := ask(set); got != "+OK\r\n" {
		t.Fatal(got)
	}
	for ask(get) != "$-1\r\n" { // ends by the deadline if the clock does not move
		time.Sleep(10 * time.Millisecond)
	}
	w.BreakRedis("OOM command not allowed")
	if got := ask(get); !strings.HasPrefix(got, "-OOM command not allowed") {
		t.Errorf("broken: %q", got)
	}
	w.BreakRedis("")
	if got := ask(get); got != "$-1\r\n" {
		t.Errorf("healed: %q", got)
	}
	if newWorld(t).Redis() != "" {
		t.Error("a world without Redis has an address of one")
	}
}
