// Package task is the contract between those who have work and the worker that does it: one type per task, and the client that puts
// a wake-up into the queue. A payload is an id and nothing else, since asynq copies payloads and error texts into Redis.
package task

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/resetd/resetd/internal/ledger"
)

// Queue is the one queue that resetd uses.
const Queue = "resetd"

// The types of tasks.
const (
	TypeDeliver = "deliver" // send a message: payload Deliver
	TypeDigest  = "digest"  // read a returned mail: payload Digest
)

// Deliver wakes a worker for a message.
type Deliver struct {
	Message ledger.MessageID `json:"message"`
}

// Digest wakes a worker for a returned mail.
type Digest struct {
	Return ledger.ReturnID `json:"return"`
}

// Client puts wake-ups into the queue.
type Client struct{ asynq *asynq.Client }

// NewClient makes a client on an open Redis client, which the caller keeps and closes.
func NewClient(rdb redis.UniversalClient) *Client {
	return &Client{asynq.NewClientFromRedisClient(rdb)}
}

// Ring puts one wake-up for a piece of work (msg_… or ret_…) into the queue, under a name that is unique to the ring. That it is there
// already is success. A failed ring loses nothing: the reconciler rings again.
func (c *Client) Ring(ctx context.Context, id, taskID string) error {
	var t *asynq.Task
	var err error
	switch {
	case len(id) > 4 && id[:4] == "msg_":
		t, err = newTask(TypeDeliver, Deliver{ledger.MessageID(id)})
	case len(id) > 4 && id[:4] == "ret_":
		t, err = newTask(TypeDigest, Digest{ledger.ReturnID(id)})
	default:
		return fmt.Errorf("ring: %w", ledger.ErrBadID)
	}
	if err != nil {
		return err
	}
	// No retries and no retention: the record decides what is tried again, and when. A deadline long enough for a slow final dot.
	_, err = c.asynq.EnqueueContext(ctx, t, asynq.TaskID(taskID), asynq.Queue(Queue), asynq.MaxRetry(0), asynq.Timeout(30*time.Minute))
	if errors.Is(err, asynq.ErrTaskIDConflict) {
		return nil
	}
	return err
}

func newTask(typ string, payload any) (*asynq.Task, error) {
	b, err := json.Marshal(payload)
	if err != nil {
		return nil, err
	}
	return asynq.NewTask(typ, b), nil
}

// Work reads the id out of a task; an error means that the task is none of ours, and is never to be retried.
func Work(t *asynq.Task) (string, error) {
	var p struct {
		Message ledger.MessageID `json:"message"`
		Return  ledger.ReturnID  `json:"return"`
	}
	if err := json.Unmarshal(t.Payload(), &p); err != nil {
		return "", fmt.Errorf("payload is not readable: %w", asynq.SkipRetry)
	}
	id := string(p.Message)
	if t.Type() == TypeDigest {
		id = string(p.Return)
	}
	if _, err := ledger.Raw(id); err != nil {
		return "", fmt.Errorf("payload names no work: %w", asynq.SkipRetry)
	}
	return id, nil
}
