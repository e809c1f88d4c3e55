package sim_test

import (
	"bytes"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/mail"
	"net/textproto"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"github.com/resetd/resetd/internal/sim"
)

// parts reads a multipart/report: media type and text of each part.
func parts(t *testing.T, raw []byte) (header mail.Header, kinds, texts []string) {
	t.Helper()
	msg, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	kind, params, err := mime.ParseMediaType(msg.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/report" {
		t.Fatalf("%s, %v", kind, err)
	}
	r := multipart.NewReader(msg.Body, params["boundary"])
	for {
		p, err := r.NextRawPart()
		if err == io.EOF {
			return msg.Header, kinds, texts
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(p)
		if err != nil {
			t.Fatal(err)
		}
		kinds, texts = append(kinds, p.Header.Get("Content-Type")), append(texts, string(text))
	}
}

// bounced delivers story to a host that bounces, waits at the sender's own host and returns what came.
func bounced(t *testing.T, b sim.Behaviour, to string, mo *smtp.MailOptions, ro *smtp.RcptOptions) sim.Mail {
	t.Helper()
	w := newWorld(t)
	back := w.Host("mail.shop.example", sim.Accept())
	w.Domain("bounces.shop.example", back)
	h := w.Host("mx.full.example", b)
	if err := deliver(h, to, mo, ro); err != nil {
		t.Fatal(err)
	}
	mails, err := back.Wait(soon(t), 1)
	if err != nil {
		t.Fatalf("%v; transcript:\n%s", err, strings.Join(h.Transcript(), "\n"))
	}
	if m := mails[0]; m.From != "" || m.To[0] != sender || m.Remote.Addr() != h.IP() {
		t.Errorf("the report came from <%s> at %s to %v", m.From, m.Remote, m.To)
	}
	return mails[0]
}

func TestBounceEchoesWhatTheSenderAskedFor(t *testing.T) {
	m := bounced(t, sim.AcceptThenBounce(0, "failed", "5.2.2", "552 5.2.2 mailbox full"), "jo@full.example",
		&smtp.MailOptions{Return: smtp.DSNReturnHeaders, EnvelopeID: "msg_1"},
		&smtp.RcptOptions{Notify: []smtp.DSNNotify{smtp.DSNNotifyFailure}, OriginalRecipientType: smtp.DSNAddressTypeRFC822, OriginalRecipient: "Jo@old.example"})
	header, kinds, texts := parts(t, m.Raw)
	if got := strings.Join(kinds, " | "); got != "text/plain; charset=utf-8 | message/delivery-status | text/rfc822-headers" {
		t.Fatalf("parts: %s", got)
	}
	if header.Get("Auto-Submitted") != "auto-replied" {
		t.Error("Auto-Submitted is missing")
	}
	for _, line := range []string{"Reporting-MTA: dns; mx.full.example", "Original-Envelope-Id: msg_1", "Original-Recipient: RFC822;Jo@old.example",
		"Final-Recipient: rfc822; jo@full.example", "Action: failed", "Status: 5.2.2", "Diagnostic-Code: smtp; 552 5.2.2 mailbox full"} {
		if !strings.Contains(texts[1], line+"\r\n") {
			t.Errorf("no line %q in:\n%s", line, texts[1])
		}
	}
	if !strings.Contains(texts[2], "Message-ID: <m1@mail.shop.example>") || strings.Contains(texts[2], "/r/") {
		t.Errorf("the original, headers only:\n%s", texts[2])
	}
}

func TestBounceReturnsTheWholeMailWhenAsked(t *testing.T) {
	m := bounced(t, sim.AcceptThenBounce(0, "failed", "5.1.1", "550 5.1.1 User unknown\r\nX-Evil: yes"), "jo@full.example",
		&smtp.MailOptions{Return: smtp.DSNReturnFull}, nil)
	_, kinds, texts := parts(t, m.Raw)
	if kinds[2] != "message/rfc822" || !strings.Contains(texts[2], story) {
		t.Errorf("%s:\n%s", kinds[2], texts[2])
	}
	if strings.Contains(string(m.Raw), "\nX-Evil") || strings.Contains(texts[1], "Original-") {
		t.Errorf("report:\n%s", texts[1])
	}
}

func TestBounceOfAnInternationalAddress(t *testing.T) {
	m := bounced(t, sim.AcceptThenBounce(0, "failed", "5.1.1", "550 5.1.1 Unbekannt"), "jö@full.example", &smtp.MailOptions{UTF8: true}, nil)
	_, kinds, texts := parts(t, m.Raw)
	if !m.UTF8 || kinds[1] != "message/global-delivery-status" || !strings.Contains(texts[1], "Final-Recipient: utf-8; jö@full.example\r\n") {
		t.Errorf("%v %v:\n%s", m.UTF8, kinds, texts[1])
	}
}

func TestConfirmationAndDelayGoOnlyToWhoWantsThem(t *testing.T) {
	success := &smtp.RcptOptions{Notify: []smtp.DSNNotify{smtp.DSNNotifySuccess}}
	m := bounced(t, sim.AcceptThenConfirm(0), "jo@full.example", nil, success)
	if _, _, texts := parts(t, m.Raw); !strings.Contains(texts[1], "Action: delivered\r\nStatus: 2.0.0\r\n") {
		t.Errorf("confirmation:\n%s", texts[1])
	}
	w := newWorld(t)
	for name, ro := range map[string]*smtp.RcptOptions{
		"silent": nil, // success is told only when asked
		"never":  {Notify: []smtp.DSNNotify{smtp.DSNNotifyNever}},
	} {
		h := w.Host("mx."+name+".example", sim.AcceptThenConfirm(0))
		if err := deliver(h, "jo@x.example", nil, ro); err != nil {
			t.Fatal(err)
		}
		waitNote(t, h, "nobody wants a report")
	}
}

// waitNote waits until a line of the transcript contains text.
func waitNote(t *testing.T, h *sim.Host, text string) {
	t.Helper()
	for ctx := soon(t); !strings.Contains(strings.Join(h.Transcript(), "\n"), text); {
		if ctx.Err() != nil {
			t.Fatalf("no %q in:\n%s", text, strings.Join(h.Transcript(), "\n"))
		}
		time.Sleep(time.Millisecond)
	}
}

func TestBounceToAnAddressOfTheTestsOwn(t *testing.T) {
	w := newWorld(t)
	receiver := w.Host("receiver.example", sim.Accept()) // stands for resetd's receiver; no MX names it
	w.BounceTo("Bounces.shop.example", receiver.Addr())
	h := w.Host("mx.full.example", sim.AcceptThenBounce(0, "failed", "5.1.1", "550 no"))
	if err := deliver(h, "jo@full.example", nil, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := receiver.Wait(soon(t), 1); err != nil {
		t.Error(err)
	}
	w.BounceTo("bounces.shop.example", "")
	if err := deliver(h, "jo@full.example", nil, nil); err != nil {
		t.Fatal(err)
	}
	waitNote(t, h, "Host not found")
}

func TestScannerAndPersonOpenTheLink(t *testing.T) {
	type visit struct{ method, agent, path string }
	visits := make(chan visit, 10)
	site := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		visits <- visit{r.Method, r.UserAgent(), r.URL.Path}
	}))
	defer site.Close()
	w := newWorld(t)
	send := func(h *sim.Host) {
		t.Helper()
		text := strings.ReplaceAll(story, "https://reset.shop.example", site.URL)
		if err := deliverText(h, "jo@full.example", nil, nil, text); err != nil {
			t.Fatal(err)
		}
	}
	send(w.Host("mx.scan.example", sim.AcceptThenScan(0)))
	for _, method := range []string{"HEAD", "GET"} {
		if got, want := <-visits, (visit{method, sim.ScannerUserAgent, "/r/abcdef_-123"}); got != want {
			t.Errorf("got %v, want %v", got, want)
		}
	}
	person := w.Host("mx.person.example", sim.AcceptThenOpen(time.Millisecond))
	send(person)
	if got, want := <-visits, (visit{"GET", sim.BrowserUserAgent, "/r/abcdef_-123"}); got != want {
		t.Errorf("got %v, want %v", got, want)
	}
	waitNote(t, person, "-- GET of the link: 200")
	if strings.Contains(strings.Join(person.Transcript(), "\n"), "abcdef") {
		t.Error("the transcript holds the link")
	}
}

func TestAutoReplyGoesToTheEnvelopeSender(t *testing.T) {
	w := newWorld(t)
	back := w.Host("mail.shop.example", sim.Accept())
	w.Domain("bounces.shop.example", back)
	h := w.Host("mx.away.example", sim.AutoReply(0, "I am away.\nUntil Monday."))
	if err := deliver(h, "jo@away.example", nil, nil); err != nil {
		t.Fatal(err)
	}
	mails, err := back.Wait(soon(t), 1)
	if err != nil {
		t.Fatal(err)
	}
	m := mails[0]
	for name, want := range map[string]string{"Auto-Submitted": "auto-replied (vacation)", "In-Reply-To": "<m1@mail.shop.example>",
		"Subject": "Auto: Reset", "From": "jo@away.example", "To": sender} {
		if got := textproto.TrimString(m.Header(name)); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if m.From != "" || !strings.HasSuffix(string(m.Raw), "I am away.\r\nUntil Monday.\r\n") {
		t.Errorf("from <%s>: %q", m.From, m.Raw)
	}
}
