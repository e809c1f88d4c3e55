package desk

import (
	"context"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/resetd/resetd/diag"
	"github.com/resetd/resetd/internal/ledger"
	"github.com/resetd/resetd/internal/realm"
	"github.com/resetd/resetd/internal/store"
)

// Ask is a wish for a reset. No field names a destination: mail goes only to the address that the directory holds.
type Ask struct {
	Realm, Login string
	Page         string // the URL where the user asked; "" = not said
	IP           string // of the user
	UserAgent    string
	Locale       string
	Reason       string // from the back end: why somebody asks for the user
}

// The longest texts that are kept of an ask, in bytes.
const (
	MaxLogin  = 1024
	maxPage   = 2048
	maxAgent  = 512
	maxLocale = 35 // BCP 47 asks for no more
	MaxReason = 500
)

// Request records an ask and answers when it is safely written. It asks no directory, so that every kind of account gets the same answer
// in the same time; a worker decides what becomes of it. The seed makes the ids: asking again with the same one is the same ask.
func (d *Desk) Request(ctx context.Context, a Actor, seed ledger.Seed, ask Ask) (ledger.ResetID, error) {
	if _, err := d.realmFor(a, ask.Realm); err != nil {
		return "", d.denyFirst(a, DoRequest, err)
	}
	if err := checkLogin(ask.Login); err != nil {
		return "", d.denyFirst(a, DoRequest, err)
	}
	if err := ask.check(); err != nil {
		return "", d.denyFirst(a, DoRequest, err)
	}
	l := store.LedgerOf(ask.Realm, ask.Login)
	if err := d.Authorise(ctx, a, DoRequest, string(l), ask.Reason, false); err != nil {
		return "", err
	}
	id := ledger.NewResetID(l.Partition(), seed)
	f := ledger.Fact{
		ID: ledger.EventIDFrom(seed.Derive("requested")), At: d.now(), Event: ledger.Requested,
		Reset: id, Message: ledger.NewMessageID(l.Partition(), seed.Derive("message")),
		By: a.Name, Role: string(a.Role), Reason: ask.Reason,
		Ask: &ledger.Ask{Realm: ask.Realm, Login: ask.Login, Page: ask.Page, IP: ask.IP, UserAgent: ask.UserAgent, Locale: ask.Locale},
	}
	taken, err := d.Store.AcceptWithin(ctx, f, d.flood(f, seed))
	if err != nil {
		return "", err
	}
	if taken.Ring.ID != "" {
		d.ring(ctx, taken.Ring)
	}
	return taken.Reset, nil
}

// flood bounds the asks for one login at far more than the throttle of an account lets through, but without asking whose login it is: a
// worker would read the login's whole ledger for each. Where that throttle is off, so is this.
func (d *Desk) flood(f ledger.Fact, seed ledger.Seed) store.Flood {
	if d.AccountLimit.N == 0 {
		return store.Flood{}
	}
	b := store.Flood{Soft: max(60, 10*d.AccountLimit.N), Per: time.Hour}
	b.Hard = 5 * b.Soft
	b.Refused = ledger.Fact{ID: ledger.EventIDFrom(seed.Derive("flood")), At: f.At, Event: ledger.Refused, Reset: f.Reset, Message: f.Message,
		Refusal: &ledger.Refusal{Why: ledger.WhyThrottled, Scope: "account", Count: b.Soft, Limit: fmt.Sprintf("%d/1h", b.Soft), Until: f.At.Add(b.Per)}}
	return b
}

// denyFirst lets a role that may not do something at all learn that, and nothing else.
func (d *Desk) denyFirst(a Actor, what Action, err error) error {
	if !a.May(what) {
		return ErrForbidden
	}
	return err
}

// checkLogin refuses what no login can be. What it says names no input.
func checkLogin(login string) error {
	bad := func(detail string) error { return &Bad{Code: "bad_login", Detail: detail} }
	switch {
	case strings.TrimFunc(login, func(r rune) bool { return unicode.IsSpace(r) || invisible(r) }) == "":
		return bad("The login is empty. Send what the user typed into the login field.")
	case len(login) > MaxLogin:
		return bad("The login is longer than 1,024 bytes. Send what the user typed into the login field, nothing else.")
	case !utf8.ValidString(login):
		return bad("The login is not UTF-8.")
	case strings.ContainsFunc(login, unicode.IsControl):
		return bad("The login has control characters (a line break or a NUL, perhaps). Trim it before you send it.")
	}
	return nil
}

// invisible are characters that show nothing: zero width ones, marks of direction.
func invisible(r rune) bool { return unicode.Is(unicode.Cf, r) }

