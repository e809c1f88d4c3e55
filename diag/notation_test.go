package diag

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/resetd/resetd/diag/dnscheck"
	"github.com/resetd/resetd/internal/ledger"
	"github.com/resetd/resetd/internal/realm"
)

// The notation of testdata/cases. A case is a text of sections: the story (before the first section), facts, world, expect.
// A fact is one line: TIME [RESET[.MESSAGE]] EVENT words… key=value…; words with spaces stand in quotes. TIME is 08:00, 08:00:02, or
// 11-20 08:00 for another day of 2026; the rest of this file says which words each event takes. What the world does not say is: it is
// 08:30, Jo has an active account in the password realm shop, a worker lives, bounces can reach us.

// words splits a line; a quoted part is one word, also behind key=.
func words(line string) []string {
	var out []string
	var b strings.Builder
	quoted, have := false, false
	for _, r := range line {
		switch {
		case r == '\'':
			quoted, have = !quoted, true
		case r == ' ' && !quoted:
			if have {
				out = append(out, b.String())
			}
			b.Reset()
			have = false
		default:
			b.WriteRune(r)
			have = true
		}
	}
	if have {
		out = append(out, b.String())
	}
	return out
}

// args are a line's plain words in order, and its pairs.
type args struct {
	plain []string
	pair  map[string]string
}

func readArgs(ws []string) args {
	a := args{pair: map[string]string{}}
	for _, w := range ws {
		k, val, ok := strings.Cut(w, "=")
		if ok && k != "" && !strings.ContainsAny(k, " :/?@.") {
			a.pair[k] = val
		} else {
			a.plain = append(a.plain, w)
		}
	}
	return a
}

// take removes the next plain word; "" when none is left.
func (a *args) take() string {
	if len(a.plain) == 0 {
		return ""
	}
	w := a.plain[0]
	a.plain = a.plain[1:]
	return w
}

// flag removes a plain word and tells whether it stood there.
func (a *args) flag(w string) bool {
	for i, p := range a.plain {
		if p == w {
			a.plain = append(a.plain[:i:i], a.plain[i+1:]...)
			return true
		}
	}
	return false
}

var day0 = time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)

func moment(s string) (time.Time, error) {
	date, clock, ok := strings.Cut(s, " ")
	if !ok {
		date, clock = "11-24", s
	}
	if strings.Count(clock, ":") == 1 {
		clock += ":00"
	}
	return time.Parse("2006-01-02 15:04:05", "2026-"+date+" "+clock)
}

func mustMoment(s string) time.Time {
	if s == "" {
		return time.Time{}
	}
	t, err := moment(s)
	if err != nil {
		panic(err)
	}
	return t
}

func number(s string) int {
	n, _ := strconv.Atoi(s)
	return n
}

func duration(s string) time.Duration {
	d, _ := time.ParseDuration(s)
	return d
}

