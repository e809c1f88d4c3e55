package diag

import (
	"slices"
	"strings"
	"time"

	"github.com/resetd/resetd/internal/ledger"
	"github.com/resetd/resetd/internal/realm"
)

// view is the Input as the rules look at it.
type view struct {
	in    *Input
	now   time.Time
	base  vars
	facts []ledger.Fact // all of them, by time

	sentTo map[ledger.MessageID]string // the address of each mail that has one

	asked *ledger.Reset   // of the newest ask or mail; nil = nobody asked
	told  *ledger.Reset   // whose mail tells the story: asked, or the one that serves it when it was merged
	mail  *ledger.Message // the newest of told; nil = none yet
	gen   ledger.Generation
	born  time.Time // of mail, or of the ask: what happened before belongs to another story

	refusal *ledger.Refusal // of mail, or of told when it has none; nil = not refused
	refused ledger.Fact

	account *realm.Account // as the directory says now; nil = none, several, or not asked
	method  realm.Login    // how the account signs in, or the realm's people; "" = not known

	used    int // index into facts of the last use of a link since born; -1 = none
	outcome int // index of what the application said of it, after used; -1 = nothing
}

// day is how long a mail's story lasts: no token lives longer.
const day = ledger.MaxLife

func look(in *Input) *view {
	v := &view{in: in, now: in.Now, used: -1, outcome: -1}
	v.gather()
	v.choose()
	v.know()
	v.scan()
	v.base = v.values()
	return v
}

func (v *view) gather() {
	t := &v.in.Timeline
	n := len(t.Loose)
	for _, r := range t.Resets {
		if r != nil {
			n += len(r.Facts)
		}
	}
	v.facts = make([]ledger.Fact, 0, n)
	v.sentTo = make(map[ledger.MessageID]string)
	for _, r := range t.Resets {
		if r == nil {
			continue
		}
		v.facts = append(v.facts, r.Facts...)
		address := make(map[int]string, len(r.Gens))
		for _, g := range r.Gens {
			address[g.N] = g.Address
		}
		for _, m := range r.Messages {
			v.sentTo[m.ID] = address[m.Gen]
		}
	}
	v.facts = append(v.facts, t.Loose...)
	slices.SortStableFunc(v.facts, func(a, b ledger.Fact) int { return a.At.Compare(b.At) })
}

// choose finds the newest mail, and for a merged ask the mail that serves it.
func (v *view) choose() {
	for _, r := range v.in.Timeline.Resets {
		if r != nil && (v.asked == nil || !bornOf(r).Before(bornOf(v.asked))) {
			v.asked = r
		}
	}
	if r := v.in.Timeline.Reset(v.in.Reset); r != nil && v.in.Reset != "" {
		v.asked = r
	}
	v.told = v.asked
	for range len(v.in.Timeline.Resets) { // a chain of merged asks ends, also where the facts run in a circle
		refusal, _ := refusalOf(v.told)
		if refusal == nil || refusal.Why != ledger.WhyMerged {
			break
		}
		first := v.in.Timeline.Reset(refusal.First)
		if first == nil {
			break
		}
		v.told = first
	}
	if v.told == nil {
		return
	}
	v.mail = v.told.Newest()
	v.born = bornOf(v.told)
	v.refusal, v.refused = refusalOf(v.told)
	v.gen = v.told.Gen()
	if v.mail != nil {
		if g, ok := v.told.Generation(v.mail.Gen); ok {
			v.gen = g
		}
	}
}

// bornOf is when a reset's newest mail began, or its ask where there is none.
func bornOf(r *ledger.Reset) time.Time {
	if m := r.Newest(); m != nil {
		return m.Born
	}
	if !r.Asked.At.IsZero() || len(r.Facts) == 0 {
		return r.Asked.At
	}
	return r.Facts[0].At
}

// refusalOf finds why the newest mail is not sent; an ask may be refused before it has any.
func refusalOf(r *ledger.Reset) (*ledger.Refusal, ledger.Fact) {
	if r == nil {
		return nil, ledger.Fact{}
	}
	m := r.Newest()
	if m != nil && m.State != ledger.IsRefused {
		return nil, ledger.Fact{}
	}
	for _, f := range slices.Backward(r.Facts) {
		if f.Event == ledger.Refused && f.Refusal != nil && (m == nil || f.Message == m.ID) {
			return f.Refusal, f
		}
	}
	return nil, ledger.Fact{}
}

