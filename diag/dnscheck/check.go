package dnscheck

import (
	"context"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// Question says whose domain is looked at, and how it is meant to send.
type Question struct {
	// Domain of the From field, or of a recipient.
	Domain string
	// Recipient: only what a sender needs to know about where mail goes is looked at: MX, MTA-STS, DANE.
	Recipient bool
	// EnvelopeDomain is the domain of the return path, which SPF checks and to which bounces go. "" = Domain.
	EnvelopeDomain string
	// Selectors and public keys that we sign with, d= Domain. nil = mail is not signed.
	Selectors []Selector
	// IPs that our mail leaves from. nil = it leaves through a relay; then what only an address shows stays unsaid.
	IPs []netip.Addr
	// HELO name of our hosts. "" = unknown.
	HELO string
	// ReturnAddrs are the addresses under which the Internet reaches our receiver of bounces. nil = unknown.
	ReturnAddrs []netip.Addr
	// DMARCReports and TLSReports are the addresses at which we take reports about our mail. "" = we take none.
	DMARCReports, TLSReports string
}

// Deps are what a check asks and how far it may go.
type Deps struct {
	DNS DNS
	// HTTP fetches MTA-STS policies, see PolicyClient. nil = policies are not fetched.
	HTTP *http.Client
	// Lists to ask about our addresses and domains, see Blocklists. nil = none.
	Lists []Blocklist
	// Receiver finds out whether our receiver of bounces stands behind a mail host of EnvelopeDomain. nil = nobody connects; then
	// ReturnAddrs alone can tell.
	Receiver func(ctx context.Context, h MXHost) Reached
	// Now is the time of the report. nil = time.Now.
	Now func() time.Time
	// Deadline of the whole check. 0 = 5 s.
	Deadline time.Duration
	// Lookups that a check may make. 0 = 500.
	Lookups int
}

// SPFView is what a receiver concludes about one of our addresses.
type SPFView struct {
	IP       netip.Addr `json:"ip"`
	Identity string     `json:"identity"` // mail_from or helo
	SPF
}

// Check looks at everything that the question touches, and says what it means. It always gives a report: where DNS fails, the
// report says so instead of judging.
func Check(ctx context.Context, q Question, d Deps) Report {
	now := d.Now
	if now == nil {
		now = time.Now
	}
	r := Report{At: now().UTC(), Domain: cleanDomain(q.Domain), EnvelopeDomain: cleanDomain(or(q.EnvelopeDomain, q.Domain))}
	if r.Domain == "" {
		r.add(Finding{ID: "domain.invalid", Severity: Error, Subject: clip(printable(q.Domain), 80), What: "This is no domain name."})
		r.finish(nil)
		return r
	}
	ctx, cancel := context.WithTimeout(ctx, or(d.Deadline, 5*time.Second))
	defer cancel()
	s := newSession(d.DNS, or(d.Lookups, 500))

	var parts sync.WaitGroup
	parts.Go(func() {
		r.MX = CheckMX(ctx, s, r.Domain)
		r.DANE = CheckDANE(ctx, s, r.MX, 0)
		var hosts []string
		for _, h := range r.MX.Hosts {
			hosts = append(hosts, h.Name)
		}
		r.MTASTS = CheckMTASTS(ctx, s, d.HTTP, r.Domain, hosts)
	})
	collect := func() {}
	if !q.Recipient {
		collect = r.checkSender(ctx, &parts, s, q, d)
	}
	parts.Wait()
	collect()

	r.judgeMX(q)
	r.judgeTLS(q)
	if !q.Recipient {
		r.judgeSPF(q)
		r.judgeDKIM(q)
		r.judgeDMARC(q)
		r.judgePTR(q)
		r.judgeLists()
		r.Requirements = r.requirements(q)
	}
	r.finish(s.lookups())
	return r
}

// checkSender starts the parts that concern sending; each writes places of its own, and collect, to be called when all are
// done, brings them into the report.
func (r *Report) checkSender(ctx context.Context, parts *sync.WaitGroup, s *session, q Question, d Deps) (collect func()) {
	parts.Go(func() { r.SPFRecord = CostSPF(ctx, s, r.EnvelopeDomain) })
	parts.Go(func() {
		// An address of documentation (RFC 5737), which no record lists: all terms are evaluated.
		r.SPFAtWorst = CheckSPF(ctx, s, SPFQuestion{IP: netip.AddrFrom4([4]byte{192, 0, 2, 254}), MailFrom: r.EnvelopeDomain, HELO: q.HELO, Now: r.At})
	})
	views := make([][]SPFView, len(q.IPs))
	r.PTR = make([]PTR, len(q.IPs))
	for i, ip := range q.IPs {
		parts.Go(func() {
			views[i] = append(views[i], SPFView{ip, "mail_from", CheckSPF(ctx, s, SPFQuestion{IP: ip, MailFrom: r.EnvelopeDomain, HELO: q.HELO, Now: r.At})})
			if q.HELO != "" { // bounces that we send have no envelope sender, so HELO is checked (RFC 7208 section 2.4)
				views[i] = append(views[i], SPFView{ip, "helo", CheckSPF(ctx, s, SPFQuestion{IP: ip, HELO: q.HELO, Now: r.At})})
			}
		})
		parts.Go(func() { r.PTR[i] = CheckPTR(ctx, s, ip, q.HELO) })
	}
	r.DKIM = make([]DKIMKey, len(q.Selectors))
	for i, sel := range q.Selectors {
		parts.Go(func() { r.DKIM[i] = CheckKey(ctx, s, r.Domain, sel) })
	}
	parts.Go(func() {
		var signers []string
		if slices.ContainsFunc(q.Selectors, func(s Selector) bool { return s.Use != KeyPending }) {
			signers = []string{r.Domain}
		}
		r.DMARC = CheckDMARC(ctx, s, DMARCQuestion{Author: r.Domain, Envelope: r.EnvelopeDomain, Signers: signers})
		r.ReportTo = CheckReportTo(ctx, s, r.DMARC)
	})
	parts.Go(func() { r.TLSRPT = CheckTLSRPT(ctx, s, r.Domain) })
	parts.Go(func() {
		m := CheckMX(ctx, s, r.EnvelopeDomain)
		if r.EnvelopeDomain != r.Domain {
			r.ReturnMX = &m
		}
		r.Reached = reach(ctx, m, q.ReturnAddrs, d.Receiver)
	})
	listings := r.checkLists(ctx, parts, s, q, d.Lists)
	return func() {
		for _, v := range views {
			r.SPF = append(r.SPF, v...)
		}
		for _, l := range listings {
			if l.Status != "" {
				r.Listings = append(r.Listings, l)
			}
		}
	}
}

// checkLists asks each list about each subject of its kind; the entries are filled when parts are done.
func (r *Report) checkLists(ctx context.Context, parts *sync.WaitGroup, s *session, q Question, lists []Blocklist) []Listing {
	subjects := []string{r.Domain}
	if r.EnvelopeDomain != r.Domain {
		subjects = append(subjects, r.EnvelopeDomain)
	}
	for _, ip := range q.IPs {
		if IsPublic(ip) {
			subjects = append(subjects, ip.Unmap().String())
		}
	}
	listings := make([]Listing, len(lists)*len(subjects))
	for i, list := range lists {
		for j, subject := range subjects {
			parts.Go(func() {
				if l, ok := CheckListing(ctx, s, list, subject); ok {
					listings[i*len(subjects)+j] = l
				}
			})
		}
	}
	return listings
}
