package store

import (
	"context"
	"encoding/json"

	"github.com/redis/go-redis/v9"

	"github.com/resetd/resetd/diag/dnscheck"
)

// STSPolicy gives the MTA-STS policy that is kept of a recipient's domain; the zero value = none is.
func (s *Store) STSPolicy(ctx context.Context, domain string) (dnscheck.STSCached, error) {
	var c dnscheck.STSCached
	b, err := s.rdb.Get(ctx, stsKey(domain)).Bytes()
	if err == redis.Nil {
		return c, nil
	}
	if err != nil {
		return c, unavailable(err)
	}
	if err := json.Unmarshal(b, &c); err != nil {
		return dnscheck.STSCached{}, nil // of another version of ours: it is fetched again
	}
	return c, nil
}

// KeepSTSPolicy keeps a domain's MTA-STS policy for all workers, for as long as its owner said (RFC 8461 section 3.2: at most a year), or that
// it could not be fetched, for as long as that is not tried again.
func (s *Store) KeepSTSPolicy(ctx context.Context, domain string, c dnscheck.STSCached) error {
	keep := c.Keep(s.Now())
	if keep <= 0 {
		return nil
	}
	b, err := json.Marshal(c)
	if err != nil {
		return err
	}
	if err := s.rdb.Set(ctx, stsKey(domain), b, keep).Err(); err != nil {
		return unavailable(err)
	}
	return nil
}
