package sim

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"
)

// param is one ESMTP parameter of MAIL or RCPT, its keyword in upper case.
type param struct{ key, value string }

var errPath = errors.New("want <address>")

// parsePath reads what follows "FROM:" or "TO:" in a command: the path in angle brackets (RFC 5321 section 4.1.2; an angle
// bracket inside a quoted local part does not end it) and the parameters. Strict as a good host: no space before the bracket.
func parsePath(arg string) (address string, params []param, err error) {
	if !strings.HasPrefix(arg, "<") {
		return "", nil, errPath
	}
	end, quoted := -1, false
scan:
	for i := 1; i < len(arg); i++ {
		switch c := arg[i]; {
		case c == '\\' && quoted:
			i++
		case c == '"':
			quoted = !quoted
		case c == '>' && !quoted:
			end = i
			break scan
		case c < ' ' || c == 0x7f, (c == ' ' || c == '<') && !quoted:
			return "", nil, errPath
		}
	}
	if end < 0 {
		return "", nil, errPath
	}
	address, rest := arg[1:end], arg[end+1:]
	if rest != "" && rest[0] != ' ' {
		return "", nil, errPath
	}
	for _, f := range strings.Fields(rest) {
		key, value, _ := strings.Cut(f, "=")
		params = append(params, param{strings.ToUpper(key), value})
	}
	return address, params, nil
}

// xtext undoes RFC 3461's encoding of ENVID and ORCPT.
func xtext(s string) (string, error) {
	if !strings.Contains(s, "+") {
		return s, nil
	}
	var out strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '+' {
			out.WriteByte(s[i])
			continue
		}
		if i+2 >= len(s) {
			return "", errors.New("cut xtext")
		}
		c, err := strconv.ParseUint(s[i+1:i+3], 16, 8)
		if err != nil {
			return "", errors.New("bad xtext")
		}
		out.WriteByte(byte(c))
		i += 2
	}
	return out.String(), nil
}

// syntax and unsupported are the two ways to refuse a parameter.
func syntax(what string) Reply { return Reply{Code: 501, Enhanced: "5.5.4", Text: "Bad " + what} }

func unsupported(key string) Reply {
	return Reply{Code: 555, Enhanced: "5.5.4", Text: "Unsupported option: " + key}
}

// mailParams fills in what MAIL said beside the address; a zero Reply means that all is well.
func mailParams(b Behaviour, m *Mail, params []param) Reply {
	for _, p := range params {
		switch {
		case p.key == "SIZE" && b.offers(ExtSize):
			n, err := strconv.ParseInt(p.value, 10, 64)
			if err != nil {
				return syntax("SIZE")
			}
			if n > b.maxSize() {
				return Reply{Code: 552, Enhanced: "5.3.4", Text: "Message size exceeds fixed limit"}
			}
		case p.key == "BODY" && b.offers(Ext8BitMIME):
			if m.Body = strings.ToUpper(p.value); m.Body != "7BIT" && m.Body != "8BITMIME" {
				return syntax("BODY")
			}
		case p.key == "SMTPUTF8" && b.offers(ExtSMTPUTF8):
			m.UTF8 = true
		case p.key == "RET" && b.offers(ExtDSN):
			if m.Ret = strings.ToUpper(p.value); m.Ret != "FULL" && m.Ret != "HDRS" {
				return syntax("RET")
			}
		case p.key == "ENVID" && b.offers(ExtDSN):
			var err error
			if m.EnvID, err = xtext(p.value); err != nil || len(p.value) > 100 { // RFC 3461 section 4.4
				return syntax("ENVID")
			}
		case p.key == "AUTH" && b.user != "": // RFC 4954 section 5; accepted and not looked at
		default:
			return unsupported(p.key)
		}
	}
	return Reply{}
}

// rcptParams fills in what RCPT said beside the address.
func rcptParams(b Behaviour, r *Recipient, params []param) Reply {
	for _, p := range params {
		switch {
		case p.key == "NOTIFY" && b.offers(ExtDSN):
			r.Notify = strings.Split(strings.ToUpper(p.value), ",")
			for _, n := range r.Notify {
				if n != "SUCCESS" && n != "FAILURE" && n != "DELAY" && (n != "NEVER" || len(r.Notify) > 1) {
					return syntax("NOTIFY")
				}
			}
			slices.Sort(r.Notify)
		case p.key == "ORCPT" && b.offers(ExtDSN):
			var err error
			if r.ORcpt, err = xtext(p.value); err != nil || len(p.value) > 500 || !strings.Contains(p.value, ";") {
				return syntax("ORCPT")
			}
		case p.key == "RRVS" && b.owners != nil:
			stamp, _, _ := strings.Cut(p.value, ";")
			var err error
			if r.Since, err = time.Parse(time.RFC3339, stamp); err != nil {
				return syntax("RRVS")
			}
			switch since := b.owners(*r); {
			case since.IsZero():
				return Reply{Code: 550, Enhanced: "5.7.19", Text: "RRVS test cannot be completed"}
			case since.After(r.Since):
				return Reply{Code: 550, Enhanced: "5.7.17", Text: "Mailbox owner has changed"}
			}
		default:
			return unsupported(p.key)
		}
	}
	return Reply{}
}

func ascii(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}
