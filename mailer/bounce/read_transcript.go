package bounce

import "strings"

// dialogue follows a quoted SMTP session: which recipient the last command named and which were accepted so far.
type dialogue struct {
	pending  string
	accepted []string
	data     bool
	refusal  int // index of the host's last refusal that no recipient was named with; 0 = none
}

// line takes a line of the notice; it reports whether the line belongs to a session and is done with.
func (d *dialogue) line(s string, i int, add func(candidate)) bool {
	if cmd, ok := command(s); ok {
		d.pending = ""
		d.data = hasFold(cmd, "data")
		if hasFold(cmd, "mail ") {
			d.accepted = nil
		}
		if hasFold(cmd, "rcpt to:") {
			if a, ok := nextAddress(cmd, 8); ok {
				d.pending = a.text
			}
		}
		return true
	}
	if d.pending == "" && !d.data || !isReply(s) {
		if side(s) == server && replyCode(s) >= '4' {
			d.refusal = i
		}
		return isReply(s) && (replyCode(s) == '2' || replyCode(s) == '3')
	}
	switch replyCode(s) {
	case '2', '3':
		if d.pending != "" && len(d.accepted) < maxReports {
			d.accepted = append(d.accepted, d.pending)
		}
		d.pending = ""
		return true
	case '4', '5':
		if d.pending != "" {
			add(candidate{addr: d.pending, line: i, rank: rankTranscript, diag: i})
		} else {
			for _, a := range d.accepted {
				add(candidate{addr: a, line: i, rank: rankTranscript, diag: i})
			}
			d.accepted = nil
		}
		if d.pending == "" && side(s) == server {
			d.refusal = i
		}
		d.pending, d.data = "", false
	}
	return false
}

// speaker is whose line of a quoted dialogue it is.
type speaker int

const (
	nobody speaker = iota
	client         // ">>> RCPT TO:<a@b>", "In:  RCPT TO:<a@b>"
	server         // "<<< 550 no", "Out: 550 no"
)

// marks are how programs mark the lines of a dialogue: sendmail and its heirs, Postfix, and logs.
var marks = [...]struct {
	text string
	who  speaker
}{
	{">>>", client}, {"==>", client}, {"=>", client}, {"In:", client}, {"C:", client}, {"->", client},
	{"Sent <<<", client}, {"Sent >>>", client}, {"Received >>>", server}, {"Received <<<", server},
	{"<<<", server}, {"<==", server}, {"<=", server}, {"Out:", server}, {"S:", server}, {"<-", server},
}

// side tells who speaks in a line.
func side(s string) speaker {
	_, who := unmark(s)
	return who
}

// unmark strips the mark of a dialogue line.
func unmark(s string) (string, speaker) {
	if s == "" {
		return s, nobody
	}
	switch s[0] {
	case '>', '=', 'I', 'C', '-', '<', 'O', 'S', 'R':
		for _, m := range marks {
			if rest, ok := strings.CutPrefix(s, m.text); ok {
				return strings.TrimSpace(rest), m.who
			}
		}
	}
	return s, nobody
}

// command returns the client's line of a quoted dialogue if it holds an SMTP command.
func command(s string) (string, bool) {
	cmd, who := unmark(s)
	if who != client {
		return s, false
	}
	for _, verb := range []string{"rcpt ", "mail ", "data", "helo ", "ehlo ", "quit", "starttls", "rset", "bdat "} {
		if hasFold(cmd, verb) {
			return cmd, true
		}
	}
	return s, false
}

// isReply reports whether a line is the server's side of a quoted dialogue, or begins with a failure code.
func isReply(s string) bool { return side(s) == server || isStatusLine(s) }

// smtpDigits returns the SMTP code that a line begins with, "" = none.
func smtpDigits(s string) string {
	s, _ = unmark(s)
	if digits(s) == 3 {
		return s[:3]
	}
	return ""
}

// replyCode returns the first digit of the SMTP code that a line begins with, 0 = none.
func replyCode(s string) byte {
	if c := smtpDigits(s); c != "" {
		return c[0]
	}
	return 0
}

// isStatusLine reports whether a line begins with an SMTP failure code, marked or not.
func isStatusLine(s string) bool {
	s, who := unmark(s)
	return who != client && len(s) > 4 && (s[0] == '4' || s[0] == '5') && digits(s) == 3 && (s[3] == ' ' || s[3] == '-') && s[1] <= '5'
}
