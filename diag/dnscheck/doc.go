// Package dnscheck answers what DNS says about a sender's or a recipient's domain, and what a receiver of our mail would
// conclude from it: SPF, DKIM, DMARC, MX, reverse DNS, blocklists, MTA-STS, TLS reporting, DANE.
//
//	dns, err := dnscheck.NewResolver("")  // the system's resolver, spoken to directly: we need TTLs, AD and the kind of failure
//	report := dnscheck.Check(ctx, dnscheck.Question{Domain: "example.org", IPs: ips, Selectors: keys}, dnscheck.Deps{DNS: dns})
//	for _, f := range report.Findings { … f.What, f.Publish, f.Verify … }
//
// Nothing here records anything: a Report is what was seen, and whoever asked keeps it. DNS is written by strangers and
// fails in many ways, so each look-up ends in exactly one Outcome, and a failure of DNS (temperror) is never taken for a
// fault of the domain (permerror), nor either of them for "all is well".
//
// # Why an SPF evaluator and a DKIM verifier of our own
//
// We must say why a receiver decides as it does, so evaluation leaves a trace, and the trace must be right: blitiri.com.ar/go/spf
// has no trace and passes 166 of the 203 cases of the RFC 7208 suite. go-msgauth's verifier compares i= with d= by case, does
// not decode DKIM's quoted-printable, refuses l=, and takes quadratic time in folded header lines; none of that can be
// mended from outside, because the signature covers its own header field. Its signer stands against our verifier in the tests.
package dnscheck
