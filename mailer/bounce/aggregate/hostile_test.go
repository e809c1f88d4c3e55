package aggregate

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

const head = `<feedback><report_metadata><org_name>a.example</org_name><report_id>1</report_id><date_range><begin>1795392000</begin><end>1795478399</end></date_range></report_metadata><policy_published><domain>shop.example</domain></policy_published>`

const oneRow = `<record><row><source_ip>192.0.2.10</source_ip><count>1</count></row></record>`

func gzipped(parts ...string) []byte {
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	for _, p := range parts {
		z.Write([]byte(p))
	}
	z.Close()
	return out.Bytes()
}

func zipped(n int, text string) []byte {
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	for i := range n {
		w, _ := z.Create(fmt.Sprintf("%d.xml", i))
		w.Write([]byte(text))
	}
	z.Close()
	return out.Bytes()
}

// What a hostile file costs is bounded, and it is refused for what it is.
func TestHostile(t *testing.T) {
	good := head + oneRow + "</feedback>"
	packing := []byte(good)
	for range 3 {
		packing = gzipped(string(packing))
	}
	for name, c := range map[string]struct {
		in   []byte
		want error // nil = read
	}{
		"three packings":        {packing, nil},
		"four packings":         {gzipped(string(packing)), ErrTooMuch},
		"gzip bomb":             {gzipped(head, strings.Repeat(" ", maxText), "</feedback>"), ErrTooMuch},
		"bomb of rows":          {gzipped(head, strings.Repeat(oneRow, maxText/len(oneRow)+1)), ErrTooMuch},
		"zip of two":            {zipped(2, good), nil},
		"zip of many":           {zipped(maxEntries+1, good), ErrTooMuch},
		"zip bomb":              {zipped(1, head+strings.Repeat("<a></a>", maxText/7)), ErrTooMuch},
		"large file":            {make([]byte, MaxInput+1), ErrTooMuch},
		"cut gzip":              {gzipped(good)[:60], ErrBroken},
		"cut zip":               {zipped(1, good)[:80], ErrBroken},
		"more rows than a day":  {gzipped(head, strings.Repeat(oneRow, maxRows+10), "</feedback>"), nil},
		"entities":              {[]byte(`<!DOCTYPE a [<!ENTITY b "ha"><!ENTITY c "&b;&b;">]>` + good), ErrDTD},
		"external":              {[]byte(`<?xml version="1.0"?><!doctype feedback SYSTEM "file:///etc/passwd">` + good), ErrDTD},
		"deep":                  {[]byte(head + strings.Repeat("<a>", maxDepth)), ErrTooMuch},
		"a tag without end":     {[]byte(head + "<record " + strings.Repeat(`a="b" `, maxRun)), ErrTooMuch},
		"a text without end":    {[]byte("<feedback>" + strings.Repeat("x", maxRun+1) + "</feedback>"), ErrTooMuch},
		"deep JSON":             {[]byte(`{"policies":` + strings.Repeat("[", maxDepth) + strings.Repeat("]", maxDepth) + "}"), ErrTooMuch},
		"many objects":          {[]byte(`{"policies":[` + strings.Repeat("{},", maxObjects) + "{}]}"), ErrTooMuch},
		"other XML":             {[]byte(`<html><feedback></feedback></html>`), ErrNoReport},
		"other JSON":            {[]byte(`{"accounts":[]}`), ErrNoReport},
		"unknown charset":       {[]byte(`<?xml version="1.0" encoding="klingon"?>` + good), ErrBroken},
		"no time":               {[]byte(`<feedback><report_metadata><org_name>a</org_name></report_metadata><policy_published><domain>shop.example</domain></policy_published></feedback>`), ErrBroken},
		"a century":             {[]byte(strings.Replace(good, "<end>17", "<end>47", 1)), ErrBroken},
		"nothing":               {nil, ErrNoReport},
		"binary":                {[]byte("\x00\x01\x02"), ErrNoReport},
		"undefined entity":      {[]byte(strings.Replace(good, "a.example", "a &bomb; b", 1)), nil},
		"end tags alone":        {[]byte(head + oneRow + "</row></x></record></feedback></feedback>"), nil},
		"a mail of nested mail": {[]byte(strings.Repeat("Content-Type: message/rfc822\n\n", 1000) + good), ErrNoReport},
	} {
		start := time.Now()
		got, err := read("", c.in, time.Minute) // a busy machine makes nothing too much
		if !errors.Is(err, c.want) || c.want == nil && (len(got) == 0 || len(got[0].Rows) == 0) {
			t.Errorf("%s: %d reports, %v, want %v", name, len(got), err, c.want)
		}
		for _, r := range got {
			if len(r.Rows) > maxRows {
				t.Errorf("%s: %d rows", name, len(r.Rows))
			}
		}
		t.Logf("%s: %v", name, time.Since(start).Round(time.Millisecond))
	}
}

