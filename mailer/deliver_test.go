package mailer

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"
)

func TestDeliverAccepted(t *testing.T) {
	h := newHost(t, polite(nil))
	d := deliverer(t, zone{})
	as := d.Deliver(t.Context(), h.relay(), testEnvelope(), []byte(testMail))
	if got := summary(as); got != "accepted dot 250 2.0.0" {
		t.Fatalf("%s\n%+v", got, as)
	}
	a := as[0]
	if a.QueueID != "4XyZ1" || a.Text != "Ok: queued as 4XyZ1" || !a.Smart || a.IP != "127.0.0.1" || a.Local != "127.0.0.1" || a.HELO != "mail.example" || a.Route != "relay" || a.Began.IsZero() {
		t.Errorf("%+v", a)
	}
	want := []string{"EHLO mail.example",
		"MAIL FROM:<b-x@bounces.example> SIZE=74 RET=HDRS ENVID=msg_test",
		"RCPT TO:<jo@shop.example> NOTIFY=SUCCESS,FAILURE,DELAY ORCPT=RFC822;jo@shop.example", "DATA"}
	if got := h.heard("EHLO MAIL RCPT DATA"); strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("said:\n%s", strings.Join(got, "\n"))
	}
	if h.bodies[0] != testMail {
		t.Errorf("the mail arrived as %q", h.bodies[0])
	}
}

// What each kind of answer means, for our own relay and for the recipient's MX.
func TestOutcomes(t *testing.T) {
	for _, c := range []struct {
		name  string
		ms    manners
		relay string
		mx    string // "" = the same
	}{
		{"banner 5xx", manners{"BANNER": "554 5.7.1 listed"}, "deferred banner 554 5.7.1", ""},
		{"banner 4xx", manners{"BANNER": "421 busy"}, "deferred banner 421", ""},
		{"banner nonsense", manners{"BANNER": "hello there"}, "unreachable banner", ""},
		{"closes at once", manners{"BANNER": ""}, "unreachable banner", ""},
		{"ehlo 5xx", manners{"EHLO": "550 5.7.0 no"}, "deferred ehlo 550 5.7.0", ""},
		{"ehlo not known", manners{"EHLO": "502 what", "HELO": "250 hi"}, "accepted dot 250 2.0.0", ""},
		{"mail 5xx", manners{"MAIL": "550 5.7.60 not you"}, "deferred mail 550 5.7.60", "rejected mail 550 5.7.60"},
		{"mail 4xx", manners{"MAIL": "451 4.3.0 later"}, "deferred mail 451 4.3.0", ""},
		{"rcpt 5xx", manners{"RCPT": "550 5.1.1 <jo@shop.example>: no such user"}, "rejected rcpt 550 5.1.1", ""},
		{"rcpt 4xx", manners{"RCPT": "450 4.2.0 greylisted"}, "deferred rcpt 450 4.2.0", ""},
		{"rcpt several lines", manners{"RCPT": "550-5.7.26 one\r\n550 5.7.26 two"}, "rejected rcpt 550 5.7.26", ""},
		{"closes at rcpt", manners{"RCPT": ""}, "unreachable rcpt", ""},
		{"data 5xx", manners{"DATA": "554 5.5.1 no"}, "rejected data 554 5.5.1", ""},
		{"data 4xx", manners{"DATA": "451 4.3.0 later"}, "deferred data 451 4.3.0", ""},
		{"dot 5xx", manners{"DOT": "554 5.7.1 spam"}, "rejected dot 554 5.7.1", ""},
		{"dot 4xx", manners{"DOT": "452 4.3.1 full"}, "deferred dot 452 4.3.1", ""},
		{"dot 421", manners{"DOT": "421 4.3.2 closing"}, "deferred dot 421 4.3.2", ""},
		{"dot 251", manners{"DOT": "251 taken"}, "accepted dot 251", ""},
		{"closes at the dot", manners{"DOT": ""}, "ambiguous dot", ""},
		{"nonsense at the dot", manners{"DOT": "\x00\xff"}, "ambiguous dot", ""},
		{"endless at the dot", manners{"DOT": strings.Repeat("250-x\r\n", 600) + "250 x"}, "ambiguous dot", ""},
		{"no enhanced code", manners{"RCPT": "550 no such user"}, "rejected rcpt 550", ""},
		{"endless banner", manners{"ENDLESS": "BANNER"}, "blocked banner", ""},
		{"endless ehlo", manners{"ENDLESS": "EHLO"}, "blocked ehlo", ""},
		{"endless rcpt", manners{"ENDLESS": "RCPT"}, "blocked rcpt", ""},
		{"endless line", manners{"RCPT": "550 " + strings.Repeat("x", 5000)}, "blocked rcpt", ""},
		{"too many lines", manners{"EHLO": strings.Repeat("250-A\r\n", 600) + "250 B"}, "blocked ehlo", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHost(t, polite(c.ms))
			d := deliverer(t, zone{ip: map[string][]string{"shop.example": {"127.0.0.1"}}})
			if got := summary(d.Deliver(t.Context(), h.relay(), testEnvelope(), []byte(testMail))); got != c.relay {
				t.Errorf("relay: %s, want %s", got, c.relay)
			}
			want := c.mx
			if want == "" {
				want = c.relay
			}
			mx := Route{Name: "mx", MX: true, Port: h.port, TLS: TLSNone, AllowPrivate: true}
			as := d.Deliver(t.Context(), mx, testEnvelope(), []byte(testMail))
			if got := summary(as); got != want {
				t.Errorf("mx: %s, want %s", got, want)
			}
			if len(as[0].Text) > 1024 || as[0].Code == 0 && as[0].Text == "" {
				t.Errorf("text %q", as[0].Text)
			}
		})
	}
}

