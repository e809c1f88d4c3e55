package store

import (
	"context"
	"encoding/json"
	"strconv"
	"time"

	"github.com/resetd/resetd/internal/ledger"
)

// Once is what is known of an idempotent request.
type Once struct {
	Seed     ledger.Seed // the same each time: ids made of it are the same too
	Mismatch bool        // the name was used before with another body
	Status   int         // of the answer given before; 0 = none is known yet
	Response []byte
}

// KEYS 1 idem · ARGV 1 body hash, 2 seed, 3 ttl ms. Returns the record: {body hash, seed, status, response}.
var onceScript = newScript(`
if redis.call('HSETNX', KEYS[1], 'b', ARGV[1]) == 1 then
  redis.call('HSET', KEYS[1], 's', ARGV[2])
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
end
return redis.call('HMGET', KEYS[1], 'b', 's', 'c', 'r')`)

// onceTTL is how long a name is remembered.
const onceTTL = 24 * time.Hour

// Begin looks up an idempotent request by the API key's name and the name that the client gave it; the first to ask gets a new seed.
func (s *Store) Begin(ctx context.Context, apiKey, name, bodyHash string) (Once, error) {
	seed := ledger.NewSeed()
	v, err := s.commit(ctx, onceScript, []string{idemKey(apiKey, name)}, bodyHash, seed[:], onceTTL.Milliseconds())
	if err != nil {
		return Once{}, err
	}
	list, _ := v.([]any)
	if len(list) != 4 {
		return Once{}, &Unavailable{Err: strconv.ErrSyntax}
	}
	o := Once{Mismatch: asString(list[0]) != bodyHash, Response: []byte(asString(list[3]))}
	copy(o.Seed[:], asString(list[1]))
	o.Status, _ = strconv.Atoi(asString(list[2]))
	return o, nil
}

// KEYS 1 idem · ARGV 1 status, 2 response.
var endScript = newScript(`
if redis.call('EXISTS', KEYS[1]) == 1 then redis.call('HSET', KEYS[1], 'c', ARGV[1], 'r', ARGV[2]) end
return 1`)

// End remembers the answer of an idempotent request.
func (s *Store) End(ctx context.Context, apiKey, name string, status int, response json.RawMessage) error {
	_, err := s.run(ctx, endScript, []string{idemKey(apiKey, name)}, status, []byte(response))
	return err
}
