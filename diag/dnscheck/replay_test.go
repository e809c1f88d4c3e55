package dnscheck

import (
	"context"
	"net/netip"
	"strings"
	"testing"
)

// What was kept with a send is judged later as it was then, whatever DNS says now; what was not kept is unknown, not absent.
func TestReplay(t *testing.T) {
	ctx := context.Background()
	z := newZone(t, `us.example. TXT "v=spf1 include:relay.example ip4:192.0.2.25 -all"
relay.example. TXT "v=spf1 a:out.relay.example -all"
_dmarc.us.example. TXT "v=DMARC1; p=reject"
`)
	kept := Replay(Snapshot(ctx, Question{Domain: "us.example"}, Deps{DNS: z}).Lookups)

	if got := CheckDMARC(ctx, kept, DMARCQuestion{Author: "us.example", Signers: []string{"us.example"}}); got.Policy != "reject" || !got.Identifiers[0].Aligned {
		t.Errorf("DMARC %+v", got)
	}
	spf := CheckSPF(ctx, kept, SPFQuestion{IP: netip.MustParseAddr("192.0.2.25"), MailFrom: "us.example"})
	if spf.Result != SPFTempError {
		t.Errorf("SPF %s: an include whose addresses were not kept must leave it open, not pass or fail", spf.Result)
	}
	long := Replay{{Name: "big.example", Type: "TXT", Outcome: Found, Records: []string{`"a"`, "; 3 more, SHA-256 00"}}}
	if a := long.Lookup(ctx, "BIG.example.", 16); a.Outcome != Spent || !strings.Contains(a.Why, "not all") {
		t.Errorf("a cut answer is %+v", a)
	}
	if a := (Replay{{Name: "gone.example", Type: "TXT", Outcome: NXDomain}}).Lookup(ctx, "gone.example", 16); a.Outcome != NXDomain {
		t.Errorf("what was absent then is %+v", a)
	}
}