func TestNobodyListens(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	as := deliverer(t, zone{}).Deliver(t.Context(), Route{Name: "r", Smarthost: addr}, testEnvelope(), []byte(testMail))
	if got := summary(as); got != "unreachable dial" || as[0].Text != "connection refused" {
		t.Errorf("%s %q", got, as[0].Text)
	}
}

func TestSeveralHosts(t *testing.T) {
	// Hosts of one port on different loopback addresses: only 127.0.0.1 listens, the others refuse.
	h := newHost(t, polite(manners{"RCPT": "450 4.2.0 later"}), polite(nil))
	z := zone{mx: map[string][]*net.MX{"shop.example": {{Host: "c.example.", Pref: 30}, {Host: "a.example.", Pref: 10}, {Host: "b.example.", Pref: 20}}},
		ip: map[string][]string{"a.example": {"127.0.0.9"}, "b.example": {"127.0.0.1"}, "c.example": {"127.0.0.8"}}}
	mx := Route{Name: "mx", MX: true, Port: h.port, TLS: TLSNone, AllowPrivate: true}
	d := deliverer(t, z)
	as := d.Deliver(t.Context(), mx, testEnvelope(), []byte(testMail))
	if got := summary(as); got != "unreachable dial\ndeferred rcpt 450 4.2.0\nunreachable dial" {
		t.Errorf("first: %s", got)
	}
	if as[0].Host != "a.example" || as[1].Host != "b.example" || as[2].Host != "c.example" {
		t.Errorf("order: %v", as)
	}
	as = d.Deliver(t.Context(), mx, testEnvelope(), []byte(testMail))
	if len(as) < 2 || as[1].Host != "b.example" {
		t.Errorf("second: %s", summary(as))
	}
}

func TestAtMostFiveDialogues(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	l.Close()
	z := zone{ip: map[string][]string{"shop.example": {"127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.5", "127.0.0.6", "127.0.0.7"}}}
	as := deliverer(t, z).Deliver(t.Context(), Route{Name: "mx", MX: true, Port: port, AllowPrivate: true}, testEnvelope(), []byte(testMail))
	if len(as) != 5 {
		t.Errorf("%d dialogues", len(as))
	}
}

func TestBadEnvelopes(t *testing.T) {
	d := deliverer(t, zone{})
	r := Route{Name: "r", Smarthost: "127.0.0.1:1"}
	for name, c := range map[string]struct {
		env  Envelope
		want string
	}{
		"recipient": {Envelope{To: "jo> x@shop.example"}, "rejected rcpt 5.1.3"},
		"sender":    {Envelope{To: "jo@shop.example", From: "a\r\nb@c.example"}, "blocked mail"},
		"envid":     {Envelope{To: "jo@shop.example", ENVID: "a b"}, "blocked mail"},
	} {
		if got := summary(d.Deliver(t.Context(), r, c.env, nil)); got != c.want {
			t.Errorf("%s: %s", name, got)
		}
	}
	if got := summary(d.Deliver(t.Context(), Route{Name: "r"}, testEnvelope(), nil)); got != "blocked dns" {
		t.Error(got)
	}
}

// Stopped while the host thinks about RCPT: the dialogue is left, politely, and the host has no mail.
func TestCutBeforeDot(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	heard := make(chan string, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		c.Write([]byte("220 x\r\n"))
		buf := make([]byte, 1024)
		var all string
		for {
			n, err := c.Read(buf)
			all += string(buf[:n])
			if strings.HasPrefix(string(buf[:n]), "RCPT") {
				cancel()
			} else if n > 0 && !strings.HasPrefix(string(buf[:n]), "RSET") {
				c.Write([]byte("250 x\r\n"))
			}
			if err != nil {
				heard <- all
				return
			}
		}
	}()
	as := deliverer(t, zone{}).Deliver(ctx, Route{Name: "r", Smarthost: l.Addr().String(), TLS: TLSNone}, testEnvelope(), []byte(testMail))
	if got := summary(as); got != "unreachable rcpt" || as[0].Text != "stopped before the final dot" {
		t.Errorf("%s %q", got, as[0].Text)
	}
	if all := <-heard; !strings.HasSuffix(all, "RSET\r\nQUIT\r\n") || strings.Contains(all, "DATA") {
		t.Errorf("heard %q", all)
	}
	as = deliverer(t, zone{}).Deliver(ctx, Route{Name: "r", Smarthost: "127.0.0.1:1"}, testEnvelope(), nil)
	if got := summary(as); got != "unreachable dns" {
		t.Errorf("already stopped: %s", got)
	}
}

// Stopped after the final dot: nothing is cut, and the host's word counts.
func TestNoCutAfterDot(t *testing.T) {
	h := newHost(t, polite(nil))
	ctx, cancel := context.WithCancel(t.Context())
	d := deliverer(t, zone{})
	d.OnDot = cancel
	if got := summary(d.Deliver(ctx, h.relay(), testEnvelope(), []byte(testMail))); got != "accepted dot 250 2.0.0" {
		t.Error(got)
	}
}

// No reply to the final dot within its limit: ambiguous, and no other host is asked.
func TestSilenceAfterDot(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		h := &host{}
		h.serve(struct{ net.Conn }{c}, polite(manners{"DOT": "250-and"}))
	}()
	d := deliverer(t, zone{})
	d.Limits.FinalDot = 50 * time.Millisecond
	as := d.Deliver(t.Context(), Route{Name: "r", Smarthost: l.Addr().String(), TLS: TLSNone}, testEnvelope(), []byte(testMail))
	if got := summary(as); got != "ambiguous dot" || !strings.Contains(as[0].Text, "timed out") {
		t.Errorf("%s %q", got, as[0].Text)
	}
}
