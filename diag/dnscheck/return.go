package dnscheck

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
)

// ReachState is whether our receiver of bounces stands behind a mail host.
type ReachState string

const (
	// ReachOurs: it took a return path that we signed and refused one that we did not, which nobody else could do.
	ReachOurs ReachState = "ours"
	// ReachListed: no connection was made, and its address is one that the configuration names for our receiver.
	ReachListed ReachState = "listed"
	// ReachOther: it refused a return path that we signed.
	ReachOther ReachState = "other"
	// ReachAny: it takes any address, as a server in front of our receiver may; whether it hands bounces on does not show.
	ReachAny ReachState = "any"
	// ReachUntried: no connection, or no clear answer, from here.
	ReachUntried ReachState = "untried"
)

// Reached is what was found out about one mail host of the return path's domain.
type Reached struct {
	Host  string     `json:"host"`
	IP    netip.Addr `json:"ip,omitzero"` // that was connected to
	State ReachState `json:"state"`
	Why   string     `json:"why"`
}

// maxReached bounds the mail hosts that are connected to.
const maxReached = 8

// reach asks each host; nil where nothing could tell.
func reach(ctx context.Context, m MX, ours []netip.Addr, ask func(context.Context, MXHost) Reached) []Reached {
	if m.Status != MXHosts && m.Status != MXImplicit || ask == nil && len(ours) == 0 {
		return nil
	}
	hosts := m.Hosts[:min(len(m.Hosts), maxReached)]
	out := make([]Reached, len(hosts))
	var all sync.WaitGroup
	for i, h := range hosts {
		all.Go(func() {
			out[i] = Reached{Host: h.Name, State: ReachUntried, Why: "nobody connects to it from here"}
			if ask != nil && len(h.Addrs) > 0 {
				out[i] = ask(ctx, h)
			}
			if len(ours) == 0 || out[i].State != ReachUntried {
				return
			}
			if slices.ContainsFunc(h.Addrs, func(ip netip.Addr) bool { return slices.Contains(ours, ip.Unmap()) }) {
				out[i].State, out[i].Why = ReachListed, "its address is one of our receiver's ([smtp] receiver_ips)"
			} else {
				out[i].State, out[i].Why = ReachOther, "its address is none of our receiver's ([smtp] receiver_ips)"
			}
		})
	}
	all.Wait()
	return out
}

// judgeReturn asks whether bounces can reach us.
func (r *Report) judgeReturn(q Question) {
	m := r.MX
	if r.ReturnMX != nil {
		m = *r.ReturnMX
	}
	f := Finding{Subject: r.EnvelopeDomain, VerifyBy: "dig +short MX " + r.EnvelopeDomain, Cause: "unknown.bounces_not_arriving",
		Who: "Support: bounces do not arrive, so why a mail was lost stays unknown."}
	switch m.Status {
	case MXUnknown:
		f.ID, f.Severity, f.Temporary, f.Cause = "return.unknown", Warning, true, "network.dns_failing"
		f.What = "Whether bounces can reach us cannot be told now: " + m.Why + "."
	case MXHosts, MXImplicit:
		if len(r.Reached) == 0 {
			return
		}
		r.judgeReached(q, f)
		return
	default:
		f.ID, f.Severity, f.What, f.Publish = "return.unreachable", Error, "Bounces cannot reach us: "+m.Why+".", r.returnRecords(q)
	}
	r.add(f)
}

func (r *Report) judgeReached(q Question, f Finding) {
	count := map[ReachState]int{}
	var wrong *Reached
	var names []string
	for i, h := range r.Reached {
		count[h.State]++
		names = append(names, h.Host)
		if h.State == ReachOther && wrong == nil {
			wrong = &r.Reached[i]
		}
	}
	good := count[ReachOurs] + count[ReachListed]
	switch {
	case wrong != nil:
		f.ID, f.Severity, f.What = "return.elsewhere", Error, fmt.Sprintf("Bounces are directed to %s, where our receiver is not: %s.", wrong.Host, wrong.Why)
		if good+count[ReachAny] > 0 {
			f.ID, f.Severity = "return.partly", Warning
			f.What = fmt.Sprintf("Bounces are directed to %d hosts, and at %s our receiver is not: %s. What goes there is lost to us.", len(r.Reached), wrong.Host, wrong.Why)
		}
		if f.Publish = r.returnRecords(q); len(q.ReturnAddrs) == 0 && f.Publish != "" {
			f.What += " The record to publish takes it that our receiver runs on the host of our HELO name; [smtp] receiver_ips says where it is instead."
		}
		f.VerifyBy = returnVerify(wrong.Host, r.EnvelopeDomain)
	case count[ReachUntried] == len(r.Reached):
		f.ID, f.Severity, f.Temporary, f.Cause = "return.untried", Warning, true, ""
		f.What = fmt.Sprintf("Whether bounces reach our receiver cannot be told from here: %s: %s. Look from outside, since many networks let nobody out on port 25 and many NATs nobody in from behind them; or name the receiver's addresses in [smtp] receiver_ips.", r.Reached[0].Host, r.Reached[0].Why)
		f.Who = "Support, if it is so: bounces do not arrive, so why a mail was lost stays unknown."
		f.VerifyBy = returnVerify(r.Reached[0].Host, r.EnvelopeDomain)
	case count[ReachAny] > 0 && good == 0:
		f.ID, f.Severity, f.Cause, f.Who = "return.any", Note, "", ""
		f.What = fmt.Sprintf("Bounces are directed to %s, which takes any address: a server stands in front of our receiver, or in its place. Whether it hands bounces on, only a mail that goes the whole way shows.", strings.Join(names, ", "))
		f.VerifyBy = returnVerify(r.Reached[0].Host, r.EnvelopeDomain)
	default:
		f.ID, f.Severity, f.Cause, f.Who = "return.ok", OK, "", ""
		f.What = "Bounces are directed to our receiver (" + strings.Join(names, ", ") + "): it takes a return path that we signed, and no other."
		if count[ReachOurs] == 0 {
			f.What = "Bounces are directed to the addresses of our receiver (" + strings.Join(names, ", ") + "); no connection was made from here."
		}
	}
	r.add(f)
}

// returnVerify is a command that shows who answers: our receiver greets with the name of the bounce domain.
func returnVerify(host, domain string) string {
	return fmt.Sprintf("nc %s 25 </dev/null   # our receiver greets: 220 %s", host, domain)
}

// returnRecords are the records that lead bounces to our receiver: by the name that we greet others with where that has its address, or by a
// name of its own.
func (r *Report) returnRecords(q Question) string {
	helo := cleanDomain(q.HELO)
	mx := func(host string) string { return foldName(r.EnvelopeDomain) + ". IN MX 10 " + host + "." }
	if len(q.ReturnAddrs) == 0 {
		if helo == "" {
			return ""
		}
		return mx(helo)
	}
	host := "mx." + foldName(r.EnvelopeDomain)
	lines := []string{mx(host)}
	for _, ip := range q.ReturnAddrs {
		kind := "A"
		if ip.Unmap().Is6() {
			kind = "AAAA"
		}
		lines = append(lines, fmt.Sprintf("%s. IN %s %s", host, kind, ip.Unmap()))
	}
	return strings.Join(lines, "\n")
}
