package hook

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/resetd/resetd/diag/dnscheck"
)

// Limits on each request that SNS makes us send.
const (
	webTime  = 5 * time.Second
	webBytes = 64 << 10
)

// web fetches what SNS names, within limits that no configuration lifts.
type web struct{ client http.Client }

// newWeb copies the caller's client; nil makes one that keeps no connections, since fetches are days apart.
func newWeb(c *http.Client) *web {
	if c == nil {
		c = &http.Client{Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment, DialContext: dialWeb, DisableKeepAlives: true, ForceAttemptHTTP2: true, MaxResponseHeaderBytes: webBytes,
		}}
	}
	w := &web{*c}
	w.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	w.client.Timeout = webTime
	w.client.Jar = nil
	return w
}

// proxied is the context's key of the host and port of the proxy that a request goes through.
type proxied struct{}

// dialWeb connects to hosts on the Internet only, whatever DNS says of a name. The one exception is the proxy of our environment, which our
// operator named: it may stand in a network of ours.
func dialWeb(ctx context.Context, network, addr string) (net.Conn, error) {
	d := net.Dialer{Timeout: webTime, Control: dnscheck.PublicOnly}
	if proxy, ok := ctx.Value(proxied{}).(string); ok && proxy == addr {
		d.Control = nil
	}
	return d.DialContext(ctx, network, addr)
}

// withProxy remembers which proxy the environment names for a request, if any.
func withProxy(req *http.Request) *http.Request {
	u, err := http.ProxyFromEnvironment(req)
	if err != nil || u == nil {
		return req
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443", "socks5": "1080", "socks5h": "1080"}[u.Scheme]
	}
	return req.WithContext(context.WithValue(req.Context(), proxied{}, net.JoinHostPort(u.Hostname(), port)))
}

// get fetches a URL. The error names neither the URL nor what came back.
func (w *web) get(ctx context.Context, at string) (status int, body []byte, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
	if err != nil {
		return 0, nil, errors.New("no URL")
	}
	resp, err := w.client.Do(withProxy(req))
	if err != nil {
		return 0, nil, errors.New("no answer")
	}
	defer resp.Body.Close()
	body, err = io.ReadAll(io.LimitReader(resp.Body, webBytes+1))
	if err != nil || len(body) > webBytes {
		return 0, nil, errors.New("no whole answer within the limits")
	}
	return resp.StatusCode, body, nil
}
