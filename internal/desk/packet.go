package desk

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/resetd/resetd/diag"
	"github.com/resetd/resetd/diag/dnscheck"
	"github.com/resetd/resetd/internal/ledger"
)

// Packet writes the evidence packet of a reset's newest mail, for the recipient's IT. A reset whose mail no host was offered has none.
func (d *Desk) Packet(ctx context.Context, a Actor, id ledger.ResetID) (string, error) {
	if err := d.Authorise(ctx, a, DoPacket, string(id), "", false); err != nil {
		return "", err
	}
	at, r, err := d.find(ctx, a, id)
	if err != nil {
		return "", err
	}
	t, err := d.timeline(ctx, at.Ledger)
	if err != nil {
		return "", err
	}
	in := diag.Input{Now: d.now(), Reset: r.ID, Realm: d.Realm(at.Realm), Timeline: t, Smart: map[string]bool{}, Replies: d.Rules.Book()}
	for _, route := range d.Routes {
		in.Smart[route.Name] = route.Smart
	}
	us := d.Us
	if m := diag.PacketMail(in); m != nil {
		if us, err = d.usFor(ctx, t, m, in.Smart); err != nil {
			return "", err
		}
	}
	text := diag.Packet(in, us)
	if text == "" {
		return "", &Bad{Code: "no_packet", Detail: "No host was offered a mail of this reset, so that its recipient's IT can find nothing. `POST /v1/why` says what held it."}
	}
	return text, nil
}

// usFor gathers what a receiver of a mail saw of us and could verify: addresses and name from its dialogues, records from what DNS said when it
// was sent, names of addresses from the check of our domain. What was not seen stays empty.
func (d *Desk) usFor(ctx context.Context, t ledger.Timeline, m *ledger.Message, smart map[string]bool) (diag.Us, error) {
	us := d.Us
	if d.ReturnPath != nil {
		us.Sender = d.ReturnPath(m.ID)
	}
	comp := compositionOf(t, m)
	domain := domainOf(comp.From)
	report, known, err := d.report(ctx, domain)
	if err != nil {
		return us, err
	}
	us.From = d.leftFrom(m, smart)
	for i := range us.From {
		us.From[i].PTR = ptrIn(report, us.From[i].Addr)
	}
	if domain == "" {
		return us, nil
	}
	then, err := d.dnsThen(ctx, comp.DNS)
	if err != nil {
		return us, err
	}
	if then == nil { // of that time nothing was kept: what the newest check saw is said with its time
		if !known {
			return us, nil
		}
		then, us.Verified = dnscheck.Replay(report.Lookups), report.At
	}
	d.judge(ctx, &us, then, domain, comp.Selectors)
	return us, nil
}

// judge concludes from records what a receiver did. DMARC speaks of alignment only: whether a signature survived the way, the receiver alone
// knows.
func (d *Desk) judge(ctx context.Context, us *diag.Us, then dnscheck.DNS, domain string, selectors []string) {
	if cost := dnscheck.CostSPF(ctx, then, us.Bounces); us.Bounces != "" && len(cost.Records) == 1 {
		us.SPF = cost.Records[0]
	} else if us.Bounces != "" && cost.Unknown == "" && len(cost.Records) == 0 {
		us.SPF = "no record at " + us.Bounces
	}
	for i, f := range us.From {
		if us.Bounces == "" || us.SPF == "" {
			break
		}
		spf := dnscheck.CheckSPF(ctx, then, dnscheck.SPFQuestion{IP: f.Addr, MailFrom: us.Bounces, HELO: us.HELO, Now: d.now()})
		if spf.Result == dnscheck.SPFTempError { // an include's addresses may not have been kept
			us.From[i].SPF = "not known; record: " + us.SPF
			continue
		}
		us.From[i].SPF = string(spf.Result) + " for " + us.Bounces
		if spf.Matched != "" {
			us.From[i].SPF += " (" + spf.Matched + ")"
		}
	}
	us.DKIM = map[string]string{}
	q, _ := QuestionFor(d.Outside.Domains, domain)
	var signers []string
	for _, name := range selectors {
		selector, signer, _ := strings.Cut(name, "._domainkey.")
		if !slices.Contains(signers, signer) {
			signers = append(signers, signer)
		}
		for _, s := range q.Selectors {
			if s.Name == selector && strings.EqualFold(signer, domain) {
				us.DKIM[name] = keyWord(dnscheck.CheckKey(ctx, then, signer, s))
			}
		}
	}
	us.DMARC = dmarcWord(dnscheck.CheckDMARC(ctx, then, dnscheck.DMARCQuestion{Author: domain, Envelope: us.Bounces, Signers: signers}))
}