func (ask *Ask) check() error {
	bad := func(detail string) error { return &Bad{Code: "bad_request", Detail: detail} }
	if ask.Page != "" {
		u, err := url.Parse(ask.Page)
		if len(ask.Page) > maxPage || err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || control(ask.Page) {
			return bad("`page` is not an absolute http or https URL of at most 2,048 bytes. Send the address of the page where the user asked, or leave it out.")
		}
		// Whose page it was stands in scheme, host and path; a query may hold an address or a secret.
		u.User, u.RawQuery, u.Fragment = nil, "", ""
		ask.Page = u.String()
	}
	if ask.IP != "" {
		ip, err := netip.ParseAddr(ask.IP)
		if err != nil {
			return bad("`ip` is not an IP address. Send the user's own address, without a port, or leave it out.")
		}
		ask.IP = ip.Unmap().WithZone("").String()
	}
	if len(ask.Locale) > maxLocale || control(ask.Locale) {
		return bad("`locale` is not a language tag such as de or pt-BR.")
	}
	if len(ask.UserAgent) > maxAgent {
		ask.UserAgent = strings.ToValidUTF8(ask.UserAgent[:maxAgent], "")
	}
	if control(ask.UserAgent) {
		return bad("`user_agent` has control characters.")
	}
	return checkReason(ask.Reason, false)
}

func checkReason(reason string, needed bool) error {
	switch {
	case needed && strings.TrimSpace(reason) == "":
		return &Bad{Code: "bad_request", Detail: "`reason` is empty. Say in a few words why; it stands in the audit trail."}
	case len(reason) > MaxReason || control(reason):
		return &Bad{Code: "bad_request", Detail: "`reason` is longer than 500 bytes or has control characters. A few words are enough."}
	}
	return nil
}

func control(s string) bool {
	return !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl)
}

// Reported is something that app or support saw outside.
type Reported struct {
	Realm, Login string
	Kind         string
	At           time.Time // zero = now
	Detail       string
}

// ReportKinds are the words that a report may use.
var ReportKinds = []string{"password_set", "signed_in", "sign_in_failed", "redirected_to_sso", "locked", "address_changed", "page_failed", "request_failed", "found_in_junk", "quarantined", "not_found_anywhere"}

// Report records something seen outside. An application that says password_set has changed the password itself: the account's tokens are replaced.
func (d *Desk) Report(ctx context.Context, a Actor, seed ledger.Seed, r Reported) error {
	in, err := d.realmFor(a, r.Realm)
	if err != nil {
		return d.denyFirst(a, DoReport, err)
	}
	if err := checkLogin(r.Login); err != nil {
		return d.denyFirst(a, DoReport, err)
	}
	now := d.now()
	switch {
	case !slices.Contains(ReportKinds, r.Kind):
		return d.denyFirst(a, DoReport, &Bad{Code: "bad_request", Detail: "`kind` is none of " + strings.Join(ReportKinds, ", ") + "."})
	case len(r.Detail) > MaxReason || control(r.Detail):
		return d.denyFirst(a, DoReport, &Bad{Code: "bad_request", Detail: "`detail` is longer than 500 bytes or has control characters."})
	case !statable(r.Detail):
		return d.denyFirst(a, DoReport, &Bad{Code: "bad_request", Detail: "`detail` begins with `cause:` and names none that a report may: " + strings.Join(diag.Statable(), ", ") + "."})
	case r.At.After(now.Add(5 * time.Minute)):
		return d.denyFirst(a, DoReport, &Bad{Code: "bad_request", Detail: "`at` lies in the future."})
	}
	l := store.LedgerOf(r.Realm, r.Login)
	if err := d.Authorise(ctx, a, DoReport, string(l), "", false); err != nil {
		return err
	}
	f := ledger.Fact{ID: ledger.EventIDFrom(seed.Derive("reported")), At: now, Event: ledger.Reported, By: a.Name, Role: string(a.Role),
		Report: &ledger.Report{Kind: r.Kind, At: r.At.UTC(), Detail: r.Detail}}
	if r.At.IsZero() {
		f.Report.At = time.Time{}
	}
	if r.Kind == "password_set" && a.Role == App {
		if err := d.replaceTokens(ctx, l, in, r.Login); err != nil {
			return err
		}
	}
	return d.Store.Append(ctx, l, f)
}

// statable says whether a detail names no cause, or one that a report may name.
func statable(detail string) bool {
	_, _, ok := diag.Stated(detail)
	return ok
}

// replaceTokens kills the live tokens of every account that a login names: those that the realm's directory finds, as a link may have
// gone out by another login of the account, and those that the login's own resets were issued for, as the directory may be silent or
// have changed.
func (d *Desk) replaceTokens(ctx context.Context, l store.LedgerID, r *realm.Realm, login string) error {
	t, err := d.timeline(ctx, l)
	if err != nil {
		return err
	}
	accounts := map[string]bool{}
	for _, reset := range t.Resets {
		for _, g := range reset.Gens {
			accounts[g.Account] = true
		}
	}
	v := view{realm: *r}
	d.askDirectory(ctx, &v, login)
	for _, a := range v.found.Accounts {
		accounts[a.ID] = true
	}
	for id := range accounts {
		if err := d.Store.ReplaceAll(ctx, store.AccountOf(r.Name, id)); err != nil {
			return err
		}
	}
	return nil
}
