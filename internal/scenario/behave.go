package scenario

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/resetd/resetd/internal/sim"
)

// behaviour makes a fresh one each time: a greylist remembers whom it has seen.
type behaviour func() sim.Behaviour

// The login of our relays, and a password that they may not know.
const relayUser, relayPassword = "resetd", "the password of today"

var troubles = map[string]sim.Trouble{
	"answers": sim.Healthy, "hangs": sim.Hangs, "fails": sim.Fails, "html": sim.AnswersHTML, "huge": sim.AnswersHuge, "twice": sim.AnswersTwo,
	"cut": sim.AnswersBroken, "odd": sim.AnswersOdd, "redirects": sim.Redirects, "refuses": sim.Refuses,
}

var certificates = map[string]sim.Certificate{"expired": sim.CertExpired, "other-name": sim.CertWrongName, "self-signed": sim.CertUntrusted}

// readBehaviour reads HOW a host behaves; login is what a relay does about logins.
func readBehaviour(a *args) (b behaviour, login string, err error) {
	var changes []func(sim.Behaviour) sim.Behaviour
	for a.flag("with") {
		if !a.flag("starttls") {
			return nil, "", fmt.Errorf("with what?")
		}
		changes = append(changes, sim.Behaviour.StartTLS)
	}
	for {
		ext := a.after("without", "")
		if ext == "" {
			break
		}
		changes = append(changes, func(b sim.Behaviour) sim.Behaviour { return b.Without(sim.Extension(strings.ToUpper(ext))) })
	}
	if name := a.after("cert", ""); name != "" {
		c, ok := certificates[name]
		if !ok {
			return nil, "", fmt.Errorf("no certificate is %q", name)
		}
		changes = append(changes, func(b sim.Behaviour) sim.Behaviour { return b.StartTLS().Certificate(c) })
	}
	if i := slices.Index(a.plain, "login"); i > 0 {
		login = a.plain[i-1]
		a.plain = slices.Delete(slices.Clone(a.plain), i-1, i+1)
		password := map[string]string{"wants": "the password of last year", "takes": relayPassword}[login]
		if password == "" {
			return nil, "", fmt.Errorf("%s login?", login)
		}
		changes = append(changes, func(b sim.Behaviour) sim.Behaviour { return b.StartTLS().RequireAuth(relayUser, password) })
	}
	base, err := readBase(a)
	return func() sim.Behaviour {
		b := base()
		for _, change := range changes {
			b = change(b)
		}
		return b
	}, login, err
}

func readBase(a *args) (behaviour, error) {
	switch verb := a.next(); verb {
	case "accepts", "":
		return sim.Accept, nil
	case "full":
		return sim.MailboxFull, nil
	case "knows":
		if a.next() == "nobody" {
			return sim.UnknownMailbox, nil
		}
	case "greylists":
		d, err := duration(a.next())
		return func() sim.Behaviour { return sim.Greylist(d, int(d.Seconds())) }, err
	case "is":
		switch a.next() {
		case "down":
			return sim.Down, nil
		case "silent":
			return sim.Silent, nil
		}
	case "hangs":
		if a.next() == "up" {
			return sim.CloseAfterDot, nil
		}
	case "says":
		if a.next() == "nothing" {
			return sim.Blackhole, nil
		}
	case "refuses":
		return readRefusal(a)
	default:
		return nil, fmt.Errorf("a host does not know how to %q", verb)
	}
	return nil, fmt.Errorf("how does the host behave?")
}

// readRefusal reads STAGE CODE [ENHANCED] 'words'.
func readRefusal(a *args) (behaviour, error) {
	stage := a.next()
	code, err := strconv.Atoi(a.next())
	if err != nil || code < 400 || code > 599 {
		return nil, fmt.Errorf("refuses %s with which code?", stage)
	}
	r := sim.Reply{Code: code, Text: a.next()}
	if len(a.plain) > 0 {
		r.Enhanced, r.Text = r.Text, a.next()
	}
	return func() sim.Behaviour {
		switch stage {
		case "banner":
			return sim.Behaviour{Banner: func(*sim.Dialogue) sim.Reply { r := r; r.Hangup = true; return r }}
		case "mail":
			return sim.Behaviour{From: func(*sim.Dialogue) sim.Reply { return r }}
		case "data":
			return sim.Behaviour{Data: func(*sim.Dialogue) sim.Reply { return r }}
		case "dot":
			return sim.Behaviour{Dot: func(context.Context, *sim.Dialogue) sim.Reply { return r }}
		}
		return sim.Behaviour{Rcpt: func(*sim.Dialogue, sim.Recipient) sim.Reply { return r }}
	}, stageError(stage)
}

func stageError(stage string) error {
	if slices.Contains([]string{"banner", "mail", "rcpt", "data", "dot"}, stage) {
		return nil
	}
	return fmt.Errorf("%q is no stage: banner, mail, rcpt, data, dot", stage)
}