// readFact reads one line; n numbers it: its id is e<n>.
func readFact(line string, n int, in *Input) (ledger.Fact, error) {
	ws := words(line)
	if len(ws) > 1 && len(ws[0]) == 5 && ws[0][2] == '-' {
		ws = append([]string{ws[0] + " " + ws[1]}, ws[2:]...)
	}
	if len(ws) < 2 {
		return ledger.Fact{}, fmt.Errorf("no fact: %q", line)
	}
	at, err := moment(ws[0])
	if err != nil {
		return ledger.Fact{}, err
	}
	ws = ws[1:]
	reset, message := "r1", ""
	if len(ws[0]) > 1 && ws[0][0] == 'r' && ws[0][1] >= '0' && ws[0][1] <= '9' {
		reset, message, _ = strings.Cut(ws[0], ".")
		ws = ws[1:]
	}
	if message == "" {
		message = "m" + reset[1:]
	}
	a := readArgs(ws[1:])
	f := ledger.Fact{ID: ledger.EventID(fmt.Sprintf("e%d", n)), At: at, Event: ledger.Event(ws[0]), Reset: ledger.ResetID(reset), Message: ledger.MessageID(message),
		By: a.pair["by"], Role: a.pair["role"], Reason: a.pair["reason"]}
	switch f.Event {
	case ledger.Requested:
		f.Ask = &ledger.Ask{Realm: in.Realm.Name, Login: in.Login, Page: a.pair["page"], Locale: a.pair["locale"]}
		if of, ok := a.pair["of"]; ok {
			in.AskPages[f.Reset] = strings.TrimPrefix(of, "none")
		}
	case ledger.Refused:
		f.Refusal = &ledger.Refusal{Why: ledger.Why(a.take()), Detail: a.take(), Scope: a.pair["scope"], Count: number(a.pair["n"]), Limit: a.pair["limit"],
			Until: mustMoment(a.pair["until"]), First: ledger.ResetID(a.pair["first"]), Provider: a.pair["provider"], MergedTo: a.pair["merged"],
			Evidence: ledger.EventID(a.pair["evidence"])}
	case ledger.Issued:
		ttl := time.Hour
		if s := a.pair["ttl"]; s != "" {
			ttl = duration(s)
		}
		f.Issue = &ledger.Issue{Generation: max(1, number(a.pair["gen"])), KeyID: "k1", TTL: ledger.Seconds(ttl.Seconds()), Until: at.Add(ledger.MaxLife),
			Account: "u1", Address: a.pair["to"], Locale: a.pair["locale"], Route: a.pair["route"]}
		if s := a.pair["since"]; s != "" {
			f.Issue.Since, _ = time.Parse(time.DateOnly, s)
		}
	case ledger.Postponed, ledger.Paused, ledger.Resumed:
		f.Delay = &ledger.Delay{Why: a.take(), Detail: a.take(), Next: mustMoment(a.pair["next"]), Route: a.pair["route"], Count: number(a.pair["n"]), Limit: a.pair["limit"]}
	case ledger.Composed:
		f.Composition = &ledger.Composition{MessageID: a.pair["id"], From: a.pair["from"], LinkHost: a.pair["links"]}
		if s := a.pair["selectors"]; s != "" {
			f.Composition.Selectors = strings.Split(s, ",")
		}
		f.Composition.DNS, f.Composition.Read = a.pair["dns"], mustMoment(a.pair["read"])
	case ledger.Failed:
		f.Failure = &ledger.Failure{Why: a.take(), Detail: a.take()}
	case ledger.Dialed:
		f.Attempt = &ledger.Attempt{Try: max(1, number(a.pair["try"])), Route: a.pair["route"]}
	case ledger.Attempted:
		f.Attempt = readAttempt(&a)
	case ledger.Bounced, ledger.Confirmed, ledger.Complained, ledger.AutoReplied:
		f.Return = &ledger.Return{Source: "smtp", Matched: !a.flag("unmatched"), Recipient: a.pair["rcpt"], RemoteHost: a.pair["host"], Cause: a.pair["cause"],
			ReportedBy: a.pair["by"]}
		f.By = ""
		f.Return.Source = or(a.pair["source"], f.Return.Source)
		f.Return.Action, f.Return.Status, f.Return.Diagnostic = a.take(), a.pair["status"], a.take()
		if s := a.pair["unread"]; s != "" {
			f.Return.Unread = []string{s}
		}
	case ledger.Opened, ledger.Proceeded, ledger.Declined:
		f.Message = ""
		f.Visit = &ledger.Visit{Method: "GET", UserAgent: "Mozilla/5.0 (Windows NT 10.0)", Dead: a.pair["dead"], Gen: number(a.pair["gen"]), Via: a.pair["via"]}
		if m := a.pair["method"]; m != "" {
			f.Visit.Method = m
		}
		if ua, ok := a.pair["ua"]; ok {
			f.Visit.UserAgent = ua
		}
	case ledger.Redeemed:
		f.Message = ""
		f.Redemption = &ledger.Redemption{Gen: 1, Account: "u1"}
	case ledger.Reported:
		f.Reset, f.Message = "", ""
		revived := a.flag("revived")
		f.Report = &ledger.Report{Kind: a.take(), Detail: a.take(), At: mustMoment(a.pair["at"]), Revived: revived}
		if f.Report.Kind == "done" || f.Report.Kind == "failed" {
			f.Reset = ledger.ResetID(reset)
		}
	case ledger.Suppressed, ledger.Released:
		f.Reset, f.Message = "", ""
		f.Hold = &ledger.Hold{Until: mustMoment(a.pair["until"]), Cause: a.pair["cause"]}
	case ledger.Resent:
		f.Resend = &ledger.Resend{Route: a.pair["route"], Gen: number(a.pair["gen"])}
	}
	return f, nil
}

