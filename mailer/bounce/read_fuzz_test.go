package bounce

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/resetd/resetd/diag/reply"
)

// FuzzRead: no mail panics or hangs the reader, what it quotes stands in the input, and line ends do not matter.
func FuzzRead(f *testing.F) {
	files, err := filepath.Glob("testdata/read/*.eml")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		in, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(in)
	}
	for _, small := range hostile {
		f.Add([]byte(small(300)))
	}
	own, err := reply.With("rule own\n  says {hello,mail,message*,user*,you,not}\n  reason mailbox_full\n  proves It fits nearly anything.\n  source this test\n  sample 550 hello\n")
	if err != nil {
		f.Fatal(err)
	}
	rd, err := NewReader(own)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		checkMail(t, in, rd.ReadBytes(in))
		m := ReadBytes(in)
		checkMail(t, in, m)
		if len(in) < maxMail/2 {
			if again := ReadBytes([]byte(strings.ReplaceAll(normalize(in), "\n", "\r\n"))); !reflect.DeepEqual(again, m) {
				t.Errorf("reads otherwise with CRLF:\n got %+v\nwant %+v", again, m)
			}
		}
	})
}

// FuzzDecode: header words, transfer encodings, HTML and addresses give UTF-8 that is no larger than it may be.
func FuzzDecode(f *testing.F) {
	for _, s := range []string{
		"=?utf-8?q?a_=C3=A4?= =?utf-8?b?YWJj?=", "=?iso-2022-jp?B?GyRCJUYlOSVIGyhC?=", "=?x?q?=?=", "=?a?b?", "a=\nb=3D=",
		"<p>a&amp;b<br><a@b.example></p><style>x", `"a b"@c.example, <d@[192.0.2.1]>`, `\x{F6}@\x{FC}`, "a+2Bb+3D", "https://x/r/abcdefghijklmnopqrst",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if w := decodeWords(s); !utf8.ValidString(w) {
			t.Errorf("decodeWords(%q) = %q is not UTF-8", s, w)
		}
		if q := decodeQP(s); len(q) > len(s) {
			t.Errorf("decodeQP grew %q to %q", s, q)
		}
		if b := decodeBase64(s); len(b) > len(s) {
			t.Errorf("decodeBase64 grew %q to %q", s, b)
		}
		if h := plainHTML(s); len(h) > 2*len(s)+16 {
			t.Errorf("plainHTML grew %q to %q", s, h)
		}
		for pos := 0; ; {
			a, ok := nextAddress(s, pos)
			if !ok {
				break
			}
			if a.end <= pos || a.start < pos || s[a.start:a.end] != a.text {
				t.Fatalf("nextAddress(%q, %d) = %+v", s, pos, a)
			}
			pos = a.end
		}
		if r := redact(s); secretAt(strings.ReplaceAll(r, redaction, "")) >= 0 && secretAt(r) >= 0 {
			t.Errorf("redact(%q) leaves %q", s, r)
		}
		if c := enhancedCode(s); c != "" && !strings.Contains(s, c) {
			t.Errorf("enhancedCode(%q) = %q", s, c)
		}
		_, _, words := hostWords(s)
		if !strings.Contains(s, words) {
			t.Errorf("hostWords(%q) = %q", s, words)
		}
		xtext(s)
		utf8Addr(s)
		param(s, "boundary")
		parseDate(s)
	})
}

// FuzzStatus: a delivery-status part of any shape.
func FuzzStatus(f *testing.F) {
	f.Add("Reporting-MTA: dns; a\n\nFinal-Recipient: rfc822; b@c\nAction: failed\nStatus: 5.1.1 (no)\nDiagnostic-Code: smtp; 550\n no\n")
	f.Add("Final-Recipient: rfc822; b@c\n\nAction: failed\n\nFinal-Recipient: rfc822; d@e\nOriginal-Recipient: rfc822; f@g\n")
	f.Add(strings.Repeat("Status: 2.0.0\n", 9))
	f.Fuzz(func(t *testing.T, s string) {
		in := []byte(dsnHead + s + "\n--b--\n")
		m := ReadBytes(in)
		checkMail(t, bytes.Clone(in), m)
	})
}
