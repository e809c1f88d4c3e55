package scenario

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
)

// Merge is the world in which all of these stories can happen side by side; an error names two that want different things of one place.
func Merge(all []*Scenario) (World, error) {
	w := newWorld()
	for _, s := range all {
		o := s.World
		if !maps.Equal(o.Settings, w.Settings) {
			return w, fmt.Errorf("%s: a story with settings of its own cannot be played with others", s.Name)
		}
		same := func(what, name string, a, b any) error {
			if !reflect.DeepEqual(a, b) {
				return fmt.Errorf("%s: %s %s is another one in another story", s.Name, what, name)
			}
			return nil
		}
		for _, r := range o.Realms {
			if i := slices.IndexFunc(w.Realms, func(x Realm) bool { return x.Name == r.Name }); i < 0 {
				w.Realms = append(w.Realms, r)
			} else if err := same("realm", r.Name, r, w.Realms[i]); err != nil {
				return w, err
			}
		}
		for _, a := range o.Accounts {
			if slices.ContainsFunc(w.Accounts, func(x Account) bool { return x.ID == a.ID && x.Realm == a.Realm }) {
				return w, fmt.Errorf("%s: account %s is in another story too", s.Name, a.Login)
			}
			w.Accounts = append(w.Accounts, a)
		}
		for _, h := range o.Hosts {
			if i := slices.IndexFunc(w.Hosts, func(x Host) bool { return x.Name == h.Name }); i < 0 {
				w.Hosts = append(w.Hosts, h)
			} else if err := same("host", h.Name, h.How, w.Hosts[i].How); err != nil {
				return w, err
			}
		}
		for _, r := range o.Relays {
			if i := slices.IndexFunc(w.Relays, func(x Relay) bool { return x.Name == r.Name }); i < 0 {
				w.Relays = append(w.Relays, r)
			} else if err := same("relay", r.Name, r.How, w.Relays[i].How); err != nil {
				return w, err
			}
		}
		for _, r := range o.Routes {
			if !slices.Contains(w.Routes, r) {
				w.Routes = append(w.Routes, r)
			}
		}
		if len(o.Caps)+len(o.Hooks) > 0 {
			return w, fmt.Errorf("%s: a story with caps or hooks cannot be played with others", s.Name)
		}
		w.DNS = append(w.DNS, o.DNS...)
		maps.Copy(w.Directories, o.Directories)
	}
	return w, nil
}

// Shown are the stories that the demo plays: the one that it began with, the one in which all goes well, then the others by name.
func Shown() ([]*Scenario, error) {
	all, err := All()
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(s *Scenario) bool { return s.Demo == nil })
	rank := func(s *Scenario) int {
		if i := slices.Index([]string{"story-1-sso-page", "link-all-fine"}, s.Name); i >= 0 {
			return i
		}
		return 2
	}
	slices.SortStableFunc(all, func(a, b *Scenario) int { return rank(a) - rank(b) })
	return all, nil
}
