package mailer

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/emersion/go-smtp"
)

// maxText is how much of a host's words is kept, in bytes.
const maxText = 1 << 10

// clip makes foreign text fit to be kept: valid UTF-8, control characters as spaces, lines joined, at most maxText.
func clip(s string) string {
	if len(s) > 2*maxText {
		s = s[:2*maxText]
	}
	s = strings.ToValidUTF8(s, "\uFFFD")
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return ' '
		}
		return r
	}, s)
	s = strings.TrimSpace(s)
	if len(s) > maxText {
		s = s[:maxText]
		for !utf8.ValidString(s) {
			s = s[:len(s)-1]
		}
	}
	return s
}

// enhanced is RFC 3463, at the beginning of a reply's text. Some hosts put a colon or a # around it.
var enhanced = regexp.MustCompile(`^#?([245]\.\d{1,3}\.\d{1,3})(?:[ :]+|$)`)

// splitEnhanced takes the enhanced code off each line of a reply.
func splitEnhanced(text string) (code, words string) {
	lines := strings.Split(text, "\n")
	for i, l := range lines {
		if m := enhanced.FindStringSubmatch(l); m != nil && (code == "" || code == m[1]) {
			code, lines[i] = m[1], l[len(m[0]):]
		}
	}
	return code, clip(strings.Join(lines, " "))
}

func replyText(e *smtp.SMTPError) (code, words string) {
	code, words = splitEnhanced(e.Message)
	if e.EnhancedCode != smtp.EnhancedCodeNotSet && e.EnhancedCode != smtp.NoEnhancedCode {
		var b strings.Builder
		for i, n := range e.EnhancedCode {
			if i > 0 {
				b.WriteByte('.')
			}
			b.WriteString(strconv.Itoa(n))
		}
		if enhanced.MatchString(b.String()) {
			code = b.String()
		}
	}
	return code, words
}

// queueIDs finds the name that a host gave the mail, in its text to the final dot. In the order of how exact each is:
// Postfix, Sendgrid, Halon "queued as X" · Exim "OK id=X" · Exchange "[InternalId=X" · OpenSMTPD, Sendmail "X Message accepted for
// delivery" · Google "OK  TIME X - gsmtp" · qmail "ok TIME qp X" · Haraka "Message Queued (X)" · SES "Ok X".
var queueIDs = []*regexp.Regexp{
	regexp.MustCompile(`(?i)\bqueued as[: ]+([\w.+=/-]+)`),
	regexp.MustCompile(`(?i)\bid=([\w.-]+)`),
	regexp.MustCompile(`\[InternalId=(\d+)`),
	regexp.MustCompile(`(?i)^([\w.-]{6,}) Message accepted for delivery`),
	regexp.MustCompile(`(?i)^OK\s+\d+ ([\w.-]+) - gsmtp`),
	regexp.MustCompile(`(?i)^ok \d+ qp (\d+)`),
	regexp.MustCompile(`(?i)Message Queued \(([\w.-]+)\)`),
	regexp.MustCompile(`(?i)^Ok:? ([0-9a-f][0-9a-f-]{15,})$`),
}

func queueID(text string) string {
	for _, re := range queueIDs {
		if m := re.FindStringSubmatch(text); m != nil {
			return strings.TrimRight(m[1][:min(128, len(m[1]))], ".")
		}
	}
	return ""
}

func isBudget(err error) bool {
	return errors.Is(err, errReplyBytes) || errors.Is(err, errReplyLines) || errors.Is(err, errDialogue) ||
		errors.Is(err, smtp.ErrTooLongLine)
}

// errText says what broke a dialogue.
func (s *session) errText(err error) string {
	var hs errHandshake
	var cert errCertificate
	var policy errPolicy
	switch {
	case errors.As(err, &policy):
		return clip(policyWords(policy.policy) + ": " + policy.Error())
	case errors.As(err, &cert):
		return clip(cert.Error())
	case errors.As(err, &hs):
		return clip("TLS handshake: " + plain(hs.error))
	case s.w.wasCut() != nil:
		return textStopped
	}
	return clip(plain(err))
}

// netText is for what went wrong before there was a session.
func netText(ctx context.Context, err error) string {
	if errors.Is(ctx.Err(), context.Canceled) {
		return textStopped
	}
	return clip(plain(err))
}

// plain names an error of the network in words, without the addresses that net puts in front.
func plain(err error) string {
	var ne net.Error
	var alert tls.AlertError
	var sys *os.SyscallError
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "the host closed the connection"
	case errors.As(err, &alert):
		return alert.Error()
	case errors.As(err, &ne) && ne.Timeout():
		return "timed out"
	case errors.As(err, &sys):
		return sys.Err.Error()
	case errors.Is(err, smtp.ErrTooLongLine):
		return "the host sent a line longer than 2000 bytes"
	}
	var op *net.OpError
	if errors.As(err, &op) && op.Err != nil {
		return op.Err.Error()
	}
	return err.Error()
}
