package api

import (
	"crypto/sha256"
	"net/http"
	"time"

	"github.com/resetd/resetd/internal/desk"
	"github.com/resetd/resetd/internal/ledger"
)

type tokenBody struct {
	Token string `json:"token"`
	Realm string `json:"realm"`
}

type liveAnswer struct {
	Live      bool           `json:"live"`
	Reset     ledger.ResetID `json:"reset"`
	Realm     string         `json:"realm"`
	ExpiresAt time.Time      `json:"expires_at"`
}

type grantAnswer struct {
	Reset   ledger.ResetID `json:"reset"`
	Realm   string         `json:"realm"`
	Account string         `json:"account"`
	Login   string         `json:"login"`
	Address string         `json:"address"`
}

func tokenRoutes() []endpoint {
	return []endpoint{
		post("POST /v1/tokens/inspect", desk.DoInspect, never, func(c *call, in tokenBody) (int, any, error) {
			l, err := c.Desk.Inspect(c.ctx, c.actor, in.Token, in.Realm)
			return http.StatusOK, liveAnswer{true, l.Reset, l.Realm, l.ExpiresAt.UTC()}, err
		}),
		post("POST /v1/tokens/redeem", desk.DoRedeem, never, func(c *call, in tokenBody) (int, any, error) {
			g, err := c.Desk.Redeem(c.ctx, c.actor, c.redeemSeed(in.Token), in.Token, in.Realm)
			return http.StatusOK, grantAnswer(g), err
		}),
	}
}

// redeemSeed lets a caller that never heard the answer to a redeem ask again: with the same Idempotency-Key it is the same redeem. Nothing
// of the answer is kept for that, since it holds an address.
func (c *call) redeemSeed(tok string) ledger.Seed {
	name := c.r.Header.Get("Idempotency-Key")
	if name == "" {
		return c.seed
	}
	var seed ledger.Seed
	sum := sha256.Sum256([]byte(c.actor.Name + "\x00" + name + "\x00" + tok))
	copy(seed[:], sum[:])
	return seed
}
