package desk

import (
	"context"
	"slices"

	"github.com/resetd/resetd/internal/store"
)

// Role is what an API key is for. A role may do only what names it.
type Role string

const (
	App     Role = "app"     // the application: asks, redeems, reports
	Support Role = "support" // looks up, resends
	Admin   Role = "admin"   // also releases, cancels, reveals, reads the audit trail
	Ops     Role = "ops"     // watches and holds the queue
)

// Actor is who stands at the desk.
type Actor struct {
	Name   string // of the API key
	Role   Role
	Realms []string // empty = all
}

func (a Actor) mayIn(realm string) bool {
	return len(a.Realms) == 0 || slices.Contains(a.Realms, realm)
}

// Action is what can be done, as the audit trail calls it.
type Action string

const (
	DoRequest      Action = "request"
	DoRead         Action = "read_reset"
	DoResend       Action = "resend"
	DoCancel       Action = "cancel"
	DoReveal       Action = "reveal"
	DoOutcome      Action = "outcome"
	DoReport       Action = "report"
	DoWhy          Action = "why"
	DoInspect      Action = "inspect"
	DoRedeem       Action = "redeem"
	DoSuppressions Action = "suppressions"
	DoSuppression  Action = "lookup_suppression"
	DoRelease      Action = "release"
	DoExplain      Action = "explain"
	DoDomains      Action = "domains"
	DoLoop         Action = "loop_check"
	DoProbe        Action = "probe"
	DoQueue        Action = "queue"
	DoPause        Action = "pause"
	DoResume       Action = "resume"
	DoIncidents    Action = "incidents"
	DoBulkResend   Action = "bulk_resend"
	DoPacket       Action = "packet"
	DoAudit        Action = "audit"
	DoTray         Action = "tray"
	DoAnswer       Action = "answer_return"
)

// may says which roles may do what; it is the one place for that.
var may = map[Action][]Role{
	DoRequest:      {App, Support, Admin},
	DoRead:         {Support, Admin},
	DoResend:       {Support, Admin},
	DoCancel:       {Admin},
	DoReveal:       {Admin},
	DoOutcome:      {App},
	DoReport:       {App, Support},
	DoWhy:          {Support, Admin},
	DoInspect:      {App},
	DoRedeem:       {App},
	DoSuppressions: {Admin},
	DoSuppression:  {Support, Admin},
	DoRelease:      {Admin},
	DoExplain:      {Support, Admin, Ops},
	DoDomains:      {Support, Admin, Ops},
	DoLoop:         {Support, Admin, Ops},
	DoProbe:        {Support, Admin, Ops},
	DoQueue:        {Ops, Admin},
	DoPause:        {Ops, Admin},
	DoResume:       {Ops, Admin},
	DoIncidents:    {Ops, Admin},
	DoBulkResend:   {Ops, Admin},
	DoPacket:       {Support, Admin},
	DoAudit:        {Admin},
	DoTray:         {Ops, Admin},
	DoAnswer:       {Ops, Admin},
}

// audited are the actions of people that leave an entry. What an application does (request, redeem, report, outcome) is a fact in a
// ledger, with the key's name; looking at the queue is nobody's secret.
var audited = map[Action]bool{
	DoRead: true, DoResend: true, DoCancel: true, DoReveal: true, DoWhy: true, DoSuppressions: true, DoSuppression: true,
	DoRelease: true, DoPause: true, DoResume: true, DoBulkResend: true, DoPacket: true, DoAudit: true, DoProbe: true, DoLoop: true,
	DoTray: true, DoAnswer: true,
}

// houseWide are the actions that reach beyond any realm: a key that is limited to some realms may not do them, whatever its role.
var houseWide = map[Action]bool{DoSuppressions: true, DoAudit: true, DoPause: true, DoResume: true}

// May says whether an actor may do something, without doing or recording anything.
func (a Actor) May(what Action) bool {
	return slices.Contains(may[what], a.Role) && (len(a.Realms) == 0 || !houseWide[what])
}

// Authorise decides whether an actor may do something, and writes it to the audit trail before it is done. target is an id or a hashed
// name, never an address. A denial is written for every action.
func (d *Desk) Authorise(ctx context.Context, a Actor, what Action, target, reason string, forced bool) error {
	ok := a.May(what)
	if ok && !audited[what] && (what != DoRequest && what != DoReport || a.Role == App) {
		return nil
	}
	err := d.Store.Audit(ctx, store.Entry{By: a.Name, Role: string(a.Role), Action: string(what), Target: target, Reason: reason, Denied: !ok, Forced: forced})
	switch {
	case err != nil:
		return err
	case !ok:
		return ErrForbidden
	}
	return nil
}
