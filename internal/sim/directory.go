package sim

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Account is a login as an HTTP directory describes it, in CONTRACT.md's fields.
type Account struct {
	ID             string     `json:"id"`
	Realm          string     `json:"realm"`
	Login          string     `json:"login"`
	Address        string     `json:"address"`
	State          string     `json:"state"`        // active, invited, not_activated, suspended, deleted, unverified
	LoginMethod    string     `json:"login_method"` // password, sso, directory, none
	Provider       string     `json:"provider,omitempty"`
	OtherAddresses []string   `json:"other_addresses,omitempty"`
	Username       string     `json:"username,omitempty"`
	Locale         string     `json:"locale,omitempty"`
	Since          *time.Time `json:"since,omitempty"`
	MergedInto     string     `json:"merged_into,omitempty"`
	Roles          []string   `json:"roles,omitempty"`
}

// Trouble is how a directory misbehaves.
type Trouble int

// The ways in which a directory misbehaves.
const (
	Healthy       Trouble = iota
	Hangs                 // takes the question and never answers
	Fails                 // 500
	AnswersHTML           // 200 with a login page, as behind a proxy that wants a session
	AnswersHuge           // 200 with 10 MB of accounts
	AnswersTwo            // every account twice, under two ids
	AnswersBroken         // 200 with JSON that is cut in the middle
	AnswersOdd            // 200 with good JSON of another shape
	Redirects             // 302 to itself
	Refuses               // 401
)

// hugeAnswer is the size of AnswersHuge, in bytes.
const hugeAnswer = 10 << 20

// Directory is an HTTP directory: POST {"realm","login"} is answered with {"accounts":[…],"near":[…]}.
//
// An account is found by its login, username, address or other addresses, without case. Near are those that differ by one
// letter, by a +tag or by dots in the local part.
type Directory struct {
	url string
	srv *http.Server

	mu       sync.Mutex
	accounts []Account     // guarded by mu
	trouble  Trouble       // guarded by mu
	asked    int           // guarded by mu
	changed  chan struct{} // guarded by mu; closed and renewed by Misbehave
}

// Directory starts an HTTP directory that knows these accounts. It panics when no port can be had.
func (w *World) Directory(accounts ...Account) *Directory {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic("sim: no port for a directory: " + err.Error())
	}
	d := &Directory{url: "http://" + l.Addr().String() + "/accounts", accounts: accounts, changed: make(chan struct{})}
	d.srv = &http.Server{Handler: d, ReadHeaderTimeout: 10 * time.Second,
		BaseContext: func(net.Listener) context.Context { return w.ctx }}
	w.mu.Lock()
	w.closers = append(w.closers, d.shut)
	w.mu.Unlock()
	if !w.run(func(context.Context) { d.srv.Serve(l) }) {
		l.Close()
	}
	return d
}

// shut waits for the handlers, which all end with the world's context.
func (d *Directory) shut() {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if errors.Is(d.srv.Shutdown(ctx), context.DeadlineExceeded) {
		d.srv.Close()
	}
}

// URL is what goes into the configuration.
func (d *Directory) URL() string { return d.url }

// Set replaces all accounts.
func (d *Directory) Set(accounts ...Account) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.accounts = accounts
}

// Misbehave makes the directory answer in this way until told otherwise; Healthy heals it. What hangs is let go by any change.
func (d *Directory) Misbehave(t Trouble) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.trouble = t
	close(d.changed)
	d.changed = make(chan struct{})
}

// Asked is how many questions came.
func (d *Directory) Asked() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.asked
}

