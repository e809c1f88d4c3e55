package sim

import (
	"crypto/subtle"
	"encoding/base64"
	"strings"
)

// authAllowed reports whether AUTH may be used now: inside TLS where the host has any.
func (s *session) authAllowed() bool { return s.TLS != "" || !s.b.hasTLS() || s.b.clear }

// auth answers AUTH PLAIN (RFC 4616) and LOGIN. What the client says is not written to the transcript.
func (s *session) auth(arg string) {
	mech, initial, _ := strings.Cut(arg, " ")
	mech = strings.ToUpper(mech)
	s.Host.note("C: AUTH %s (hidden)", mech)
	s.Host.count(func(k *Counts) {
		k.Logins++
		if s.TLS == "" {
			k.LoginsInClear++
		}
	})
	switch {
	case s.b.user == "" || !s.esmtp:
		s.sayf(502, "5.5.1", "Command not implemented")
		return
	case s.User != "":
		s.sayf(503, "5.5.1", "Already authenticated")
		return
	case !s.authAllowed():
		s.refuse(Reply{Code: 538, Enhanced: "5.7.11", Text: "Encryption required for requested authentication mechanism"})
		return
	}
	var user, password string
	var ok bool
	switch mech {
	case "PLAIN":
		var text string
		if text, ok = s.ask("", initial); ok {
			f := strings.Split(text, "\x00")
			if ok = len(f) == 3; ok {
				user, password = f[1], f[2]
			}
		}
	case "LOGIN":
		if user, ok = s.ask("Username:", initial); ok {
			password, ok = s.ask("Password:", "")
		}
	default:
		s.sayf(504, "5.5.4", "Unrecognized authentication type")
		return
	}
	if s.over {
		return
	}
	right := subtle.ConstantTimeCompare([]byte(user+"\x00"+password), []byte(s.b.user+"\x00"+s.b.password)) == 1
	if !ok || !right {
		s.refuse(Reply{Code: 535, Enhanced: "5.7.8", Text: "Error: authentication failed: authentication failure"})
		return
	}
	s.User = user
	s.sayf(235, "2.7.0", "Authentication successful")
}

func (s *session) refuse(r Reply) {
	s.Host.count(func(k *Counts) { k.LoginsRefused++ })
	s.say(r)
}

// ask gets one answer of the client: the initial response, or what it says to the prompt.
func (s *session) ask(prompt, initial string) (string, bool) {
	if initial == "" {
		s.say(Reply{Code: 334, Text: base64.StdEncoding.EncodeToString([]byte(prompt))})
		line, ok := s.readLine()
		if !ok {
			s.over = true
			return "", false
		}
		s.Host.note("C: (hidden)")
		initial = line
	}
	text, err := base64.StdEncoding.DecodeString(initial)
	return string(text), err == nil
}
