package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/resetd/resetd/internal/config"
)

func TestEnvironment(t *testing.T) {
	world(t)
	dir, _ := os.Getwd()
	for _, c := range []struct {
		story string
		env   []string
		got   func(*config.Config) any
		want  any
	}{
		{"a text", []string{"RESETD_HTTP_LISTEN=127.0.0.1:0"}, func(c *config.Config) any { return c.HTTP.Listen }, "127.0.0.1:0"},
		{"a section with an underscore", []string{"RESETD_BOUNCE_MAILBOX_USERNAME=x"}, func(c *config.Config) any { return c.BounceMailbox.Username }, "x"},
		{"a boolean", []string{"RESETD_SMTP_ALLOW_PRIVATE_ADDRESSES=true"}, func(c *config.Config) any { return c.SMTP.AllowPrivateAddresses }, true},
		{"a duration", []string{"RESETD_STORE_RETENTION=48h"}, func(c *config.Config) any { return c.Store.Retention.Std() }, 48 * time.Hour},
		{"a rate", []string{"RESETD_THROTTLE_ACCOUNT=0"}, func(c *config.Config) any { return c.Throttle.Account.Off() }, true},
		{"a list", []string{"RESETD_DELIVERY_RETRY=1s, 2s"}, func(c *config.Config) any { return len(c.Delivery.Retry) }, 2},
		{"empty overrides too", []string{"RESETD_STORE_REDIS="}, func(c *config.Config) any { return string(c.Store.Redis) }, ""},
		{"an = in the value", []string{"RESETD_STORE_REDIS=redis://:a=b@h/0"}, func(c *config.Config) any { return string(c.Store.Redis) }, "redis://:a=b@h/0"},
		{"a secret in place of the file's file", []string{"RESETD_KEYS_TOKEN=env AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA="}, func(c *config.Config) any { return c.TokenKeys()[0].ID }, "env"},
		{"a path counts from the file's folder", []string{"RESETD_KEYS_TOKEN_FILE=../files/token.key"}, func(c *config.Config) any { return c.Keys.TokenFile }, filepath.Join(dir, "files/token.key")},
		{"the client's variables are not ours", []string{"RESETD_URL=x", "RESETD_KEY=y", "PATH=z", "RESETD_STORE"}, func(c *config.Config) any { return len(c.Warnings) }, 0},
		{"a slip is warned of", []string{"RESETD_HTTP_LISTEM=x"}, func(c *config.Config) any { return c.Warnings[0].Try }, "did you mean RESETD_HTTP_LISTEN?"},
	} {
		t.Run(c.story, func(t *testing.T) {
			cfg, err := config.Load("good/small.toml", c.env)
			if err != nil {
				t.Fatal(err)
			}
			if got := c.got(cfg); got != c.want {
				t.Errorf("got %v; want %v", got, c.want)
			}
		})
	}
}

// A fault in a variable names the variable, not a line of the file that it overrides; and a secret in it is not printed.
func TestBadEnvironment(t *testing.T) {
	world(t)
	for _, c := range []struct{ env, want string }{
		{"RESETD_HTTP_LISTEN=here", "environment: RESETD_HTTP_LISTEN: listen is not host:port"},
		{"RESETD_HTTP_PUBLIC_URL=http://reset.example", "environment: RESETD_HTTP_PUBLIC_URL: public_url is plain http"},
		{"RESETD_SMTP_ALLOW_PRIVATE_ADDRESSES=perhaps", "environment: RESETD_SMTP_ALLOW_PRIVATE_ADDRESSES: allow_private_addresses must be true or false"},
		{"RESETD_STORE_RETENTION=1h", "environment: RESETD_STORE_RETENTION: retention is below 24h"},
		{"RESETD_STORE_RETENTION=soon", "environment: RESETD_STORE_RETENTION: retention is not a duration"},
		{"RESETD_DELIVERY_RETRY=soon", "environment: RESETD_DELIVERY_RETRY: retry[0] is not a duration"},
		{"RESETD_KEYS_TOKEN=hunter2", "environment: RESETD_KEYS_TOKEN: a token key line is KID BASE64"},
		{"RESETD_STORE_REDIS=http://:hunter2@h", "environment: RESETD_STORE_REDIS: redis has a scheme that is unknown"},
	} {
		_, err := config.Load("good/small.toml", []string{c.env})
		if err == nil || !strings.HasPrefix(err.Error(), c.want) || strings.Contains(err.Error(), "hunter2") || strings.Count(err.Error(), "\n") != 0 {
			t.Errorf("%s: %v", c.env, err)
		}
	}
}
