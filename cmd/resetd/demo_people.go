package main

import (
	"context"
	"errors"
	"path"
	"time"

	"github.com/resetd/resetd/internal/ledger"
)

// person is somebody with a problem. Cause is what `why` must say once the story has reached its end; nothing but the story leads there.
type person struct {
	Login string `json:"login"`
	Realm string `json:"realm"`
	Story string `json:"story"`
	Cause string `json:"cause"`
	live  func(context.Context) error
}

// demoAccounts is the directory, JSON Lines as in a file directory.
var demoAccounts = []string{
	`{"id":"u1","realm":"community","login":"jo@fine.example","address":"jo@fine.example","state":"active","login_method":"sso","provider":"Acme ID"}`,
	`{"id":"c1","realm":"control","login":"jo@fine.example","address":"jo@fine.example","state":"active","login_method":"password","roles":["moderator"]}`,
	`{"id":"c2","realm":"control","login":"kim@quiet.example","address":"kim@quiet.example","state":"active","login_method":"password","roles":["reader"]}`,
	`{"id":"c3","realm":"control","login":"ivy@quiet.example","address":"ivy@quiet.example","state":"invited","login_method":"password"}`,
	`{"id":"s1","realm":"shop","login":"ada@fine.example","address":"ada@fine.example","state":"active","login_method":"password","locale":"de"}`,
	`{"id":"s2","realm":"shop","login":"john.smith@fine.example","address":"john.smith@fine.example","state":"active","login_method":"password"}`,
	`{"id":"s3","realm":"shop","login":"fay@full.example","address":"fay@full.example","state":"active","login_method":"password","locale":"fr"}`,
	`{"id":"s4","realm":"shop","login":"ned@nobody.example","address":"ned@nobody.example","state":"active","login_method":"password"}`,
	`{"id":"s5","realm":"shop","login":"gus@grey.example","address":"gus@grey.example","state":"active","login_method":"password"}`,
	`{"id":"s6","realm":"shop","login":"dan@down.example","address":"dan@down.example","state":"active","login_method":"password"}`,
	`{"id":"s7","realm":"shop","login":"bea@late.example","address":"bea@late.example","state":"active","login_method":"password"}`,
	`{"id":"s8","realm":"shop","login":"dov@strict.example","address":"dov@strict.example","state":"active","login_method":"password"}`,
	`{"id":"s9","realm":"shop","login":"sue@gone.example","address":"sue@gone.example","state":"active","login_method":"password"}`,
	`{"id":"s10","realm":"shop","login":"quin@quiet.example","address":"quin@quiet.example","state":"active","login_method":"password"}`,
	`{"id":"s11","realm":"shop","login":"sam@scanned.example","address":"sam@scanned.example","state":"active","login_method":"password"}`,
	`{"id":"s12","realm":"shop","login":"sid@fine.example","address":"sid@fine.example","state":"suspended","login_method":"password"}`,
	`{"id":"s13","realm":"shop","login":"noa","address":"","state":"active","login_method":"password"}`,
	`{"id":"s14","realm":"shop","login":"nils@nomail.example","address":"nils@nomail.example","state":"active","login_method":"password"}`,
	`{"id":"s15","realm":"shop","login":"amy@cut.example","address":"amy@cut.example","state":"active","login_method":"password"}`,
	`{"id":"s16","realm":"shop","login":"tom@quiet.example","address":"tom@quiet.example","state":"active","login_method":"password"}`,
	`{"id":"s17","realm":"shop","login":"max@quiet.example","address":"max@quiet.example","state":"active","login_method":"password"}`,
	`{"id":"s18","realm":"shop","login":"pat@quiet.example","address":"pat@quiet.example","state":"active","login_method":"password"}`,
	`{"id":"s19","realm":"shop","login":"uma@fine.example","address":"uma@fine.example","state":"active","login_method":"password"}`,
	`{"id":"s20","realm":"shop","login":"ben@begun.example","address":"ben@begun.example","state":"active","login_method":"password"}`,
	`{"id":"s21","realm":"shop","login":"wes@fine.example","address":"wes@fine.example","state":"active","login_method":"password","username":"wes77"}`,
	`{"id":"s22","realm":"shop","login":"con@confirmed.example","address":"con@confirmed.example","state":"active","login_method":"password"}`,
	`{"id":"k1","realm":"kiosk","login":"eve@holiday.example","address":"eve@holiday.example","state":"active","login_method":"password"}`,
	`{"id":"p1","realm":"partners","login":"pia@quiet.example","address":"pia@quiet.example","state":"active","login_method":"password"}`,
	`{"id":"n1","realm":"news","login":"hal@quiet.example","address":"hal@quiet.example","state":"active","login_method":"password"}`,
	`{"id":"a1","realm":"archive","login":"ana@quiet.example","address":"ana@quiet.example","state":"active","login_method":"password"}`,
}

