package desk

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/resetd/resetd/diag/reply"
	"github.com/resetd/resetd/internal/ledger"
	"github.com/resetd/resetd/internal/store"
)

// Reading is what a person says that a return in the tray means.
type Reading struct {
	Action string // failed, delayed, or none: it is no report; "" = as the return says, else failed
	Reason string // a word of diag/reply; needed unless it is no report
	Words  string // what in the return says so, to make a rule of; "" = its diagnostic lines
	Note   string // for colleagues and the audit trail
}

// mayHandle says whether an actor may see an item: those of other realms are hidden, and those of no realm are for keys of all realms.
func (a Actor) mayHandle(t store.TrayItem) bool {
	return len(a.Realms) == 0 || t.Realm != "" && a.mayIn(t.Realm)
}

// Tray lists the returns that could not be matched or read, the newest first.
func (d *Desk) Tray(ctx context.Context, a Actor, cursor string) (items []store.TrayItem, next string, err error) {
	offset, err := number(cursor)
	if err != nil {
		return nil, "", d.denyFirst(a, DoTray, err)
	}
	if err := d.Authorise(ctx, a, DoTray, "", "", false); err != nil {
		return nil, "", err
	}
	items, err = d.Store.Tray(ctx, int(offset), page)
	if len(items) == page {
		next = strconv.FormatInt(offset+page, 10)
	}
	items = slices.DeleteFunc(items, func(t store.TrayItem) bool { return !a.mayHandle(t) })
	for i := range items {
		items[i].Ledger = ""
	}
	return items, next, err
}

// AnswerReturn records what a person reads in a return: as a fact beside the message, so that the verdict changes, and as a rule for
// diag/reply. Answering again corrects an earlier answer; the newest counts.
func (d *Desk) AnswerReturn(ctx context.Context, a Actor, id string, r Reading) (store.TrayItem, error) {
	if _, err := ledger.Raw(id); err != nil || !strings.HasPrefix(id, "ret_") {
		return store.TrayItem{}, d.denyFirst(a, DoAnswer, ledger.ErrBadID)
	}
	if err := r.check(); err != nil {
		return store.TrayItem{}, d.denyFirst(a, DoAnswer, err)
	}
	if err := d.Authorise(ctx, a, DoAnswer, id, strings.TrimSuffix(r.Reason+": "+r.Note, ": "), false); err != nil {
		return store.TrayItem{}, err
	}
	t, err := d.Store.TrayItem(ctx, ledger.ReturnID(id))
	if err != nil {
		return t, err
	}
	if !a.mayHandle(t) {
		return store.TrayItem{}, store.ErrNotFound
	}
	if !holdsWords(t, r.Words) {
		return store.TrayItem{}, &Bad{Code: "bad_request", Detail: "`words` do not stand in the return. Copy them from its lines or its notice."}
	}
	switch {
	case r.Action == "" && t.Action != "":
		r.Action = t.Action
	case r.Action == "":
		r.Action = "failed"
	case t.Action != "" && r.Action != t.Action:
		return store.TrayItem{}, &Bad{Code: "bad_request", Detail: "`action` contradicts the return: it says itself whether the mail failed or is delayed. Leave `action` out."}
	}
	t.Answer = &store.TrayAnswer{By: a.Name, Role: string(a.Role), At: d.now(), Action: r.Action, Reason: r.Reason, Note: r.Note}
	if r.Reason != "" {
		said := t.Lines
		if r.Words != "" {
			said = []string{r.Words}
		}
		t.Answer.Rule = ruleFor(t, said, reply.Reason(r.Reason), t.Answer.At)
	}
	// The fact first: if the rest fails, the person answers again, and the same fact twice says nothing new.
	if t.Message != "" {
		if err := d.Store.Append(ctx, t.Ledger, answered(t)); err != nil {
			return store.TrayItem{}, err
		}
	}
	err = d.Store.AnswerTray(ctx, t)
	t.Ledger = ""
	return t, err
}

// holdsWords tells whether words stand in what was kept of a return, however its lines are broken.
func holdsWords(t store.TrayItem, words string) bool {
	for _, list := range [][]string{t.Lines, t.Notice} {
		text := strings.ToLower(strings.Join(strings.Fields(strings.Join(list, " ")), " "))
		if strings.Contains(text, strings.ToLower(strings.Join(strings.Fields(words), " "))) {
			return true
		}
	}
	return false
}

func (r Reading) check() error {
	if len(r.Note) > MaxReason || control(r.Note) {
		return &Bad{Code: "bad_request", Detail: "`note` is longer than 500 bytes or has control characters. A few words are enough."}
	}
	if len(r.Words) > MaxReason || control(r.Words) {
		return &Bad{Code: "bad_request", Detail: "`words` are longer than 500 bytes or have control characters. One sentence is enough."}
	}
	switch r.Action {
	case "", "failed", "delayed":
		if r.Reason == string(reply.ReasonUnknown) || !slices.Contains(reply.Reasons(), reply.Reason(r.Reason)) {
			return &Bad{Code: "bad_request", Detail: "`reason` is no reason. The words are: " + reasonWords() + "."}
		}
	case "none":
		if r.Reason != "" {
			return &Bad{Code: "bad_request", Detail: "What is no report has no `reason`. Leave it out, or leave `action` out."}
		}
	default:
		return &Bad{Code: "bad_request", Detail: "`action` is none of failed, delayed, none."}
	}
	return nil
}

// ReturnReasons are the words with which a return can be answered.
func ReturnReasons() []string {
	var words []string
	for _, r := range reply.Reasons() {
		if r != reply.ReasonUnknown {
			words = append(words, string(r))
		}
	}
	return words
}

func reasonWords() string { return strings.Join(ReturnReasons(), ", ") }

// answered is the fact that an answer makes.
func answered(t store.TrayItem) ledger.Fact {
	n := t.Answer
	r := ledger.Return{Source: t.Source, Action: n.Action, Matched: true, Recipient: t.Recipient, Status: t.Status, RemoteHost: t.Host, Subject: t.Subject}
	if len(t.Lines) > 0 {
		r.Diagnostic = t.Lines[0]
	}
	if n.Reason != "" {
		reason := reply.Reason(n.Reason)
		r.Reason, r.Cause = n.Reason, causeOf(reason, n.Action == "failed")
		r.Permanent = n.Action == "failed" && reason.Class() != reply.Soft
	}
	return ledger.Fact{ID: ledger.NewEventID(), At: n.At, Event: ledger.Bounced, Reset: t.Reset, Message: t.Message, By: n.By, Role: n.Role, Reason: n.Note, Return: &r}
}
