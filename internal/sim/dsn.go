package sim

import (
	"bytes"
	"context"
	"fmt"
	"mime"
	"net/mail"
	"strings"
	"time"
)

// Report is what a delivery status notification says about one recipient.
type Report struct {
	To         Recipient
	Action     string // failed, delayed, delivered, relayed, expanded
	Status     string // "5.1.1"
	Diagnostic string // "550 5.1.1 User unknown", quoted as Diagnostic-Code: smtp; …
	Remote     string // Remote-MTA: the host that said so; "" where the reporting host itself did
	// Clock is how far the reporting host's clock is ahead of the real one; the first report's counts.
	Clock time.Duration
}

// notifyKind is which NOTIFY keyword asks for an action (RFC 3461 section 4.1).
func notifyKind(action string) string {
	switch action {
	case "failed":
		return "FAILURE"
	case "delayed":
		return "DELAY"
	default:
		return "SUCCESS"
	}
}

// bounce writes one DSN about these recipients of m to its envelope sender, leaving out whoever did not want to know.
func (h *Host) bounce(ctx context.Context, m Mail, reports []Report) {
	var wanted []Report
	for _, r := range reports {
		if r.To.wants(notifyKind(r.Action)) {
			wanted = append(wanted, r)
		}
	}
	if m.From == "" || len(wanted) == 0 {
		h.note("-- nobody wants a report")
		return
	}
	raw, utf8 := ComposeDSN(h.name, h.w.queueID(), m, wanted)
	h.report(ctx, "report "+wanted[0].Action, m.From, utf8, raw)
}

// report sends a mail of the host's own, from the null sender, and notes how that went.
func (h *Host) report(ctx context.Context, what, to string, utf8 bool, raw []byte) {
	res := h.send(ctx, Mail{UTF8: utf8, Raw: raw}, Recipient{Address: to})
	h.note("-- %s sent: %s", what, res)
}

// ComposeDSN writes a report by host about m, as RFC 3464 and RFC 6522 want it, and says whether sending it needs SMTPUTF8
// (RFC 6533). RET, ENVID and ORCPT are honoured; the original mail is returned with its text only for RET=FULL.
func ComposeDSN(host, queueID string, m Mail, reports []Report) (raw []byte, utf8 bool) {
	utf8 = !ascii(m.From)
	for _, r := range reports {
		utf8 = utf8 || !ascii(r.To.Address)
	}
	global, addressType, whole, headers := "", "rfc822", "message/rfc822", "text/rfc822-headers"
	if utf8 {
		global, addressType, whole, headers = "global-", "utf-8", "message/global", "message/global-headers"
	}
	boundary := queueID + "." + fmt.Sprint(m.Received.Unix()) + "/" + host
	subject, says := subjects(reports[0].Action)
	now := time.Now().Add(reports[0].Clock).UTC()

	var b bytes.Buffer
	p := func(format string, args ...any) { fmt.Fprintf(&b, format+"\r\n", args...) }
	p("Date: %s", now.Format(time.RFC1123Z))
	p("From: Mail Delivery System <MAILER-DAEMON@%s>", host)
	p("To: %s", m.From)
	p("Subject: %s", subject)
	p("Auto-Submitted: auto-replied")
	p("Message-ID: <%s@%s>", queueID, host)
	p("MIME-Version: 1.0")
	p("Content-Type: multipart/report; report-type=%sdelivery-status;", global)
	p("\tboundary=%q", boundary)
	p("")
	p("This is a MIME-encapsulated message.")
	p("")
	p("--%s", boundary)
	p("Content-Type: text/plain; charset=utf-8")
	p("Content-Description: Notification")
	p("Content-Transfer-Encoding: 8bit")
	p("")
	p("This is the mail system at host %s.", host)
	p("")
	p("%s", says)
	p("")
	for _, r := range reports {
		p("<%s>: %s", r.To.Address, oneLine(r.Diagnostic))
	}
	p("")
	p("--%s", boundary)
	p("Content-Type: message/%sdelivery-status", global)
	p("Content-Description: Delivery report")
	p("")
	p("Reporting-MTA: dns; %s", host)
	if m.EnvID != "" {
		p("Original-Envelope-Id: %s", m.EnvID)
	}
	p("X-Queue-ID: %s", m.QueueID)
	p("Arrival-Date: %s", m.Received.Add(reports[0].Clock).Format(time.RFC1123Z))
	for _, r := range reports {
		p("")
		if r.To.ORcpt != "" {
			p("Original-Recipient: %s", r.To.ORcpt)
		}
		p("Final-Recipient: %s; %s", addressType, r.To.Address)
		p("Action: %s", r.Action)
		p("Status: %s", r.Status)
		if r.Remote != "" {
			p("Remote-MTA: dns; %s", r.Remote)
		}
		if r.Diagnostic != "" {
			p("Diagnostic-Code: smtp; %s", oneLine(r.Diagnostic))
		}
		p("Last-Attempt-Date: %s", now.Format(time.RFC1123Z))
	}
	p("")
	p("--%s", boundary)
	original := m.Raw
	if m.Ret == "FULL" {
		p("Content-Type: %s", whole)
		p("Content-Description: Undelivered Message")
	} else {
		p("Content-Type: %s", headers)
		p("Content-Description: Undelivered Message Headers")
		original = headersOf(original)
	}
	p("Content-Transfer-Encoding: 8bit")
	p("")
	p("Return-Path: <%s>", m.From)
	b.Write(original)
	if !bytes.HasSuffix(original, []byte("\r\n")) {
		p("")
	}
	p("")
	p("--%s--", boundary)
	return b.Bytes(), utf8
}

