package bounce

import (
	"strings"
	"time"

	"github.com/resetd/resetd/diag/reply"
)

// finding is what was found about one recipient before its meaning is looked up.
type finding struct {
	recipient, original string
	alias               string // what the notice says that recipient was made out of
	action              Action
	status              string                     // as stated; "" = none
	diagnostic          string                     // the host's own words
	fromNotice          bool                       // diagnostic comes from the prose beside the status, not from its record
	around              func(k int) (string, bool) // further words that may tell the reason, nearest first; nil = none
	remote, reporter    string
	retryUntil          time.Time
	because             evidence
}

const (
	maxDiagnostic = 1000 // bytes of a diagnostic that are kept
	maxAddress    = 320  // RFC 5321: 64 + 1 + 255
)

// report gives a finding its meaning.
func (w *walk) report(f finding, date time.Time) Report {
	r := Report{
		Recipient:      strings.Clone(lowerDomain(clip(f.recipient, maxAddress))),
		Action:         f.action,
		RemoteHost:     strings.Clone(hostName(f.remote)),
		ReportingMTA:   strings.Clone(hostName(f.reporter)),
		Diagnostic:     strings.Clone(clip(redact(oneLine(clip(f.diagnostic, 2*maxDiagnostic))), maxDiagnostic)),
		WillRetryUntil: f.retryUntil,
		Because:        w.because(f.because),
	}
	if o := lowerDomain(clip(f.original, maxAddress)); !strings.EqualFold(o, r.Recipient) {
		r.Original = strings.Clone(o)
	}
	if o := lowerDomain(clip(f.alias, maxAddress)); !strings.EqualFold(o, r.Recipient) {
		r.Alias = strings.Clone(o)
	}
	if r.RemoteHost == "" {
		host, _, _ := hostWords(clip(f.diagnostic, 2*maxDiagnostic))
		r.RemoteHost = strings.Clone(hostName(host))
	}
	if !failing(r.Action) {
		r.Reason, r.Status = reasonDelivered, strings.Clone(bestStatus(f.status, f.diagnostic))
		return r
	}
	reading, words := w.meaning(f, r)
	_, _, own := hostWords(words)
	r.Reason, r.Cause, r.Permanent, r.Code = reading.Reason, reading.Cause, reading.Permanent, reading.Code
	r.Status = bestStatus(f.status, f.diagnostic, reading.Enhanced, words)
	if r.Status == "" || vague(r.Status) {
		if near, ok := w.words(f, 0); ok {
			r.Status = bestStatus(r.Status, near)
		}
	}
	r.Status = strings.Clone(r.Status)
	r.GaveUp = r.Action == ActionFailed
	if r.Action == ActionFailed && ranOutOfTime(r, own) {
		r.Action = ActionDelayed
	}
	if r.Action == ActionDelayed {
		r.Permanent = false
	}
	if reading.RetryAfter > 0 && !date.IsZero() {
		r.RetryAfter = date.Add(reading.RetryAfter)
	}
	return r
}

// ranOutOfTime: where a connection timed out or the queue time was over, nobody refused the mail. Hosts report "failed"
// then; for the recipient it is a delay that lasted. GaveUp keeps what the host will do.
func ranOutOfTime(r Report, words string) bool {
	if r.Reason != reply.ReasonConnectionFailed && r.Reason != reply.ReasonExpired || r.Reason == reply.ReasonConnectionFailed && r.Code >= 500 {
		return false
	}
	return containsAny(lower(words), "timed out", "timeout", "time out", "did not accept our requests to connect", "not reachable",
		"unreachable", "not responding", "not delivered within", "too long", "expired")
}

