package dnscheck

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// SPFResult is a result of check_host() (RFC 7208 section 2.6).
type SPFResult string

const (
	// SPFNone: the domain publishes no SPF record, or is no domain.
	SPFNone SPFResult = "none"
	// SPFNeutral: the domain says nothing about this address.
	SPFNeutral SPFResult = "neutral"
	// SPFPass: the address may send for the domain.
	SPFPass SPFResult = "pass"
	// SPFFail: the address may not send for the domain; many hosts refuse with 5.7.23.
	SPFFail SPFResult = "fail"
	// SPFSoftFail: the address probably may not; it counts as no pass.
	SPFSoftFail SPFResult = "softfail"
	// SPFTempError: DNS failed; the receiver may ask again later.
	SPFTempError SPFResult = "temperror"
	// SPFPermError: the record cannot be evaluated; its owner must repair it.
	SPFPermError SPFResult = "permerror"
)

// The limits of RFC 7208 section 4.6.4.
const (
	spfMaxLookups = 10 // terms that ask DNS
	spfMaxVoid    = 2  // look-ups that found nothing
	spfMaxNames   = 10 // hosts of one mx, names of one ptr
	spfMaxTrace   = 200
)

// SPFQuestion is what a receiver knows when a mail comes in.
type SPFQuestion struct {
	IP       netip.Addr // the client
	MailFrom string     // the envelope sender, an address or a domain; "" for bounces: the HELO name is checked instead
	HELO     string
	Receiver string    // who asks, for %{r}; "" = unknown
	Now      time.Time // for %{t}; zero = now
}

// SPF is the result and how it came about.
type SPF struct {
	Result      SPFResult `json:"result"`
	Domain      string    `json:"domain"`                // that was checked
	Record      string    `json:"record,omitempty"`      // of Domain
	Why         string    `json:"why"`                   // one sentence
	Matched     string    `json:"matched,omitempty"`     // the term that decided
	Explanation string    `json:"explanation,omitempty"` // of exp=, on fail; "" = the receiver's own
	Lookups     int       `json:"lookups"`               // terms that asked DNS, of 10
	VoidLookups int       `json:"void_lookups"`          // of 2
	Trace       []SPFStep `json:"trace,omitempty"`
}

// SPFStep is one term as it was evaluated, in order.
type SPFStep struct {
	Depth   int    `json:"depth"` // 0 = the domain itself, 1 = an include of it …
	Domain  string `json:"domain"`
	Term    string `json:"term"`
	Result  string `json:"result"`           // "match", "no match", or a result that ended the evaluation
	Why     string `json:"why,omitempty"`    // what was compared
	Lookups int    `json:"lookups"`          // counted so far
	Void    bool   `json:"void,omitempty"`   // its look-up found nothing
	Asked   string `json:"asked,omitempty"`  // the name after macro expansion, where it was asked
	Answer  string `json:"answer,omitempty"` // how the look-up ended, where it was not found
}

// CheckSPF does what check_host() of RFC 7208 section 4 does, for the MAIL FROM identity, or HELO where that is empty.
func CheckSPF(ctx context.Context, resolver DNS, q SPFQuestion) SPF {
	e := &spfEval{dns: resolver, q: q, ip: q.IP.Unmap().WithZone(""), now: q.Now}
	if e.now.IsZero() {
		e.now = time.Now()
	}
	from := q.MailFrom
	if from == "" {
		from = q.HELO
	}
	at := strings.LastIndexByte(from, '@')
	e.local, e.sender = "postmaster", from[at+1:]
	if at > 0 {
		e.local = from[:at]
	}
	domain := strings.TrimSuffix(e.sender, ".")
	e.out.Domain = show(lower(domain), 255)
	if !q.IP.IsValid() {
		e.out.Result, e.out.Why = SPFNone, "no client address is known"
		return e.out
	}
	result, why := e.host(ctx, domain, 0)
	e.out.Result = result
	if e.out.Why = why; why == "" {
		e.out.Why = string(result)
	}
	if result == SPFFail && e.exp != nil {
		e.out.Explanation = e.explain(ctx)
	}
	return e.out
}

// spfEval is one evaluation; its counters hold across includes and redirects.
type spfEval struct {
	dns           DNS
	q             SPFQuestion
	ip            netip.Addr // unmapped
	local, sender string
	now           time.Time
	out           SPF
	exp           *spfTerm // of the domain that decided
	expDomain     string
}

// spfError ends the evaluation with temperror or permerror.
type spfError struct {
	result SPFResult
	why    string
}

func (e spfError) Error() string { return string(e.result) + ": " + e.why }

func permError(format string, args ...any) error {
	return spfError{SPFPermError, fmt.Sprintf(format, args...)}
}

