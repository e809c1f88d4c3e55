package ledger

import "encoding/json"

// Read reads a fact as encoding/json has written it. Most of what a look at a long ledger costs is its rows, so that the frequent kinds are read
// by hand where they are as we write them; everything else, and every doubt, is left to encoding/json. Both give the same.
func Read(row string) (Fact, error) {
	var f Fact
	p := plain{rest: row}
	if p.fact(&f) && p.rest == "" {
		return f, nil
	}
	f = Fact{}
	err := json.Unmarshal([]byte(row), &f)
	return f, err
}

func (p *plain) fact(f *Fact) bool {
	return p.object(func(key string) bool {
		switch key {
		case "i":
			return word(p, &f.ID)
		case "t":
			return p.time(&f.At)
		case "e":
			return word(p, &f.Event)
		case "r":
			return word(p, &f.Reset)
		case "m":
			return word(p, &f.Message)
		case "by":
			return word(p, &f.By)
		case "ro":
			return word(p, &f.Role)
		case "why":
			return word(p, &f.Reason)
		case "ask":
			return once(p, &f.Ask, p.ask)
		case "ref":
			return once(p, &f.Refusal, p.refusal)
		case "iss":
			return once(p, &f.Issue, p.issue)
		case "com":
			return once(p, &f.Composition, p.composition)
		case "att":
			return once(p, &f.Attempt, p.attempt)
		case "vis":
			return once(p, &f.Visit, p.visit)
		case "red":
			return once(p, &f.Redemption, p.redemption)
		}
		return false
	})
}

func (p *plain) ask(a *Ask, key string) bool {
	switch key {
	case "rl":
		return word(p, &a.Realm)
	case "l":
		return word(p, &a.Login)
	case "p":
		return word(p, &a.Page)
	case "ip":
		return word(p, &a.IP)
	case "ua":
		return word(p, &a.UserAgent)
	case "lo":
		return word(p, &a.Locale)
	}
	return false
}

func (p *plain) refusal(r *Refusal, key string) bool {
	switch key {
	case "w":
		return word(p, &r.Why)
	case "d":
		return word(p, &r.Detail)
	case "s":
		return word(p, &r.Scope)
	case "n":
		return number(p, &r.Count)
	case "li":
		return word(p, &r.Limit)
	case "u":
		return p.time(&r.Until)
	case "f":
		return word(p, &r.First)
	case "a":
		return word(p, &r.Account)
	case "pr":
		return word(p, &r.Provider)
	case "mt":
		return word(p, &r.MergedTo)
	case "ev":
		return word(p, &r.Evidence)
	}
	return false
}

func (p *plain) issue(i *Issue, key string) bool {
	switch key {
	case "g":
		return number(p, &i.Generation)
	case "k":
		return word(p, &i.KeyID)
	case "ttl":
		return number(p, &i.TTL)
	case "u":
		return p.time(&i.Until)
	case "a":
		return word(p, &i.Account)
	case "ad":
		return word(p, &i.Address)
	case "un":
		return word(p, &i.Username)
	case "lo":
		return word(p, &i.Locale)
	case "rt":
		return word(p, &i.Route)
	case "si":
		return p.time(&i.Since)
	}
	return false
}

func (p *plain) composition(c *Composition, key string) bool {
	switch key {
	case "mid":
		return word(p, &c.MessageID)
	case "f":
		return word(p, &c.From)
	case "lo":
		return word(p, &c.Locale)
	case "s":
		return number(p, &c.Size)
	case "sel":
		return p.list(&c.Selectors)
	case "lh":
		return word(p, &c.LinkHost)
	case "dns":
		return word(p, &c.DNS)
	case "dr":
		return p.time(&c.Read)
	}
	return false
}

func (p *plain) attempt(a *Attempt, key string) bool {
	switch key {
	case "n":
		return number(p, &a.Try)
	case "rt":
		return word(p, &a.Route)
	case "sm":
		return p.flag(&a.Smart)
	case "h":
		return word(p, &a.Host)
	case "ip":
		return word(p, &a.IP)
	case "lo":
		return word(p, &a.Local)
	case "he":
		return word(p, &a.HELO)
	case "tls":
		return word(p, &a.TLS)
	case "sec":
		return once(p, &a.Security, p.security)
	case "ow":
		return word(p, &a.Owner)
	case "st":
		return word(p, &a.Stage)
	case "c":
		return number(p, &a.Code)
	case "en":
		return word(p, &a.Enhanced)
	case "tx":
		return word(p, &a.Text)
	case "q":
		return word(p, &a.QueueID)
	case "o":
		return word(p, &a.Outcome)
	case "b":
		return p.time(&a.Began)
	case "ms":
		return number(p, &a.Millis)
	case "nx":
		return p.time(&a.Next)
	}
	return false
}

func (p *plain) security(s *Security, key string) bool {
	switch key {
	case "ci":
		return word(p, &s.Cipher)
	case "ce":
		return word(p, &s.Certificate)
	case "pr":
		return word(p, &s.Problem)
	case "po":
		return word(p, &s.Policy)
	case "id":
		return word(p, &s.PolicyID)
	case "fa":
		return word(p, &s.Failed)
	}
	return false
}

func (p *plain) visit(v *Visit, key string) bool {
	switch key {
	case "m":
		return word(p, &v.Method)
	case "ip":
		return word(p, &v.IP)
	case "ua":
		return word(p, &v.UserAgent)
	case "d":
		return word(p, &v.Dead)
	case "g":
		return number(p, &v.Gen)
	case "vi":
		return word(p, &v.Via)
	}
	return false
}

func (p *plain) redemption(r *Redemption, key string) bool {
	switch key {
	case "g":
		return number(p, &r.Gen)
	case "a":
		return word(p, &r.Account)
	}
	return false
}
