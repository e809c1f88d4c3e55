package diag

import (
	"strings"
	"time"

	"github.com/resetd/resetd/internal/ledger"
)

// atOnce is how soon after a host took the mail no person can have opened it.
const atOnce = 3 * time.Second

// scanTime is how long mail security looks at a mail before it lets it through.
const scanTime = 10 * time.Minute

// visited: somebody was at a link since the newest mail was born, or since the last use of one. The newest sign of a person decides; a
// program's visits count only where there is none.
func visited(v *view) []finding {
	if v.told == nil {
		return nil
	}
	from := 0
	if v.used >= 0 {
		from = v.used + 1
	}
	var person, scanner ledger.Fact
	for _, f := range v.facts[from:] {
		if f.At.Before(v.born) || f.Visit == nil || f.Visit.Via != "" || f.Event != ledger.Opened && f.Event != ledger.Proceeded && f.Event != ledger.Declined {
			continue
		}
		switch {
		case f.Visit.Dead != "":
			if f.Event == ledger.Declined || f.Visit.Method != "HEAD" {
				person = f
			}
		case f.Event == ledger.Declined:
		case f.Event == ledger.Proceeded || !v.scans(f):
			person = f
		default:
			scanner = f
		}
	}
	switch {
	case person.Visit == nil && scanner.Visit == nil:
		return nil
	case person.Visit == nil:
		return v.scanned(scanner)
	case person.Visit.Dead != "":
		return v.dead(person)
	case v.used >= 0:
		return nil // it was used; a later look at the page means nothing
	}
	return one(finding{cause: "link.opened_not_finished", conf: Likely, rank: link, facts: []ledger.Fact{person}, vars: vars{"t": v.at(person.At)}})
}

// scans tells a program's visit: by how it asks, or because it came before any person could have.
func (v *view) scans(f ledger.Fact) bool {
	if program(f.Visit) {
		return true
	}
	for _, g := range v.gensOf(f.Reset) {
		if d := f.At.Sub(g.Accepted); !g.Accepted.IsZero() && d >= 0 && d <= atOnce && (f.Visit.Gen == 0 || f.Visit.Gen == g.N) {
			return true
		}
	}
	return false
}

func (v *view) gensOf(id ledger.ResetID) []ledger.Generation {
	if v.told.ID == id {
		return v.told.Gens
	}
	if r := v.in.Timeline.Reset(id); r != nil {
		return r.Gens
	}
	return nil
}

// program tells a visitor that is no browser: it only wants the head, names nothing, or names itself.
func program(v *ledger.Visit) bool {
	ua := strings.ToLower(v.UserAgent)
	if v.Method == "HEAD" || strings.TrimSpace(ua) == "" {
		return true
	}
	return has(ua, "bot", "scan", "crawl", "spider", "preview", "safelinks", "safe links", "proofpoint", "urldefense", "mimecast", "barracuda", "ironport", "trendmicro",
		"sophos", "fortinet", "fireeye", "symantec", "zscaler", "messagelabs", "google-safety", "microsoft office existence", "facebookexternalhit", "whatsapp", "headless",
		"curl/", "wget/", "python-", "go-http-client", "java/", "okhttp", "libwww", "httpclient", "aiohttp", "axios", "node-fetch")
}

// scanned: only programs were at the link.
func (v *view) scanned(f ledger.Fact) []finding {
	out := finding{cause: "link.opened_by_scanner", conf: Likely, rank: link, facts: append(v.lastAcceptedTold(), f), rests: "links", vars: vars{"t": v.at(f.At)}}
	scanning := out
	scanning.cause, scanning.notBefore, scanning.rank = "accepted.being_scanned", f.At.Add(scanTime), note
	scanning.conf = Possible
	recent := v.now.Sub(f.At) < scanTime
	switch {
	case !recent:
		return one(out)
	case !v.wasAccepted() || len(v.reports(v.born, "not_found_anywhere")) > 0:
		// The host holds it while it looks: it has not taken it yet, or the person has looked everywhere.
		scanning.rank, scanning.conf = link, Likely
		return []finding{scanning, out}
	}
	return []finding{out, scanning}
}

func (v *view) lastAcceptedTold() []ledger.Fact {
	if v.mail == nil {
		return nil
	}
	return v.lastAccepted(v.mail)
}

// dead: a person came with a link that is no longer good.
func (v *view) dead(f ledger.Fact) []finding {
	out := finding{conf: Certain, rank: link, facts: []ledger.Fact{f}, vars: vars{"t": v.at(f.At)}}
	switch f.Visit.Dead {
	case "used":
		out.cause = "link.already_used"
		if r := v.in.Timeline.Reset(f.Reset); r != nil && r.Redeemed != nil {
			out.vars["used"], out.facts = v.at(r.Redeemed.At), []ledger.Fact{*r.Redeemed, f}
		}
	case "replaced":
		out.cause = "link.superseded"
		if v.mail != nil && v.used < 0 {
			out.vars["newest"] = v.at(v.mail.Born)
		}
	case "expired":
		out.cause = "link.expired"
		for _, g := range v.gensOf(f.Reset) {
			if f.Visit.Gen == 0 || f.Visit.Gen == g.N {
				out.vars["expired"] = v.at(g.Expires())
			}
		}
	case "malformed":
		out.cause = "link.truncated"
	case "other_realm":
		out.cause, out.conf, out.vars["site"], out.vars["how"] = "request.other_page", Likely, "the page of another realm", "They used the link on"
	case "unknown":
		out.cause, out.conf = "unknown.beyond_retention", Likely
	default:
		return nil
	}
	return one(out)
}

// pageFailed: the reset page was seen to fail.
func pageFailed(v *view) []finding {
	if v.told == nil {
		return nil
	}
	f := last(v.plain(v.reports(v.born, "page_failed")))
	if f.ID == "" || v.used >= 0 && f.At.Before(v.facts[v.used].At) {
		return nil
	}
	out := finding{cause: "link.page_failed", conf: byReport(f), rank: link, facts: []ledger.Fact{f},
		vars: vars{"t": v.at(reportedAt(f)), "text": quote(f.Report.Detail)}}
	if has(strings.ToLower(f.Report.Detail), "malformed", "truncated", "cut off", "cut short", "incomplete link") {
		out.cause = "link.truncated"
	}
	return one(out)
}

// deadOnArrival: a link that ended before the mail was accepted. Its life counts from acceptance, so this happens only at the 24 h cap
// or with a clock that runs wrong.
func deadOnArrival(v *view) []finding {
	g := v.gen
	if v.mail == nil || v.used >= 0 || g.N == 0 || g.Accepted.IsZero() || g.Expires().After(g.Accepted) {
		return nil
	}
	if s := v.mail.State; s != ledger.Sent && s != ledger.Unsure {
		return nil
	}
	return one(finding{cause: "link.dead_on_arrival", conf: Certain, rank: mail, facts: v.lastAccepted(v.mail)})
}
