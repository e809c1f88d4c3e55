package store

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/resetd/resetd/internal/ledger"
)

// The tray is bounded: beyond TrayKept items the oldest goes, and is counted.
const TrayKept = 1000

// Why a return lies in the tray.
const (
	TrayUnread    = "unread"    // nothing in it could be read as a report
	TrayNoReason  = "no_reason" // it says that the mail failed, and why could not be read
	TrayUnmatched = "unmatched" // it belongs to no message that we know
)

// TrayItem is a return that a person must look at. It holds what a fact would hold, never the mail itself; tokens are redacted before it
// gets here.
type TrayItem struct {
	ID        ledger.ReturnID  `json:"id"`
	At        time.Time        `json:"at"`
	Why       string           `json:"why"`               // see TrayUnread …
	Source    string           `json:"source"`            // smtp, imap, or a provider's name
	Realm     string           `json:"realm,omitempty"`   // "" = unmatched
	Ledger    LedgerID         `json:"ledger,omitempty"`  // "" = unmatched
	Reset     ledger.ResetID   `json:"reset,omitempty"`   // "" = unmatched
	Message   ledger.MessageID `json:"message,omitempty"` // "" = unmatched
	Subject   string           `json:"subject"`
	From      string           `json:"from"` // who reports; "" = not stated
	Recipient string           `json:"recipient,omitempty"`
	Action    string           `json:"action,omitempty"`
	Status    string           `json:"status,omitempty"`
	Host      string           `json:"host,omitempty"`
	Lines     []string         `json:"lines"`  // the diagnostic lines, or what else the reader rested on
	Notice    []string         `json:"notice"` // the first lines of what the mail says, without addresses and links
	Unread    []string         `json:"unread"` // what could not be read
	Answer    *TrayAnswer      `json:"answer"` // nil = nobody has answered
}

// TrayAnswer is what a person says that a return means.
type TrayAnswer struct {
	By     string    `json:"by"`
	Role   string    `json:"role"`
	At     time.Time `json:"at"`
	Action string    `json:"action"`         // failed, delayed; none = it is no report
	Reason string    `json:"reason"`         // a word of diag/reply; "" where it is no report
	Note   string    `json:"note,omitempty"` // for colleagues
	Rule   string    `json:"rule,omitempty"` // for diag/reply, ready to be added; "" = there are no words to go by
}

// KEYS 1 items, 2 order, 3 counters · ARGV 1 id, 2 item, 3 ms, 4 oldest ms kept, 5 most, 6 retention ms.
// Puts an item in, unless it is there; drops what is too old or too much. Returns how many were dropped for want of room.
var trayPutScript = newScript(`
local function drop(ids)
  for _, id in ipairs(ids) do
    redis.call('HDEL', KEYS[1], id)
    redis.call('ZREM', KEYS[2], id)
  end
end
drop(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', ARGV[4], 'LIMIT', 0, 100))
if redis.call('HSETNX', KEYS[1], ARGV[1], ARGV[2]) == 0 then return 0 end
redis.call('ZADD', KEYS[2], ARGV[3], ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[6])
redis.call('PEXPIRE', KEYS[2], ARGV[6])
local over = redis.call('ZCARD', KEYS[2]) - ARGV[5]
if over <= 0 then return 0 end
drop(redis.call('ZRANGE', KEYS[2], 0, over - 1))
redis.call('HINCRBY', KEYS[3], 'tray_dropped', over)
return over`)

// PutTray lays a return into the tray. The same one again changes nothing.
func (s *Store) PutTray(ctx context.Context, t TrayItem) error {
	body, err := json.Marshal(t)
	if err != nil {
		return err
	}
	_, err = s.commit(ctx, trayPutScript, []string{trayKey, trayOrderKey, countersKey}, string(t.ID), body, millis(t.At),
		millis(s.Now().Add(-s.retention)), TrayKept, s.retention.Milliseconds())
	return err
}

// Tray lists what lies in the tray, the newest first, at most `most` from an offset on. What arrives between two pages may be seen twice.
func (s *Store) Tray(ctx context.Context, offset, most int) ([]TrayItem, error) {
	ids, err := s.rdb.ZRevRange(ctx, trayOrderKey, int64(offset), int64(offset+most-1)).Result()
	if err != nil {
		return nil, unavailable(err)
	}
	if len(ids) == 0 {
		return nil, nil
	}
	rows, err := s.rdb.HMGet(ctx, trayKey, ids...).Result()
	if err != nil {
		return nil, unavailable(err)
	}
	out := make([]TrayItem, 0, len(rows))
	for _, r := range rows {
		if asString(r) == "" {
			continue // dropped in between
		}
		t, err := readTray(asString(r))
		if err != nil {
			return nil, err
		}
		out = append(out, t)
	}
	return out, nil
}

// TrayItem finds one; ErrNotFound when it is not there, or no more.
func (s *Store) TrayItem(ctx context.Context, id ledger.ReturnID) (TrayItem, error) {
	row, err := s.rdb.HGet(ctx, trayKey, string(id)).Result()
	switch {
	case errors.Is(err, redis.Nil):
		return TrayItem{}, ErrNotFound
	case err != nil:
		return TrayItem{}, unavailable(err)
	}
	return readTray(row)
}

func readTray(row string) (TrayItem, error) {
	var t TrayItem
	if err := json.Unmarshal([]byte(row), &t); err != nil {
		return t, errors.New("an item of the tray is not readable; was it written by a newer version?")
	}
	if t.Notice == nil {
		t.Notice = []string{} // laid there by a version that kept none
	}
	return t, nil
}

// KEYS 1 items · ARGV 1 id, 2 item. Returns 1, or 0 when it is not there any more.
var trayAnswerScript = newScript(`
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
return 1`)

// AnswerTray writes an answer beside an item; a later answer takes the place of an earlier one. ErrNotFound when it was dropped meanwhile.
func (s *Store) AnswerTray(ctx context.Context, t TrayItem) error {
	body, err := json.Marshal(t)
	if err != nil {
		return err
	}
	v, err := s.commit(ctx, trayAnswerScript, []string{trayKey}, string(t.ID), body)
	if err == nil && asInt(v) == 0 {
		return ErrNotFound
	}
	return err
}
