package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/resetd/resetd/diag"
	"github.com/resetd/resetd/internal/desk"
	"github.com/resetd/resetd/internal/ledger"
	"github.com/resetd/resetd/internal/store"
)

// Client speaks to a daemon. URL and Key are required.
type Client struct {
	URL  string       // base, such as http://127.0.0.1:8025
	Key  string       // the API key's secret
	HTTP *http.Client // nil = one with a limit of 30 s
}

// maxAnswer is how much of an answer is read, in bytes: the longest is the case of somebody with years of facts.
const maxAnswer = 16 << 20

// Request starts a reset.
func (c *Client) Request(ctx context.Context, ask AskBody) (ledger.ResetID, error) {
	var out struct{ Reset ledger.ResetID }
	err := c.do(ctx, http.MethodPost, "/v1/resets", ask, &out)
	return out.Reset, err
}

// Why asks why.
func (c *Client) Why(ctx context.Context, q WhyBody) ([]diag.Case, error) {
	var out Cases
	err := c.do(ctx, http.MethodPost, "/v1/why", q, &out)
	return out.Cases, err
}

// Reset shows one reset.
func (c *Client) Reset(ctx context.Context, id ledger.ResetID) (desk.ResetView, error) {
	var out desk.ResetView
	err := c.do(ctx, http.MethodGet, resetPath(id, ""), nil, &out)
	return out, err
}

// Resend asks for another mail. A refusal is a *Problem with Cause, Resend and Remedies.
func (c *Client) Resend(ctx context.Context, id ledger.ResetID, w ResendBody) (ledger.MessageID, error) {
	var out struct{ Message ledger.MessageID }
	err := c.do(ctx, http.MethodPost, resetPath(id, "/resend"), w, &out)
	return out.Message, err
}

// Cancel takes back what is still booked of a reset.
func (c *Client) Cancel(ctx context.Context, id ledger.ResetID, reason string) (ledger.State, error) {
	var out struct{ State ledger.State }
	err := c.do(ctx, http.MethodPost, resetPath(id, "/cancel"), reasonBody{reason}, &out)
	return out.State, err
}

// Incidents lists what concerned many people at once, the newest first.
func (c *Client) Incidents(ctx context.Context) ([]diag.Trouble, error) {
	var out list[diag.Trouble]
	err := c.do(ctx, http.MethodGet, "/v1/incidents", nil, &out)
	return out.Items, err
}

// Incident shows one, and who waits because of it.
func (c *Client) Incident(ctx context.Context, incident string) (desk.IncidentView, error) {
	var out desk.IncidentView
	err := c.do(ctx, http.MethodGet, "/v1/incidents/"+url.PathEscape(incident), nil, &out)
	return out, err
}

// ResendAll sends another mail to those who still wait because of an incident.
func (c *Client) ResendAll(ctx context.Context, incident string, w ResendBody) (desk.AllAgain, error) {
	var out desk.AllAgain
	err := c.do(ctx, http.MethodPost, "/v1/incidents/"+url.PathEscape(incident)+"/resend", w, &out)
	return out, err
}

// Packet writes the evidence packet of a reset.
func (c *Client) Packet(ctx context.Context, id ledger.ResetID) (string, error) {
	var out PacketAnswer
	err := c.do(ctx, http.MethodPost, resetPath(id, "/packet"), nil, &out)
	return out.Text, err
}

// Queue looks at the queue.
func (c *Client) Queue(ctx context.Context) (desk.QueueView, error) {
	var out desk.QueueView
	err := c.do(ctx, http.MethodGet, "/v1/queue", nil, &out)
	return out, err
}

// Pause holds sending on a route; "" = on all.
func (c *Client) Pause(ctx context.Context, route, reason string) error {
	return c.do(ctx, http.MethodPost, "/v1/queue/pause", holdBody{reason, route}, nil)
}

// Resume lets sending go on.
func (c *Client) Resume(ctx context.Context, route, reason string) error {
	return c.do(ctx, http.MethodPost, "/v1/queue/resume", holdBody{reason, route}, nil)
}

// Suppressions lists the addresses that are not written to, a page at a time; next is "" on the last.
func (c *Client) Suppressions(ctx context.Context, cursor string) (items []store.Suppression, next string, err error) {
	var out list[store.Suppression]
	err = c.do(ctx, http.MethodGet, "/v1/suppressions?cursor="+url.QueryEscape(cursor), nil, &out)
	return out.Items, out.Next, err
}

// LookupSuppression looks one address up; nil = it is written to.
func (c *Client) LookupSuppression(ctx context.Context, address string) (*store.Suppression, error) {
	var out LookupAnswer
	err := c.do(ctx, http.MethodPost, "/v1/suppressions/lookup", addressBody{address}, &out)
	return out.Suppression, err
}

// Release lifts a suppression.
func (c *Client) Release(ctx context.Context, address, reason string) error {
	return c.do(ctx, http.MethodPost, "/v1/suppressions/release", releaseBody{address, reason}, nil)
}

// Audit reads the audit trail, the newest entry first, a page at a time; next is "" on the last.
func (c *Client) Audit(ctx context.Context, cursor string) (items []store.Entry, next string, err error) {
	var out list[store.Entry]
	err = c.do(ctx, http.MethodGet, "/v1/audit?cursor="+url.QueryEscape(cursor), nil, &out)
	return out.Items, out.Next, err
}

// VerifyAudit lets the daemon walk the audit trail.
func (c *Client) VerifyAudit(ctx context.Context) (desk.AuditCheck, error) {
	var out desk.AuditCheck
	err := c.do(ctx, http.MethodGet, "/v1/audit/verify", nil, &out)
	return out, err
}

func resetPath(id ledger.ResetID, rest string) string {
	return "/v1/resets/" + url.PathEscape(string(id)) + rest
}

// ErrNotResetd means that something answered which is no daemon of ours: a proxy's page, perhaps.
var ErrNotResetd = errors.New("what answered there is not resetd's API")

// do makes one call. out nil = the answer's body does not matter.
func (c *Client) do(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(c.URL, "/")+path, body)
	if err != nil {
		return fmt.Errorf("the daemon's URL is not one: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+c.Key)
	req.Header.Set("Accept", "application/json, application/problem+json")
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	client := c.HTTP
	if client == nil {
		client = &http.Client{Timeout: 30 * time.Second}
	}
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return err
	}
	if res.StatusCode >= 300 {
		var p Problem
		if json.Unmarshal(b, &p) != nil || p.Code == "" {
			return fmt.Errorf("%w: it said %d", ErrNotResetd, res.StatusCode)
		}
		return &p
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(b, out); err != nil {
		return fmt.Errorf("%w: %w", ErrNotResetd, err)
	}
	return nil
}
