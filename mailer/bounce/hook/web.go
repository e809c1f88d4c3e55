package hook

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"
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
			Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true, ForceAttemptHTTP2: true, MaxResponseHeaderBytes: webBytes,
		}}
	}
	w := &web{*c}
	w.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	w.client.Timeout = webTime
	w.client.Jar = nil
	return w
}

// get fetches a URL. The error names neither the URL nor what came back.
func (w *web) get(ctx context.Context, url string) (status int, body []byte, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, nil, errors.New("no URL")
	}
	resp, err := w.client.Do(req)
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
