package sim

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"
)

// Dialogue is what a hook may know about the SMTP dialogue that it is asked about.
type Dialogue struct {
	Host   *Host
	Remote netip.AddrPort
	Helo   string
	TLS    string // "TLS 1.3"; "" in the clear
	User   string // who logged in
	Mail   *Mail  // the mail as far as it is known; nil before MAIL
}

const (
	lineLimit   = 4096 // bytes of a command line; extensions may ask for more than RFC 5321's 512
	idleTimeout = 5 * time.Minute
	recipients  = 100 // RFC 5321 section 4.5.3.1.8: the least that a host must take
)

// session is the server's side of one connection.
type session struct {
	Dialogue
	ctx   context.Context
	b     Behaviour
	conf  *tls.Config
	conn  net.Conn
	r     *bufio.Reader
	esmtp bool // EHLO was said
	over  bool // the connection is to be closed
}

// serve leads one connection to its end.
func (h *Host) serve(ctx context.Context, b Behaviour, conf *tls.Config, conn net.Conn) {
	remote := conn.RemoteAddr().(*net.TCPAddr).AddrPort()
	h.note("-- connection")
	if b.Takeover != nil {
		b.Takeover(ctx, countingConn{conn, h})
		return
	}
	s := &session{Dialogue: Dialogue{Host: h, Remote: remote}, ctx: ctx, b: b, conf: conf}
	s.use(conn)
	if b.implicit && !s.handshake() {
		return
	}
	banner := Reply{Code: 220, Text: h.name + " ESMTP ready"}
	if b.Banner != nil {
		banner = or(b.Banner(&s.Dialogue), banner)
	}
	s.say(banner)
	for !s.over {
		line, ok := s.readLine()
		if !ok {
			return
		}
		s.command(line)
	}
}

// or is the hook's reply, or the usual one where the hook leaves it to the host.
func or(r, usual Reply) Reply {
	if r == (Reply{}) {
		return usual
	}
	return r
}

// countingConn counts what a takeover writes.
type countingConn struct {
	net.Conn
	h *Host
}

func (c countingConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.h.count(func(k *Counts) { k.BytesOut += int64(n) })
	return n, err
}

func (s *session) use(conn net.Conn) { s.conn, s.r = conn, bufio.NewReaderSize(conn, lineLimit) }

// handshake turns the connection into a TLS one.
func (s *session) handshake() bool {
	tc := tls.Server(s.conn, s.conf)
	tc.SetDeadline(time.Now().Add(idleTimeout))
	if err := tc.HandshakeContext(s.ctx); err != nil {
		s.Host.note("-- TLS failed: %v", err)
		return false
	}
	s.use(tc)
	s.TLS = tls.VersionName(tc.ConnectionState().Version)
	s.Host.note("-- %s", s.TLS)
	return true
}

// readLine reads a command; not ok means that the connection is over.
func (s *session) readLine() (string, bool) {
	s.conn.SetDeadline(time.Now().Add(idleTimeout))
	line, err := s.r.ReadSlice('\n')
	switch {
	case err == bufio.ErrBufferFull:
		s.say(Reply{Code: 500, Enhanced: "5.5.2", Text: "Line too long", Hangup: true})
		return "", false
	case err != nil:
		s.Host.note("-- gone")
		return "", false
	}
	return strings.TrimRight(string(line), "\r\n"), true
}

// say writes a reply.
func (s *session) say(r Reply) {
	s.over = s.over || r.Hangup || r.Code == 421 // RFC 5321 section 3.8
	if r.Code == 0 {
		s.Host.note("-- hung up without a reply")
		return
	}
	text := r.Text
	if r.Enhanced != "" && s.b.offers(ExtEnhanced) && s.esmtp {
		text = r.Enhanced + " " + strings.ReplaceAll(text, "\n", "\n"+r.Enhanced+" ")
	}
	lines := strings.Split(text, "\n")
	var out bytes.Buffer
	for i, l := range lines {
		sep := "-"
		if i == len(lines)-1 {
			sep = " "
		}
		fmt.Fprintf(&out, "%d%s%s\r\n", r.Code, sep, l)
		s.Host.note("S: %d%s%s", r.Code, sep, l)
	}
	n, err := s.conn.Write(out.Bytes())
	s.Host.count(func(k *Counts) { k.BytesOut += int64(n) })
	if err != nil {
		s.over = true
	}
}

func (s *session) sayf(code int, enhanced, format string, args ...any) {
	s.say(Reply{Code: code, Enhanced: enhanced, Text: fmt.Sprintf(format, args...)})
}

