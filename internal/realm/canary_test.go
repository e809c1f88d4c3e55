package realm

import "testing"

// A lane is found again by the login of its canaries, and each way of a domain's mail is one, once.
func TestLanes(t *testing.T) {
	lanes := Lanes([]Realm{
		{Name: "shop", Login: LoginPassword, From: "Shop <no-reply@Acme.example>", Routes: []string{"relay", "direct"}},
		{Name: "sso", Login: LoginSSO, From: "x@sso.example", Routes: []string{"relay"}},
		{Name: "club", Login: LoginPassword, From: "no-reply@acme.example", Routes: []string{"relay"}},
		{Name: "forum", Login: LoginPassword, From: "<no-reply@forum.example>", Routes: []string{"relay"}},
	})
	var names []string
	for _, l := range lanes {
		names = append(names, l.Name()+" of "+l.Realm.Name)
		if got, ok := LaneOf(lanes, l.CanaryLogin("k3x9")); !ok || got.Name() != l.Name() {
			t.Errorf("%s: found %q %v", l.Name(), got.Name(), ok)
		}
	}
	want := []string{"acme.example by relay of shop", "acme.example by direct of shop", "forum.example by relay of forum"}
	if len(names) != len(want) {
		t.Fatalf("%q, want %q", names, want)
	}
	for i := range want {
		if names[i] != want[i] {
			t.Errorf("%q, want %q", names[i], want[i])
		}
	}
	if _, ok := LaneOf(lanes, "gone.example by relay #1"); ok {
		t.Error("a lane that is not configured was found")
	}
	r := lanes[1].ForCanary("c-1@bounces.example")
	found, err := r.Directory.Lookup(t.Context(), Canary, "acme.example by direct #1")
	if err != nil || len(found.Accounts) != 1 || found.Accounts[0].Address != "c-1@bounces.example" || r.Name != Canary || len(r.Routes) != 1 || r.Routes[0] != "direct" {
		t.Errorf("%+v %+v %v", r, found, err)
	}
}
