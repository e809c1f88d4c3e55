package dnscheck

import "testing"

func TestRepairSPF(t *testing.T) {
	for record, want := range map[string]string{
		"v=spf1 ipv4:192.0.2.1 -all":                         "v=spf1 ip4:192.0.2.1 -all",
		"v=spf1 ip:2001:db8::1 ?IPv4:192.0.2.0/24 ~all":      "v=spf1 ip6:2001:db8::1 ?ip4:192.0.2.0/24 ~all",
		"v=spf1 include=relay.example redirect:else.example": "v=spf1 include:relay.example redirect=else.example",
		"v=spf1 a mx ip4:300.1.1.1 what -all":                "v=spf1 a mx -all",
		"v=spf1 redirect=a.example redirect=b.example":       "",
		"v=spf1 what":   "",
		"v=spf1 + -all": "v=spf1 -all",
		"":              "",
	} {
		got := repairSPF(record)
		if got != want {
			t.Errorf("%q becomes %q, want %q", record, got, want)
		}
		if got != "" && !reads(got[len("v=spf1 "):]) {
			t.Errorf("%q cannot be read either", got)
		}
	}
}
