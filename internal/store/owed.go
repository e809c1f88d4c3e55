package store

import (
	"context"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/resetd/resetd/internal/ledger"
)

// Owed facts: a script in an account's partition cannot write to a ledger in another one, so it leaves the fact here in the same step.

func owe(l LedgerID, f ledger.Fact) (string, error) {
	rows, err := encode([]ledger.Fact{f})
	if err != nil {
		return "", err
	}
	return string(l) + " " + string(rows[0].([]byte)), nil
}

func (s *Store) payOne(ctx context.Context, p int, event, row string) error {
	l, fact, ok := strings.Cut(row, " ")
	if !ok || len(l) != 32 {
		return s.rdb.HDel(ctx, owedKey(p), event).Err()
	}
	if _, err := s.run(ctx, appendScript, []string{ledgerKey(LedgerID(l))}, s.retention.Milliseconds(), fact); err != nil {
		return err
	}
	return s.rdb.HDel(ctx, owedKey(p), event).Err()
}

// PayOwed writes what is owed to ledgers, left by a process that ended in between. A fact may be written twice: folding sees it once.
func (s *Store) PayOwed(ctx context.Context) (int, error) {
	cmds := make([]*redis.MapStringStringCmd, ledger.Partitions)
	_, err := s.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i := range cmds {
			cmds[i] = p.HGetAll(ctx, owedKey(i))
		}
		return nil
	})
	if err != nil {
		return 0, unavailable(err)
	}
	n := 0
	for i, c := range cmds {
		for event, row := range c.Val() {
			if err := s.payOne(ctx, i, event, row); err != nil {
				return n, err
			}
			n++
		}
	}
	return n, nil
}
