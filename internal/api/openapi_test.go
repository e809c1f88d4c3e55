package api

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/legacy"

	"github.com/resetd/resetd/internal/desk"
)

func loadDescription(t *testing.T) (*openapi3.T, routers.Router) {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData(openAPI)
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Validate(context.Background(), openapi3.IsOpenAPI31OrLater()); err != nil {
		t.Fatal(err)
	}
	router, err := legacy.NewRouter(doc, openapi3.IsOpenAPI31OrLater())
	if err != nil {
		t.Fatal(err)
	}
	return doc, router
}

// Every route is described, and everything described is a route.
func TestDescriptionHasEveryRoute(t *testing.T) {
	doc, _ := loadDescription(t)
	var described, served []string
	for path, item := range doc.Paths.Map() {
		for method := range item.Operations() {
			described = append(described, method+" "+path)
		}
	}
	for _, e := range routes() {
		served = append(served, e.pattern)
	}
	served = append(served, "GET /healthz", "GET /readyz", "GET /metrics", "GET /")
	slices.Sort(described)
	slices.Sort(served)
	if !slices.Equal(described, served) {
		t.Errorf("described:\n%s\nserved:\n%s", strings.Join(described, "\n"), strings.Join(served, "\n"))
	}
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			open := op.Security != nil && len(*op.Security) == 0
			if strings.HasPrefix(path, "/v1/") && !open && !strings.HasPrefix(op.Description, "Roles: ") {
				t.Errorf("%s %s names no roles", method, path)
			}
		}
	}
}

// The bodies that are described have the fields that the server takes, which it names when it is sent another.
func TestDescribedBodiesAreTheOnesTaken(t *testing.T) {
	doc, _ := loadDescription(t)
	w := newWorld(t)
	for path, item := range doc.Paths.Map() {
		op := item.Post
		if op == nil || op.RequestBody == nil {
			continue
		}
		var described, taken []string
		for name := range op.RequestBody.Value.Content["application/json"].Schema.Value.Properties {
			described = append(described, name)
		}
		role := desk.Admin
		if !strings.Contains(op.Description, "admin") {
			role = desk.App
		}
		r := w.as(role, "POST", strings.Replace(path, "{id}", string(strangeReset), 1), `{"no such field":1}`)
		_, list, _ := strings.Cut(r.field(t, "detail").(string), "It knows ")
		for i, part := range strings.Split(list, "`") {
			if i%2 == 1 {
				taken = append(taken, part)
			}
		}
		slices.Sort(described)
		slices.Sort(taken)
		if !slices.Equal(described, taken) {
			t.Errorf("%s: described %v, taken %v", path, described, taken)
		}
	}
}

// The description at the root of the repository is the one that is served.
func TestDescriptionAtTheRoot(t *testing.T) {
	b, err := os.ReadFile("../../openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(b, openAPI) {
		t.Error("openapi.yaml at the root differs from internal/api/openapi.yaml; it should be a link to it")
	}
}

// strangeIncident is the id of an incident that never was.
const strangeIncident = "inc_aaaaaaaaaaaaaaaaaaaaaaaaaaaa"