// people is the cast. The seed story comes first: the community signs in through Acme ID, and a moderator set a password by hand that
// belongs to another login.
func (s *stage) people() []person {
	asks := func(login, realm string) func(context.Context) error {
		return func(ctx context.Context) error { return s.ask(ctx, login, realm, "") }
	}
	shop := func(login, cause, story string) person {
		return person{login, "shop", story, cause, asks(login, "shop")}
	}
	return []person{
		{"jo@fine.example", "community", "asked on the SSO page; a moderator then set a password by hand, which works only in Control", "account.sso", s.seedStory},
		{"ada@fine.example", "shop", "all went well: mail, link, new password", "after.done", func(ctx context.Context) error { return s.allFine(ctx, "ada@fine.example", "done") }},
		shop("una@elsewhere.example", "request.unknown_address", "typed an address that is on no account"),
		shop("john.smth@fine.example", "request.near_match", "typed an address that is one letter away from a known one"),
		shop("fay@full.example", "recipient.mailbox_full", "the mailbox is full"),
		shop("ned@nobody.example", "recipient.unknown_mailbox", "the host knows no such mailbox"),
		shop("gus@grey.example", "accepted.no_further_trace", "greylisted first, then the host took it"),
		shop("dan@down.example", "deferred.remote_down", "the recipient's mail server is down"),
		shop("bea@late.example", "recipient.mailbox_disabled", "accepted, and returned half a second later"),
		shop("dov@strict.example", "sender.dmarc_rejected", "the host refuses our mail by DMARC policy"),
		{"pia@quiet.example", "partners", "our relay refuses our login", "relay.auth_failed", asks("pia@quiet.example", "partners")},
		{"sue@gone.example", "shop", "two mails bounced; the address is suppressed", "suppressed.hard_bounce", func(ctx context.Context) error { return s.again(ctx, "sue@gone.example", 3) }},
		shop("quin@quiet.example", "accepted.no_further_trace", "accepted, and never opened"),
		shop("sam@scanned.example", "link.opened_by_scanner", "a security scanner opened the link, nobody else did"),
		{"eve@holiday.example", "kiosk", "opened the mail when the link had expired", "link.expired", asks("eve@holiday.example", "kiosk")},
		{"ana@quiet.example", "archive", "the way out is held by ops", "queue.paused", s.heldByOps},
		{"hal@quiet.example", "news", "handed to a relay that tells nothing more", "unknown.handed_to_relay", asks("hal@quiet.example", "news")},
		{"cara@quiet.example", "club", "the directory does not answer", "account.directory_unavailable", asks("cara@quiet.example", "club")},
		{"kim@quiet.example", "control", "has an account, and no role that opens Control", "account.lacks_role", asks("kim@quiet.example", "control")},
		{"ivy@quiet.example", "control", "was invited and never accepted", "account.invited", asks("ivy@quiet.example", "control")},
		shop("sid@fine.example", "account.suspended", "the account is suspended"),
		shop("noa", "account.no_address", "the account has no address"),
		shop("nils@nomail.example", "recipient.no_mail_service", "the domain says that it takes no mail"),
		shop("amy@cut.example", "deferred.ambiguous", "the host took the mail and hung up before it said so"),
		{"tom@quiet.example", "shop", "asked a fourth time within the hour", "request.throttled", func(ctx context.Context) error { return s.again(ctx, "tom@quiet.example", 4) }},
		{"max@quiet.example", "shop", "clicked twice in a second", "queue.merged", s.twiceAtOnce},
		{"pat@quiet.example", "shop", "asked on a page that is none of ours", "request.other_page", func(ctx context.Context) error {
			return s.ask(ctx, "pat@quiet.example", "shop", "https://old-portal.example/login")
		}},
		{"uma@fine.example", "shop", "used the link, and clicked it again", "link.already_used", s.usedTwice},
		shop("ben@begun.example", "link.opened_not_finished", "opened the link, and did not finish"),
		{"wes@fine.example", "shop", "has a new password, and signs in with the wrong name", "after.wrong_login_name", s.wrongName},
		shop("con@confirmed.example", "accepted.no_further_trace", "the host reported that it is in the mailbox"),
	}
}

