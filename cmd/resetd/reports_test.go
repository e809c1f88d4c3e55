package main

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/smtp"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/resetd/resetd/diag"
	"github.com/resetd/resetd/internal/desk"
	"github.com/resetd/resetd/internal/sim"
	"github.com/resetd/resetd/internal/sim/redistest"
	"github.com/resetd/resetd/internal/store"
	"github.com/resetd/resetd/internal/token"
	"github.com/resetd/resetd/mailer"
	"github.com/resetd/resetd/worker/task"
)

// A host refuses Ann's mail and says only that nothing passed. A receiver has reported that DKIM fails for a part of our mail; its signed
// report came to the running receiver, twice, and was handed in by file once more. Why quotes it, and it counts once.
func TestReportsAreEvidence(t *testing.T) {
	world, err := sim.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { world.Close() })
	world.Domain("home.example", world.Host("mx.home.example", sim.RejectAtDot(550, "5.7.26", "This mail is unauthenticated")))
	in := &installation{t: t, redis: redistest.Start(t), resolver: world.Resolver(), accounts: []string{account("u1", "ann@home.example")},
		routes: fmt.Sprintf("[[route]]\nname = \"out\"\nmx = true\nport = %d\ntls = \"opportunistic\"\n", world.SMTPPort())}
	file := in.write()
	in.publishKeys(world)
	pub, key, _ := ed25519.GenerateKey(nil)
	world.DNS().SetTXT("r1._domainkey.mailhost.example", "v=DKIM1; k=ed25519; p="+base64.StdEncoding.EncodeToString(pub))
	daemon := launch(t, "serve", "-config", file)
	c := caller{t, "http://" + daemon.listening("api")}
	receiver := daemon.listening("bounce")

	yesterday := time.Now().UTC().Truncate(24 * time.Hour).Add(-24 * time.Hour)
	report := reportOf("us.example", "s-rsa", yesterday)
	mail, err := mailer.Sign([]byte("From: dmarc@mailhost.example\r\nTo: dmarc-reports@bounces.us.example\r\nSubject: Report domain: us.example\r\nMIME-Version: 1.0\r\nContent-Type: text/xml\r\n\r\n"+report+"\r\n"),
		[]mailer.Signer{{Domain: "mailhost.example", Selector: "r1", Key: key}})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := smtp.SendMail(receiver, nil, "dmarc@mailhost.example", []string{"dmarc-reports@bounces.us.example"}, mail); err != nil {
			t.Fatal(err)
		}
	}
	c.untilRead()
	path := filepath.Join(in.dir, "report.xml")
	writeText(t, path, report)
	if out, code, msg := runCLI2(t, "ingest", "reports", "-config", file, path); code != 0 || !strings.Contains(out, "dmarc report by mailhost.example about us.example, "+yesterday.Format(time.DateOnly)+": 100 mails") {
		t.Errorf("%d %s %s", code, out, msg)
	}
	c.untilRead()

	status, body := c.call(opsSecret, "/v1/domains/us.example/reports", nil)
	var v desk.SeenView
	if err := json.Unmarshal(body, &v); status != 200 || err != nil || len(v.By) != 1 || v.By[0].Name != "mailhost.example" || v.By[0].Proof != "signed" || v.By[0].Mails != 100 || v.By[0].DKIMFailed != 14 {
		t.Errorf("%d %s", status, body)
	}
	c.ask("ann@home.example")
	got := c.why("ann@home.example", "sender.dkim_broken_in_transit")
	if got.Verdict.Confidence != diag.Likely || !slices.ContainsFunc(got.Verdict.Evidence, func(e diag.Evidence) bool {
		return strings.HasPrefix(e.Says, "Receivers saw DKIM fail for 14 % of our mail of us.example since ") && strings.Contains(e.Says, "(reported by mailhost.example)")
	}) {
		t.Errorf("%+v", got.Verdict)
	}
	t.Setenv("RESETD_URL", c.url)
	t.Setenv("RESETD_KEY", opsSecret)
	if out, code, _ := runCLI(t, reportsCmd(), "us.example"); code != 0 || !strings.Contains(out, "100 mails, 14 failed DKIM") || !strings.Contains(out, "mailhost.example (signed") {
		t.Errorf("%d %s", code, out)
	}
	if log := daemon.logText(); strings.Contains(log, "@mailhost.example") || strings.Contains(log, "panic") {
		t.Error("an address stands in the log")
	}

	other := filepath.Join(in.dir, "other.xml")
	writeText(t, other, reportOf("others.example", "s", yesterday))
	if out, code, _ := runCLI2(t, "ingest", "reports", "-config", file, other, filepath.Join(in.dir, "token.key")); code != exitCould || !strings.Contains(out, "not taken: it is about no domain of ours") ||
		!strings.Contains(out, "not taken: there is no DMARC or TLS report in it") {
		t.Errorf("%d %s", code, out)
	}
}

// reportOf says of 100 mails that 14 failed DKIM and passed by SPF.
func reportOf(domain, selector string, day time.Time) string {
	record := func(n int, dkim string) string {
		return fmt.Sprintf("<record><row><source_ip>192.0.2.10</source_ip><count>%d</count><policy_evaluated><disposition>none</disposition><dkim>%s</dkim><spf>pass</spf></policy_evaluated></row>"+
			"<identifiers><header_from>%s</header_from></identifiers><auth_results><dkim><domain>%s</domain><selector>%s</selector><result>%s</result></dkim></auth_results></record>", n, dkim, domain, domain, selector, dkim)
	}
	return fmt.Sprintf("<feedback><report_metadata><org_name>mailhost.example</org_name><email>dmarc@mailhost.example</email><report_id>17</report_id><date_range><begin>%d</begin><end>%d</end></date_range></report_metadata>"+
		"<policy_published><domain>%s</domain><p>none</p></policy_published>", day.Unix(), day.Add(24*time.Hour-time.Second).Unix(), domain) + record(86, "pass") + record(14, "fail") + "</feedback>"
}

// Strangers cannot fill the store with reports: so many an hour are taken, and none while what came before is not read.
func TestReportsAreBounded(t *testing.T) {
	rdb, err := store.Open("redis://" + redistest.Start(t) + "/0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { rdb.Close() })
	sealer, err := token.NewSealer([]token.Key{token.NewKey("k1")})
	if err != nil {
		t.Fatal(err)
	}
	e := newEvents(zerolog.Nop(), store.New(rdb, store.Options{Retention: 24 * time.Hour, Durability: "memory"}), sealer, task.NewClient(rdb))
	taken := 0
	for i := range 2 * reportsWait {
		err := e.keepReport(t.Context(), "smtp", "", fmt.Append(nil, "report ", i))
		if err == nil {
			taken++
		} else if !errors.Is(err, errReportsWait) {
			t.Fatal(err)
		}
	}
	if taken != reportsWait+1 {
		t.Errorf("%d taken while nobody reads", taken)
	}
	if err := e.keepReport(t.Context(), "file", "", []byte("by a person")); err != nil {
		t.Error(err)
	}
	for err == nil || errors.Is(err, errReportsWait) {
		err = e.keepReport(t.Context(), "smtp", "", []byte("one more"))
		if taken++; taken > 2*reportsPerHour.N {
			t.Fatal("no end of them")
		}
	}
	if !errors.Is(err, errManyReports) {
		t.Error(err)
	}
}
