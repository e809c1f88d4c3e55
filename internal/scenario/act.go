package scenario

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/resetd/resetd/internal/ledger"
	"github.com/resetd/resetd/internal/sim"
)

type body map[string]any

// act does what somebody does, and gives how that was answered: the status and, of a refusal, its code.
func (p *Player) act(ctx context.Context, st *Step, a *args) (string, error) {
	switch st.verb {
	case "pauses", "resumes":
		b := body{"reason": "a story wants it"}
		if len(a.plain) > 0 {
			b["route"] = a.next()
		}
		said, _, err := p.post(ctx, st.who, "/v1/queue/"+strings.TrimSuffix(st.verb, "s"), b)
		return said, err
	case "releases":
		said, _, err := p.post(ctx, "admin", "/v1/suppressions/release", body{"address": a.next(), "reason": "they wrote that the mailbox is back"})
		return said, err
	case "mails":
		return strconv.Itoa(p.Stage.count(a.next())), nil
	case "incidents":
		all, err := p.incidents(ctx)
		return strconv.Itoa(len(all)), err
	case "resends all":
		return p.resendAll(ctx, st.who, a)
	}
	realm := a.after("in", "shop")
	switch st.verb {
	case "asks":
		return p.asks(ctx, st.who, realm, a)
	case "reports":
		return p.reports(ctx, st.who, realm, a)
	case "resends", "cancels", "state", "says":
		return p.about(ctx, st, realm, a)
	case "tells":
		return p.tells(ctx, st.who, realm, a)
	case "opens", "presses", "redeems", "inspects":
		return p.link(ctx, st, realm, a)
	}
	return p.returns(st, realm, a)
}

// post makes a call and gives how it was answered.
func (p *Player) post(ctx context.Context, role, path string, in any) (said string, out []byte, err error) {
	method, send := http.MethodGet, io.Reader(nil)
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return "", nil, err
		}
		method, send = http.MethodPost, bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, p.URL+path, send)
	if err != nil {
		return "", nil, err
	}
	req.Header.Set("Authorization", "Bearer "+p.Secrets[role])
	req.Header.Set("Content-Type", "application/json")
	res, err := p.client().Do(req)
	if err != nil {
		return "", nil, err
	}
	defer res.Body.Close()
	if out, err = io.ReadAll(io.LimitReader(res.Body, 16<<20)); err != nil {
		return "", nil, err
	}
	said = strconv.Itoa(res.StatusCode)
	var problem struct{ Code string }
	if res.StatusCode >= 400 && json.Unmarshal(out, &problem) == nil {
		said += " " + problem.Code
	}
	return said, out, nil
}