// readAttempt: OUTCOME [STAGE] [HOST] [CODE] [ENHANCED] ['text'] [smart] [try=] [route=] [queue=] [next=] [ip=] [local=] [helo=] [tls=]. The text is the last word.
func readAttempt(a *args) *ledger.Attempt {
	t := &ledger.Attempt{Smart: a.flag("smart"), Try: max(1, number(a.pair["try"])), Route: a.pair["route"], QueueID: a.pair["queue"],
		Local: a.pair["local"], HELO: a.pair["helo"], TLS: a.pair["tls"], Owner: ledger.Asked(a.pair["owner"]), IP: a.pair["ip"], Next: mustMoment(a.pair["next"])}
	if a.pair["policy"] != "" || a.pair["cert"] != "" {
		t.Security = &ledger.Security{Policy: ledger.Policy(a.pair["policy"]), Failed: ledger.Fault(a.pair["failed"]), Certificate: ledger.Fault(a.pair["cert"]), Problem: a.pair["problem"]}
	}
	t.Outcome = ledger.Outcome(a.take())
	for len(a.plain) > 0 {
		w := a.take()
		_, code := strconv.Atoi(w)
		switch {
		case strings.Contains(" dns dial banner ehlo starttls auth mail rcpt data dot ", " "+w+" ") && t.Stage == "":
			t.Stage = w
		case code == nil && len(w) == 3 && t.Code == 0:
			t.Code = number(w)
		case len(w) >= 5 && w[1] == '.' && strings.Count(w, ".") == 2 && !strings.Contains(w, " ") && t.Enhanced == "":
			t.Enhanced = w
		case strings.Contains(w, ".") && !strings.Contains(w, " ") && t.Host == "":
			t.Host = w
		default:
			t.Text = w
		}
	}
	return t
}

func usualInput() Input {
	return Input{
		Now: mustMoment("08:30"), Login: "jo@mail.example",
		Realm:    &realm.Realm{Name: "shop", Login: realm.LoginPassword, Pages: []string{"https://shop.example/"}, From: "Shop <no-reply@shop.example>", Routes: []string{"direct"}},
		AskPages: map[ledger.ResetID]string{},
		Directory: Directory{Asked: true, Accounts: []realm.Account{
			{ID: "u1", Realm: "shop", Login: "jo@mail.example", Address: "jo@mail.example", State: realm.Active}}},
		Queue: Queue{Workers: 1, WorkerSeen: mustMoment("08:30"), Wakes: time.Second}, Bounces: true,
		Retention: 30 * 24 * time.Hour, Since: mustMoment("01-01 00:00"),
	}
}

