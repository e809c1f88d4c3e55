package diag

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/resetd/resetd/internal/ledger"
)

// What receivers report about our mail in bulk: how its counts are written into the store and read from it, and what they add up to.

// Proof is why a report is believed to be its reporter's.
type Proof string

const (
	ProofSigned Proof = "+" // the mail that brought it was signed by the reporter's domain
	ProofPerson Proof = "=" // a person handed it in
	ProofNone   Proof = "-" // anybody may have sent it
)

// SeenMail is a number of mails that a receiver saw on a day and that fared alike.
type SeenMail struct {
	Day         time.Time
	Reporter    string
	Proof       Proof
	Class       string // own, forwarded, unknown
	Source      string // an address of ours, or a network; "" = many
	Selector    string
	DKIM, SPF   bool
	Disposition string // none, quarantine, reject; "" = not said
	N           int64
}

// Field names the count in its day's hash. Most are shorter than 64 bytes, so that the hash stays packed.
func (s SeenMail) Field() string {
	word := func(s string) string { return cmp.Or(s, "-")[:1] }
	result := func(ok bool) string {
		if ok {
			return "p"
		}
		return "f"
	}
	return string(s.Proof) + oneField(s.Reporter, 40) + "\t" + word(s.Class) + result(s.DKIM) + result(s.SPF) + word(s.Disposition) + "\t" + s.Source + "\t" + oneField(s.Selector, 63)
}

// Spill is the field that takes the count where the day is full: the result without reporter and source.
func (s SeenMail) Spill() string {
	s.Reporter, s.Source, s.Selector = "", "", ""
	return s.Field()
}

// oneField keeps a stranger's word in its place.
func oneField(s string, most int) string {
	s = strings.NewReplacer("\t", " ", "\n", " ").Replace(s)
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "")
	}
	return s
}

// ReadSeenMail reads a day's counts; fields of other versions are left out. The order is that of size.
func ReadSeenMail(day time.Time, fields map[string]int64) []SeenMail {
	var out []SeenMail
	for f, n := range fields {
		p := strings.Split(f, "\t")
		if len(p) != 4 || len(p[0]) == 0 || len(p[1]) != 4 {
			continue
		}
		s := SeenMail{Day: day, Proof: Proof(p[0][:1]), Reporter: p[0][1:], DKIM: p[1][1] == 'p', SPF: p[1][2] == 'p', Source: p[2], Selector: p[3], N: n}
		s.Class = map[byte]string{'o': "own", 'f': "forwarded", 'u': "unknown"}[p[1][0]]
		s.Disposition = map[byte]string{'n': "none", 'q': "quarantine", 'r': "reject"}[p[1][3]]
		out = append(out, s)
	}
	slices.SortFunc(out, func(a, b SeenMail) int { return cmp.Or(cmp.Compare(b.N, a.N), cmp.Compare(a.Field(), b.Field())) })
	return out
}

// SeenTLS is a number of attempts to send mail to a domain over TLS that ended alike.
type SeenTLS struct {
	Day      time.Time
	Reporter string
	Proof    Proof
	Policy   string // sts, tlsa, no-policy-found
	Host     string
	Result   string // RFC 8460 section 4.3; "" = it went well
	N        int64
}

// Field names the count in its day's hash.
func (s SeenTLS) Field() string {
	return string(s.Proof) + oneField(s.Reporter, 40) + "\t" + oneField(s.Policy, 16) + "\t" + oneField(s.Host, 80) + "\t" + oneField(s.Result, 40)
}

// Spill is the field that takes the count where the day is full.
func (s SeenTLS) Spill() string {
	s.Reporter, s.Policy, s.Host = "", "", ""
	if s.Result != "" {
		s.Result = "unspecified"
	}
	return s.Field()
}

// ReadSeenTLS reads a day's counts, largest first.
func ReadSeenTLS(day time.Time, fields map[string]int64) []SeenTLS {
	var out []SeenTLS
	for f, n := range fields {
		if p := strings.Split(f, "\t"); len(p) == 4 && len(p[0]) > 0 {
			out = append(out, SeenTLS{Day: day, Proof: Proof(p[0][:1]), Reporter: p[0][1:], Policy: p[1], Host: p[2], Result: p[3], N: n})
		}
	}
	slices.SortFunc(out, func(a, b SeenTLS) int { return cmp.Or(cmp.Compare(b.N, a.N), cmp.Compare(a.Field(), b.Field())) })
	return out
}

// A share of failures counts as trouble from seenShare on, and from seenLeast mails on: single mails break on their way everywhere.
const (
	seenShare = 0.05
	seenLeast = 2
	// SeenDays is how many days back the reports are looked at for what is wrong now.
	SeenDays = 14
)

