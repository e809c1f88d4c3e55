package bounce

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/resetd/resetd/internal/ledger"
)

// Came is what a receiver learns from the dialogue in which a canary is brought: what it judges the mail by.
type Came struct {
	At   time.Time  `json:"at"`
	IP   netip.Addr `json:"ip"`
	HELO string     `json:"helo"`
	From string     `json:"from"` // the envelope sender; "" = the null sender
	TLS  string     `json:"tls"`  // "" = in clear
}

// ErrNotPacked means that a stored canary is none.
var ErrNotPacked = errors.New("the stored canary has no head")

// Pack puts what was seen in front of the mail itself, so that both are kept as one.
func (c Came) Pack(raw []byte) ([]byte, error) {
	head, err := json.Marshal(c)
	if err != nil {
		return nil, err
	}
	return append(append(head, '\n'), raw...), nil
}

// Unpack is the reverse of Pack.
func Unpack(packed []byte) (c Came, raw []byte, err error) {
	head, raw, ok := bytes.Cut(packed, []byte{'\n'})
	if !ok || json.Unmarshal(head, &c) != nil {
		return Came{}, nil, ErrNotPacked
	}
	return c, raw, nil
}

// isCanary takes the address of a canary of ours. The caller holds mu.
func (s *inbound) isCanary(to string) bool {
	if s.r.Canary == nil || s.r.KeepCanary == nil {
		return false
	}
	id, err := s.r.Canary(to)
	if err != nil {
		return false
	}
	if !slices.Contains(s.birds, id) {
		s.birds = append(s.birds, id)
	}
	return true
}

// maxHELO bounds what is kept of a name that a stranger chose.
const maxHELO = 255

func (s *inbound) keepCanaries(ctx context.Context, ids []ledger.MessageID, from string, raw []byte) error {
	if len(ids) == 0 {
		return nil
	}
	c := Came{At: time.Now().UTC(), From: from}
	if s.peer != nil {
		c.HELO = strings.ToValidUTF8(s.peer.Hostname()[:min(len(s.peer.Hostname()), maxHELO)], "")
		if ap, err := netip.ParseAddrPort(s.peer.Conn().RemoteAddr().String()); err == nil {
			c.IP = ap.Addr().Unmap().WithZone("")
		}
		if _, secure := s.peer.TLSConnectionState(); secure {
			c.TLS = "TLS"
		}
	}
	for _, id := range ids {
		if err := s.r.KeepCanary(ctx, id, c, raw); err != nil {
			return err
		}
		s.r.stats.canaries.Add(1)
	}
	return nil
}
