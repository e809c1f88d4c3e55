// Package console is the page at the desk: who signs in with an API key can look a person up, resend, and hold the queue.
package console

import (
	"net/http"

	"github.com/resetd/resetd/internal/desk"
)

// Options are what the console needs; all are required.
type Options struct {
	Desk   *desk.Desk
	SignIn func(secret string) (desk.Actor, bool)
	Peer   func(*http.Request) string
	Secure bool
}

// Console serves the pages.
type Console struct{ Options }

// New makes it.
func New(o Options) *Console { return &Console{o} }

// Register puts its routes into a mux.
func (c *Console) Register(mux *http.ServeMux) {}
