// Package sim answers "what would the world have done?": it is a small mail world in one process, with Redis, DNS,
// mail hosts that each misbehave in one way and an HTTP directory, all on loopback and all real on the wire.
//
// The demo runs its people through it and tests build their stories on it:
//
//	w, err := sim.New()
//	defer w.Close()
//	mx := w.Host("mx.full.example", sim.MailboxFull())
//	w.Domain("full.example", mx)
//	// … deliver to jo@full.example with resolver w.Resolver() and port w.SMTPPort() …
//	mx.Transcript() // what was said
package sim

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// World holds everything. Its methods are safe for concurrent use; Close ends what it started and waits for it.
type World struct {
	zone      *Zone
	dns       *dnsServer
	redis     *redisServer // nil without WithRedis
	authority *authority
	dir       string // temporary folder with the CA's certificate

	ctx    context.Context // ends with the world
	cancel context.CancelFunc
	wg     sync.WaitGroup // everything that the world started

	ahead   atomic.Int64 // nanoseconds that Advance has added to the real time
	stepped atomic.Int64 // nanoseconds by which StepRedis has moved the clock of the Redis in memory

	reserve net.Listener // holds port on the world's first address, so that nobody is given it
	port    int          // the SMTP port of every host
	base    netip.Addr   // address of the reserve; hosts get the ones after it

	mu       sync.Mutex
	closed   bool              // guarded by mu; nothing may be started once it is true
	next     int               // guarded by mu; number of addresses handed out after base
	serial   int               // guarded by mu; last queue id
	hosts    []*Host           // guarded by mu
	closers  []func()          // guarded by mu; directories
	bounceTo map[string]string // guarded by mu; domain -> host:port, instead of its MX
}

// Option changes what New builds.
type Option func(*options)

type options struct {
	redis bool
}

// WithRedis also starts a Redis in memory, see World.Redis.
func WithRedis() Option { return func(o *options) { o.redis = true } }

// New starts a world with DNS (every name NXDOMAIN until set) and no hosts.
//
// It needs a system where all of 127.0.0.0/8 is loopback, as on Linux: each mail host has an address of its own there, and
// all share one port, so that a mailer with one configured port reaches each through its MX.
func New(opts ...Option) (*World, error) {
	var o options
	for _, f := range opts {
		f(&o)
	}
	ctx, cancel := context.WithCancel(context.Background())
	w := &World{zone: newZone(), ctx: ctx, cancel: cancel, bounceTo: map[string]string{}}
	if err := w.start(o); err != nil {
		return nil, errors.Join(err, w.Close())
	}
	return w, nil
}

func (w *World) start(o options) error {
	// A random corner of 127/8 keeps worlds of parallel test processes out of each other's way.
	w.base = netip.AddrFrom4([4]byte{127, byte(16 + rand.IntN(200)), byte(rand.IntN(250)), 1})
	var err error
	if w.reserve, err = net.Listen("tcp", netip.AddrPortFrom(w.base, 0).String()); err != nil {
		return fmt.Errorf("sim: mail hosts need addresses in 127.0.0.0/8 beyond 127.0.0.1, which this system does not give: %w", err)
	}
	w.port = w.reserve.Addr().(*net.TCPAddr).Port
	if w.dir, err = os.MkdirTemp("", "resetd-sim-"); err != nil {
		return fmt.Errorf("sim: temporary folder: %w", err)
	}
	if w.authority, err = newAuthority(w.dir); err != nil {
		return err
	}
	if w.dns, err = serveDNS(w.zone); err != nil {
		return err
	}
	if o.redis {
		if w.redis, err = w.startRedis(); err != nil {
			return err
		}
	}
	return nil
}

