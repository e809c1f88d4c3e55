package store_test

import (
	"context"
	"errors"
	"os/exec"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/resetd/resetd/internal/store"
)

// Two servers on one folder would write over each other's append-only file, and the second would take the first one's socket away. So a
// second daemon on the same folder is refused, the first goes on undisturbed, and the folder is free again once it has ended.
func TestChildFolderIsTakenOnce(t *testing.T) {
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Skip("redis-server is not installed")
	}
	dir := t.TempDir()
	first, err := store.StartChild(t.Context(), dir, "fsync")
	if err != nil {
		t.Fatal(err)
	}
	short, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if second, err := store.StartChild(short, dir, "fsync"); !errors.Is(err, store.ErrFolderTaken) {
		if err == nil {
			second.Stop()
		}
		t.Errorf("a second server on the same folder: %v", err)
	}
	rdb, err := store.Open(first.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer rdb.Close()
	if err := rdb.Set(t.Context(), "k", "v", 0).Err(); err != nil {
		t.Errorf("the first server: %v", err)
	}
	first.Stop()
	third, err := store.StartChild(t.Context(), dir, "fsync")
	if err != nil {
		t.Fatalf("after the first has ended: %v", err)
	}
	defer third.Stop()
	again, err := store.Open(third.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if v, err := again.Get(t.Context(), "k").Result(); v != "v" || errors.Is(err, redis.Nil) {
		t.Errorf("what was written is %q, %v", v, err)
	}
}
