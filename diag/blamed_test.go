package diag

import (
	"strings"
	"testing"
	"time"

	"github.com/resetd/resetd/internal/ledger"
)

func recordChanged(at time.Time, domain, kind, was, now string) []Change {
	c := ledger.RecordChange{Kind: kind, Name: kind + "." + domain, Was: ledger.RecordState{State: was}, Now: ledger.RecordState{State: now}}
	return ChangesOf(ledger.Fact{At: at, Event: ledger.Checked, Check: &ledger.Check{Domain: domain, Changes: []ledger.RecordChange{c}}})
}

func failingCheck(at time.Time, domain, cause string) []Change {
	f := ledger.Fact{At: at, Event: ledger.Checked, Check: &ledger.Check{Domain: domain, Hash: "h", Severity: "ok"}}
	if cause != "" {
		f.Check.Severity, f.Check.Causes = "error", []string{cause}
	}
	return ChangesOf(f)
}

// Twenty mails of one domain are refused for DMARC; what is blamed depends on what DNS was seen to do before.
func TestTroubleIsPutDownToAChange(t *testing.T) {
	before := noon.Add(-20 * time.Minute)
	tests := []struct {
		what, said string
		changes    [][]Change
		cause      string
		blamed     time.Time
	}{
		{"nothing changed", "sender.dmarc_rejected", nil, "sender.dmarc_rejected", time.Time{}},
		{"the key went", "sender.dmarc_rejected", [][]Change{recordChanged(before, "shop.example", "dkim", "match", "absent")}, "sender.dkim_key_mismatch", before},
		{"the key went yesterday evening, and nobody asked at night", "sender.dmarc_rejected", [][]Change{recordChanged(noon.Add(-14*time.Hour), "shop.example", "dkim", "match", "absent")}, "sender.dkim_key_mismatch", noon.Add(-14 * time.Hour)},
		{"the key went and came back", "sender.dmarc_rejected", [][]Change{recordChanged(before, "shop.example", "dkim", "match", "absent"), recordChanged(before.Add(time.Minute), "shop.example", "dkim", "absent", "match")}, "sender.dmarc_rejected", time.Time{}},
		{"the key went, then the policy became stricter", "sender.dmarc_rejected", [][]Change{recordChanged(before, "shop.example", "dkim", "match", "absent"), recordChanged(before.Add(time.Minute), "shop.example", "dmarc", "none", "reject")}, "sender.dkim_key_mismatch", before},
		{"another domain's key went", "sender.dmarc_rejected", [][]Change{recordChanged(before, "other.example", "dkim", "match", "absent")}, "sender.dmarc_rejected", time.Time{}},
		{"hosts name SPF, and a key went", "sender.spf_fail", [][]Change{recordChanged(before, "shop.example", "dkim", "match", "absent")}, "sender.spf_fail", time.Time{}},
		{"hosts name SPF, and SPF changed", "sender.spf_fail", [][]Change{recordChanged(before, "shop.example", "spf", "pass", "softfail")}, "sender.spf_fail", before},
		{"a check an hour later found it", "sender.unauthenticated", [][]Change{failingCheck(noon.Add(50*time.Minute), "shop.example", "sender.spf_permerror")}, "sender.spf_permerror", noon.Add(50 * time.Minute)},
		{"a check found nothing", "sender.unauthenticated", [][]Change{failingCheck(before, "shop.example", "")}, "sender.unauthenticated", time.Time{}},
		{"mailboxes are unknown, and a key went", "recipient.unknown_mailbox", [][]Change{recordChanged(before, "shop.example", "dkim", "match", "absent")}, "recipient.unknown_mailbox", time.Time{}},
	}
	for _, tt := range tests {
		t.Run(tt.what, func(t *testing.T) {
			tr := usualDay()
			for i := range 20 {
				tr.mail(noon.Add(time.Duration(i)*30*time.Second), marks([]string{"google", "microsoft"}[i%2], "shop.example"), tt.said, "550 5.7.26")
				tr.mail(noon.Add(time.Duration(i)*30*time.Second), marks("google", "fine.example"), "", "")
			}
			var all []Change
			for _, c := range tt.changes {
				all = append(all, c...)
			}
			tb := only(t, tr.watch(noon.Add(10*time.Minute), nil, all...))
			if tb.Cause != tt.cause {
				t.Errorf("cause %s, want %s", tb.Cause, tt.cause)
			}
			switch {
			case tt.blamed.IsZero() != (tb.Change == nil):
				t.Errorf("blamed: %+v", tb.Change)
			case tb.Change != nil:
				if !tb.Change.At.Equal(tt.blamed) || tb.Change.Domain != "shop.example" || !strings.HasSuffix(tb.Says, minute(tt.blamed)+": "+tb.Change.Says) {
					t.Errorf("%+v", tb)
				}
				if s := strings.Join(tb.Evidence, "\n"); !strings.Contains(s, minute(tt.blamed)+": "+tb.Change.Says) {
					t.Errorf("no evidence of it: %s", s)
				}
			}
		})
	}
}

// What is mended while a trouble goes on is evidence too, and the change stays blamed when the trouble is over.
func TestTroubleTellsThatItWasMended(t *testing.T) {
	tr := usualDay()
	for i := range 20 {
		tr.mail(noon.Add(time.Duration(i)*30*time.Second), marks("google", "shop.example"), "sender.dmarc_rejected", "550 5.7.26")
	}
	changes := append(recordChanged(noon.Add(-time.Minute), "shop.example", "dkim", "match", "absent"), recordChanged(noon.Add(12*time.Minute), "shop.example", "dkim", "absent", "match")...)
	tb := only(t, tr.watch(noon.Add(14*time.Minute), nil, changes...))
	tb.ID = "inc_x"
	if s := strings.Join(tb.Evidence, "\n"); !strings.Contains(s, "12:12 UTC: The DKIM record dkim.shop.example changed: there was none, now it holds our key.") {
		t.Error(s)
	}
	for i := range 60 {
		tr.mail(noon.Add(15*time.Minute+time.Duration(i)*30*time.Second), marks("google", "shop.example"), "", "")
	}
	over := only(t, tr.watch(noon.Add(45*time.Minute), []Trouble{tb}, changes...))
	if over.Until.IsZero() || over.Cause != "sender.dkim_key_mismatch" || over.Change == nil || !over.Change.At.Equal(noon.Add(-time.Minute)) {
		t.Errorf("%+v", over)
	}
}