// know takes what the directory says now.
func (v *view) know() {
	d := v.in.Directory
	if v.in.Realm != nil {
		v.method = v.in.Realm.Login
	}
	if !d.Asked || d.Unavailable != nil || len(d.Accounts) != 1 {
		return
	}
	v.account = &d.Accounts[0]
	if v.account.LoginMethod != "" {
		v.method = v.account.LoginMethod
	}
}

// scan finds the last use of a link and what became of it.
func (v *view) scan() {
	if v.told == nil {
		return
	}
	for i, f := range v.facts {
		switch {
		case f.At.Before(v.born):
		case f.Event == ledger.Redeemed:
			v.used, v.outcome = i, -1
		case f.Event == ledger.Reported && f.Report != nil && v.used >= 0 && (f.Report.Kind == "done" || f.Report.Kind == "failed"):
			v.outcome = i
		}
	}
}

// values are the words that every rule may use.
func (v *view) values() vars {
	w := vars{"login": quote(v.in.Login), "address": quote(v.address()), "provider": quote(v.provider())}
	w["domain"] = quote(domainOf(w["address"]))
	if at := strings.LastIndexByte(v.in.Login, '@'); w["address"] == "" && at > 0 {
		if right := DidYouMean(v.in.Login[at+1:]); right != "" {
			w["meant"] = quote(v.in.Login[:at+1] + right)
		}
	} else {
		w["meant"] = quote(DidYouMean(w["domain"]))
	}
	w["names"] = quote(v.names())
	if r := v.in.Realm; r != nil {
		w["realm"], w["role"] = r.Name, r.RequiredRole
		w["pages"] = strings.Join(r.Pages, ", ")
		if r.Login == realm.LoginSSO || r.Login == realm.LoginDirectory {
			w["hide"] = or(w["pages"], "the pages of this realm")
		}
		w["sender_domain"] = domainOf(r.From)
		if len(r.Pages) > 0 {
			w["right"] = r.Pages[0]
		}
	}
	if v.account != nil {
		w["username"] = quote(v.account.Username)
	}
	if v.told != nil {
		w["reset"] = string(v.told.ID)
	}
	w["since"] = clock(v.recordsBegin(), v.now)
	return w
}

// recordsBegin is the first moment of which we would know; zero = not known.
func (v *view) recordsBegin() time.Time {
	if v.in.Retention <= 0 {
		return v.in.Since
	}
	return later(v.in.Since, v.now.Add(-v.in.Retention))
}

// address is where the newest mail went, or where one would go.
func (v *view) address() string {
	if v.gen.Address != "" {
		return v.gen.Address
	}
	if v.account != nil && v.account.Address != "" {
		return v.account.Address
	}
	return ""
}

func (v *view) provider() string {
	if v.account != nil && v.account.Provider != "" {
		return v.account.Provider
	}
	if v.refusal != nil && v.refusal.Provider != "" {
		return v.refusal.Provider
	}
	if v.in.Realm != nil {
		return v.in.Realm.Provider.Name
	}
	return ""
}

// locale is the user's language: the account's, that of the mail, that of the ask.
func (v *view) locale() string {
	if v.account != nil && v.account.Locale != "" {
		return v.account.Locale
	}
	if v.gen.Locale != "" {
		return v.gen.Locale
	}
	if v.told != nil && v.told.Asked.Ask != nil {
		return v.told.Asked.Ask.Locale
	}
	return ""
}

func (v *view) at(t time.Time) string { return clock(t, v.now) }

// slack allows for other clocks, and for people who name the minute.
const slack = time.Minute

// reports lists what was reported of some kinds since a moment, oldest first. The moment that counts is when it was seen.
func (v *view) reports(since time.Time, kinds ...string) []ledger.Fact {
	var out []ledger.Fact
	for _, f := range v.facts {
		if f.Event != ledger.Reported || f.Report == nil || !slices.Contains(kinds, f.Report.Kind) {
			continue
		}
		from := since
		if !f.Report.At.IsZero() {
			from = from.Add(-slack)
		}
		if !reportedAt(f).Before(from) {
			out = append(out, f)
		}
	}
	return out
}

// reportedAt is when a reported thing was seen: as the report says, but never later than the report itself.
func reportedAt(f ledger.Fact) time.Time {
	if f.Report == nil || f.Report.At.IsZero() || f.Report.At.After(f.At) {
		return f.At
	}
	return f.Report.At
}

// byReport is how sure a report makes a thing: the application's own word is a record, a person's makes it likely.
func byReport(f ledger.Fact) Confidence {
	if f.Role == "app" {
		return Certain
	}
	return Likely
}

func last(fs []ledger.Fact) ledger.Fact {
	if len(fs) == 0 {
		return ledger.Fact{}
	}
	return fs[len(fs)-1]
}
