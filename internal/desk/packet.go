package desk

import (
	"context"

	"github.com/resetd/resetd/diag"
	"github.com/resetd/resetd/internal/ledger"
)

// Packet writes the evidence packet of a reset's newest mail, for the recipient's IT. A reset whose mail no host was offered has none.
func (d *Desk) Packet(ctx context.Context, a Actor, id ledger.ResetID) (string, error) {
	if err := d.Authorise(ctx, a, DoPacket, string(id), "", false); err != nil {
		return "", err
	}
	at, r, err := d.find(ctx, a, id)
	if err != nil {
		return "", err
	}
	t, err := d.timeline(ctx, at.Ledger)
	if err != nil {
		return "", err
	}
	in := diag.Input{Now: d.now(), Reset: r.ID, Realm: d.Realm(at.Realm), Timeline: t, Smart: map[string]bool{}}
	for _, route := range d.Routes {
		in.Smart[route.Name] = route.Smart
	}
	text := diag.Packet(in, d.Us)
	if text == "" {
		return "", &Bad{Code: "no_packet", Detail: "No host was offered a mail of this reset, so that its recipient's IT can find nothing. `POST /v1/why` says what held it."}
	}
	return text, nil
}
