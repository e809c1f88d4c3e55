package sim

import (
	"context"
	"net/http"
	"time"
)

// The User-Agent headers of those who open a link.
const (
	ScannerUserAgent = "Mozilla/4.0 (compatible; MailGateway-LinkScan/3.2; +https://scanner.example/about)"
	BrowserUserAgent = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
)

// AcceptThenBounce takes each mail and, after delay, writes an RFC 3464 report about it to its envelope sender, through the
// MX of that address's domain or where World.BounceTo says. action is failed, delayed, delivered, relayed or expanded;
// diagnostic is the reply that the report quotes, such as "550 5.1.1 User unknown".
//
// It is a host that keeps to RFC 3461: nothing goes to the null sender or to who did not want to know (NOTIFY).
func AcceptThenBounce(delay time.Duration, action, status, diagnostic string) Behaviour {
	return Behaviour{Then: func(_ context.Context, h *Host, m Mail) {
		h.w.later(delay, func(ctx context.Context) {
			var reports []Report
			for _, to := range m.Recipients {
				reports = append(reports, Report{To: to, Action: action, Status: status, Diagnostic: diagnostic})
			}
			h.bounce(ctx, m, reports)
		})
	}}
}

// AcceptThenConfirm takes each mail and reports "delivered" to those who asked for it with NOTIFY=SUCCESS.
func AcceptThenConfirm(delay time.Duration) Behaviour {
	return AcceptThenBounce(delay, "delivered", "2.0.0", "250 2.0.0 Delivered to mailbox")
}

// AcceptThenScan takes each mail and, after delay, looks at its link as a security scanner does: HEAD, then GET, and never a
// button.
func AcceptThenScan(delay time.Duration) Behaviour {
	return thenVisit(delay, ScannerUserAgent, http.MethodHead, http.MethodGet)
}

// AcceptThenOpen takes each mail and, after delay, opens its link in a person's browser.
func AcceptThenOpen(delay time.Duration) Behaviour {
	return thenVisit(delay, BrowserUserAgent, http.MethodGet)
}

func thenVisit(delay time.Duration, agent string, methods ...string) Behaviour {
	return Behaviour{Then: func(_ context.Context, h *Host, m Mail) {
		link := m.Link()
		if link == "" {
			h.note("-- no link in the mail")
			return
		}
		h.w.later(delay, func(ctx context.Context) {
			for _, method := range methods {
				h.visit(ctx, method, link, agent)
			}
		})
	}}
}

// visit fetches a link and notes how that went, without the link, which is a secret.
func (h *Host) visit(ctx context.Context, method, link, agent string) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, link, nil)
	if err != nil {
		h.note("-- %s of the link: not a URL", method)
		return
	}
	req.Header.Set("User-Agent", agent)
	if agent == BrowserUserAgent {
		req.Header.Set("Accept", "text/html,application/xhtml+xml")
		req.Header.Set("Accept-Language", "en")
	}
	transport := &http.Transport{DisableKeepAlives: true} // nothing idle stays behind
	resp, err := transport.RoundTrip(req)                 // one step: a redirect is not followed
	if err != nil {
		h.note("-- %s of the link failed", method)
		return
	}
	resp.Body.Close()
	h.note("-- %s of the link: %d", method, resp.StatusCode)
}

// AutoReply takes each mail and answers its envelope sender after delay that nobody is there (RFC 3834), with the null sender.
// Like many such programs it answers machines too.
func AutoReply(delay time.Duration, text string) Behaviour {
	return Behaviour{Then: func(_ context.Context, h *Host, m Mail) {
		if m.From == "" {
			return
		}
		h.w.later(delay, func(ctx context.Context) {
			for _, to := range m.To {
				h.report(ctx, "auto-reply", m.From, false, composeAutoReply(h, m, to, text))
			}
		})
	}}
}
