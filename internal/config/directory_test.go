package config_test

import (
	"context"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/resetd/resetd/internal/config"
)

// An HTTP directory with a certificate of the company's own and a secret: what stands in the file reaches the look-up.
func TestHTTPDirectory(t *testing.T) {
	srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer s3cret" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, `{"accounts":[{"id":"u1","login":"jo@a.example","address":"jo@a.example","state":"active"}]}`)
	}))
	defer srv.Close()
	world(t)
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw})
	if err := os.WriteFile("files/ca.pem", ca, 0o600); err != nil {
		t.Fatal(err)
	}
	small, err := os.ReadFile("good/small.toml")
	if err != nil {
		t.Fatal(err)
	}
	doc := strings.Replace(string(small), `kind = "file"`+"\n"+`path = "../files/accounts.json"`,
		`kind = "http"`+"\nurl = \""+srv.URL+`/accounts"`+"\nca_file = \"../files/ca.pem\"\nbearer_file = \"../files/password\"", 1)
	doc = strings.Replace(doc, "[smtp]", "[smtp]\nallow_private_addresses = true", 1)
	if err := os.WriteFile("good/http.toml", []byte(doc), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.Load("good/http.toml", nil)
	if err != nil {
		t.Fatal(err)
	}
	found, err := c.Realms()[0].Directory.Lookup(context.Background(), "community", "jo@a.example")
	if err != nil || len(found.Accounts) != 1 || found.Accounts[0].Realm != "community" {
		t.Errorf("%+v %v", found, err)
	}
}