func (s *stage) ask(ctx context.Context, login, realm, page string) error {
	return s.post(ctx, s.keys.App, "/v1/resets", map[string]string{"realm": realm, "login": login, "page": page}, nil)
}

// again asks several times, each after the one before is decided: far enough apart not to be merged.
func (s *stage) again(ctx context.Context, login string, times int) error {
	for range times {
		if err := s.ask(ctx, login, "shop", ""); err != nil {
			return err
		}
		if err := wait(ctx, 2500*time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}

func (s *stage) twiceAtOnce(ctx context.Context) error {
	return errors.Join(s.ask(ctx, "max@quiet.example", "shop", ""), s.ask(ctx, "max@quiet.example", "shop", ""))
}

func (s *stage) seedStory(ctx context.Context) error {
	if err := s.ask(ctx, "jo@fine.example", "community", "https://community.acme.example/login"); err != nil {
		return err
	}
	return s.post(ctx, s.keys.Support, "/v1/reports", map[string]string{"realm": "control", "login": "jo@fine.example", "kind": "password_set", "detail": "by hand, on the profile page"}, nil)
}

func (s *stage) heldByOps(ctx context.Context) error {
	if err := s.post(ctx, s.keys.Ops, "/v1/queue/pause", map[string]string{"route": "night", "reason": "the night relay is being moved"}, nil); err != nil {
		return err
	}
	return s.ask(ctx, "ana@quiet.example", "archive", "")
}

// redeem lets the person open the mail and the app redeem the token of its link.
func (s *stage) redeem(ctx context.Context, login string) (tok string, reset ledger.ResetID, err error) {
	if err := s.ask(ctx, login, "shop", ""); err != nil {
		return "", "", err
	}
	link := ""
	for link == "" {
		for _, m := range s.hosts["fine.example"].Mail() {
			if len(m.Recipients) == 1 && m.Recipients[0].Address == login {
				link = m.Link()
			}
		}
		if err := wait(ctx, 50*time.Millisecond); err != nil {
			return "", "", err
		}
	}
	tok = path.Base(link)
	var out struct{ Reset ledger.ResetID }
	err = s.post(ctx, s.keys.App, "/v1/tokens/redeem", map[string]string{"token": tok, "realm": "shop"}, &out)
	return tok, out.Reset, err
}

func (s *stage) allFine(ctx context.Context, login, result string) error {
	_, reset, err := s.redeem(ctx, login)
	if err != nil {
		return err
	}
	return s.post(ctx, s.keys.App, "/v1/resets/"+string(reset)+"/outcome", map[string]string{"result": result}, nil)
}

func (s *stage) usedTwice(ctx context.Context) error {
	tok, _, err := s.redeem(ctx, "uma@fine.example")
	if err != nil {
		return err
	}
	if err := wait(ctx, 300*time.Millisecond); err != nil {
		return err
	}
	if s.post(ctx, s.keys.App, "/v1/tokens/redeem", map[string]string{"token": tok, "realm": "shop"}, nil) == nil {
		return errors.New("a token was redeemed twice")
	}
	return nil
}

func (s *stage) wrongName(ctx context.Context) error {
	if err := s.allFine(ctx, "wes@fine.example", "done"); err != nil {
		return err
	}
	return s.post(ctx, s.keys.App, "/v1/reports", map[string]string{"realm": "shop", "login": "wes@fine.example", "kind": "sign_in_failed"}, nil)
}