// JudgeSeen says what receivers make of our own mail of a domain: since when which part of it fails, or that it passes. Reports that
// nobody signed count only where there are no others. aligned: SPF can pass for the domain, since our return paths lie below the same
// one. false = they say nothing about our mail.
func JudgeSeen(domain string, lines []SeenMail, aligned bool) (ledger.Check, bool) {
	lines = slices.DeleteFunc(slices.Clone(lines), func(l SeenMail) bool { return l.Class != "own" })
	lines, signed := Believed(lines)
	if len(lines) == 0 {
		return ledger.Check{}, false
	}
	dkim := func(l SeenMail) bool { return !l.DKIM }
	spf := func(l SeenMail) bool { return !l.SPF }
	out := ledger.Check{Domain: domain, Severity: "ok"}
	from, bad := failingSince(lines, func(l SeenMail) time.Time { return l.Day }, func(l SeenMail) int64 { return l.N }, dkim)
	if bad {
		out.Severity, out.Causes = "warning", []string{"sender.dkim_broken_in_transit"}
	}
	if aligned {
		if since, failing := failingSince(lines, func(l SeenMail) time.Time { return l.Day }, func(l SeenMail) int64 { return l.N }, spf); failing {
			if out.Severity, out.Causes = "warning", append(out.Causes, "sender.spf_fail"); !bad || since.Before(from) {
				from, bad = since, true
			}
		}
	}
	if !bad {
		from = time.Time{}
	}
	out.Seen = countSeen(lines, from)
	out.Seen.Signed = signed
	if s := out.Seen; bad && (s.Junk+s.Refused > 0 || float64(s.Both) >= seenShare*float64(s.Mails)) {
		out.Severity = "error"
	}
	return out, true
}

// countSeen adds up the lines since a day; reporters are ordered by the mails of theirs that failed, then by all.
func countSeen(lines []SeenMail, from time.Time) *ledger.Seen {
	s := &ledger.Seen{Kind: "dmarc"}
	failed, all, selectors := map[string]int64{}, map[string]int64{}, map[string]int64{}
	for _, l := range lines {
		if l.Day.Before(from) {
			continue
		}
		s.From, s.To = firstDay(s.From, l.Day), later(s.To, l.Day)
		s.Mails += l.N
		all[l.Reporter] += l.N
		if !l.DKIM {
			s.DKIM += l.N
			selectors[l.Selector] += l.N
		}
		if !l.SPF {
			s.SPF += l.N
		}
		if !l.DKIM || !l.SPF {
			failed[l.Reporter] += l.N
		}
		if !l.DKIM && !l.SPF {
			s.Both += l.N
		}
		switch l.Disposition {
		case "quarantine":
			s.Junk += l.N
		case "reject":
			s.Refused += l.N
		}
	}
	s.By = leading(failed)
	if len(s.By) == 0 {
		s.By = leading(all)
	}
	if top := leading(selectors); len(top) > 0 {
		s.Selector = top[0]
	}
	return s
}

// JudgeTLS says what senders report about TLS on their way to a domain; returns: it is the one of our return paths.
func JudgeTLS(domain string, lines []SeenTLS, returns bool) (ledger.Check, bool) {
	lines, signed := BelievedTLS(lines)
	if len(lines) == 0 {
		return ledger.Check{}, false
	}
	from, bad := failingSince(lines, func(l SeenTLS) time.Time { return l.Day }, func(l SeenTLS) int64 { return l.N }, func(l SeenTLS) bool { return l.Result != "" })
	out := ledger.Check{Domain: domain, Severity: "ok", Seen: &ledger.Seen{Kind: "tls", Signed: signed, Returns: returns}}
	if bad {
		out.Severity, out.Causes = "warning", []string{"tls.policy_failed"}
	} else {
		from = time.Time{}
	}
	s := out.Seen
	failed, all, why := map[string]int64{}, map[string]int64{}, map[string]int64{}
	for _, l := range lines {
		if l.Day.Before(from) {
			continue
		}
		s.From, s.To = firstDay(s.From, l.Day), later(s.To, l.Day)
		s.Mails += l.N
		all[l.Reporter] += l.N
		if l.Result != "" {
			s.Failed += l.N
			failed[l.Reporter] += l.N
			why[l.Result] += l.N
		}
	}
	if s.By = leading(failed); len(s.By) == 0 {
		s.By = leading(all)
	}
	if top := leading(why); len(top) > 0 {
		s.Why = top[0]
	}
	return out, true
}

// Believed gives the lines that count: those of reports that nobody signed only where there are no others; signed = there are.
func Believed(lines []SeenMail) (kept []SeenMail, signed bool) {
	return believed(lines, func(l SeenMail) Proof { return l.Proof })
}

// BelievedTLS is Believed for TLS reports.
func BelievedTLS(lines []SeenTLS) (kept []SeenTLS, signed bool) {
	return believed(lines, func(l SeenTLS) Proof { return l.Proof })
}

