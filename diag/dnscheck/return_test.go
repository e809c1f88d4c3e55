package dnscheck

import (
	"context"
	"strings"
	"testing"
)

// What is said about the way of bounces, by what was found at each host of the return path's domain.
func TestReturnPathReachesUs(t *testing.T) {
	states := func(by map[string]ReachState) func(context.Context, MXHost) Reached {
		return func(_ context.Context, h MXHost) Reached {
			return Reached{Host: h.Name, State: by[h.Name], Why: "so it was"}
		}
	}
	const mx1, mx2 = "mail.sender.example", "mx2.sender.example"
	tests := []struct {
		what     string
		state1   ReachState
		state2   ReachState // "" = there is one host only
		listed   bool       // the configuration names the first host's address
		noAsking bool
		id       string
		severity Severity
		publish  bool
	}{
		{"our receiver answers", ReachOurs, "", false, false, "return.ok", OK, false},
		{"another server answers", ReachOther, "", false, false, "return.elsewhere", Error, true},
		{"another server answers at a listed address", ReachOther, "", true, false, "return.elsewhere", Error, true},
		{"a server that takes anything", ReachAny, "", false, false, "return.any", Note, false},
		{"no connection from here", ReachUntried, "", false, false, "return.untried", Warning, false},
		{"no connection from here, but the address is ours", ReachUntried, "", true, false, "return.ok", OK, false},
		{"nobody asks, and the address is ours", "", "", true, true, "return.ok", OK, false},
		{"one of two is ours", ReachOurs, ReachOther, false, false, "return.partly", Warning, true},
		{"one of two is ours, the other does not answer", ReachOurs, ReachUntried, false, false, "return.ok", OK, false},
		{"one of two addresses is listed", ReachUntried, ReachUntried, true, false, "return.partly", Warning, true},
		{"nobody asks and nothing is listed", "", "", false, true, "", "", false},
	}
	for _, tt := range tests {
		t.Run(tt.what, func(t *testing.T) {
			s := goodSender(t)
			if !tt.listed {
				s.q.ReturnAddrs = nil
			}
			if tt.state2 != "" {
				s = s.with("bounce.sender.example. MX 20 mx2.sender.example.\nmx2.sender.example. A 9.9.9.2")
			}
			d := Deps{DNS: newZone(t, s.zone)}
			if !tt.noAsking {
				d.Receiver = states(map[string]ReachState{mx1: tt.state1, mx2: tt.state2})
			}
			r := Check(t.Context(), s.q, d)
			var got []Finding
			for _, f := range r.Findings {
				if strings.HasPrefix(f.ID, "return.") {
					got = append(got, f)
				}
			}
			if tt.id == "" {
				if len(got) > 0 {
					t.Errorf("%+v", got)
				}
				return
			}
			if len(got) != 1 || got[0].ID != tt.id || got[0].Severity != tt.severity || got[0].VerifyBy == "" || (got[0].Publish != "") != tt.publish {
				t.Fatalf("%+v", got)
			}
			if tt.severity == Error && got[0].Cause != "unknown.bounces_not_arriving" {
				t.Errorf("%+v", got[0])
			}
			if tt.publish && !tt.listed && got[0].Publish != "bounce.sender.example. IN MX 10 mail.sender.example." {
				t.Errorf("publish %q", got[0].Publish)
			}
			if tt.publish && tt.listed && got[0].Publish != "bounce.sender.example. IN MX 10 mx.bounce.sender.example.\nmx.bounce.sender.example. IN A 9.9.9.1" {
				t.Errorf("publish %q", got[0].Publish)
			}
		})
	}
}
