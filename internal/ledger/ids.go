package ledger

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"strings"
)

// Partitions is how many parts the ledgers hash into. Everything that one script must change together lies in one partition, and a
// partition is one hash tag in Redis. The number is part of every id and can never change for kept data.
const Partitions = 64

// ResetID names one ask for a reset: "rst_" and 28 characters. The zero value is no reset.
type ResetID string

// MessageID names one mail of a reset: "msg_" and 28 characters. It is not the Message-ID header, which is derived from it.
type MessageID string

// EventID names one fact: "evt_" and 28 characters.
type EventID string

// ReturnID names one returned mail, or one batch of events, from its arrival until it is read: "ret_" and 28 characters.
type ReturnID string

// ErrBadID means that a text is no id of the kind asked for.
var ErrBadID = errors.New("not an id of this kind")

// rawLen is a partition byte and 16 bytes of seed.
const rawLen = 17

var text = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// Seed is the randomness of an id. A caller that may try again (an idempotent request) keeps its seed and gets the same ids.
type Seed [16]byte

// NewSeed draws a seed.
func NewSeed() Seed {
	var s Seed
	rand.Read(s[:]) // never fails since Go 1.24
	return s
}

// Derive gives another seed that depends on this one and a label only.
func (s Seed) Derive(label string) Seed {
	h := sha256.New()
	h.Write(s[:])
	h.Write([]byte(label))
	var out Seed
	copy(out[:], h.Sum(nil))
	return out
}

func encode(prefix string, partition int, s Seed) string {
	var raw [rawLen]byte
	raw[0] = byte(partition)
	copy(raw[1:], s[:])
	return prefix + text.EncodeToString(raw[:])
}

// NewResetID makes the id of a reset whose ledger lies in a partition.
func NewResetID(partition int, s Seed) ResetID { return ResetID(encode("rst_", partition, s)) }

// NewMessageID makes the id of a message whose ledger lies in a partition.
func NewMessageID(partition int, s Seed) MessageID { return MessageID(encode("msg_", partition, s)) }

// NewReturnID makes the id of a returned mail that belongs to a message of a partition.
func NewReturnID(partition int, s Seed) ReturnID { return ReturnID(encode("ret_", partition, s)) }

// NewIncidentID makes the id of an incident, "inc_" and 28 characters; the same seed gives the same.
func NewIncidentID(s Seed) string { return encode("inc_", 0, s) }

// NewEventID makes the id of a fact; it carries no partition of its own, so that any room can make one.
func NewEventID() EventID { return EventID(encode("evt_", 0, NewSeed())) }

// EventIDFrom makes the id of a fact that must be the same when its writer tries again.
func EventIDFrom(s Seed) EventID { return EventID(encode("evt_", 0, s)) }

// Raw gives the 17 bytes of an id, whatever its prefix: its partition, then its seed.
func Raw(id string) ([rawLen]byte, error) {
	var raw [rawLen]byte
	if len(id) != 4+28 || id[3] != '_' {
		return raw, ErrBadID
	}
	n, err := text.Decode(raw[:], []byte(id[4:]))
	if err != nil || n != rawLen || int(raw[0]) >= Partitions {
		return raw, ErrBadID
	}
	// The last character holds bits beyond the 17 bytes: only one spelling of an id is the id.
	if text.EncodeToString(raw[:]) != id[4:] {
		return raw, ErrBadID
	}
	return raw, nil
}

// ResetIDFromRaw is the reverse of Raw.
func ResetIDFromRaw(raw [rawLen]byte) ResetID { return ResetID("rst_" + text.EncodeToString(raw[:])) }

// Partition says where an id's ledger lies; an id that is none gives ErrBadID.
func Partition(id string) (int, error) {
	raw, err := Raw(id)
	return int(raw[0]), err
}

// ParseResetID checks that a text from outside is a reset's id.
func ParseResetID(s string) (ResetID, error) {
	if !strings.HasPrefix(s, "rst_") {
		return "", ErrBadID
	}
	_, err := Raw(s)
	return ResetID(s), err
}

// ParseMessageID checks that a text from outside is a message's id.
func ParseMessageID(s string) (MessageID, error) {
	if !strings.HasPrefix(s, "msg_") {
		return "", ErrBadID
	}
	_, err := Raw(s)
	return MessageID(s), err
}
