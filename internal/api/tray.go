package api

import (
	"context"
	"net/http"
	"net/url"

	"github.com/resetd/resetd/internal/desk"
	"github.com/resetd/resetd/internal/store"
)

// AnswerBody says what a return in the tray means.
type AnswerBody struct {
	Reason string `json:"reason,omitempty"` // a word of diag/reply; "" only with the action none
	Action string `json:"action,omitempty"` // failed, delayed, none; "" = as the return says
	Words  string `json:"words,omitempty"`  // that say so, as they stand in the return; "" = its diagnostic lines
	Note   string `json:"note,omitempty"`
}

func trayRoutes() []endpoint {
	return []endpoint{
		get("GET /v1/tray", desk.DoTray, func(c *call) (int, any, error) {
			items, next, err := c.Desk.Tray(c.ctx, c.actor, c.r.URL.Query().Get("cursor"))
			return http.StatusOK, listOf(items, next), err
		}),
		post("POST /v1/tray/{id}/answer", desk.DoAnswer, once, func(c *call, in AnswerBody) (int, any, error) {
			t, err := c.Desk.AnswerReturn(c.ctx, c.actor, c.r.PathValue("id"), desk.Reading{Action: in.Action, Reason: in.Reason, Words: in.Words, Note: in.Note})
			return http.StatusOK, t, err
		}),
	}
}

// Tray lists the returns that a person must look at, the newest first, a page at a time; next is "" on the last.
func (c *Client) Tray(ctx context.Context, cursor string) (items []store.TrayItem, next string, err error) {
	var out list[store.TrayItem]
	err = c.do(ctx, http.MethodGet, "/v1/tray?cursor="+url.QueryEscape(cursor), nil, &out)
	return out.Items, out.Next, err
}

// AnswerReturn says what a return in the tray means, and gives it back with the answer and its rule.
func (c *Client) AnswerReturn(ctx context.Context, id string, a AnswerBody) (store.TrayItem, error) {
	var out store.TrayItem
	err := c.do(ctx, http.MethodPost, "/v1/tray/"+url.PathEscape(id)+"/answer", a, &out)
	return out, err
}
