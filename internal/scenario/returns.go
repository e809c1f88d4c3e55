package scenario

import (
	"errors"
	"fmt"
	"mime"
	"net/smtp"
	"net/textproto"
	"strconv"
	"strings"
	"time"

	"github.com/resetd/resetd/internal/sim"
)

// returns lets a mail host, or a forger, write to the return path of a mail.
func (p *Player) returns(st *Step, realm string, a *args) (string, error) {
	m, err := p.pick(a.next(), realm, a)
	if err != nil {
		return "", err
	}
	host := "mx." + st.who
	to := m.From
	if st.who == "forger" {
		// As somebody would make it up who has seen one: the signature does not fit.
		local, domain, _ := strings.Cut(to, "@")
		to = local[:len(local)-6] + "aaaaaa@" + domain
		host = "mail.forger.example"
	}
	now := p.Stage.Sim.Now()
	var raw []byte
	switch st.verb {
	case "returns":
		r := sim.Report{To: m.Recipients[0], Action: a.next(), Status: a.next(), Diagnostic: a.next(), Remote: a.get("remote", "")}
		if r.Clock, err = span(a, "clock"); err != nil {
			return "", err
		}
		if about := a.get("about", ""); about != "" {
			r.To = sim.Recipient{Address: about}
		}
		raw, _ = sim.ComposeDSN(host, "4R"+strconv.FormatInt(now.UnixNano(), 36), m, []sim.Report{r})
	case "answers":
		raw = notice(now, m.To[0], to, "Automatic reply: "+m.Header("Subject"), "Auto-Submitted: auto-replied\r\n", "text/plain; charset=utf-8", a.next())
	case "mumbles":
		raw = notice(now, "postmaster@"+st.who, to, "Hinweis zu Ihrer Sendung", "", "text/plain; charset=utf-8", a.next())
	case "complains":
		raw = complaint(now, st.who, to, m)
	default:
		return "", fmt.Errorf("a host does not know how to %q", st.verb)
	}
	addr := ""
	if p.Bounces != nil {
		addr = p.Bounces()
	}
	if addr == "" {
		return "0", nil // nobody is there; a real host would try again for days
	}
	return hand(addr, host, to, raw)
}

// hand gives a mail with the null sender to our receiver, and tells the code of its answer.
func hand(addr, helo, to string, raw []byte) (string, error) {
	c, err := smtp.Dial(addr)
	if err != nil {
		return "", err
	}
	defer c.Close()
	err = c.Hello(helo)
	if err == nil {
		err = c.Mail("")
	}
	if err == nil {
		err = c.Rcpt(to)
	}
	if err == nil {
		w, dataErr := c.Data()
		if err = dataErr; err == nil {
			_, err = w.Write(raw)
			err = errors.Join(err, w.Close())
		}
	}
	var refused *textproto.Error
	if errors.As(err, &refused) {
		return strconv.Itoa(refused.Code), nil
	}
	return "250", err
}

func notice(at time.Time, from, to, subject, more, kind, text string) []byte {
	return []byte(fmt.Sprintf("Date: %s\r\nFrom: %s\r\nTo: %s\r\nSubject: %s\r\n%sMIME-Version: 1.0\r\nContent-Type: %s\r\nContent-Transfer-Encoding: 8bit\r\n\r\n%s\r\n",
		at.UTC().Format(time.RFC1123Z), from, to, mime.QEncoding.Encode("utf-8", subject), more, kind, text))
}

// complaint is a feedback report (RFC 5965).
func complaint(at time.Time, domain, to string, m sim.Mail) []byte {
	parts := "--b\r\nContent-Type: text/plain\r\n\r\nThis is an email abuse report.\r\n--b\r\nContent-Type: message/feedback-report\r\n\r\n" +
		"Feedback-Type: abuse\r\nUser-Agent: Loop/1.0\r\nVersion: 1\r\nOriginal-Rcpt-To: " + m.To[0] + "\r\n--b\r\nContent-Type: text/rfc822-headers\r\n\r\n" +
		"Message-Id: " + m.Header("Message-Id") + "\r\nSubject: " + mime.QEncoding.Encode("utf-8", m.Header("Subject")) + "\r\n\r\n--b--"
	return notice(at, "feedback@"+domain, to, "Complaint", "", "multipart/report; report-type=feedback-report; boundary=b", parts)
}