// ServeHTTP answers one question.
func (d *Directory) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	var q struct{ Realm, Login string }
	err := json.NewDecoder(io.LimitReader(r.Body, 64<<10)).Decode(&q)
	d.mu.Lock()
	d.asked++
	trouble, changed := d.trouble, d.changed
	d.mu.Unlock()

	switch trouble {
	case Hangs:
		select {
		case <-r.Context().Done():
		case <-changed:
		}
		return
	case Fails:
		http.Error(rw, "Internal Server Error", http.StatusInternalServerError)
		return
	case Refuses:
		http.Error(rw, "Unauthorized", http.StatusUnauthorized)
		return
	case AnswersHTML:
		rw.Header().Set("Content-Type", "text/html; charset=utf-8")
		io.WriteString(rw, "<!DOCTYPE html><title>Sign in</title><form method=post><input name=user></form>")
		return
	case Redirects:
		http.Redirect(rw, r, d.url, http.StatusFound)
		return
	}
	if r.Method != http.MethodPost || err != nil {
		http.Error(rw, "want POST {\"realm\",\"login\"}", http.StatusBadRequest)
		return
	}
	accounts, near := d.find(q.Realm, q.Login)
	rw.Header().Set("Content-Type", "application/json")
	switch trouble {
	case AnswersHuge:
		huge(rw)
		return
	case AnswersTwo:
		for _, a := range accounts {
			a.ID += "-2"
			accounts = append(accounts, a)
		}
	case AnswersOdd:
		io.WriteString(rw, `{"accounts":{"id":7,"state":["active"]},"near":"none"}`)
		return
	}
	body, err := json.Marshal(map[string]any{"accounts": accounts, "near": near})
	if err != nil {
		http.Error(rw, "Internal Server Error", http.StatusInternalServerError)
		return
	}
	if trouble == AnswersBroken {
		body = body[:len(body)/2]
	}
	rw.Write(body)
}

// huge writes a well-formed answer of hugeAnswer bytes.
func huge(w io.Writer) {
	io.WriteString(w, `{"accounts":[{"id":"1","login":"`)
	chunk := strings.Repeat("a", 64<<10)
	for n := 0; n < hugeAnswer; n += len(chunk) {
		if _, err := io.WriteString(w, chunk); err != nil {
			return // the client had enough
		}
	}
	io.WriteString(w, `"}],"near":[]}`)
}

// find returns the accounts of a login and the look-alikes; never nil, so that JSON has lists.
func (d *Directory) find(realm, login string) (accounts, near []Account) {
	d.mu.Lock()
	defer d.mu.Unlock()
	accounts, near = []Account{}, []Account{}
	login = strings.ToLower(strings.TrimSpace(login))
	for _, a := range d.accounts {
		if a.Realm != realm {
			continue
		}
		switch names := append([]string{a.Login, a.Username, a.Address}, a.OtherAddresses...); {
		case anyName(names, func(n string) bool { return n == login }):
			accounts = append(accounts, a)
		case anyName(names, func(n string) bool { return bare(n) == bare(login) || oneApart(n, login) }):
			near = append(near, a)
		}
	}
	return accounts, near
}

func anyName(names []string, ok func(string) bool) bool {
	for _, n := range names {
		if n = strings.ToLower(n); n != "" && ok(n) {
			return true
		}
	}
	return false
}

// bare drops a +tag and the dots of the local part.
func bare(address string) string {
	local, domain, ok := strings.Cut(address, "@")
	if !ok {
		return address
	}
	local, _, _ = strings.Cut(local, "+")
	return strings.ReplaceAll(local, ".", "") + "@" + domain
}

// oneApart reports whether one insertion, deletion, replacement or swap of neighbours makes a into b.
func oneApart(a, b string) bool {
	if len(a) > len(b) {
		a, b = b, a
	}
	if len(b)-len(a) > 1 || a == b {
		return false
	}
	i := 0
	for i < len(a) && a[i] == b[i] {
		i++
	}
	if len(a) < len(b) {
		return a[i:] == b[i+1:]
	}
	swapped := i+1 < len(a) && a[i] == b[i+1] && a[i+1] == b[i] && a[i+2:] == b[i+2:]
	return a[i+1:] == b[i+1:] || swapped
}