// host evaluates one domain's record; depth > 0 inside an include.
func (e *spfEval) host(ctx context.Context, domain string, depth int) (SPFResult, string) {
	if why := notSPFDomain(domain); why != "" {
		return SPFNone, why
	}
	a := e.dns.Lookup(ctx, domain, dns.TypeTXT)
	if a.Outcome.Temporary() {
		return SPFTempError, fmt.Sprintf("the record of %s cannot be read: %s", show(domain, 80), a.Why)
	}
	records := spfTexts(a)
	switch len(records) {
	case 0:
		return SPFNone, show(domain, 80) + " publishes no SPF record"
	case 1:
	default:
		return SPFPermError, fmt.Sprintf("%s publishes %d SPF records; only one may exist", show(domain, 80), len(records))
	}
	if depth == 0 && e.out.Record == "" {
		e.out.Record = show(records[0], 4<<10)
	}
	rec, err := parseSPF(records[0])
	if err != nil {
		return SPFPermError, fmt.Sprintf("the record of %s is wrong: %v", show(domain, 80), err)
	}
	for _, t := range rec.mechanisms {
		match, err := e.mechanism(ctx, t, domain, depth)
		if err != nil {
			return e.ended(err)
		}
		if match {
			if depth == 0 {
				e.out.Matched, e.exp, e.expDomain = show(t.raw, 255), rec.exp, domain
			}
			return signResult(t.sign), fmt.Sprintf("%s matches %q of %s", e.ip, clip(t.raw, 80), show(domain, 80))
		}
	}
	if rec.redirect != nil {
		return e.redirected(ctx, *rec.redirect, domain, depth)
	}
	return SPFNeutral, fmt.Sprintf("nothing in the record of %s matches %s", show(domain, 80), e.ip)
}

func signResult(sign byte) SPFResult {
	switch sign {
	case '-':
		return SPFFail
	case '~':
		return SPFSoftFail
	case '?':
		return SPFNeutral
	}
	return SPFPass
}

func (e *spfEval) ended(err error) (SPFResult, string) {
	var end spfError
	if errors.As(err, &end) {
		return end.result, end.why
	}
	return SPFPermError, err.Error()
}

func (e *spfEval) redirected(ctx context.Context, t spfTerm, domain string, depth int) (SPFResult, string) {
	step := SPFStep{Depth: depth, Domain: domain, Term: t.raw}
	if err := e.count(&step); err != nil {
		e.trace(step, string(SPFPermError))
		return e.ended(err)
	}
	target, err := e.target(ctx, t.spec, domain)
	if err != nil {
		e.trace(step, string(SPFPermError))
		return e.ended(permError("%v", err))
	}
	step.Asked = show(target, 255)
	e.trace(step, "followed")
	result, why := e.host(ctx, target, depth)
	if result == SPFNone { // section 6.1
		return SPFPermError, "redirect= leads to a domain without an SPF record: " + why
	}
	return result, why
}

// notSPFDomain says why check_host() must not even look (section 4.3); "" if it may.
func notSPFDomain(domain string) string {
	if domain == "" {
		return "there is no domain to check"
	}
	if _, err := wireName(domain); err != nil {
		return "the domain is no name that DNS could hold"
	}
	i := strings.LastIndexByte(domain, '.')
	ascii := cleanDomain(domain)
	if i < 0 || !isTopLabel(ascii[strings.LastIndexByte(ascii, '.')+1:]) {
		return "the domain is not fully qualified"
	}
	return ""
}

func (e *spfEval) trace(s SPFStep, result string) {
	s.Result, s.Lookups = result, e.out.Lookups
	s.Term, s.Why = show(s.Term, 255), show(s.Why, 255)
	switch {
	case len(e.out.Trace) < spfMaxTrace:
		e.out.Trace = append(e.out.Trace, s)
	case len(e.out.Trace) == spfMaxTrace:
		e.out.Trace = append(e.out.Trace, SPFStep{Term: "…", Result: "more terms follow", Lookups: e.out.Lookups})
	}
}

// count books one term that asks DNS.
func (e *spfEval) count(s *SPFStep) error {
	if e.out.Lookups == spfMaxLookups {
		s.Why = "it would be look-up 11"
		return permError("it takes more than %d DNS look-ups", spfMaxLookups)
	}
	e.out.Lookups++
	return nil
}

// explain fetches and expands the text of exp=; any trouble means that there is none (section 6.2).
func (e *spfEval) explain(ctx context.Context) string {
	name, err := e.target(ctx, e.exp.spec, e.expDomain)
	if err != nil {
		return ""
	}
	a := e.dns.Lookup(ctx, name, dns.TypeTXT)
	texts := a.Texts()
	if len(texts) != 1 {
		return ""
	}
	for i := 0; i < len(texts[0]); i++ {
		if texts[0][i] >= 0x80 {
			return ""
		}
	}
	text, err := e.expand(ctx, texts[0], e.expDomain, true)
	if err != nil {
		return ""
	}
	return show(text, 1<<10)
}