func keyWord(k dnscheck.DKIMKey) string {
	switch k.Status {
	case dnscheck.KeyMatch:
		return "the key was published"
	case dnscheck.KeyUnknown:
		return ""
	}
	return "the published key does not verify it: " + k.Why
}

func dmarcWord(m dnscheck.DMARC) string {
	if m.TempError != "" {
		return ""
	}
	out := "no policy applies"
	if m.Found && m.Policy != "" {
		out = fmt.Sprintf("p=%s at %s", m.Policy, m.At)
	}
	yes := map[string]string{}
	for _, i := range m.Identifiers {
		switch {
		case i.Aligned:
			yes[i.Method] = "yes"
		case i.Unknown && yes[i.Method] == "":
			yes[i.Method] = "not known"
		case yes[i.Method] == "":
			yes[i.Method] = "no"
		}
	}
	for _, method := range []string{"spf", "dkim"} {
		if yes[method] == "" {
			yes[method] = "no"
		}
	}
	return out + "; aligned: SPF " + yes["spf"] + ", DKIM " + yes["dkim"]
}

// leftFrom are the addresses that the recipient's hosts saw: the local one of each dialogue where it is on the Internet. A private one was changed
// by a NAT on the way; then the configured ones are named as such.
func (d *Desk) leftFrom(m *ledger.Message, smart map[string]bool) []diag.From {
	var out []diag.From
	add := func(ip netip.Addr, configured bool) {
		if !slices.ContainsFunc(out, func(f diag.From) bool { return f.Addr == ip }) {
			out = append(out, diag.From{Addr: ip, Configured: configured})
		}
	}
	direct := false
	for _, f := range m.Attempts {
		if f.Attempt == nil || f.Attempt.Smart || smart[f.Attempt.Route] {
			continue
		}
		direct = true
		if ip, err := netip.ParseAddr(f.Attempt.Local); err == nil && dnscheck.IsPublic(ip) {
			add(ip, false)
		}
	}
	if len(out) == 0 && direct && len(d.Outside.Domains) > 0 {
		for _, ip := range d.Outside.Domains[0].IPs { // the same for each domain
			add(ip.Unmap(), true)
		}
	}
	return out
}

func ptrIn(r dnscheck.Report, ip netip.Addr) string {
	for _, p := range r.PTR {
		switch {
		case p.IP != ip || p.Unknown:
		case len(p.Confirmed) > 0:
			return p.Confirmed[0] + ", which leads back to it"
		case len(p.Names) > 0:
			return p.Names[0] + ", which does not lead back to it"
		default:
			return "none"
		}
	}
	return ""
}

func (d *Desk) report(ctx context.Context, domain string) (dnscheck.Report, bool, error) {
	reports, err := d.Store.Reports(ctx)
	r, ok := reports[domain]
	return r, ok, err
}

// dnsThen is what DNS said when a mail was composed; nil = it was not kept.
func (d *Desk) dnsThen(ctx context.Context, hash string) (dnscheck.DNS, error) {
	if hash == "" {
		return nil, nil
	}
	kept, err := d.Store.DNS(ctx, hash)
	if err != nil {
		return nil, err
	}
	if r, ok := kept[hash]; ok {
		return dnscheck.Replay(r.Lookups), nil
	}
	return nil, nil
}

func compositionOf(t ledger.Timeline, m *ledger.Message) ledger.Composition {
	for _, r := range t.Resets {
		for _, f := range r.Facts {
			if f.Event == ledger.Composed && f.Message == m.ID && f.Composition != nil {
				return *f.Composition
			}
		}
	}
	return ledger.Composition{}
}

// domainOf is the domain of a From field, in lower case.
func domainOf(from string) string {
	_, domain, _ := strings.Cut(from[strings.LastIndexByte(from, '<')+1:], "@")
	return strings.ToLower(strings.Trim(domain, "> ."))
}