func (s *session) command(line string) {
	verb, arg, _ := strings.Cut(line, " ")
	verb = strings.ToUpper(verb)
	if verb != "AUTH" {
		s.Host.note("C: %s", line)
	}
	switch verb {
	case "HELO", "EHLO":
		s.hello(verb, strings.TrimSpace(arg))
	case "STARTTLS":
		s.startTLS()
	case "AUTH":
		s.auth(arg)
	case "MAIL":
		s.mail(arg)
	case "RCPT":
		s.rcpt(arg)
	case "DATA":
		s.data(arg)
	case "RSET":
		s.Mail = nil
		s.sayf(250, "2.0.0", "Ok")
	case "NOOP":
		s.sayf(250, "2.0.0", "Ok")
	case "VRFY":
		s.sayf(252, "2.0.0", "Send some mail, I'll try my best")
	case "QUIT":
		s.say(Reply{Code: 221, Enhanced: "2.0.0", Text: "Bye", Hangup: true})
	default:
		s.sayf(500, "5.5.2", "Command not recognized")
	}
}

func (s *session) hello(verb, name string) {
	if verb == "EHLO" && s.b.noEHLO {
		s.sayf(502, "5.5.1", "Command not implemented")
		return
	}
	if name == "" {
		s.sayf(501, "5.5.4", "Syntax: %s hostname", verb)
		return
	}
	s.Helo, s.Mail, s.esmtp = name, nil, verb == "EHLO"
	if verb == "HELO" {
		s.sayf(250, "", "%s", s.Host.name)
		return
	}
	lines := []string{s.Host.name}
	for _, e := range []Extension{ExtPipelining, Ext8BitMIME, ExtEnhanced, ExtDSN, ExtSMTPUTF8} {
		if s.b.offers(e) {
			lines = append(lines, string(e))
		}
	}
	if s.b.offers(ExtSize) {
		lines = append(lines, fmt.Sprintf("SIZE %d", s.b.maxSize()))
	}
	if s.b.owners != nil {
		lines = append(lines, "RRVS")
	}
	if s.b.startTLS && s.TLS == "" {
		lines = append(lines, "STARTTLS")
	}
	if s.b.user != "" && s.authAllowed() {
		lines = append(lines, "AUTH PLAIN LOGIN")
	}
	s.say(Reply{Code: 250, Text: strings.Join(lines, "\n")})
}

func (s *session) startTLS() {
	if !s.b.startTLS || s.TLS != "" {
		s.sayf(502, "5.5.1", "Command not implemented")
		return
	}
	if s.b.noTLSNow {
		s.sayf(454, "4.7.0", "TLS not available due to temporary reason")
		return
	}
	s.sayf(220, "2.0.0", "Ready to start TLS")
	// What came with the command came in the clear and must not be taken for something said inside (CVE-2011-0411): the new
	// reader begins after it.
	if s.over || !s.handshake() {
		s.over = true
		return
	}
	s.Helo, s.Mail, s.User, s.esmtp = "", nil, "", false
}

func (s *session) mail(arg string) {
	s.Host.count(func(k *Counts) { k.Dialogues++ })
	switch {
	case s.Helo == "":
		s.sayf(503, "5.5.1", "Send HELO or EHLO first")
		return
	case s.b.user != "" && s.User == "" && !s.authAllowed():
		s.sayf(530, "5.7.0", "Must issue a STARTTLS command first")
		return
	case s.b.user != "" && s.User == "":
		s.sayf(530, "5.7.0", "Authentication required")
		return
	case s.Mail != nil:
		s.sayf(503, "5.5.1", "Nested MAIL command")
		return
	}
	path, ok := cutFold(arg, "FROM:")
	from, params, err := parsePath(path)
	if !ok || err != nil {
		s.sayf(501, "5.5.4", "Syntax: MAIL FROM:<address>")
		return
	}
	m := &Mail{From: from, Helo: s.Helo, Remote: s.Remote, User: s.User, TLS: s.TLS}
	refused := mailParams(s.b, m, params)
	if len(params) > 0 && !s.esmtp {
		refused = unsupported(params[0].key)
	}
	if refused == (Reply{}) && !ascii(from) && !m.UTF8 {
		refused = Reply{Code: 553, Enhanced: "5.6.7", Text: "Address needs SMTPUTF8"} // RFC 6531 section 3.5
	}
	if refused == (Reply{}) && s.b.From != nil {
		d := s.Dialogue
		d.Mail = m
		refused = s.b.From(&d)
	}
	reply := or(refused, Reply{Code: 250, Enhanced: "2.1.0", Text: "Ok"})
	if reply.Code/100 == 2 {
		s.Mail = m
	}
	s.say(reply)
}

