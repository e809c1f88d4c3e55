package api

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"

	"github.com/resetd/resetd/internal/desk"
	"github.com/resetd/resetd/internal/realm"
	"github.com/resetd/resetd/internal/sim/redistest"
	"github.com/resetd/resetd/internal/store"
)

// The intake through the whole handler, on a real Redis without its disk: what one ask costs this process.
func BenchmarkPostResets(b *testing.B) {
	rdb := redis.NewClient(&redis.Options{Addr: redistest.Start(b)})
	defer rdb.Close()
	d := &desk.Desk{Store: store.New(rdb, store.Options{Retention: 720 * 3600e9, Durability: "memory"}), Ringer: &bell{}, Realms: []realm.Realm{{Name: "shop"}}}
	h := New(Options{Desk: d, Keys: []Key{{Name: "app", Role: desk.App, SHA256: keyHash("k")}}, Log: zerolog.Nop()})
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i++ {
			req := httptest.NewRequest("POST", "/v1/resets", strings.NewReader(fmt.Sprintf(`{"realm":"shop","login":"jo%d@shop.example"}`, i)))
			req.Header.Set("Authorization", "Bearer k")
			req.Header.Set("Content-Type", "application/json")
			rec := httptest.NewRecorder()
			h.ServeHTTP(rec, req)
			if rec.Code != http.StatusAccepted {
				b.Fatal(rec.Code, rec.Body)
			}
		}
	})
}
