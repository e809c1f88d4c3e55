package dnscheck

import (
	"strings"
	"testing"
)

// A check names the record by which reports reach us, and once it is published, no longer.
func TestWhereReportsGo(t *testing.T) {
	takes := func(s sender, box string) sender {
		s.q.DMARCReports, s.q.TLSReports = "dmarc-reports@"+box, "tls-reports@"+box
		return s
	}
	good := goodSender(t)
	for _, tt := range []struct {
		what, id string
		sender   sender
		publish  string // "" = nothing is found
	}{
		{"reports go to people", "dmarc.reports_elsewhere", takes(good, "bounce.sender.example"),
			`_dmarc.sender.example. IN TXT "v=DMARC1; p=reject; rua=mailto:dmarc@sender.example,mailto:dmarc-reports@bounce.sender.example"`},
		{"and we take none", "dmarc.reports_elsewhere", good, ""},
		{"nobody is asked", "dmarc.no_reports", takes(good.without("_dmarc.sender").with(`_dmarc.sender.example. TXT "v=DMARC1; p=reject;"`), "bounce.sender.example"),
			`_dmarc.sender.example. IN TXT "v=DMARC1; p=reject; rua=mailto:dmarc-reports@bounce.sender.example"`},
		{"no record, and our box lies in another organization", "dmarc.missing", takes(good.without("_dmarc.sender"), "bounces.else.example"),
			`_dmarc.sender.example. IN TXT "v=DMARC1; p=none; rua=mailto:dmarc-reports@bounces.else.example"` + "\n" + `sender.example._report._dmarc.bounces.else.example. IN TXT "v=DMARC1"`},
		{"no TLS reports", "tls_rpt.none", takes(good.without("_smtp._tls"), "bounce.sender.example"),
			`_smtp._tls.sender.example. IN TXT "v=TLSRPTv1; rua=mailto:tls-reports@bounce.sender.example"` + "\n" + `_smtp._tls.bounce.sender.example. IN TXT "v=TLSRPTv1; rua=mailto:tls-reports@bounce.sender.example"`},
	} {
		t.Run(tt.what, func(t *testing.T) {
			f := find(tt.sender.check(t), tt.id)
			if tt.publish == "" {
				if f != nil {
					t.Errorf("%+v", f)
				}
				return
			}
			if f == nil || f.Publish != tt.publish {
				t.Fatalf("publish\n%s\nwant\n%s", f.Publish, tt.publish)
			}
			after := publish(t, tt.sender, *f).check(t)
			for _, id := range []string{tt.id, "dmarc.report_refused"} {
				if again := find(after, id); again != nil {
					t.Errorf("published, and still %+v", again)
				}
			}
		})
	}
	tls := takes(good, "bounce.sender.example").check(t)
	if f := find(tls, "tls_rpt.elsewhere"); f == nil || !strings.Contains(f.Publish, ",mailto:tls-reports@bounce.sender.example") {
		t.Errorf("%+v", f)
	}
}

func TestWithRUA(t *testing.T) {
	for in, want := range map[string]string{
		"v=DMARC1; p=none":                         "v=DMARC1; p=none; rua=mailto:a@b.example",
		"v=DMARC1;p=none;":                         "v=DMARC1;p=none; rua=mailto:a@b.example",
		"v=DMARC1; rua = mailto:x@y.example ; p=x": "v=DMARC1; rua = mailto:x@y.example,mailto:a@b.example; p=x",
		"v=DMARC1; rua=; p=none":                   "v=DMARC1; rua=mailto:a@b.example; p=none",
	} {
		if got := withRUA(in, "a@b.example"); got != want {
			t.Errorf("%q becomes %q, want %q", in, got, want)
		}
	}
	if !names([]string{"mailto:A@b.example!10m"}, "mailto:a@b.example") || names(nil, "mailto:a@b.example") {
		t.Error("a size limit hides a destination")
	}
}
