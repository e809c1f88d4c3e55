package dnscheck

import (
	"encoding/json"
	"net/netip"
	"reflect"
	"slices"
	"testing"
	"time"
)

func snapshot(t testing.TB, s sender) Reading {
	t.Helper()
	return Snapshot(t.Context(), s.q, Deps{DNS: newZone(t, s.zone)})
}

func recordIn(t testing.TB, r Reading, kind RecordKind, name string) Record {
	t.Helper()
	for _, rec := range r.Records {
		if rec.Kind == kind && rec.Name == name {
			return rec
		}
	}
	t.Fatalf("no %s of %s in %+v", kind, name, r.Records)
	return Record{}
}

func TestSnapshot(t *testing.T) {
	s := goodSender(t)
	r := snapshot(t, s)
	var names []string
	for _, l := range r.Lookups {
		names = append(names, l.Name+" "+l.Type)
	}
	for _, want := range []string{"bounce.sender.example TXT", "r1._domainkey.sender.example TXT", "e1._domainkey.sender.example TXT", "_dmarc.sender.example TXT"} {
		if !slices.Contains(names, want) {
			t.Errorf("no %s in %v", want, names)
		}
	}
	for _, rec := range r.Records {
		if !rec.Good() || !rec.Known() || rec.Cause() != "" || rec.Text == "" {
			t.Errorf("%+v", rec)
		}
	}
	again := snapshot(t, s)
	if changed := snapshot(t, s.without("r1._domainkey")); changed.Hash() == r.Hash() || again.Hash() != r.Hash() {
		t.Error("a key that is gone is not seen, or the same is another")
	}
	// With another key of ours the same DNS means something else.
	other := s
	other.q.Selectors = slices.Clone(s.q.Selectors)
	other.q.Selectors[0].Public, other.q.Selectors[1].Public = other.q.Selectors[1].Public, other.q.Selectors[0].Public
	if snapshot(t, other).Hash() == r.Hash() {
		t.Error("the key that we sign with is not part of what DNS means for us")
	}
	raw, err := json.Marshal(r)
	var back Reading
	if err != nil || json.Unmarshal(raw, &back) != nil || !reflect.DeepEqual(back, r) || len(raw) > 8<<10 {
		t.Errorf("%d octets, %v, %+v", len(raw), err, back)
	}
}

// Each state that a record can have for us.
func TestRecordStates(t *testing.T) {
	const spf, key, mail = "bounce.sender.example", "r1._domainkey.sender.example", "sender.example"
	tests := []struct {
		what, without, with string
		kind                RecordKind
		name, state, cause  string
	}{
		{"no key", "r1._domainkey", "", RecordDKIM, key, "absent", "sender.dkim_key_mismatch"},
		{"a revoked key", "r1._domainkey", key + `. TXT "v=DKIM1; p="`, RecordDKIM, key, "revoked", "sender.dkim_key_mismatch"},
		{"DNS fails for the key", "r1._domainkey", key + ". FAILS servfail", RecordDKIM, key, "unknown", ""},
		{"no SPF", spf + ". TXT", spf + `. TXT "something else"`, RecordSPF, spf, "none", "sender.unauthenticated"},
		{"two SPF records", "", spf + `. TXT "v=spf1 ~all"`, RecordSPF, spf, "several", "sender.spf_permerror"},
		{"SPF that cannot be read", spf + ". TXT", spf + `. TXT "v=spf1 ip4:300.1.1.1 -all"`, RecordSPF, spf, "permerror", "sender.spf_permerror"},
		{"SPF that includes nothing", spf + ". TXT", spf + `. TXT "v=spf1 include:gone.example -all"`, RecordSPF, spf, "permerror", "sender.spf_permerror"},
		{"SPF without us", spf + ". TXT", spf + `. TXT "v=spf1 ip4:9.9.9.1 ~all"`, RecordSPF, spf, "softfail", "sender.spf_fail"},
		{"SPF against us", spf + ". TXT", spf + `. TXT "v=spf1 -all"`, RecordSPF, spf, "fail", "sender.spf_fail"},
		{"DNS fails for SPF", spf + ". TXT", spf + ". FAILS timeout TXT", RecordSPF, spf, "unknown", ""},
		{"DNS fails for an include", spf + ". TXT", spf + `. TXT "v=spf1 include:inc.example -all"` + "\ninc.example. FAILS timeout", RecordSPF, spf, "unknown", ""},
		{"no DMARC", "_dmarc", "", RecordDMARC, mail, "missing", ""},
		{"a stricter DMARC", "_dmarc", `_dmarc.sender.example. TXT "v=DMARC1; p=quarantine"`, RecordDMARC, mail, "quarantine", ""},
		{"DNS fails for DMARC", "_dmarc", "_dmarc.sender.example. FAILS servfail", RecordDMARC, mail, "unknown", ""},
	}
	for _, tt := range tests {
		s := goodSender(t)
		if tt.without != "" {
			s = s.without(tt.without)
		}
		rec := recordIn(t, snapshot(t, s.with(tt.with)), tt.kind, tt.name)
		if rec.State != tt.state || rec.Cause() != tt.cause || rec.Known() != (tt.state != "unknown") {
			t.Errorf("%s: %+v, cause %q", tt.what, rec, rec.Cause())
		}
		if tt.state == "softfail" && rec.About != "2a00:1::1" {
			t.Errorf("%s: about %q", tt.what, rec.About)
		}
	}
	s := goodSender(t)
	s.q.IPs = nil
	if rec := recordIn(t, snapshot(t, s), RecordSPF, spf); rec.State != "found" || !rec.Good() {
		t.Errorf("through a relay: %+v", rec)
	}
	s.q.IPs = []netip.Addr{netip.MustParseAddr("9.9.9.9")}
	if rec := recordIn(t, snapshot(t, s), RecordSPF, spf); rec.Good() || rec.About != "9.9.9.9" {
		t.Errorf("from elsewhere: %+v", rec)
	}
}

// What is followed over time: the first look is no change, nor is a failure of DNS; what flips all the time is told a few times.
func TestFollow(t *testing.T) {
	at := time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC)
	with := func(state string) Reading {
		return Reading{Records: []Record{{Kind: RecordDKIM, Name: "k.d.example", State: state}}}
	}
	var st []Standing
	step := func(after time.Duration, state string) []Change {
		var changed []Change
		at = at.Add(after)
		st, changed = Follow(st, with(state), at)
		return changed
	}
	for _, quiet := range []string{"unknown", "match", "match", "unknown", "match"} {
		if c := step(time.Minute, quiet); len(c) > 0 {
			t.Errorf("%s: %+v", quiet, c)
		}
	}
	if step(time.Minute, "unknown"); !st[0].Seen.Equal(at.Add(-time.Minute)) {
		t.Errorf("last seen %s", st[0].Seen)
	}
	c := step(time.Minute, "absent")
	if len(c) != 1 || c[0].Was.State != "match" || c[0].Now.State != "absent" || !c[0].Was.Seen.Equal(at.Add(-2*time.Minute)) {
		t.Fatalf("%+v", c)
	}
	told := 0
	for i := range 60 {
		told += len(step(10*time.Second, []string{"match", "absent"}[i%2]))
	}
	if told > oftenChanges+1 {
		t.Errorf("%d changes were told of a record that flips for ten minutes", told)
	}
	if c := step(2*time.Hour, "revoked"); len(c) != 1 || st[0].Often != 1 {
		t.Errorf("a change after a long time: %+v, %+v", c, st)
	}
	if st, _ := Follow(st, Reading{}, at); len(st) != 0 {
		t.Errorf("a key that is retired: %+v", st)
	}
}