// meaning asks diag/reply: the host's own words first, then what stands around them, then the status alone. It also
// returns the words that decided.
func (w *walk) meaning(f finding, r Report) (reply.Reading, string) {
	ask := func(enhanced, text string) reply.Reading {
		host, stage, words := hostWords(text)
		if r.RemoteHost != "" {
			host = r.RemoteHost
		}
		if enhancedCode(words) != "" {
			enhanced = "" // the host's own code speaks, not what the reporter made of it
		}
		return w.book.Read(reply.Reply{Host: host, Stage: stage, Enhanced: enhanced, Text: words})
	}
	own := clip(f.diagnostic, 2*maxDiagnostic)
	status := enhancedCode(f.status)
	if strings.HasSuffix(status, ".5.0") {
		status = "" // "other protocol status": what sendmail writes for want of anything better
	}
	best := reply.Reading{Reason: reply.ReasonUnknown}
	if f.fromNotice {
		best = ask("", own) // the program's prose is nearer to the event than the status that it chose
	}
	if best.Reason == reply.ReasonUnknown {
		best = ask(status, own)
	}
	if !hasWords(own) {
		best.Confidence = reply.Possible // a status alone is the reporter's shorthand; words around it know better
	}
	if best.Reason != reply.ReasonUnknown && (best.Confidence != reply.Possible || smtpCode(own) && hasWords(own)) {
		return best, own
	}
	for k := 0; ; k++ {
		c, ok := w.words(f, k)
		if !ok {
			break
		}
		if c == "" {
			continue
		}
		c = clip(c, 2*maxDiagnostic)
		x := ask("", c)
		if x.Reason != reply.ReasonUnknown && x.Confidence != reply.Possible {
			if best.Code != 0 {
				x.Code = best.Code
			}
			if best.Enhanced != "" && !vague(best.Enhanced) {
				x.Enhanced = best.Enhanced
			}
			return x, c
		}
	}
	return best, own
}

// maxAround is how many times, in one mail, words around a recipient are gathered: long lists carry their own.
const maxAround = 200

// words returns the k-th piece of text around a finding, false when there are no more.
func (w *walk) words(f finding, k int) (string, bool) {
	if f.around == nil || w.around >= maxAround {
		return "", false
	}
	w.around++
	return f.around(k)
}

// bestStatus picks the most telling enhanced code: one in the host's own words beats what the reporter made of it, and
// both beat x.0.0.
func bestStatus(stated string, texts ...string) string {
	s := enhancedCode(stated)
	for k, t := range texts {
		if k > 0 && s != "" && !vague(s) {
			break
		}
		if d := enhancedCode(t); d != "" && (s == "" || !vague(d)) {
			s = d
		}
	}
	return s
}

// vague reports whether a status says nothing but its class.
func vague(s string) bool { return len(s) == 5 && s[1:] == ".0.0" }

// enhancedCode finds the first enhanced status code (RFC 3463) in s: class 2, 4 or 5, subject and detail of at most
// three digits, standing alone.
func enhancedCode(s string) string {
	for i := 0; i+4 < len(s); i++ {
		c := s[i]
		if c != '5' && c != '4' && c != '2' || s[i+1] != '.' {
			continue
		}
		if i > 0 && (s[i-1] == '.' || s[i-1] >= '0' && s[i-1] <= '9' || isLetter(s[i-1])) {
			continue
		}
		a := digits(s[i+2:])
		if a == 0 || a > 3 || i+2+a >= len(s) || s[i+2+a] != '.' {
			continue
		}
		b := digits(s[i+3+a:])
		if b == 0 || b > 3 {
			continue
		}
		end := i + 3 + a + b
		if end < len(s) && (isLetter(s[end]) || s[end] == '.' && end+1 < len(s) && s[end+1] >= '0' && s[end+1] <= '9') {
			continue
		}
		return s[i:end]
	}
	return ""
}

func digits(s string) int {
	n := 0
	for n < len(s) && s[n] >= '0' && s[n] <= '9' {
		n++
	}
	return n
}

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

// hostName keeps the name of "mx.example.org (192.0.2.1)" or "[192.0.2.1]".
func hostName(s string) string {
	s = strings.TrimSpace(s)
	if i := strings.IndexAny(s, " (\t;,"); i > 0 {
		s = s[:i]
	}
	return clip(lower(strings.Trim(s, "<>.'\"")), 255)
}

// oneLine joins lines and runs of blanks.
func oneLine(s string) string {
	if !strings.ContainsAny(s, "\n\t") && !strings.Contains(s, "  ") {
		return strings.TrimSpace(s)
	}
	return strings.Join(strings.Fields(s), " ")
}

// clip cuts s to at most n bytes at a rune boundary.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && s[n]&0xc0 == 0x80 {
		n--
	}
	return s[:n]
}