// SaysSpoofed tells of mail in our name that is none of ours. It blames nobody: a forgotten sender of ours looks the same.
func SaysSpoofed(domain string, mails int64, since time.Time) string {
	return many(mails, "mail") + " came in the name of " + domain + " since " + since.Format("2 January") +
		" from sources that neither sign with our keys nor stand in our SPF record: somebody else writes in our name, or a sender of ours was forgotten."
}

// believed drops the lines of reports that nobody signed where there are others.
func believed[L any](lines []L, proof func(L) Proof) (kept []L, signed bool) {
	kept = slices.DeleteFunc(slices.Clone(lines), func(l L) bool { return proof(l) == ProofNone })
	if len(kept) == 0 {
		return lines, false
	}
	return kept, true
}

// failingSince finds the first day from which on every day with mail has a share of failures; false = the last such day has not.
func failingSince[L any](lines []L, day func(L) time.Time, n func(L) int64, failed func(L) bool) (since time.Time, bad bool) {
	type sum struct{ all, failed int64 }
	days := map[time.Time]*sum{}
	for _, l := range lines {
		s := days[day(l)]
		if s == nil {
			s = &sum{}
			days[day(l)] = s
		}
		if s.all += n(l); failed(l) {
			s.failed += n(l)
		}
	}
	order := make([]time.Time, 0, len(days))
	for d := range days {
		order = append(order, d)
	}
	slices.SortFunc(order, func(a, b time.Time) int { return b.Compare(a) })
	var total int64
	for _, d := range order {
		s := days[d]
		if s.failed == 0 || float64(s.failed) < seenShare*float64(s.all) {
			break
		}
		since, total = d, total+s.failed
	}
	return since, total >= seenLeast
}

func firstDay(a, b time.Time) time.Time {
	if a.IsZero() || b.Before(a) {
		return b
	}
	return a
}

// leading names those with the highest counts, at most three.
func leading(counts map[string]int64) []string {
	var names []string
	for name := range counts {
		if name != "" {
			names = append(names, name)
		}
	}
	slices.SortFunc(names, func(a, b string) int { return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b)) })
	return names[:min(3, len(names))]
}

// saysSeen tells what others reported, and that they are the ones who say so.
func saysSeen(c *ledger.Check) string {
	s := c.Seen
	since := " since " + s.From.Format("2 January")
	var out string
	switch {
	case s.Kind == "tls" && c.Severity == "ok":
		out = fmt.Sprintf("Senders reached %s over TLS%s: %s", c.Domain, since, countedBy(s, "of "+many(s.Mails, "attempt")+", "+fmt.Sprint(s.Failed)+" failed"))
	case s.Kind == "tls":
		out = fmt.Sprintf("Senders could not reach %s over TLS in %s of their attempts%s: %s", c.Domain, shareOf(s.Failed, s.Mails), since,
			countedBy(s, fmt.Sprintf("%d of %d", s.Failed, s.Mails)+led(", mostly ", quote(s.Why))))
	case c.Severity == "ok":
		out = fmt.Sprintf("Receivers saw our mail of %s pass%s: %s", c.Domain, since, countedBy(s, "of "+many(s.Mails, "mail")+fmt.Sprintf(", %d failed DKIM and %d SPF", s.DKIM, s.SPF)))
	case slices.Contains(c.Causes, "sender.dkim_broken_in_transit"):
		out = fmt.Sprintf("Receivers saw DKIM fail for %s of our mail of %s%s: %s", shareOf(s.DKIM, s.Mails), c.Domain, since, countedBy(s, fmt.Sprintf("%d of %d", s.DKIM, s.Mails)))
	default:
		out = fmt.Sprintf("Receivers saw SPF fail for %s of our mail of %s%s: %s", shareOf(s.SPF, s.Mails), c.Domain, since, countedBy(s, fmt.Sprintf("%d of %d", s.SPF, s.Mails)))
	}
	out += "."
	if s.Junk+s.Refused > 0 {
		out += fmt.Sprintf(" They refused %d and put %d into quarantine.", s.Refused, s.Junk)
	}
	if !s.Signed {
		out += " Nobody signed these reports, so anybody may have sent them."
	}
	return out
}

func countedBy(s *ledger.Seen, what string) string {
	names := make([]string, len(s.By))
	for i, n := range s.By {
		names[i] = quote(n)
	}
	return what + led(" (reported by ", strings.Join(names, ", "), ")")
}

func many(n int64, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %ss", n, one)
}

// shareOf writes a share; a small one is not rounded to nothing.
func shareOf(part, whole int64) string {
	if whole == 0 {
		return "0 %"
	}
	p := (part*100 + whole/2) / whole
	if p == 0 && part > 0 {
		return "less than 1 %"
	}
	return fmt.Sprintf("%d %%", p)
}
