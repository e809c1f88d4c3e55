package desk

import (
	"context"
	"time"

	"github.com/resetd/resetd/diag"
	"github.com/resetd/resetd/internal/ledger"
)

// ResetView is a reset as the API shows it.
type ResetView struct {
	Reset    ledger.ResetID `json:"reset"`
	Realm    string         `json:"realm"`
	Login    string         `json:"login"`
	State    ledger.State   `json:"state"`
	Messages []MessageView  `json:"messages"`
	Facts    []FactView     `json:"facts"`
}

// MessageView is one of its messages.
type MessageView struct {
	Message  ledger.MessageID `json:"message"`
	Route    string           `json:"route"`
	State    ledger.State     `json:"state"`
	NextAt   time.Time        `json:"next_at,omitzero"`
	Attempts []AttemptView    `json:"attempts"`
}

// AttemptView is one dialogue.
type AttemptView struct {
	At       time.Time      `json:"at"`
	Host     string         `json:"host"`
	IP       string         `json:"ip"`
	LocalIP  string         `json:"local_ip,omitempty"` // ours, as seen from here; behind a NAT the host saw another
	HELO     string         `json:"helo,omitempty"`
	TLS      string         `json:"tls"`
	Security *SecurityView  `json:"security,omitempty"`
	Owner    ledger.Asked   `json:"owner,omitempty"` // how the host was asked whether the mailbox has the same owner still
	Stage    string         `json:"stage"`
	Code     int            `json:"code"`
	Enhanced string         `json:"enhanced"`
	Text     string         `json:"text"`
	QueueID  string         `json:"queue_id,omitempty"`
	Outcome  ledger.Outcome `json:"outcome"`
	Millis   int64          `json:"millis"`
}

// SecurityView is how a dialogue was secured, and what had been demanded of it.
type SecurityView struct {
	Cipher      string        `json:"cipher,omitempty"`
	Certificate ledger.Fault  `json:"certificate,omitempty"` // verified, or what is wrong with it
	Problem     string        `json:"problem,omitempty"`
	Policy      ledger.Policy `json:"policy,omitempty"`
	PolicyID    string        `json:"policy_id,omitempty"`
	Failed      ledger.Fault  `json:"failed,omitempty"`
}

func viewSecurity(s *ledger.Security) *SecurityView {
	if s == nil {
		return nil
	}
	return &SecurityView{Cipher: s.Cipher, Certificate: s.Certificate, Problem: s.Problem, Policy: s.Policy, PolicyID: s.PolicyID, Failed: s.Failed}
}

// FactView is one fact.
type FactView struct {
	Event ledger.EventID `json:"event"`
	At    time.Time      `json:"at"`
	Fact  ledger.Event   `json:"fact"`
	Says  string         `json:"says"`
}

// Reset shows one reset.
func (d *Desk) Reset(ctx context.Context, a Actor, id ledger.ResetID) (ResetView, error) {
	if err := d.Authorise(ctx, a, DoRead, string(id), "", false); err != nil {
		return ResetView{}, err
	}
	at, r, err := d.find(ctx, a, id)
	if err != nil {
		return ResetView{}, err
	}
	v := ResetView{Reset: id, Realm: at.Realm, State: r.State, Messages: []MessageView{}, Facts: []FactView{}}
	if r.Asked.Ask != nil {
		v.Login = r.Asked.Ask.Login
	}
	for _, m := range r.Messages {
		mv := MessageView{Message: m.ID, Route: m.Route, State: m.State, NextAt: m.NextAt, Attempts: []AttemptView{}}
		for _, f := range m.Attempts {
			if t := f.Attempt; t != nil {
				mv.Attempts = append(mv.Attempts, AttemptView{At: f.At, Host: t.Host, IP: t.IP, LocalIP: t.Local, HELO: t.HELO, TLS: t.TLS, Security: viewSecurity(t.Security), Owner: t.Owner, Stage: t.Stage, Code: t.Code,
					Enhanced: t.Enhanced, Text: t.Text, QueueID: t.QueueID, Outcome: t.Outcome, Millis: t.Millis})
			}
		}
		v.Messages = append(v.Messages, mv)
	}
	for _, f := range r.Facts {
		v.Facts = append(v.Facts, FactView{Event: f.ID, At: f.At, Fact: f.Event, Says: diag.Says(f)})
	}
	return v, nil
}
