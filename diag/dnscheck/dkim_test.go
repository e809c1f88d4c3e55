package dnscheck

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-msgauth/dkim"
)

// testRSA makes a key of the test's own.
func testRSA(t testing.TB, bits int) *rsa.PrivateKey {
	t.Helper()
	k, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

const testMail = "From: Reset <no-reply@sender.example>\r\nTo: jo@else.example\r\nSubject: Your  link\r\nDate: Tue, 24 Nov 2026 08:00:00 +0000\r\n" +
	"Message-ID: <1@sender.example>\r\n\r\nHello  Jo, \r\n\r\nhere it is.\r\n\r\n\r\n"

func sign(t testing.TB, mail string, key crypto.Signer, o dkim.SignOptions) string {
	t.Helper()
	o.Signer, o.Domain, o.Selector = key, "sender.example", "s1"
	var out bytes.Buffer
	if err := dkim.Sign(&out, strings.NewReader(mail), &o); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func keyZone(t testing.TB, name string, public crypto.PublicKey, more string) *zone {
	t.Helper()
	kind, data, err := keyData(public)
	if err != nil {
		t.Fatal(err)
	}
	return newZone(t, txtRecord(name, fmt.Sprintf("v=DKIM1; k=%s; %sp=%s", kind, more, data)))
}

// What go-msgauth signs, in every canonicalization and with both algorithms, verifies; one changed octet does not.
func TestVerifyAgreesWithSigner(t *testing.T) {
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, key := range map[string]crypto.Signer{"rsa": testRSA(t, 2048), "ed25519": ed} {
		z := keyZone(t, "s1._domainkey.sender.example", key.Public(), "")
		for _, header := range []dkim.Canonicalization{dkim.CanonicalizationSimple, dkim.CanonicalizationRelaxed} {
			for _, body := range []dkim.Canonicalization{dkim.CanonicalizationSimple, dkim.CanonicalizationRelaxed} {
				t.Run(fmt.Sprintf("%s %s/%s", name, header, body), func(t *testing.T) {
					for _, mail := range []string{testMail, "From: a@sender.example\r\n\r\n", "From: a@sender.example\r\n\r\n\r\n\r\n", "From: a@sender.example\r\nX: \r\n\tfolded\r\n\r\n \t\r\nx y\t z \r\n"} {
						signed := sign(t, mail, key, dkim.SignOptions{HeaderCanonicalization: header, BodyCanonicalization: body})
						got, err := VerifyDKIM(t.Context(), []byte(signed), z, Caps{})
						if err != nil || len(got.Signatures) != 1 || got.Signatures[0].Result != DKIMPass {
							t.Fatalf("%+v, %v of\n%s", got, err, signed)
						}
						got, _ = VerifyDKIM(t.Context(), []byte(strings.Replace(signed, "From: ", "From: x", 1)), z, Caps{})
						if s := got.Signatures[0]; s.Result != DKIMFail || !s.BodyOK {
							t.Errorf("a changed From: %+v", s)
						}
						got, _ = VerifyDKIM(t.Context(), []byte(signed+"more\r\n"), z, Caps{})
						if s := got.Signatures[0]; s.Result != DKIMFail || s.BodyOK {
							t.Errorf("a longer body: %+v", s)
						}
					}
				})
			}
		}
	}
}

// The vectors of RFC 6376 and RFC 8463, as dkimpy keeps them.
func TestVerifyVectors(t *testing.T) {
	dir := sharedDir(t, "corpora", "auth", "dkim-dkimpy", "data")
	const rsaKey = "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQiY/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB"
	z := newZone(t, txtRecord("test._domainkey.football.example.com", "v=DKIM1; k=rsa; p="+rsaKey)+"\n"+
		txtRecord("brisbane._domainkey.football.example.com", "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=")+"\n"+
		txtRecord("sed._domainkey.test.ex", "v=DKIM1; k=ed25519; p=sPs07Vu29FpHT/80UXUcYHFOHifD4o2ZlP2+XUh9g6E="))
	for file, want := range map[string]int{"rfc6376.signed.msg": 2, "rfc6376.signed.rsa.msg": 1, "ed25519test2.msg": 1} {
		raw, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil {
			t.Fatal(err)
		}
		got, err := VerifyDKIM(t.Context(), raw, z, Caps{})
		if err != nil || len(got.Signatures) != want {
			t.Errorf("%s: %+v, %v", file, got, err)
			continue
		}
		for _, s := range got.Signatures {
			if s.Result != DKIMPass {
				t.Errorf("%s: %+v", file, s)
			}
		}
	}
}

// signTags signs like go-msgauth, but with tags of the test's own choice before b=, computed by our own canonicalization; the
// tests above hold that one to go-msgauth's.
func signTags(t testing.TB, mail, tags string, key *rsa.PrivateKey) string {
	t.Helper()
	unsigned := "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=sender.example; s=s1; h=From:Subject; " + tags + " b=\r\n" + mail
	m, _ := splitMail([]byte(unsigned), 1<<20)
	sum := hash256(m.canonicalBody(true))
	if strings.Contains(tags, "l=") {
		sum = hash256(m.canonicalBody(true)[:5])
	}
	unsigned = strings.Replace(unsigned, " b=\r\n", " bh="+b64(sum)+"; b=\r\n", 1)
	m, _ = splitMail([]byte(unsigned), 1<<20)
	sig, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, m.headerHash(true, []string{"From", "Subject"}, 0))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Replace(unsigned, " b=\r\n", " b="+b64(sig)+"\r\n", 1)
}

// Signatures and key records that receivers treat in particular ways.
func TestVerifyParticulars(t *testing.T) {
	key := testRSA(t, 1024)
	const name = "s1._domainkey.sender.example"
	good := keyZone(t, name, key.Public(), "")
	record := good.rrs[name+"."][0].String()
	tests := []struct {
		what, tags string
		zone       *zone
		want       DKIMResult
		why        string
	}{
		{"plain", "", good, DKIMPass, "good"},
		{"i= in other case than d=", "i=jo@Mail.SENDER.example;", good, DKIMPass, "good"},
		{"i= in quoted-printable", "i=jo=40home@sender.example;", good, DKIMPass, "good"},
		{"i= outside d=", "i=@notsender.example;", good, DKIMPermError, "i="},
		{"i= in a subdomain under t=s", "i=@mail.sender.example;", keyZone(t, name, key.Public(), "t=s; "), DKIMPermError, "t=s"},
		{"i= exactly d= under t=s", "i=@sender.example;", keyZone(t, name, key.Public(), "t=s; "), DKIMPass, "good"},
		{"l= signs a part", "l=5;", good, DKIMPass, "good"},
		{"l= too long", "l=50000;", good, DKIMPermError, "l="},
		{"expired", "t=1000; x=2000;", good, DKIMPermError, "expired"},
		{"x= before t=", "t=2000; x=1000;", good, DKIMPermError, "x="},
		{"not yet expired", "t=1000; x=99999999999;", good, DKIMPass, "good"},
		{"another query method", "q=http/get;", good, DKIMPermError, "DNS"},
		{"a tag twice", "d=sender.example;", good, DKIMPermError, "twice"},
		{"an unknown tag with b= in its value", "zz=b=abc;", good, DKIMPass, "good"},
		{"no record", "", newZone(t, ""), DKIMPermError, "no key record"},
		{"DNS times out", "", newZone(t, name+". FAILS timeout"), DKIMTempError, "cannot be read"},
		{"DNS fails", "", newZone(t, name+". FAILS servfail"), DKIMTempError, "cannot be read"},
		{"revoked", "", newZone(t, txtRecord(name, "v=DKIM1; p=")), DKIMPermError, "revoked"},
		{"another key", "", keyZone(t, name, testRSA(t, 1024).Public(), ""), DKIMFail, "another key"},
		{"two keys", "", newZone(t, record+"\n"+txtRecord(name, "v=DKIM1; p=")), DKIMPermError, "2 key records"},
		{"a wildcard's SPF record beside the key", "", newZone(t, record+"\n"+txtRecord(name, "v=spf1 -all")), DKIMPass, "good"},
		{"only for sha1", "", keyZone(t, name, key.Public(), "h=sha1; "), DKIMPermError, "sha256"},
		{"only for another service", "", keyZone(t, name, key.Public(), "s=tlsrpt; "), DKIMPermError, "email"},
		{"testing", "", keyZone(t, name, key.Public(), "t=y; "), DKIMPass, "good"},
		{"a key of the other kind", "", newZone(t, txtRecord(name, "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=")), DKIMPermError, "published key ed25519"},
	}
	for _, tt := range tests {
		t.Run(tt.what, func(t *testing.T) {
			got, err := VerifyDKIM(t.Context(), []byte(signTags(t, testMail, tt.tags, key)), tt.zone, Caps{Now: time.Unix(1e9, 0)})
			if err != nil || len(got.Signatures) != 1 {
				t.Fatalf("%+v, %v", got, err)
			}
			if s := got.Signatures[0]; s.Result != tt.want || !strings.Contains(s.Why, tt.why) {
				t.Errorf("got %s (%s), want %s (…%s…)", s.Result, s.Why, tt.want, tt.why)
			}
		})
	}
	got, _ := VerifyDKIM(t.Context(), []byte(signTags(t, testMail, "l=5;", key)), good, Caps{})
	if got.Signatures[0].Unsigned == 0 {
		t.Error("the part beyond l= is not reported")
	}
	got, _ = VerifyDKIM(t.Context(), []byte(signTags(t, testMail, "i=jo=40home@sender.example;", key)), good, Caps{})
	if got.Signatures[0].Identity != "jo@home@sender.example" {
		t.Errorf("identity %q", got.Signatures[0].Identity)
	}
	short := testShortRSA(t)
	got, _ = VerifyDKIM(t.Context(), []byte(signTags(t, testMail, "", key)), newZone(t, txtRecord(name, "v=DKIM1; p="+short)), Caps{})
	if s := got.Signatures[0]; s.Result != DKIMPermError || !strings.Contains(s.Why, "512 bits") {
		t.Errorf("a short key: %+v", s)
	}
}

// Hostile mail is refused or read in linear time, with few look-ups.
func TestVerifyCaps(t *testing.T) {
	z := newZone(t, "")
	if _, err := VerifyDKIM(t.Context(), make([]byte, 2<<20), z, Caps{}); !errors.Is(err, ErrMailTooLarge) {
		t.Errorf("2 MiB: %v", err)
	}
	if _, err := VerifyDKIM(t.Context(), []byte("A:"+strings.Repeat(" x\r\n", 30000)), z, Caps{}); !errors.Is(err, ErrMailTooLarge) {
		t.Errorf("a header of 120 kB: %v", err)
	}
	one := "DKIM-Signature: v=1; a=rsa-sha256; d=sender.example; s=s1; h=From; bh=" + b64(hash256(nil)) + "; b=AAAA\r\n"
	got, err := VerifyDKIM(t.Context(), []byte(strings.Repeat(one, 300)+testMail), z, Caps{})
	if err != nil || len(got.Signatures) != 5 || got.Skipped != 295 || z.count("TXT") != 5 {
		t.Errorf("300 signatures: %d verified, %d skipped, %d look-ups, %v", len(got.Signatures), got.Skipped, z.count("TXT"), err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r := &Resolver{Servers: []string{"127.0.0.1:1"}}
	got, err = VerifyDKIM(ctx, []byte(one+testMail), r, Caps{})
	if err != nil || got.Signatures[0].Result != DKIMTempError {
		t.Errorf("no time left: %+v, %v", got, err)
	}
}

func TestCheckKey(t *testing.T) {
	key, other := testRSA(t, 2048), testRSA(t, 2048)
	_, data, _ := keyData(key.Public())
	edPub, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	_, edData, _ := keyData(edPub)
	const name = "s1._domainkey.sender.example"
	rec := func(s string) string { return txtRecord(name, s) + "\n" }
	tests := []struct {
		what, zone string
		public     crypto.PublicKey
		want       KeyStatus
	}{
		{"ours", rec("v=DKIM1; k=rsa; p=" + data), key.Public(), KeyMatch},
		{"ours with spaces and no version", rec("p=" + data[:100] + " " + data[100:]), key.Public(), KeyMatch},
		{"ours behind an alias", name + ". CNAME s1.keys.example.\n" + txtRecord("s1.keys.example", "v=DKIM1; p="+data), key.Public(), KeyMatch},
		{"ours, Ed25519", rec("v=DKIM1; k=ed25519; p=" + edData), edPub, KeyMatch},
		{"nothing", "", key.Public(), KeyAbsent},
		{"another type of record only", name + ". A 192.0.2.1", key.Public(), KeyAbsent},
		{"revoked", rec("v=DKIM1; p="), key.Public(), KeyRevoked},
		{"another key", rec("v=DKIM1; p=" + b64key(t, other.Public())), key.Public(), KeyOther},
		{"an Ed25519 record for our RSA key", rec("v=DKIM1; k=ed25519; p=" + edData), key.Public(), KeyWrongType},
		{"an RSA k= for our Ed25519 key", rec("v=DKIM1; k=rsa; p=" + edData), edPub, KeyWrongType},
		{"an unknown kind", rec("v=DKIM1; k=dsa; p=" + data), key.Public(), KeyWrongType},
		{"two keys", rec("v=DKIM1; p="+data) + rec("v=DKIM1; p="), key.Public(), KeySeveral},
		{"cut at 255", rec(("v=DKIM1; k=rsa; p=" + data)[:255]), key.Public(), KeyCut},
		{"split over two records", rec("v=DKIM1; k=rsa; p="+data[:200]) + rec(data[200:]), key.Public(), KeyCut},
		{"garbage", rec("hello"), key.Public(), KeyUnreadable},
		{"a version of its own", rec("v=DKIM2; p=" + data), key.Public(), KeyUnreadable},
		{"the version not first", rec("k=rsa; v=DKIM1; p=" + data), key.Public(), KeyUnreadable},
		{"no base64", rec("v=DKIM1; p=!!!"), key.Public(), KeyUnreadable},
		{"not for mail", rec("v=DKIM1; s=other; p=" + data), key.Public(), KeyUnusable},
		{"time-out", name + ". FAILS timeout", key.Public(), KeyUnknown},
		{"servfail", name + ". FAILS servfail", key.Public(), KeyUnknown},
		{"refused", name + ". FAILS refused", key.Public(), KeyUnknown},
	}
	for _, tt := range tests {
		t.Run(tt.what, func(t *testing.T) {
			got := CheckKey(t.Context(), newZone(t, tt.zone), "sender.example", Selector{Name: "s1", Public: tt.public})
			if got.Status != tt.want || got.Why == "" {
				t.Errorf("got %s (%s), want %s", got.Status, got.Why, tt.want)
			}
			// What we say to publish must be what we then accept.
			if again := CheckKey(t.Context(), newZone(t, got.Publish), "sender.example", Selector{Name: "s1", Public: tt.public}); again.Status != KeyMatch {
				t.Errorf("after publishing %s: %s (%s)", got.Publish, again.Status, again.Why)
			}
		})
	}
	got := CheckKey(t.Context(), newZone(t, rec("v=DKIM1; t=y; p="+data)), "sender.example", Selector{Name: "s1", Public: key.Public()})
	if got.Status != KeyMatch || !got.Testing {
		t.Errorf("test flag: %+v", got)
	}
}

func FuzzDKIMRecord(f *testing.F) {
	f.Add("v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQ")
	f.Add("v=DKIM1; k=ed25519; t=y:s; h=sha256:sha1; s=email; n=a=20b; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=")
	f.Add("p=;;=;v=")
	f.Fuzz(func(t *testing.T, s string) {
		rec, err := parseDKIMRecord(s)
		if err == nil && rec.public != nil && (rec.bits <= 0 || rec.data == "") {
			t.Errorf("%+v of %q", rec, s)
		}
		looksLikeKey(s)
	})
}

// FuzzVerify looks for crashes and for a signature that passes without a key.
func FuzzVerify(f *testing.F) {
	f.Add([]byte("DKIM-Signature: v=1; a=rsa-sha256; d=sender.example; s=s1; h=From; bh=AA==; b=AAAA\r\nFrom: a\r\n\r\nx"))
	f.Add([]byte("DKIM-Signature : i=@x; b=\r\n =;\r\nFrom: a\n\n"))
	z := newZone(f, txtRecord("s1._domainkey.sender.example", "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="))
	f.Fuzz(func(t *testing.T, raw []byte) {
		got, _ := VerifyDKIM(t.Context(), raw, z, Caps{})
		if len(got.Passed()) > 0 {
			t.Errorf("passed: %+v", got)
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	key := testRSA(b, 2048)
	z := keyZone(b, "s1._domainkey.sender.example", key.Public(), "")
	signed := []byte(sign(b, testMail, key, dkim.SignOptions{HeaderCanonicalization: "relaxed", BodyCanonicalization: "relaxed"}))
	b.ReportAllocs()
	for b.Loop() {
		if got, _ := VerifyDKIM(b.Context(), signed, z, Caps{}); len(got.Passed()) != 1 {
			b.Fatal(got)
		}
	}
}

// BenchmarkVerifyFolded is the mail that takes go-msgauth quadratic time: one field of many folds.
func BenchmarkVerifyFolded(b *testing.B) {
	z := newZone(b, "")
	raw := []byte("DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=sender.example; s=s1; h=From:X; bh=" + b64(hash256(nil)) + "; b=AAAA\r\nX:" +
		strings.Repeat("\r\n x", 15000) + "\r\n" + testMail)
	b.SetBytes(int64(len(raw)))
	for b.Loop() {
		VerifyDKIM(b.Context(), raw, z, Caps{})
	}
}