// readWorld reads one line about what is now.
func readWorld(line string, in *Input) error {
	ws := words(line)
	a := readArgs(ws[1:])
	list := func(k string) []string {
		if a.pair[k] == "" {
			return nil
		}
		return strings.Split(a.pair[k], ",")
	}
	switch ws[0] {
	case "now":
		in.Now = mustMoment(strings.Join(a.plain, " "))
		in.Queue.WorkerSeen = in.Now
	case "login":
		in.Login = a.take()
	case "realm":
		in.Realm.Name = a.take()
		if s := a.pair["login"]; s != "" {
			in.Realm.Login = realm.Login(s)
		}
		if p := list("pages"); p != nil {
			in.Realm.Pages = p
		}
		in.Realm.Provider.Name, in.Realm.RequiredRole, in.Realm.ResetsOff = a.pair["provider"], a.pair["role"], a.pair["resets"] == "off"
		if a.flag("vouched") {
			in.Realm.Directory = realm.None{}
		}
	case "nowhere":
		in.Realm, in.Directory = nil, Directory{}
	case "about":
		in.Reset = ledger.ResetID(a.take())
	case "page":
		in.Page = &Page{URL: a.take(), Realm: strings.TrimPrefix(a.pair["of"], "none")}
	case "directory":
		in.Directory = Directory{Asked: true}
		switch what := a.take(); what {
		case "silent":
			in.Directory.Unavailable = &realm.Unavailable{Kind: "silent", Detail: or(a.take(), "no answer within 5 s")}
		case "unasked":
			in.Directory.Asked = false
		case "empty":
		default:
			return fmt.Errorf("directory %q", what)
		}
	case "account", "near":
		acct := realm.Account{ID: or(a.pair["id"], "u1"), Login: or(a.pair["login"], in.Login), Address: or(a.pair["address"], in.Login), State: realm.State(or(a.pair["state"], "active")),
			LoginMethod: realm.Login(a.pair["method"]), Provider: a.pair["provider"], Username: a.pair["username"], Roles: list("roles"), OtherAddresses: list("other"),
			Locale: a.pair["locale"], MergedInto: a.pair["merged"]}
		if a.flag("unaddressed") {
			acct.Address = ""
		}
		if ws[0] == "near" {
			in.Directory.Near = append(in.Directory.Near, acct)
			break
		}
		if len(in.Directory.Accounts) == 1 && in.Directory.Accounts[0].Realm != "" {
			in.Directory.Accounts = nil // the usual one gives way
		}
		in.Directory.Accounts = append(in.Directory.Accounts, acct)
	case "other":
		o := Other{Realm: realm.Realm{Name: a.take(), Login: realm.Login(or(a.pair["login"], "password")), Pages: list("pages")}, LastAsk: mustMoment(a.pair["ask"])}
		if !o.LastAsk.IsZero() {
			o.Ask = "o0"
		}
		if at := a.pair["password_set"]; at != "" {
			o.Reports = []ledger.Fact{{ID: "o1", At: mustMoment(at), Event: ledger.Reported, Report: &ledger.Report{Kind: "password_set"}, By: "moderator"}}
		}
		if a.flag("account") {
			o.Account = &realm.Account{ID: "o1", Login: in.Login, Address: in.Login, State: realm.Active}
		}
		in.Others = append(in.Others, o)
	case "suppression":
		in.Suppression = &Suppression{Since: mustMoment(a.pair["since"]), Until: mustMoment(a.pair["until"]), Cause: a.pair["cause"], Proof: a.pair["proof"]}
		for _, e := range list("evidence") {
			in.Suppression.Evidence = append(in.Suppression.Evidence, ledger.EventID(e))
		}
	case "queue":
		in.Queue = Queue{Workers: number(a.pair["workers"]), WorkerSeen: mustMoment(a.pair["seen"]), Due: number(a.pair["due"]), Waiting: number(a.pair["waiting"]),
			InFlight: number(a.pair["in_flight"]), OldestDue: duration(a.pair["oldest"]), Wakes: time.Second}
	case "paused":
		h := Hold{By: a.pair["by"], Reason: a.pair["reason"], Since: mustMoment(a.pair["since"])}
		if route := a.pair["route"]; route != "" {
			in.Queue.RoutePaused = map[string]Hold{route: h}
		} else {
			in.Queue.Paused = &h
		}
	case "smart":
		in.Smart = map[string]bool{a.take(): true}
	case "blind":
		in.Blind = append(in.Blind, Blind{Sensor: a.take(), From: mustMoment(a.pair["from"]), To: mustMoment(a.pair["to"])})
	case "outage":
		in.Outages = append(in.Outages, Outage{Provider: a.take(), Since: mustMoment(a.pair["since"]), Until: mustMoment(a.pair["until"]), Resets: number(a.pair["resets"])})
	case "opens": // PROVIDER accepted= opened= others= others_opened=
		in.Opens = map[string]Opens{a.take(): {number(a.pair["accepted"]), number(a.pair["opened"]), number(a.pair["others"]), number(a.pair["others_opened"])}}
	case "events":
		in.Events = map[string]Events{a.take(): {Provider: a.pair["provider"], Last: mustMoment(a.pair["last"])}}
	case "checked": // DOMAIN at= severity= causes=
		at := mustMoment(a.pair["at"])
		in.Checks = append(in.Checks, ledger.Fact{ID: ledger.EventID("c" + strconv.Itoa(len(in.Checks)+1)), At: at, Event: ledger.Checked,
			Check: &ledger.Check{Hash: "h", Domain: a.take(), Severity: or(a.pair["severity"], "error"), Causes: list("causes")}})
	case "alarm": // DOMAIN at= causes=: a mail that we signed did not verify
		in.Checks = append(in.Checks, ledger.Fact{ID: ledger.EventID("c" + strconv.Itoa(len(in.Checks)+1)), At: mustMoment(a.pair["at"]), Event: ledger.Checked,
			Check: &ledger.Check{Domain: a.take(), Severity: "error", Errors: []string{"A mail did not verify."}, Causes: list("causes")}})
	case "looped": // DOMAIN ROUTE at= failed= causes=: how a loop check came out
		c := &ledger.Check{Domain: a.take(), Severity: "ok", Causes: list("causes"), Loop: &ledger.Loop{Route: a.take(), Run: "rst_c", Failed: list("failed")}}
		if c.Loop.OK = len(c.Loop.Failed) == 0; !c.Loop.OK {
			c.Severity, c.Errors = "error", []string{"It says why."}
		}
		in.Checks = append(in.Checks, ledger.Fact{ID: ledger.EventID("c" + strconv.Itoa(len(in.Checks)+1)), At: mustMoment(a.pair["at"]), Event: ledger.Checked, Check: c})
	case "dns": // HASH KIND NAME STATE [text='…'] [about=]: a record as it was when mails with that hash were built
		if in.DNS == nil {
			in.DNS = map[string]dnscheck.Reading{}
		}
		hash := a.take()
		r := in.DNS[hash]
		r.Records = append(r.Records, dnscheck.Record{Kind: dnscheck.RecordKind(a.take()), Name: a.take(), State: a.take(), Text: a.pair["text"], About: a.pair["about"]})
		in.DNS[hash] = r
	case "changed": // KIND NAME WAS NOW at= of=DOMAIN [seen=] [was='text'] [now='text'] [about=]
		c := ledger.RecordChange{Kind: a.take(), Name: a.take(), Seen: mustMoment(a.pair["seen"])}
		c.Was, c.Now = ledger.RecordState{State: a.take(), Text: a.pair["was"]}, ledger.RecordState{State: a.take(), Text: a.pair["now"]}
		now := dnscheck.Record{Kind: dnscheck.RecordKind(c.Kind), State: c.Now.State}
		if c.Good = now.Good(); c.Good {
			c.Was.About = a.pair["about"]
		} else {
			c.Now.About = a.pair["about"]
		}
		in.Checks = append(in.Checks, ledger.Fact{ID: ledger.EventID("c" + strconv.Itoa(len(in.Checks)+1)), At: mustMoment(a.pair["at"]), Event: ledger.Checked,
			Check: &ledger.Check{Domain: a.pair["of"], Severity: "ok", Changes: []ledger.RecordChange{c}}})
	case "seen": // DOMAIN [unsigned] [returns] kind= from= to= by= mails= dkim= spf= both= junk= refused= failed= why= causes= severity=
		n := func(k string) int64 { return int64(number(a.pair[k])) }
		s := &ledger.Seen{Kind: or(a.pair["kind"], "dmarc"), From: mustMoment(a.pair["from"] + " 00:00"), To: mustMoment(a.pair["to"] + " 00:00"), By: list("by"),
			Mails: n("mails"), DKIM: n("dkim"), SPF: n("spf"), Both: n("both"), Junk: n("junk"), Refused: n("refused"), Failed: n("failed"), Why: a.pair["why"],
			Signed: !a.flag("unsigned"), Returns: a.flag("returns")}
		c := &ledger.Check{Domain: a.take(), Severity: or(a.pair["severity"], "error"), Causes: list("causes"), Seen: s}
		in.Checks = append(in.Checks, ledger.Fact{ID: ledger.EventID("c" + strconv.Itoa(len(in.Checks)+1)), At: s.To.Add(30 * time.Hour), Event: ledger.Checked, Check: c})
	case "bounces":
		in.Bounces = a.take() != "off"
	case "since":
		in.Since = mustMoment(strings.Join(a.plain, " "))
	default:
		return fmt.Errorf("the world knows no %q", ws[0])
	}
	return nil
}
