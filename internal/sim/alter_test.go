package sim

import (
	"strings"
	"testing"
)

// A relay that changes what it forwards: the footer stands in the text part, and no link of ours is left.
func TestAlter(t *testing.T) {
	raw := "Subject: x\r\nContent-Type: multipart/alternative; boundary=b1\r\n\r\n--b1\r\nContent-Type: text/plain\r\n\r\nhttps://reset.us.example/r/abc\r\n" +
		"--b1\r\nContent-Type: text/html\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n<a href=3D\"https://reset.us.example/r/a=\r\nbc\">x</a>\r\n--b1--\r\n"
	got := string(Footer("-- \r\nScanned.")([]byte(raw)))
	if want := strings.Replace(raw, "r/abc\r\n", "r/abc\r\n-- \r\nScanned.\r\n", 1); got != want {
		t.Errorf("with a footer it is\n%s", got)
	}
	if got := string(Footer("Scanned.")([]byte("Subject: x\r\n\r\nHello.\r\n"))); got != "Subject: x\r\n\r\nHello.\r\nScanned.\r\n" {
		t.Errorf("a plain mail becomes\n%s", got)
	}
	got = string(RewriteLinks("https://click.relay.example/1")([]byte(raw)))
	if strings.Contains(got, "reset.us.example") || strings.Count(got, "https://click.relay.example/1") != 2 {
		t.Errorf("rewritten it is\n%s", got)
	}
	if b := Accept().Alter(Footer("x")); b.Then != nil {
		t.Error("a host that forwards nothing does something afterwards")
	}
}