// Close ends the world: listeners, open connections, booked bounces and visits. It returns when every goroutine has
// ended. Closing twice is harmless.
func (w *World) Close() error {
	w.mu.Lock()
	if w.closed {
		w.mu.Unlock()
		return nil
	}
	w.closed = true
	hosts, closers := w.hosts, w.closers
	w.mu.Unlock()

	w.cancel()
	for _, h := range hosts {
		h.shut()
	}
	for _, f := range closers {
		f()
	}
	if w.dns != nil {
		w.dns.close()
	}
	w.wg.Wait()
	if w.redis != nil {
		w.redis.m.Close()
	}
	if w.reserve != nil {
		w.reserve.Close()
	}
	if w.dir != "" {
		return os.RemoveAll(w.dir)
	}
	return nil
}

// run starts f in a goroutine that Close waits for; a world that has ended starts nothing and says so.
func (w *World) run(f func(ctx context.Context)) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return false
	}
	w.wg.Add(1)
	go func() {
		defer w.wg.Done()
		f(w.ctx)
	}()
	return true
}

// later is run after a delay; zero means at once.
func (w *World) later(delay time.Duration, f func(ctx context.Context)) {
	w.run(func(ctx context.Context) {
		if sleep(ctx, delay) {
			f(ctx)
		}
	})
}

// sleep reports whether d went by before ctx ended.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// DNS returns the records of this world; they may be changed at any time.
func (w *World) DNS() *Zone { return w.zone }

// Resolver is the host:port of the world's DNS server, UDP and TCP.
func (w *World) Resolver() string { return w.dns.addr }

// SMTPPort is the one port on which every mail host of this world listens, each on its own address.
func (w *World) SMTPPort() int { return w.port }

// CAFile is the PEM file of the authority that signed the hosts' certificates. It goes with the world.
func (w *World) CAFile() string { return w.authority.file }

// BounceTo sends all mail that the world's own hosts write to domain (bounces, auto-replies, a smarthost's forwards) to addr,
// host:port, whatever DNS says: there resetd's own receiver listens, on a port of its own. An empty addr goes back to MX.
func (w *World) BounceTo(domain, addr string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if addr == "" {
		delete(w.bounceTo, fold(domain))
		return
	}
	w.bounceTo[fold(domain)] = addr
}

// Domain gives domain these hosts as MX, with preferences 10, 20, … in the order given.
func (w *World) Domain(domain string, hosts ...*Host) {
	mx := make([]MX, len(hosts))
	for i, h := range hosts {
		mx[i] = MX{Preference: uint16(10 * (i + 1)), Host: h.name}
	}
	w.zone.SetMX(domain, mx...)
}

// Host adds a mail host and its A record. It panics when no address can be had: a test or a demo cannot go on without.
func (w *World) Host(name string, b Behaviour) *Host {
	h := &Host{w: w, name: fold(name), changed: make(chan struct{})}
	// An address can be taken by a world of another process that drew the same corner and port; then the next one will do.
	var err error
	for range 20 {
		h.addr = w.address()
		if err = h.Set(b); err == nil {
			break
		}
	}
	if err != nil {
		panic(fmt.Sprintf("sim: no loopback address for host %s: %v", name, err))
	}
	w.mu.Lock()
	w.hosts = append(w.hosts, h)
	w.mu.Unlock()
	w.zone.SetA(h.name, h.addr)
	return h
}

// address hands out the next loopback address.
func (w *World) address() netip.Addr {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.next++
	b := w.base.As4()
	n := int(b[2])*250 + w.next // four octets of 1..250 each, never .0 or .255
	return netip.AddrFrom4([4]byte{127, b[1] + byte(n/62500), byte(n / 250 % 250), byte(1 + n%250)})
}

// queueID makes an id such as a mail host names in its 250; unique in this world.
func (w *World) queueID() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.serial++
	return "4S" + strings.ToUpper(strconv.FormatInt(int64(1_000_000+w.serial*7919), 36)) + "z"
}

// fold makes names comparable: lower case, without the final dot.
func fold(name string) string { return strings.ToLower(strings.TrimSuffix(name, ".")) }
