package worker_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/resetd/resetd/diag"
	"github.com/resetd/resetd/diag/dnscheck"
	"github.com/resetd/resetd/internal/ledger"
	"github.com/resetd/resetd/internal/store"
	"github.com/resetd/resetd/mailer"
	"github.com/resetd/resetd/mailer/bounce/hook"
	"github.com/resetd/resetd/worker"
)

// dmarcReport is a report by a receiver about our mail of a day: pass mails pass, fail mails fail DKIM, and somebody else sent 40 as us.
func dmarcReport(org, id, domain string, day time.Time, pass, fail int) string {
	record := func(ip string, n int, dkim, spf, sig string) string {
		return fmt.Sprintf(`<record><row><source_ip>%s</source_ip><count>%d</count><policy_evaluated><disposition>none</disposition><dkim>%s</dkim><spf>%s</spf></policy_evaluated></row>`+
			`<identifiers><header_from>%s</header_from></identifiers><auth_results>%s<spf><domain>bounces.%s</domain><result>%s</result></spf></auth_results></record>`, ip, n, dkim, spf, domain, sig, domain, spf)
	}
	sig := func(result string) string {
		return `<dkim><domain>` + domain + `</domain><selector>s1</selector><result>` + result + `</result></dkim>`
	}
	return fmt.Sprintf(`<feedback><report_metadata><org_name>%s</org_name><email>dmarc@%s</email><report_id>%s</report_id><date_range><begin>%d</begin><end>%d</end></date_range></report_metadata>`+
		`<policy_published><domain>%s</domain><p>none</p></policy_published>`, org, org, id, day.Unix(), day.Add(24*time.Hour-time.Second).Unix(), domain) +
		record("192.0.2.10", pass, "pass", "pass", sig("pass")) + record("192.0.2.10", fail, "fail", "pass", sig("fail")) + record("203.0.113.9", 40, "fail", "fail", "") + "</feedback>\n"
}

func reportMail(from, body string) string {
	return "From: dmarc@" + from + "\r\nTo: dmarc-reports@bounces.us.example\r\nSubject: Report domain: us.example\r\nDate: Tue, 24 Nov 2026 08:00:00 +0000\r\nMessage-ID: <1@" + from + ">\r\n" +
		"MIME-Version: 1.0\r\nContent-Type: text/xml; name=\"report.xml\"\r\n\r\n" + strings.ReplaceAll(body, "\n", "\r\n")
}

// reading is a bench whose worker reads reports about us.example.
func reading(t *testing.T) (*bench, dkimPair) {
	signer := newPair("r1")
	b := newBench(t, func(w *worker.Worker) {
		w.Domains = []dnscheck.Question{{Domain: "us.example", EnvelopeDomain: "bounces.us.example", IPs: []netip.Addr{netip.MustParseAddr("192.0.2.10")}, Selectors: []dnscheck.Selector{{Name: "s1"}}}}
	})
	b.stop()
	b.worker.DNS = dnscheck.Deps{DNS: &dnscheck.Resolver{Servers: []string{b.world.Resolver()}}}
	b.world.DNS().SetTXT("r1._domainkey.mailhost.example", signer.record)
	b.start()
	return b, signer
}

