package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/resetd/resetd/internal/desk"
	"github.com/resetd/resetd/internal/ledger"
	"github.com/resetd/resetd/internal/sim"
	"github.com/resetd/resetd/internal/sim/redistest"
)

// Redis is killed with kill -9 twice while resets come in, and started again. Every ask that was answered 202 ends as sent; those
// that could not be written were answered 503 and are nowhere.
func TestRedisKilled(t *testing.T) {
	world, err := sim.New()
	if err != nil {
		t.Fatal(err)
	}
	defer world.Close()
	mx := world.Host("mx.slow.example", sim.SlowDot(200*time.Millisecond))
	world.Domain("slow.example", mx)
	server := redistest.New(t, "--appendonly", "yes", "--appendfsync", "always")
	in := &installation{t: t, redis: server.Addr(), resolver: world.Resolver(), store: `durability = "fsync"`,
		routes: fmt.Sprintf("[[route]]\nname = \"out\"\nmx = true\nport = %d\n", world.SMTPPort())}
	const asks = 60
	for i := range asks {
		in.accounts = append(in.accounts, account(fmt.Sprint("u", i), fmt.Sprintf("user%d@slow.example", i)))
	}
	p := launch(t, "serve", "-config", in.write())
	c := caller{t, "http://" + p.listening("api")}
	accepted := map[string]string{}
	refused := 0
	for i := range asks {
		login := fmt.Sprintf("user%d@slow.example", i)
		status, body, err := c.try(appSecret, "/v1/resets", obj{"realm": "shop", "login": login})
		switch {
		case err == nil && status == http.StatusAccepted:
			accepted[login] = strings.Trim(strings.TrimPrefix(strings.TrimSpace(string(body)), `{"reset":`), `"}`)
		case err == nil && status == http.StatusServiceUnavailable:
			refused++
		default:
			t.Errorf("answer %d %s %v", status, body, err)
		}
		switch i {
		case 15, 40:
			server.Kill()
		case 20, 45:
			server.Restart()
		}
		time.Sleep(20 * time.Millisecond)
	}
	if len(accepted) < asks/2 || refused == 0 {
		t.Fatalf("%d accepted, %d refused: the test proves nothing", len(accepted), refused)
	}
	for login, id := range accepted {
		v := c.untilReset(id, func(v desk.ResetView) bool { return v.State == ledger.Sent || v.State == ledger.IsFailed })
		if v.State != ledger.Sent || v.Login != login {
			t.Errorf("%s ended as %s", id, v.State)
		}
	}
	copies := duplicates(t, map[string]*sim.Host{"slow.example": mx})
	t.Logf("tried %d, accepted %d, answered 503 %d, lost 0, duplicates %d", asks, len(accepted), refused, copies)
}