// What a running server answers is what the description says, calls that fail included.
func TestAnswersAreAsDescribed(t *testing.T) {
	_, router := loadDescription(t)
	w := newWorld(t)
	id := string(w.ask())
	tok := w.send(refusedMailbox)
	w.suppress("zoe@shop.example")
	aside, trouble := w.layAside(id), w.incident(id)
	token := fmt.Sprintf(`{"token":%q,"realm":"shop"}`, tok)
	for _, c := range []struct {
		role         desk.Role
		method, path string
		body         string
		status       int
	}{
		{desk.App, "POST", "/v1/resets", `{"realm":"shop","login":"jo@shop.example"}`, 202},
		{desk.App, "POST", "/v1/resets", `{"realm":"shop","login":""}`, 400},
		{desk.Ops, "POST", "/v1/resets", `{}`, 403},
		{"", "POST", "/v1/resets", `{}`, 401},
		{desk.Support, "GET", "/v1/resets/" + id, "", 200},
		{desk.Support, "GET", "/v1/resets/" + string(strangeReset), "", 404},
		{desk.Support, "POST", "/v1/resets/" + id + "/resend", `{"reason":"asked for"}`, 0},
		{desk.Support, "POST", "/v1/resets/" + id + "/resend", `{"reason":"asked for","force":true,"route":"direct"}`, 202},
		{desk.Admin, "POST", "/v1/resets/" + id + "/cancel", `{"reason":"asked for"}`, 200},
		{desk.Admin, "POST", "/v1/resets/" + id + "/cancel", `{"reason":"asked for"}`, 409},
		{desk.Admin, "POST", "/v1/resets/" + id + "/reveal", `{"reason":"asked for"}`, 403},
		{desk.Support, "POST", "/v1/why", `{"login":"jo@shop.example","page":"https://community.example/login"}`, 200},
		{desk.Support, "POST", "/v1/why", `{"login":"nobody@nowhere.example"}`, 200},
		{desk.Support, "POST", "/v1/why", `{"reset":"` + id + `"}`, 200},
		{desk.Support, "POST", "/v1/reports", `{"realm":"shop","login":"jo@shop.example","kind":"found_in_junk","at":"2026-11-20T08:00:00Z","detail":"on the phone"}`, 202},
		{desk.App, "POST", "/v1/tokens/inspect", token, 200},
		{desk.App, "POST", "/v1/tokens/redeem", token, 200},
		{desk.App, "POST", "/v1/tokens/redeem", token, 410},
		{desk.App, "POST", "/v1/resets/" + id + "/outcome", `{"result":"failed","detail":"database away"}`, 200},
		{desk.Admin, "GET", "/v1/suppressions", "", 200},
		{desk.Admin, "GET", "/v1/suppressions?cursor=x", "", 400},
		{desk.Support, "POST", "/v1/suppressions/lookup", `{"address":"zoe@shop.example"}`, 200},
		{desk.Support, "POST", "/v1/suppressions/lookup", `{"address":"jo@shop.example"}`, 200},
		{desk.Admin, "POST", "/v1/suppressions/release", `{"address":"zoe@shop.example","reason":"mailbox is back"}`, 200},
		{desk.Admin, "POST", "/v1/suppressions/release", `{"address":"zoe@shop.example","reason":"mailbox is back"}`, 404},
		{desk.Ops, "POST", "/v1/queue/resume", `{"reason":"was it held?"}`, 409},
		{desk.Ops, "POST", "/v1/queue/pause", `{"reason":"relay is being moved","route":"relay"}`, 200},
		{desk.Ops, "POST", "/v1/queue/pause", `{"reason":"all of it"}`, 200},
		{desk.Ops, "GET", "/v1/queue", "", 200},
		{desk.Ops, "POST", "/v1/queue/resume", `{"reason":"done"}`, 200},
		{desk.Admin, "GET", "/v1/audit", "", 200},
		{desk.Admin, "GET", "/v1/audit/verify", "", 200},
		{desk.Ops, "POST", "/v1/explain", `{}`, 400},
		{desk.Ops, "POST", "/v1/explain", `{"mail":"Subject: hello\n\nhello"}`, 200},
		{desk.Ops, "POST", "/v1/explain", `{"mail":"From: MAILER-DAEMON\nX-Failed-Recipients: jo@shop.example\nSubject: Mail delivery failed\n\n550 5.1.1 no such user"}`, 200},
		{desk.Ops, "POST", "/v1/explain", `{"reply":"421 4.7.0 try again in 300 seconds","provider":"google"}`, 200},
		{desk.Ops, "GET", "/v1/tray", "", 200},
		{desk.Ops, "POST", "/v1/tray/ret_1/answer", `{"reason":"mailbox_full"}`, 404},
		{desk.Ops, "POST", "/v1/tray/" + aside + "/answer", `{"reason":"full"}`, 400},
		{desk.Ops, "POST", "/v1/tray/" + aside + "/answer", `{"reason":"mailbox_full","note":"they say so in Finnish"}`, 200},
		{desk.Ops, "GET", "/v1/tray", "", 200},
		{desk.Ops, "GET", "/v1/domains", "", 200},
		{desk.Ops, "POST", "/v1/domains/shop.example/check", "", 503}, // nobody to ask: see TestDomains
		{desk.Ops, "POST", "/v1/probes", `{"address":"jo@shop.example"}`, 503},
		{desk.Ops, "POST", "/v1/probes", `{"address":"jo"}`, 400},
		{desk.Ops, "GET", "/v1/incidents", "", 200},
		{desk.Ops, "GET", "/v1/incidents/" + strangeIncident, "", 404},
		{desk.Ops, "GET", "/v1/incidents/" + trouble, "", 200},
		{desk.Ops, "POST", "/v1/incidents/inc_1/resend", `{}`, 400},
		{desk.Ops, "POST", "/v1/incidents/" + strangeIncident + "/resend", `{"reason":"it is over"}`, 404},
		{desk.Support, "POST", "/v1/resets/" + id + "/packet", "", 409},
		{desk.Support, "POST", "/v1/resets/" + string(strangeReset) + "/packet", "", 404},
		{"", "POST", "/v1/hooks/ses", `{}`, 404},
		{"", "GET", "/r/abc", "", 410},
		{"", "GET", "/healthz", "", 200},
		{"", "GET", "/readyz", "", 200},
	} {
		secret := ""
		if c.role != "" {
			secret = secretOf(c.role)
		}
		r := w.try(c.method, c.path, secret, c.body)
		if c.status != 0 && r.status != c.status {
			t.Errorf("%s %s: %d %s", c.method, c.path, r.status, r.body)
		}
		req, err := http.NewRequest(c.method, c.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		route, params, err := router.FindRoute(req)
		if err != nil {
			t.Fatalf("%s %s: %v", c.method, c.path, err)
		}
		in := &openapi3filter.ResponseValidationInput{
			RequestValidationInput: &openapi3filter.RequestValidationInput{Request: req, PathParams: params, Route: route},
			Status:                 r.status, Header: r.header, Options: &openapi3filter.Options{IncludeResponseStatus: true, ExcludeResponseBody: strings.HasPrefix(r.header.Get("Content-Type"), "text/html")},
		}
		in.SetBodyBytes([]byte(r.body))
		if err := openapi3filter.ValidateResponse(context.Background(), in); err != nil {
			t.Errorf("%s %s answers %d, which is not as described: %v\n%s", c.method, c.path, r.status, err, r.body)
		}
	}
}