func (b *bench) seen() (out []ledger.Fact) {
	b.t.Helper()
	facts, _, err := b.store.House(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	return slices.DeleteFunc(facts, func(f ledger.Fact) bool { return f.Check == nil || f.Check.Seen == nil })
}

func (b *bench) counted(what string) int64 {
	b.t.Helper()
	all, err := b.store.Counters(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	return all["reports:"+what]
}

// A signed report is counted once, under the name of who signed it; what it says of our own mail becomes a fact, and what others sent as us does not.
func TestReportsAreCountedOnce(t *testing.T) {
	b, signer := reading(t)
	day := b.store.Now().Truncate(24 * time.Hour).Add(-24 * time.Hour)
	signed, err := mailer.Sign([]byte(reportMail("mailhost.example", dmarcReport("Mail Host Inc.", "17", "us.example", day, 86, 14))), []mailer.Signer{{Domain: "mailhost.example", Selector: "r1", Key: signer.key}})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		b.hand(hook.Unit{Source: "smtp", Report: signed})
	}
	if b.counted("counted") != 1 || b.counted("known") != 1 {
		t.Errorf("counted %d, known %d", b.counted("counted"), b.counted("known"))
	}
	days, err := b.store.Bulks(t.Context(), "dmarc", "us.example", day, day)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, m := range diag.ReadSeenMail(day, days[day]) {
		got = append(got, fmt.Sprintf("%s%s %s %s %s dkim=%v %d", m.Proof, m.Reporter, m.Class, m.Source, m.Selector, m.DKIM, m.N))
	}
	want := "+mailhost.example own 192.0.2.10 s1 dkim=true 86|+mailhost.example unknown 203.0.113.0/24  dkim=false 40|+mailhost.example own 192.0.2.10 s1 dkim=false 14"
	if strings.Join(got, "|") != want {
		t.Errorf("kept\n%s\nwant\n%s", strings.Join(got, "|"), want)
	}
	facts := b.seen()
	if len(facts) != 1 || !facts[0].Check.Seen.Signed || facts[0].Check.Causes[0] != "sender.dkim_broken_in_transit" ||
		!strings.HasPrefix(diag.Says(facts[0]), "Receivers saw DKIM fail for 14 % of our mail of us.example since ") {
		t.Errorf("%+v", facts)
	}
	// A day on which all passes ends it. The report of the day before comes later, and changes nothing of that.
	b.hand(hook.Unit{Source: "file", Report: []byte(dmarcReport("mailhost.example", "18", "us.example", day.Add(24*time.Hour), 50, 0)), Name: "x.xml"})
	b.hand(hook.Unit{Source: "file", Report: []byte(dmarcReport("mailhost.example", "16", "us.example", day.Add(-24*time.Hour), 50, 50)), Name: "x.xml"})
	facts = b.seen()
	if len(facts) != 2 || len(facts[1].Check.Causes) != 0 {
		t.Errorf("%d facts, %+v", len(facts), facts[len(facts)-1].Check)
	}
}

// What is forged, broken, foreign or too old changes nothing that anybody relies on, and is counted as what it is.
func TestReportsThatCountForNothing(t *testing.T) {
	b, signer := reading(t)
	day := b.store.Now().Truncate(24 * time.Hour).Add(-24 * time.Hour)
	altered, err := mailer.Sign([]byte(reportMail("mailhost.example", dmarcReport("mailhost.example", "1", "us.example", day, 50, 1))), []mailer.Signer{{Domain: "mailhost.example", Selector: "r1", Key: signer.key}})
	if err != nil {
		t.Fatal(err)
	}
	altered = []byte(strings.Replace(string(altered), "<count>1<", "<count>900<", 1))
	for _, c := range []struct {
		unit hook.Unit
		as   string
	}{
		{hook.Unit{Source: "smtp", Report: altered}, "counted"},
		{hook.Unit{Source: "smtp", Report: []byte(reportMail("mailhost.example", dmarcReport("mailhost.example", "2", "others.example", day, 1, 1)))}, "not_ours"},
		{hook.Unit{Source: "smtp", Report: []byte(reportMail("mailhost.example", "hello"))}, "unreadable"},
		{hook.Unit{Source: "smtp", Report: []byte(reportMail("mailhost.example", dmarcReport("mailhost.example", "3", "us.example", day.Add(-200*24*time.Hour), 1, 1)))}, string(store.BulkTooOld)},
		{hook.Unit{Source: "smtp", Report: []byte(reportMail("mailhost.example", dmarcReport("mailhost.example", "4", "us.example", day.Add(200*24*time.Hour), 1, 1)))}, string(store.BulkTooNew)},
	} {
		before := b.counted(c.as)
		b.hand(c.unit)
		if b.counted(c.as) != before+1 {
			t.Errorf("not counted as %s", c.as)
		}
	}
	if facts := b.seen(); len(facts) != 1 || facts[0].Check.Seen.Signed || facts[0].Check.Seen.DKIM != 900 {
		t.Errorf("the altered mail proves who sent it: %+v", facts)
	}
}

// TLS reports concern the domain of our return paths: senders that cannot reach it cannot return mail.
func TestTLSReports(t *testing.T) {
	b, _ := reading(t)
	day := b.store.Now().Truncate(24 * time.Hour).Add(-24 * time.Hour)
	report := func(domain, id string) string {
		return fmt.Sprintf(`{"organization-name":"Company-X","date-range":{"start-datetime":"%s","end-datetime":"%s"},"contact-info":"x@x.example","report-id":"%s","policies":[{"policy":{"policy-type":"sts","policy-domain":"%s"},`+
			`"summary":{"total-successful-session-count":70,"total-failure-session-count":30},"failure-details":[{"result-type":"certificate-expired","receiving-mx-hostname":"mx.%s","failed-session-count":30}]}]}`,
			day.Format(time.RFC3339), day.Add(23*time.Hour).Format(time.RFC3339), id, domain, domain)
	}
	b.hand(hook.Unit{Source: "file", Report: []byte(report("bounces.us.example", "1"))})
	b.hand(hook.Unit{Source: "file", Report: []byte(report("there.example", "2"))})
	facts := b.seen()
	if len(facts) != 1 || !facts[0].Check.Seen.Returns || facts[0].Check.Seen.Failed != 30 || facts[0].Check.Seen.Why != "certificate-expired" {
		t.Errorf("%+v", facts)
	}
	if b.counted("not_ours") != 1 {
		t.Error("a report about somebody else's domain is counted")
	}
}
