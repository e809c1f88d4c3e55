package api

import (
	"context"
	"encoding/base64"
	"net/http"
	"unicode/utf8"

	"github.com/resetd/resetd/internal/desk"
)

// explainBody holds exactly one of a mail and a reply.
type explainBody struct {
	Mail     string `json:"mail,omitempty"`        // as it came, headers and all
	Base64   string `json:"mail_base64,omitempty"` // the same, for bytes that are no UTF-8
	Reply    string `json:"reply,omitempty"`
	Provider string `json:"provider,omitempty"` // of the reply: google, microsoft …
}

func explainRoutes() []endpoint {
	return []endpoint{
		postUpTo(MaxMailBody, "POST /v1/explain", desk.DoExplain, never, func(c *call, in explainBody) (int, any, error) {
			given := 0
			for _, s := range []string{in.Mail, in.Base64, in.Reply} {
				if s != "" {
					given++
				}
			}
			switch {
			case given != 1:
				return 0, nil, badBody("Send one of `mail`, `mail_base64` and `reply`.")
			case in.Provider != "" && in.Reply == "":
				return 0, nil, badBody("`provider` says who gave the `reply`, and there is none.")
			case in.Reply != "":
				text := in.Reply
				if in.Provider != "" {
					text = in.Provider + "\t" + text
				}
				e, err := c.Desk.ExplainReply(c.ctx, c.actor, text)
				e.Reply = in.Reply
				return http.StatusOK, e, err
			}
			raw := []byte(in.Mail)
			if in.Base64 != "" {
				var err error
				if raw, err = base64.StdEncoding.DecodeString(in.Base64); err != nil {
					return 0, nil, badBody("`mail_base64` is not base64 (RFC 4648 section 4, with padding).")
				}
			}
			e, err := c.Desk.ExplainMail(c.ctx, c.actor, raw)
			return http.StatusOK, e, err
		}),
	}
}

// ExplainMail says what a returned mail means. Nothing is kept.
func (c *Client) ExplainMail(ctx context.Context, raw []byte) (desk.ExplainedMail, error) {
	in := explainBody{Mail: string(raw)}
	if !utf8.Valid(raw) {
		in = explainBody{Base64: base64.StdEncoding.EncodeToString(raw)}
	}
	var out desk.ExplainedMail
	err := c.do(ctx, http.MethodPost, "/v1/explain", in, &out)
	return out, err
}

// ExplainReply says what an SMTP reply means; provider "" = recognise it. Nothing is kept.
func (c *Client) ExplainReply(ctx context.Context, reply, provider string) (desk.ExplainedReply, error) {
	var out desk.ExplainedReply
	err := c.do(ctx, http.MethodPost, "/v1/explain", explainBody{Reply: reply, Provider: provider}, &out)
	return out, err
}