func (s *session) rcpt(arg string) {
	s.Host.count(func(k *Counts) { k.Rcpts++ })
	if s.Mail == nil {
		s.sayf(503, "5.5.1", "Need MAIL command")
		return
	}
	if len(s.Mail.To) >= recipients {
		s.sayf(452, "4.5.3", "Too many recipients")
		return
	}
	path, ok := cutFold(arg, "TO:")
	address, params, err := parsePath(path)
	if !ok || err != nil || address == "" {
		s.sayf(501, "5.5.4", "Syntax: RCPT TO:<address>")
		return
	}
	to := Recipient{Address: address}
	refused := rcptParams(s.b, &to, params)
	if refused == (Reply{}) && !ascii(address) && !s.Mail.UTF8 {
		refused = Reply{Code: 553, Enhanced: "5.6.7", Text: "Address needs SMTPUTF8"}
	}
	if refused == (Reply{}) && s.b.Rcpt != nil {
		refused = s.b.Rcpt(&s.Dialogue, to)
	}
	reply := or(refused, Reply{Code: 250, Enhanced: "2.1.5", Text: "Ok"})
	if reply.Code/100 == 2 {
		s.Mail.To = append(s.Mail.To, address)
		s.Mail.Recipients = append(s.Mail.Recipients, to)
	}
	s.say(reply)
}

func (s *session) data(arg string) {
	if s.Mail == nil || len(s.Mail.To) == 0 {
		s.sayf(503, "5.5.1", "Need RCPT command")
		return
	}
	if arg != "" {
		s.sayf(501, "5.5.4", "Syntax: DATA")
		return
	}
	begin := Reply{Code: 354, Text: "End data with <CR><LF>.<CR><LF>"}
	if s.b.Data != nil {
		begin = or(s.b.Data(&s.Dialogue), begin)
	}
	s.say(begin)
	if begin.Code != 354 {
		s.Mail = nil
		return
	}
	raw, whole, tooLong := s.readMail()
	if !whole {
		s.Host.note("-- gone in the middle of a mail")
		s.over = true
		return
	}
	s.Host.note("C: [%d bytes of mail]", len(raw))
	s.Mail.Raw, s.Mail.Received, s.Mail.QueueID = raw, s.Host.w.Now().UTC(), s.Host.w.queueID()
	m := s.Mail
	reply := Reply{}
	if tooLong {
		reply = Reply{Code: 552, Enhanced: "5.3.4", Text: "Message size exceeds fixed limit"}
	} else if s.b.Dot != nil {
		reply = s.b.Dot(s.ctx, &s.Dialogue)
	}
	reply = or(reply, Reply{Code: 250, Enhanced: "2.0.0", Text: "Ok: queued as " + m.QueueID})
	s.Mail = nil
	s.Host.count(func(k *Counts) { k.Dots++ })
	// The mail is in the mailbox before the sender knows; what the host then does with it comes after the reply.
	kept := reply.Code == 0 || reply.Code/100 == 2
	if kept {
		s.Host.keep(*m)
	}
	s.say(reply)
	if kept && s.b.Then != nil {
		s.Host.w.run(func(ctx context.Context) { s.b.Then(ctx, s.Host, *m) })
	}
}

// readMail reads up to the dot (RFC 5321 section 4.5.2). Only CR LF dot CR LF ends a mail: taking less is how mails are
// smuggled. A mail beyond the limit is read on, so that the reply can be given, and not kept.
func (s *session) readMail() (raw []byte, whole, tooLong bool) {
	start := true // of a line that follows CR LF
	cr := false   // the part before, of a line too long for the buffer, ended in the middle of CR LF
	for {
		s.conn.SetDeadline(time.Now().Add(idleTimeout))
		part, err := s.r.ReadSlice('\n')
		if err != nil && err != bufio.ErrBufferFull {
			return nil, false, false
		}
		was := start
		if was && string(part) == ".\r\n" {
			return raw, true, tooLong
		}
		start, cr = bytes.HasSuffix(part, []byte("\r\n")) || cr && part[0] == '\n', part[len(part)-1] == '\r'
		if was && part[0] == '.' {
			part = part[1:]
		}
		if tooLong = tooLong || int64(len(raw)+len(part)) > s.b.maxSize(); tooLong {
			raw = nil
		} else {
			raw = append(raw, part...)
		}
	}
}

// cutFold is strings.CutPrefix for keywords, which have no case.
func cutFold(s, prefix string) (string, bool) {
	if len(s) < len(prefix) || !strings.EqualFold(s[:len(prefix)], prefix) {
		return s, false
	}
	return s[len(prefix):], true
}

// domainOf is the lower-case domain of an address; "" where it has none.
func domainOf(address string) string {
	i := strings.LastIndexByte(address, '@')
	if i < 0 {
		return ""
	}
	return fold(address[i+1:])
}
