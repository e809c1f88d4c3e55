package realm_test

import (
	"testing"

	"github.com/resetd/resetd/internal/realm"
)

func TestOwner(t *testing.T) {
	realms := []realm.Realm{
		{Name: "community", Pages: []string{"https://community.example/"}},
		{Name: "control", Pages: []string{"https://community.example/control", "https://control.example"}},
		{Name: "local", Pages: []string{"http://127.0.0.1:8080/app/", "http://[::1]/"}},
		{Name: "shop", Pages: []string{"https://shop.example/login", "https://shop.example:8443"}},
	}
	for _, c := range []struct{ page, want string }{
		{"https://community.example/", "community"},
		{"https://community.example", "community"},
		{"HTTPS://Community.Example:443/login?next=/control#x", "community"},
		{"https://community.example./login", "community"},
		{"https://community.example/control/login", "control"},
		{"https://community.example/control", "control"},
		{"https://community.example/controlling", "community"},
		{"https://community.example/x/../control/", "control"},
		{"https://community.example/contro%6c/login", "control"},
		{"https://control.example/anything", "control"},
		{"https://shop.example/login;jsessionid=1", "shop"},
		{"https://shop.example:8443/x", "shop"},
		{"http://127.0.0.1:8080/app", "local"},
		{"http://127.0.0.1:8080/app/login", "local"},
		{"http://[::1]:80/", "local"},
		{"https://shop.example/", ""},
		{"https://shop.example/Login", ""},
		{"https://community.example.evil.example/", ""},
		{"https://community.example@evil.example/", ""},
		{"https://community.example:8443/", ""},
		{"http://community.example/", ""},
		{"//community.example/", ""},
		{"community.example/login", ""},
		{"https:community.example", ""},
		{"https:///control", ""},
		{"javascript:alert(1)", ""},
		{"https://community.example/%zz", ""},
		{"", ""},
	} {
		if got, ok := realm.Owner(realms, c.page); got != c.want || ok != (c.want != "") {
			t.Errorf("Owner(%q) = %q, %v; want %q", c.page, got, ok, c.want)
		}
	}
}

func FuzzOwner(f *testing.F) {
	f.Add("https://a.example/x", "https://a.example/x/y")
	f.Add("http://[::1%25x]:80/..;", "http://[::1]")
	f.Fuzz(func(t *testing.T, prefix, page string) {
		realms := []realm.Realm{{Name: "a", Pages: []string{prefix}}}
		if _, ok := realm.ParsePage(prefix); ok {
			if _, ok := realm.Owner(realms, prefix); !ok {
				t.Errorf("%q does not own itself", prefix)
			}
		}
		name, ok := realm.Owner(realms, page)
		if ok != (name == "a") {
			t.Errorf("%q, %v", name, ok)
		}
	})
}
