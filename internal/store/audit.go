package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

// Entry is one line of the audit trail. Its hash covers its own fields and the hash of the entry before it, so that none can be changed,
// taken out or put in without breaking every later one.
type Entry struct {
	N      int64     `json:"n"`
	At     time.Time `json:"at"`
	By     string    `json:"by"`   // the API key's name
	Role   string    `json:"role"` // its role
	Action string    `json:"action"`
	Target string    `json:"target,omitempty"` // an id, or the hashed name of a ledger; never an address
	Reason string    `json:"reason,omitempty"`
	Denied bool      `json:"denied,omitempty"`
	Forced bool      `json:"forced,omitempty"`
	Prev   string    `json:"prev"`
	Hash   string    `json:"hash"`
}

func (e Entry) sum() string {
	e.Hash = ""
	b, err := json.Marshal(e)
	if err != nil {
		panic("audit entry: " + err.Error()) // only strings, numbers and a time
	}
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])
}

// KEYS 1 audit, 2 head · ARGV 1 previous hash, 2 new hash, 3 entry. Appends if the head is still the previous one. Returns 1 when the entry
// stands in the trail, now or already (a client whose reply was lost asks again), else 0.
var auditScript = newScript(`
local head = redis.call('GET', KEYS[2]) or ''
if head == ARGV[2] then return 1 end
if head ~= ARGV[1] then return 0 end
redis.call('RPUSH', KEYS[1], ARGV[3])
redis.call('SET', KEYS[2], ARGV[2])
return 1`)

// Audit appends an entry to the trail.
func (s *Store) Audit(ctx context.Context, e Entry) error {
	for range 50 {
		var head *redis.StringCmd
		var n *redis.IntCmd
		_, err := s.rdb.TxPipelined(ctx, func(p redis.Pipeliner) error {
			head, n = p.Get(ctx, auditHeadKey), p.LLen(ctx, auditKey)
			return nil
		})
		if err != nil && !errors.Is(err, redis.Nil) {
			return unavailable(err)
		}
		e.N, e.Prev, e.At = n.Val()+1, head.Val(), s.Now()
		e.Hash = e.sum()
		row, err := json.Marshal(e)
		if err != nil {
			return err
		}
		v, err := s.commit(ctx, auditScript, []string{auditKey, auditHeadKey}, e.Prev, e.Hash, row)
		if err != nil {
			return err
		}
		if asInt(v) == 1 {
			return nil
		}
	}
	return &Unavailable{Err: errors.New("the audit trail is too busy")}
}

// AuditTrail reads entries, the newest first, at most `most` before entry number `before` (0 = from the end).
func (s *Store) AuditTrail(ctx context.Context, before int64, most int) ([]Entry, error) {
	end := int64(-1)
	if before > 0 {
		end = before - 2
		if end < 0 {
			return nil, nil
		}
	}
	start := int64(0)
	if end >= 0 {
		start = max(0, end-int64(most)+1)
	} else {
		start = -int64(most)
	}
	rows, err := s.rdb.LRange(ctx, auditKey, start, end).Result()
	if err != nil {
		return nil, unavailable(err)
	}
	out := make([]Entry, len(rows))
	for i, r := range rows {
		if err := json.Unmarshal([]byte(r), &out[len(rows)-1-i]); err != nil {
			return nil, fmt.Errorf("audit entry is not readable")
		}
	}
	return out, nil
}

// VerifyAudit walks the chain from its beginning. It returns how many entries are good and, when one is not, what is wrong with it.
func (s *Store) VerifyAudit(ctx context.Context) (good int64, wrong string, err error) {
	prev := ""
	const page = 1000
	for {
		rows, err := s.rdb.LRange(ctx, auditKey, good, good+page-1).Result()
		if err != nil {
			return good, "", unavailable(err)
		}
		for _, r := range rows {
			var e Entry
			switch {
			case json.Unmarshal([]byte(r), &e) != nil:
				return good, fmt.Sprintf("entry %d is not readable", good+1), nil
			case e.N != good+1:
				return good, fmt.Sprintf("entry %d says that it is number %d: one was taken out or put in", good+1, e.N), nil
			case e.Prev != prev:
				return good, fmt.Sprintf("entry %d does not follow the one before it", e.N), nil
			case e.sum() != e.Hash:
				return good, fmt.Sprintf("entry %d was changed", e.N), nil
			}
			prev = e.Hash
			good++
		}
		if len(rows) < page {
			break
		}
	}
	head, err := s.rdb.Get(ctx, auditHeadKey).Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		return good, "", unavailable(err)
	}
	if head != prev {
		return good, fmt.Sprintf("the trail ends after entry %d, and more was written: its end was cut off", good), nil
	}
	return good, "", nil
}