func subjects(action string) (subject, says string) {
	switch action {
	case "delayed":
		return "Delayed Mail (still being retried)", "Your message could not be delivered yet. It will be retried; you need not resend it."
	case "delivered", "relayed", "expanded":
		return "Successful Mail Delivery Report", "Your message was successfully " + action + " to the destination(s) listed below."
	default:
		return "Undelivered Mail Returned to Sender", "Your message could not be delivered to one or more recipients. It's attached below."
	}
}

// oneLine keeps a diagnostic from making header lines of its own.
func oneLine(s string) string {
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r == '\r' || r == '\n' }), " ")
}

// headersOf cuts a mail before its body.
func headersOf(raw []byte) []byte {
	if head, _, ok := bytes.Cut(raw, []byte("\r\n\r\n")); ok {
		return append(bytes.Clone(head), "\r\n"...)
	}
	return raw
}

// composeAutoReply answers m on behalf of the recipient to (RFC 3834 section 3.1).
func composeAutoReply(h *Host, m Mail, to, text string) []byte {
	id, references := "", ""
	if msg, err := mail.ReadMessage(bytes.NewReader(m.Raw)); err == nil {
		id = oneLine(msg.Header.Get("Message-Id"))
		references = strings.TrimSpace(oneLine(msg.Header.Get("References")) + " " + id)
	}
	var b bytes.Buffer
	p := func(format string, args ...any) { fmt.Fprintf(&b, format+"\r\n", args...) }
	p("Date: %s", time.Now().UTC().Format(time.RFC1123Z))
	p("From: %s", to)
	p("To: %s", m.From)
	p("Subject: %s", mime.QEncoding.Encode("utf-8", "Auto: "+oneLine(m.Header("Subject"))))
	p("Message-ID: <%s@%s>", h.w.queueID(), h.name)
	if id != "" {
		p("In-Reply-To: %s", id)
		p("References: %s", references)
	}
	p("Auto-Submitted: auto-replied (vacation)")
	p("MIME-Version: 1.0")
	p("Content-Type: text/plain; charset=utf-8")
	p("Content-Transfer-Encoding: 8bit")
	p("")
	p("%s", strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\n", "\r\n"))
	return b.Bytes()
}