// client follows no redirects: where the landing page sends people is not ours.
func (p *Player) client() *http.Client {
	return &http.Client{Timeout: 20 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

func (p *Player) asks(ctx context.Context, who, realm string, a *args) (string, error) {
	in := body{"realm": realm, "login": a.next()}
	for _, k := range []string{"page", "ip", "locale"} {
		if v := a.get(k, ""); v != "" {
			in[k] = v
		}
	}
	in["user_agent"] = a.get("agent", "")
	if who != "app" {
		in["reason"] = "asked for by phone"
	}
	said, out, err := p.post(ctx, who, "/v1/resets", in)
	if err != nil || said != "202" {
		return said, err
	}
	var got struct{ Reset ledger.ResetID }
	if err := json.Unmarshal(out, &got); err != nil {
		return "", err
	}
	key := [2]string{in["login"].(string), realm}
	p.asked[key] = append(p.asked[key], got.Reset)
	p.fresh[got.Reset] = true
	return said, nil
}

func (p *Player) reports(ctx context.Context, who, realm string, a *args) (string, error) {
	in := body{"realm": realm, "kind": a.next(), "login": a.next(), "detail": a.get("detail", "")}
	if ago := a.get("ago", ""); ago != "" {
		d, err := duration(ago)
		if err != nil {
			return "", err
		}
		in["at"] = p.Stage.Sim.Now().Add(-d).UTC().Format(time.RFC3339)
	}
	said, _, err := p.post(ctx, who, "/v1/reports", in)
	return said, err
}

// about does something with the newest reset of a login.
func (p *Player) about(ctx context.Context, st *Step, realm string, a *args) (string, error) {
	what := ""
	if st.verb == "says" {
		what = a.next()
	}
	id, err := p.reset(a.next(), realm, a.get("reset", "last"))
	if err != nil {
		return "", err
	}
	at := "/v1/resets/" + string(id)
	switch st.verb {
	case "says":
		said, _, err := p.post(ctx, "app", at+"/outcome", body{"result": what, "detail": a.get("detail", "")})
		return said, err
	case "cancels":
		said, _, err := p.post(ctx, "admin", at+"/cancel", body{"reason": "a story wants it"})
		return said, err
	case "resends":
		in := body{"reason": "asked for by phone"}
		if a.flag("force") {
			in["force"] = true
		}
		if route := a.get("route", ""); route != "" {
			in["route"] = route
		}
		said, _, err := p.post(ctx, st.who, at+"/resend", in)
		if said == "202" {
			p.fresh[id] = true
		}
		return said, err
	}
	_, out, err := p.post(ctx, "support", at, nil)
	var v struct{ State string }
	if err == nil {
		err = json.Unmarshal(out, &v)
	}
	return v.State, err
}

// pick finds the mail that a line speaks of: the newest, or mail=N.
func (p *Player) pick(login, realm string, a *args) (sim.Mail, error) {
	n, err := a.number("mail")
	if err != nil {
		return sim.Mail{}, err
	}
	mails := p.Stage.mail(login, realm)
	switch {
	case len(mails) == 0:
		return sim.Mail{}, errors.New("no host has a mail for this login")
	case n > len(mails):
		return sim.Mail{}, fmt.Errorf("the hosts have %d mails for this login", len(mails))
	case n > 0:
		return mails[n-1], nil
	}
	return mails[len(mails)-1], nil
}

// link goes to a mail's link, or lets the app redeem its token.
func (p *Player) link(ctx context.Context, st *Step, realm string, a *args) (string, error) {
	m, err := p.pick(a.next(), realm, a)
	if err != nil {
		return "", err
	}
	u, err := url.Parse(m.Link())
	if err != nil || m.Link() == "" {
		return "", errors.New("the mail has no link")
	}
	tok := path.Base(u.Path)
	switch {
	case a.flag("cut"):
		tok = tok[:len(tok)-7]
	case a.flag("altered"):
		other := "x"
		if tok[9] == 'x' {
			other = "y"
		}
		tok = tok[:9] + other + tok[10:]
	}
	switch st.verb {
	case "redeems", "inspects":
		said, _, err := p.post(ctx, "app", "/v1/tokens/"+strings.TrimSuffix(st.verb, "s"), body{"token": tok, "realm": a.get("at", realm)})
		return said, err
	case "presses":
		return p.visit(ctx, http.MethodPost, tok, sim.BrowserUserAgent)
	}
	if st.who == "scanner" {
		if _, err := p.visit(ctx, http.MethodHead, tok, sim.ScannerUserAgent); err != nil {
			return "", err
		}
		return p.visit(ctx, http.MethodGet, tok, sim.ScannerUserAgent)
	}
	return p.visit(ctx, http.MethodGet, tok, sim.BrowserUserAgent)
}

func (p *Player) visit(ctx context.Context, method, tok, agent string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, method, p.URL+"/r/"+tok, nil)
	if err != nil {
		return "", err
	}
	req.Header.Set("User-Agent", agent)
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	res, err := p.client().Do(req)
	if err != nil {
		return "", err
	}
	res.Body.Close()
	return strconv.Itoa(res.StatusCode), nil
}