// A report that takes too long is given up, in the middle of whatever it is.
func TestTimeIsBounded(t *testing.T) {
	if _, err := read("", gzipped(head, strings.Repeat(oneRow, 1000), "</feedback>"), -time.Second); !errors.Is(err, ErrTooMuch) {
		t.Error(err)
	}
}

// FuzzRead: no input panics or passes the caps, and whatever is read can be counted and kept.
func FuzzRead(f *testing.F) {
	for _, file := range fixtures(f) {
		f.Add(file, load(f, file))
	}
	f.Add("a!shop.example!1!2.xml", []byte(head+oneRow))
	f.Add("", []byte("<feedback><record><row><count>-1"))
	f.Add("", gzipped(head, oneRow))
	f.Add("x.json", []byte(`{"policies":[{"summary":{"total-failure-session-count":-1}}]}`))
	f.Fuzz(func(t *testing.T, name string, in []byte) {
		got, err := read(name, in, time.Minute)
		if (err == nil) == (len(got) == 0) {
			t.Fatalf("%d reports and %v", len(got), err)
		}
		for _, r := range got {
			check(t, r)
		}
	})
}

func check(t *testing.T, r Report) {
	if r.Org == "" || r.ID == "" || r.Day().IsZero() || r.End.Before(r.Begin) || r.Kind == DMARC && r.Domain == "" || len(r.Notes) > 10 {
		t.Errorf("not whole: %+v", r)
	}
	for _, x := range r.Rows {
		if x.Count <= 0 || x.Count > maxCount || !x.Source.IsValid() || x.From == "" || strings.ContainsAny(x.From+r.Domain, " @|\n") {
			t.Errorf("a row that cannot be kept: %+v", x)
		}
	}
	for _, x := range r.Sessions {
		if x.Count <= 0 || x.Domain == "" {
			t.Errorf("sessions that cannot be kept: %+v", x)
		}
	}
	for domain, list := range Sort(r, []Sender{shop}) {
		if domain != "shop.example" || len(list) > maxTallies+50 {
			t.Errorf("%d lines for %s", len(list), domain)
		}
	}
}

// BenchmarkRead reads a report of a day, and one of 20,000 rows.
func BenchmarkRead(b *testing.B) {
	for _, c := range []struct {
		name string
		rows int
	}{{"day", 20}, {"large", maxRows}} {
		b.Run(c.name, func(b *testing.B) {
			in := gzipped(head, strings.Repeat(`<record><row><source_ip>192.0.2.10</source_ip><count>1</count><policy_evaluated><disposition>none</disposition><dkim>pass</dkim><spf>pass</spf></policy_evaluated></row><identifiers><header_from>shop.example</header_from></identifiers><auth_results><dkim><domain>shop.example</domain><selector>r2026</selector><result>pass</result></dkim></auth_results></record>`, c.rows), "</feedback>")
			b.ReportAllocs()
			for b.Loop() {
				got, err := read("", in, time.Minute)
				if err != nil || len(Sort(got[0], []Sender{shop})) != 1 {
					b.Fatal(err)
				}
			}
		})
	}
}
