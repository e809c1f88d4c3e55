// Package arrival answers what became of a mail of ours on its way: it stands at our own receiver and looks at the mail as any receiver
// would, with the one advantage that it knows what was sent.
package arrival

import (
	"context"
	"slices"
	"strings"

	"github.com/resetd/resetd/diag/dnscheck"
	"github.com/resetd/resetd/internal/ledger"
	"github.com/resetd/resetd/mailer/bounce"
)

// Mail is a mail of ours that came back to us, and what is known of it.
type Mail struct {
	Raw       []byte      // as it came
	Came      bounce.Came // the dialogue in which it came
	Sent      []byte      // as it was handed over; nil = not kept, and then nothing is compared
	Link      string      // that it carries
	Selectors []string    // of our signatures, SELECTOR._domainkey.DOMAIN; nil = it was not signed
	// Private says that hosts with private addresses count like any other: the whole world is one, as in a test.
	Private bool
}

// Judge looks at a mail. It asks DNS, and where that fails says so instead of judging.
func Judge(ctx context.Context, m Mail, dns dnscheck.DNS) ledger.Arrival {
	_, domain, _ := strings.Cut(m.Came.From, "@")
	a := ledger.Arrival{IP: m.Came.IP.String(), HELO: m.Came.HELO, From: domain}
	if !m.Came.IP.IsValid() {
		a.IP = ""
	}
	a.Private = !m.Private && m.Came.IP.IsValid() && !dnscheck.IsPublic(m.Came.IP)
	h := readHeader(m.Raw)
	a.Hops, a.Claims = h.hops(), h.claims()
	m.compare(&a, h)
	if dns == nil {
		return a
	}
	a.SPF = judgeSPF(ctx, m.Came, dns)
	a.DKIM, a.Signed = judgeDKIM(ctx, m.Raw, m.Selectors, dns)
	sent, _ := judgeDKIM(ctx, m.Sent, m.Selectors, dns)
	a.SentOK = sent.Result == string(dnscheck.DKIMPass)
	a.DMARC = judgeDMARC(ctx, h.author(), a, dns)
	return a
}

func judgeSPF(ctx context.Context, c bounce.Came, dns dnscheck.DNS) ledger.Judged {
	if !c.IP.IsValid() {
		return ledger.Judged{}
	}
	r := dnscheck.CheckSPF(ctx, dns, dnscheck.SPFQuestion{IP: c.IP, MailFrom: c.From, HELO: c.HELO, Now: c.At})
	return ledger.Judged{Result: string(r.Result), Why: r.Why}
}

// judgeDKIM gives the best result of our own signatures, and the domains of all that are good: one good signature is enough for a receiver.
func judgeDKIM(ctx context.Context, raw []byte, ours []string, dns dnscheck.DNS) (ledger.Judged, []string) {
	if len(raw) == 0 {
		return ledger.Judged{}, nil
	}
	got, err := dnscheck.VerifyDKIM(ctx, raw, dns, dnscheck.Caps{Signatures: 10})
	if err != nil {
		return ledger.Judged{Result: string(dnscheck.DKIMTempError), Why: "the mail is too large to be verified"}, nil
	}
	var best ledger.Judged
	rank := func(r string) int {
		return slices.Index([]string{"", string(dnscheck.DKIMPermError), string(dnscheck.DKIMFail), string(dnscheck.DKIMTempError), string(dnscheck.DKIMPass)}, r)
	}
	for _, s := range got.Signatures {
		if !slices.ContainsFunc(ours, func(name string) bool { return strings.EqualFold(name, s.Selector+"._domainkey."+s.Domain) }) {
			continue
		}
		if r := string(s.Result); rank(r) > rank(best.Result) {
			best = ledger.Judged{Result: r, Why: s.Selector + "._domainkey." + s.Domain + ": " + s.Why}
		}
	}
	switch {
	case best.Result != "":
	case len(ours) == 0:
		best = ledger.Judged{Result: "none", Why: "the mail was not signed"}
	default:
		best = ledger.Judged{Result: "none", Why: "the signature is no longer in the mail"}
	}
	return best, got.Passed()
}

func judgeDMARC(ctx context.Context, author string, a ledger.Arrival, dns dnscheck.DNS) ledger.Judged {
	if author == "" {
		return ledger.Judged{Result: "permerror", Why: "the From field cannot be read"}
	}
	q := dnscheck.DMARCQuestion{Author: author, Signers: a.Signed}
	if a.SPF.Result == string(dnscheck.SPFPass) {
		q.Envelope = a.From
	}
	d := dnscheck.CheckDMARC(ctx, dns, q)
	if d.TempError != "" {
		return ledger.Judged{Result: "temperror", Why: d.TempError}
	}
	policy := "the policy is " + d.Policy
	if !d.Found {
		policy = "no policy is published"
	}
	for _, id := range d.Identifiers {
		if id.Aligned {
			return ledger.Judged{Result: "pass", Why: id.Domain + " is aligned by " + strings.ToUpper(id.Method) + "; " + policy}
		}
	}
	if slices.ContainsFunc(d.Identifiers, func(id dnscheck.Alignment) bool { return id.Unknown }) {
		return ledger.Judged{Result: "temperror", Why: "DNS did not say whether the domains are aligned"}
	}
	if len(d.Identifiers) == 0 {
		return ledger.Judged{Result: "fail", Why: "neither SPF nor DKIM passes; " + policy}
	}
	return ledger.Judged{Result: "fail", Why: "what passes is not aligned with " + author + "; " + policy}
}
