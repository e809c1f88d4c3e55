package api

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/resetd/resetd/internal/desk"
	"github.com/resetd/resetd/mailer"
)

// probeLimit is how long a probe may take in all, longer than the prober's own limit.
const probeLimit = 55 * time.Second

// probeRoutes has the one call whose answer comes bit by bit. It does not use post: that would cut it at callLimit.
func probeRoutes() []endpoint {
	return []endpoint{{"POST /v1/probes", func(s *server) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			c, done, err := s.enter(r, desk.DoProbe)
			defer done()
			var in addressBody
			if err == nil {
				var body []byte
				if body, err = readBody(r, MaxBody); err == nil {
					err = decode(body, &in)
				}
			}
			if err != nil {
				s.fail(w, r, err)
				return
			}
			ctx, cancel := context.WithTimeout(r.Context(), probeLimit)
			defer cancel()
			// A listener's write limit is meant for answers that are made at once.
			_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(probeLimit + 5*time.Second))
			if strings.Contains(r.Header.Get("Accept"), "text/event-stream") {
				s.streamProbe(ctx, w, c, in.Address)
				return
			}
			out, err := s.Desk.Probe(ctx, c.actor, in.Address, nil)
			if err != nil {
				s.fail(w, r, err)
				return
			}
			s.answer(w, r, http.StatusOK, out)
		}
	}}}
}

// streamProbe answers with server-sent events: one `step` each, and `end` with the outcome. An error before the first step is a
// problem as with every call.
func (s *server) streamProbe(ctx context.Context, w http.ResponseWriter, c *call, address string) {
	begun := false
	flush := http.NewResponseController(w)
	send := func(event string, v any) {
		b, err := json.Marshal(v)
		if err != nil {
			return // a step is made of texts and numbers
		}
		if !begun {
			w.Header().Set("Content-Type", "text/event-stream")
			w.Header().Set("X-Accel-Buffering", "no") // a proxy's buffer would keep the steps together
			begun = true
		}
		fmt.Fprintf(w, "event: %s\ndata: %s\n\n", event, b)
		_ = flush.Flush()
	}
	out, err := s.Desk.Probe(ctx, c.actor, address, func(step mailer.ProbeStep) { send("step", step) })
	if err != nil {
		s.fail(w, c.r, err)
		return
	}
	out.Steps = []mailer.ProbeStep{}
	send("end", out)
}

// Probe asks the hosts of an address, and tells each step as it ends; tell may be nil.
func (c *Client) Probe(ctx context.Context, address string, tell func(mailer.ProbeStep)) (mailer.Probed, error) {
	b, err := json.Marshal(addressBody{address})
	if err != nil {
		return mailer.Probed{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, probeLimit+10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(c.URL, "/")+"/v1/probes", bytes.NewReader(b))
	if err != nil {
		return mailer.Probed{}, fmt.Errorf("the daemon's URL is not one: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+c.Key)
	req.Header.Set("Accept", "text/event-stream, application/problem+json")
	req.Header.Set("Content-Type", "application/json")
	client := c.HTTP
	if client == nil {
		client = &http.Client{}
	}
	res, err := client.Do(req)
	if err != nil {
		return mailer.Probed{}, err
	}
	defer res.Body.Close()
	in := io.LimitReader(res.Body, maxAnswer)
	if res.StatusCode >= 300 {
		var p Problem
		if b, err := io.ReadAll(in); err != nil || json.Unmarshal(b, &p) != nil || p.Code == "" {
			return mailer.Probed{}, fmt.Errorf("%w: it said %d", ErrNotResetd, res.StatusCode)
		}
		return mailer.Probed{}, &p
	}
	return readProbe(in, tell)
}

// readProbe reads the events of a probe.
func readProbe(r io.Reader, tell func(mailer.ProbeStep)) (mailer.Probed, error) {
	var steps []mailer.ProbeStep
	event := ""
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := lines.Text()
		if name, ok := strings.CutPrefix(line, "event: "); ok {
			event = name
		}
		data, ok := strings.CutPrefix(line, "data: ")
		if !ok {
			continue
		}
		switch event {
		case "step":
			var s mailer.ProbeStep
			if err := json.Unmarshal([]byte(data), &s); err != nil {
				return mailer.Probed{}, fmt.Errorf("%w: %w", ErrNotResetd, err)
			}
			steps = append(steps, s)
			if tell != nil {
				tell(s)
			}
		case "end":
			var out mailer.Probed
			if err := json.Unmarshal([]byte(data), &out); err != nil {
				return out, fmt.Errorf("%w: %w", ErrNotResetd, err)
			}
			out.Steps = steps
			return out, nil
		}
	}
	return mailer.Probed{Steps: steps}, errors.Join(errors.New("the daemon broke off in the middle of the probe"), lines.Err())
}
