package dnscheck

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// readCase cuts a case into its sections, in the txtar form: text before the first "-- name --" line is the story.
func readCase(t testing.TB, path string) map[string]string {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	sections, at := map[string]string{}, "story"
	for line := range strings.Lines(string(raw)) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "-- "); ok && strings.HasSuffix(name, " --") {
			at = strings.TrimSuffix(name, " --")
			continue
		}
		sections[at] += line
	}
	return sections
}

// pairs reads lines "key: value".
func pairs(t testing.TB, text string) map[string]string {
	t.Helper()
	m := map[string]string{}
	for line := range strings.Lines(text) {
		key, value, ok := strings.Cut(strings.TrimSpace(line), ": ")
		if !ok {
			t.Fatalf("no key: value in %q", line)
		}
		m[key] = value
	}
	return m
}

// Each file of testdata/dmarc is a zone, a mail, and what a receiver must conclude.
func TestDMARCCases(t *testing.T) {
	files, err := filepath.Glob("testdata/dmarc/*.txtar")
	if err != nil || len(files) < 60 {
		t.Fatalf("%d cases, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			c := readCase(t, file)
			for _, section := range []string{"story", "question", "expected", "why"} {
				if strings.TrimSpace(c[section]) == "" {
					t.Errorf("the case has no %s", section)
				}
			}
			z := newZone(t, c["zone"])
			q := pairs(t, c["question"])
			d := CheckDMARC(t.Context(), z, DMARCQuestion{Author: q["from"], Envelope: q["spf"], Signers: strings.Fields(q["dkim"])})
			if len(d.Queries) > maxWalk {
				t.Errorf("%d queries", len(d.Queries))
			}
			got := describeDMARC(d)
			got["rua"] = describeReports(CheckReportTo(t.Context(), z, d))
			for key, want := range pairs(t, c["expected"]) {
				have, known := got[key]
				switch {
				case !known:
					t.Errorf("nothing is called %q", key)
				case key == "problem" && strings.Contains(have, want):
				case have != want:
					t.Errorf("%s: got %q, want %q", key, have, want)
				}
			}
			if t.Failed() {
				t.Logf("%s%s%+v", c["story"], c["why"], d)
			}
		})
	}
}

func describeDMARC(d DMARC) map[string]string {
	yes := map[bool]string{true: "yes", false: "no"}
	m := map[string]string{
		"policy": or(d.Policy, "-"), "found": yes[d.Found], "at": or(d.At, "-"), "source": or(d.Source, "-"), "org": d.OrgDomain,
		"exists": yes[d.Exists], "ignored": yes[d.Ignored], "temperror": yes[d.TempError != ""], "queries": strings.Join(d.Queries, " "),
		"several": or(strings.Join(d.Several, " "), "-"), "old org": d.Old.OrgDomain, "old policy": or(d.Old.Policy, "-"), "old at": or(d.Old.At, "-"),
		"test": "no", "ruf": "-", "problem": "",
	}
	if d.Record != nil {
		m["test"], m["ruf"], m["problem"] = yes[d.Record.Test], or(strings.Join(d.Record.RUF, " "), "-"), strings.Join(d.Record.Problems, "\n")
	}
	for _, id := range d.Identifiers {
		word := map[bool]string{true: "aligned", false: "not"}
		now := word[id.Aligned]
		if id.Unknown {
			now = "unknown"
		}
		add := func(key, value string) {
			m[key] = strings.TrimSpace(m[key] + " " + value)
		}
		add(id.Method, now)
		add(id.Method+" org", id.OrgDomain)
		add("old "+id.Method, word[id.Old])
	}
	return m
}

func describeReports(list []ReportTo) string {
	var out []string
	for _, r := range list {
		word := "refused"
		switch {
		case r.Unknown:
			word = "unknown"
		case r.Allowed && r.External:
			word = "allowed"
		case r.Allowed:
			word = "own"
		}
		out = append(out, r.URI+" "+word)
	}
	return or(strings.Join(out, ", "), "-")
}

// A walk never takes more than eight queries, whatever the name.
func TestWalkTargets(t *testing.T) {
	for n := 1; n <= 120; n++ {
		name := strings.TrimSuffix(strings.Repeat("a.", n), ".")
		targets := walkTargets(name)
		if len(targets) != min(n, maxWalk) || targets[0] != name || targets[len(targets)-1] != "a" {
			t.Errorf("%d labels: %v", n, targets)
		}
	}
}

// The registered domain agrees with the public suffix list's own tests for the names that DMARC meets.
func TestRegistered(t *testing.T) {
	for name, want := range map[string]string{
		"example.com": "example.com", "a.b.example.com": "example.com", "a.example.co.uk": "example.co.uk", "co.uk": "co.uk",
		"www.city.kawasaki.jp": "city.kawasaki.jp", "a.b.test.kawasaki.jp": "b.test.kawasaki.jp", "com": "com",
	} {
		if got := registered(name); got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
}

func FuzzDMARCRecord(f *testing.F) {
	f.Add("v=DMARC1; p=reject; sp=none; np=quarantine; adkim=s; aspf=r; t=y; psd=n; rua=mailto:a@x.example,https://y.example/; fo=1:d")
	f.Add("v = DMARC1 ;;;p==; rua=!,mailto:@; ruf=mailto:%zz@x")
	f.Fuzz(func(t *testing.T, s string) {
		isDMARC(s)
		r := parseDMARC(s)
		for _, p := range []string{r.policyFor(false, true), r.policyFor(true, true), r.policyFor(true, false)} {
			if !slices.Contains([]string{"none", "quarantine", "reject"}, p) {
				t.Errorf("policy %q of %q", p, s)
			}
		}
		for _, uri := range r.RUA {
			if reportHost(uri) == "" {
				t.Errorf("%q has no host", uri)
			}
		}
	})
}

func BenchmarkDMARC(b *testing.B) {
	z := newZone(b, "_dmarc.sender.example. TXT \"v=DMARC1; p=reject; rua=mailto:d@sender.example\"\nmail.sender.example. A 192.0.2.1")
	b.ReportAllocs()
	for b.Loop() {
		CheckDMARC(b.Context(), z, DMARCQuestion{Author: "mail.sender.example", Envelope: "b.sender.example", Signers: []string{"sender.example"}})
		z.asked = z.asked[:0]
	}
}
