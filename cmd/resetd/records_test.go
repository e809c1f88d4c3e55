package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/resetd/resetd/diag"
	"github.com/resetd/resetd/internal/sim"
	"github.com/resetd/resetd/internal/sim/redistest"
)

// One person's mail arrives; then both DKIM records are taken out of DNS, and the mails of six others are refused. The verdict says what DNS
// said at the time of the mail and when it changed, and the incident is put down to that.
func TestRecordsChangeBetweenMails(t *testing.T) {
	world, err := sim.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { world.Close() })
	world.Domain("home.example", world.Host("mx.home.example", sim.Accept()))
	world.Domain("strict.example", world.Host("mx.strict.example", sim.RejectAtDot(550, "5.7.26", "Unauthenticated email from us.example is not accepted due to domain's DMARC policy")))
	accounts := []string{account("u0", "jo@home.example")}
	for i := range 6 {
		accounts = append(accounts, account(fmt.Sprint("s", i), fmt.Sprintf("p%d@strict.example", i)))
	}
	in := &installation{t: t, redis: redistest.Start(t), resolver: world.Resolver(), accounts: accounts,
		routes: fmt.Sprintf("[[route]]\nname = \"out\"\nmx = true\nport = %d\ntls = \"opportunistic\"\n", world.SMTPPort())}
	file := in.write()
	world.DNS().SetTXT("bounces.us.example", "v=spf1 include:relay.example ~all")
	world.DNS().SetTXT("_dmarc.us.example", "v=DMARC1; p=reject")
	names := in.publishKeys(world)
	daemon := launch(t, "serve", "-config", file)
	c := caller{t, "http://" + daemon.listening("api")}
	daemon.await("the first check of the domain", func() string {
		if strings.Contains(daemon.logText(), "a domain of ours") {
			return "done"
		}
		return ""
	})
	c.untilSent(c.ask("jo@home.example"))
	for _, n := range names {
		world.DNS().Remove(n)
	}
	daemon.await("both records were seen to change", func() string {
		if strings.Count(daemon.logText(), "a DNS record of ours changed") >= 2 {
			return "done"
		}
		return ""
	})
	for i := range 6 {
		c.ask(fmt.Sprintf("p%d@strict.example", i))
	}
	v := c.why("p0@strict.example", "sender.dkim_key_mismatch").Verdict
	if !strings.Contains(v.Says, "At the time of this mail there was no DKIM record s-") || !strings.Contains(v.Says, "it changed at ") || !strings.Contains(v.Says, "(until then it held our key)") {
		t.Error(v.Says)
	}
	var rows []string
	for _, e := range v.Evidence {
		rows = append(rows, string(e.Fact)+" "+e.Says)
	}
	all := strings.Join(rows, "\n")
	for _, want := range []string{"checked The DKIM record s-", "composed What DNS said as the mail was built: the DKIM record s-", "the SPF record of bounces.us.example: there was one (v=spf1 include:relay.example ~all)", "the DMARC record of us.example: it asked hosts to refuse"} {
		if !strings.Contains(all, want) {
			t.Errorf("no evidence %q in\n%s", want, all)
		}
	}
	if strings.Contains(all, "r/") {
		t.Errorf("a link in the evidence:\n%s", all)
	}

	for end := time.Now().Add(90 * time.Second); ; time.Sleep(200 * time.Millisecond) {
		_, body := c.call(opsSecret, "/v1/incidents", nil)
		var list struct{ Items []diag.Trouble }
		if err := json.Unmarshal(body, &list); err != nil {
			t.Fatalf("%v: %s", err, body)
		}
		if len(list.Items) == 1 && list.Items[0].Size == 6 {
			tb := list.Items[0]
			if tb.Cause != "sender.dkim_key_mismatch" || tb.Change == nil || tb.Change.Domain != "us.example" || !strings.Contains(tb.Change.Says, "now there is none") || !strings.Contains(tb.Says, tb.Change.Says) {
				t.Errorf("%s", body)
			}
			break
		}
		if time.Now().After(end) {
			t.Fatalf("no incident: %s", body)
		}
	}
	if out, code := asClient(t, c.url, opsSecret, "incidents"); code != 0 || !strings.Contains(out, "now there is none") {
		t.Errorf("exit %d: %s", code, out)
	}
}
