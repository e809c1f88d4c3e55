package bounce

import "strings"

// hostWords takes a diagnostic apart as mail programs put it together: which host it was, where in the dialogue it
// spoke, and its own words without what the program says around them.
func hostWords(s string) (host, stage, words string) {
	l := lower(s)
	host, stage, words = hostIn(s, l), stageIn(l), s
	start, end := 0, len(s)
	for _, mark := range []string{" said: ", "remote host said: ", "remote server replied: ", " replied: ", " responded: ", " returned was: ",
		" failed with: ", "error message: "} {
		if i := strings.Index(l, mark); i >= 0 {
			start = max(start, i+len(mark))
		}
	}
	if i := strings.Index(l, " returned '"); i >= 0 && start == 0 {
		start = i + len(" returned '")
		if z := strings.LastIndexByte(s, '\''); z > start {
			end = z
		}
	}
	if i := codeIndex(s[start:end]); i > 0 {
		start += i // Exim: "… after RCPT TO:<a@b>: host mx.example [192.0.2.1]: 550 no"
	}
	for _, mark := range []string{" giving up on ", " (in reply to ", " [rcpt_to]", " i'm not going to try again", " i am not going to try again"} {
		if i := strings.LastIndex(l[:end], mark); i > start {
			end = i
		}
	}
	if w := strings.TrimSpace(s[start:end]); w != "" {
		words = w
	}
	return host, stage, words
}

// hostIn finds the host that spoke: "host mx.example[192.0.2.1]", "while talking to mx.example.:" and the like.
func hostIn(s, l string) string {
	for _, mark := range []string{"host ", "while talking to ", "remote server at ", "connect to ", "connected to ", "server "} {
		i := strings.Index(l, mark)
		if i < 0 || i > 0 && isLetter(l[i-1]) {
			continue
		}
		rest := s[i+len(mark):]
		n := 0
		for n < len(rest) && n < 255 && isDomain(rest[n]) && rest[n] < 0x80 {
			n++
		}
		name := strings.Trim(rest[:n], ".-_")
		if strings.IndexByte(name, '.') > 0 && digits(lastLabel(name)) < len(lastLabel(name)) {
			return name
		}
	}
	return ""
}

func lastLabel(name string) string { return name[strings.LastIndexByte(name, '.')+1:] }

// stageIn finds the command that was answered, in diag/reply's words; "" = not said.
func stageIn(l string) string {
	switch {
	case !strings.ContainsAny(l, "deims"):
		return ""
	case containsAny(l, "in reply to rcpt to", "after rcpt to", "after rcpt command", "[rcpt_to]", "our rcpt to", "does not like recipient", "rcpt to generated"):
		return "rcpt"
	case containsAny(l, "in reply to mail from", "after mail from", "after sender", "[mail_from]", "our mail from", "but sender was rejected"):
		return "mail"
	case containsAny(l, "in reply to end of data", "after end of data", "final data", "failed after i sent the message", "after text command", "for text command"):
		return "dot"
	case containsAny(l, "in reply to data", "after data", "[data]"):
		return "data"
	case containsAny(l, "initial connection", "initial server greeting", "while talking to me"):
		return "banner"
	case containsAny(l, "in reply to ehlo", "in reply to helo", "after ehlo", "after helo"):
		return "ehlo"
	case containsAny(l, "in reply to starttls", "after starttls"):
		return "starttls"
	}
	return ""
}

func containsAny(s string, list ...string) bool {
	for _, x := range list {
		if strings.Contains(s, x) {
			return true
		}
	}
	return false
}
