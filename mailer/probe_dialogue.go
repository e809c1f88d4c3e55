package mailer

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net/netip"
	"net/textproto"
	"strconv"
	"strings"
	"time"

	"github.com/resetd/resetd/diag/dnscheck"
	"github.com/resetd/resetd/diag/reply"
	"github.com/resetd/resetd/internal/ledger"
)

// probeDialogue asks one host. It speaks itself and not through the client library, because each line that the host says is shown; the
// budgets of wire and speech bound it all the same.
type probeDialogue struct {
	*probing
	host string
	ip   netip.Addr

	s      *session
	read   *bufio.Reader
	offers []string
}

// answered is a host's reply.
type answered struct {
	code int
	text string
}

// run asks the host; true means that it decided, or that nobody else is to be asked.
func (d *probeDialogue) run(ctx context.Context) (decided bool) {
	began := time.Now()
	port := "25"
	if d.p.Port != 0 {
		port = strconv.Itoa(d.p.Port)
	}
	s, err := dial(ctx, d.limits, target{d.host, d.ip}, port)
	if err != nil {
		d.tell1(began, ProbeStep{Step: "connect", Grade: GradeBad, Says: "No connection: " + netText(ctx, err) + ".", Cause: "deferred.remote_down"})
		return false
	}
	d.s = s
	defer s.close()
	defer context.AfterFunc(ctx, s.w.cut)()
	s.top = &speech{Conn: s.w, w: s.w}
	d.read = bufio.NewReader(s.top)
	d.tell1(began, ProbeStep{Step: "connect", Grade: GradeOK, Says: "The host takes connections on port " + port + "."})

	if _, ok := d.ask("banner", "", s.w.limits.Banner, 220, "The host greets us."); !ok {
		return d.out.Outcome == ledger.Rejected
	}
	if !d.hello() {
		return d.out.Outcome == ledger.Rejected
	}
	if !d.secure() {
		d.quit()
		return false
	}
	if !d.mail() {
		d.quit()
		return d.out.Outcome == ledger.Rejected
	}
	decided = d.rcpt()
	d.ask("rset", "RSET", s.w.limits.Command, 250, "The dialogue is taken back before any mail was sent.")
	d.quit()
	return decided
}

func (d *probeDialogue) tell1(began time.Time, s ProbeStep) {
	s.Host, s.IP = d.host, d.ip.String()
	d.step(began, s)
}

// say sends a command, "" = none, and reads the reply.
func (d *probeDialogue) say(command string, limit time.Duration) (answered, error) {
	d.s.w.stage(limit)
	if command != "" {
		if _, err := io.WriteString(d.s.top, command+"\r\n"); err != nil {
			return answered{}, err
		}
	}
	code, text, err := textproto.NewReader(d.read).ReadResponse(-1)
	var wrong *textproto.Error
	if errors.As(err, &wrong) {
		code, text, err = wrong.Code, wrong.Msg, nil
	}
	return answered{code, text}, err
}

// ask says a command and tells how it went; ok means that the reply was the one wanted.
func (d *probeDialogue) ask(step, command string, limit time.Duration, want int, good string) (answered, bool) {
	began := time.Now()
	a, err := d.say(command, limit)
	s := d.judge(step, a, err, want, good)
	d.tell1(began, s)
	return a, s.Grade != GradeBad
}

// judge says what a reply means.
func (d *probeDialogue) judge(step string, a answered, err error, want int, good string) ProbeStep {
	s := ProbeStep{Step: step, Grade: GradeOK, Code: a.code, Says: good}
	s.Enhanced, s.Text = splitEnhanced(a.text)
	switch {
	case err != nil:
		s.Grade, s.Cause, s.Text = GradeBad, "deferred.remote_down", ""
		s.Says = "The host did not answer: " + d.s.errText(err) + "."
		d.end(ledger.Unreachable, s.Cause, s.Says)
	case a.code == want || a.code/100 == 2 && step != "banner":
	case step == "rset" || step == "quit":
		s.Grade, s.Says = GradeCare, "The host does not like this command; nothing depends on it."
	default:
		m := d.means(s)
		s.Grade, s.Reason, s.Cause = GradeBad, string(m.Reason), m.Cause
		outcome, how := ledger.Deferred, "for now"
		if m.Permanent || a.code/100 == 5 {
			outcome, how = ledger.Rejected, "for good"
		}
		s.Says = "The host refuses " + how + ": " + strings.ReplaceAll(string(m.Reason), "_", " ") + "."
		d.end(outcome, s.Cause, s.Says)
	}
	return s
}

// means lets diag/reply say what a refusal means.
func (d *probeDialogue) means(s ProbeStep) reply.Reading {
	return d.p.Replies.Read(reply.Reply{Text: s.Text, Code: s.Code, Enhanced: s.Enhanced, Host: d.host, Stage: s.Step})
}

func (d *probeDialogue) hello() bool {
	began := time.Now()
	a, err := d.say("EHLO "+Route{HELO: d.p.HELO}.helo(), d.s.w.limits.Command)
	s := d.judge("ehlo", a, err, 250, "The host knows us by our name.")
	if s.Grade == GradeOK {
		d.offers = nil
		for i, line := range strings.Split(a.text, "\n") {
			if i > 0 && i <= 40 {
				d.offers = append(d.offers, clip(strings.ToUpper(strings.TrimSpace(line))))
			}
		}
		s.Text, _, _ = strings.Cut(a.text, "\n")
		s.Offers = d.offers
	}
	d.tell1(began, s)
	return s.Grade != GradeBad
}

func (d *probeDialogue) offered(name string) bool {
	for _, o := range d.offers {
		if word, _, _ := strings.Cut(o, " "); word == name {
			return true
		}
	}
	return false
}

// mustTLS says why mail may go to this host over verified TLS only; "" = it may go in clear.
func (d *probeDialogue) mustTLS() string {
	for _, x := range d.dane {
		if x.Binding && strings.EqualFold(x.Host, d.host) {
			return "DANE"
		}
	}
	if d.sts != nil && d.sts.Mode == "enforce" {
		return "MTA-STS"
	}
	return ""
}

// secure says STARTTLS where it is offered, and tells what certificate the host shows. False: nothing more can be said to this host.
func (d *probeDialogue) secure() bool {
	began := time.Now()
	must := d.mustTLS()
	s := ProbeStep{Step: "starttls", Grade: GradeCare, Says: "The host offers no TLS: mail travels in clear."}
	if !d.offered("STARTTLS") {
		if must != "" {
			s.Grade, s.Cause, s.Says = GradeBad, "tls.policy_failed", "The host offers no TLS, and "+must+" of the domain demands it."
			d.end(ledger.Blocked, s.Cause, s.Says)
		}
		d.tell1(began, s)
		return must == ""
	}
	a, err := d.say("STARTTLS", d.s.w.limits.Command)
	if s = d.judge("starttls", a, err, 220, ""); s.Grade == GradeBad {
		d.tell1(began, s)
		return false
	}
	if d.read.Buffered() > 0 { // CVE-2011-0411 and its cousins
		s.Grade, s.Cause, s.Says = GradeBad, "tls.policy_failed", "The host says something in clear behind STARTTLS: somebody may stand between."
		d.end(ledger.Blocked, s.Cause, s.Says)
		d.tell1(began, s)
		return false
	}
	shown, err := d.handshake()
	s.Cert = shown
	switch {
	case err != nil:
		s.Grade, s.Cause, s.Says = GradeBad, "tls.policy_failed", "The TLS handshake fails: "+d.s.errText(err)+"."
		d.end(ledger.Unreachable, s.Cause, s.Says)
	case must == "DANE" && shown.DANE != "match":
		s.Grade, s.Cause, s.Says = GradeBad, "tls.policy_failed", "The certificate is not the one that the domain's DANE records name."
		d.end(ledger.Blocked, s.Cause, s.Says)
	case must == "MTA-STS" && (!shown.Verified || !d.sts.Covers(d.host)):
		s.Grade, s.Cause, s.Says = GradeBad, "tls.policy_failed", "The domain's MTA-STS policy does not allow this host with this certificate."
		d.end(ledger.Blocked, s.Cause, s.Says)
	case !shown.Verified && shown.DANE != "match":
		s.Grade, s.Says = GradeCare, "Encrypted, "+shown.TLS+"; the certificate does not verify ("+shown.Problem+"), which most senders accept."
	default:
		s.Grade, s.Says = GradeOK, "Encrypted, "+shown.TLS+", and the certificate verifies."
	}
	d.tell1(began, s)
	return s.Grade != GradeBad && d.hello()
}

// handshake brings TLS up and reads the certificate; that it does not verify is told and no error.
func (d *probeDialogue) handshake() (*Shown, error) {
	d.s.w.stage(d.s.w.limits.Command)
	conn := tls.Client(d.s.w, &tls.Config{ServerName: d.host, InsecureSkipVerify: true}) // verified below, to be told
	if err := conn.Handshake(); err != nil {
		return nil, errHandshake{err}
	}
	state := conn.ConnectionState()
	certs := state.PeerCertificates
	leaf := certs[0]
	shown := &Shown{TLS: tls.VersionName(state.Version), Issuer: clip(leaf.Issuer.String()), NotAfter: leaf.NotAfter.UTC()}
	for _, n := range leaf.DNSNames[:min(20, len(leaf.DNSNames))] {
		shown.Names = append(shown.Names, clip(n))
	}
	opts := x509.VerifyOptions{Roots: d.p.RootCAs, DNSName: d.host, Intermediates: x509.NewCertPool()}
	for _, c := range certs[1:] {
		opts.Intermediates.AddCert(c)
	}
	if _, err := leaf.Verify(opts); err != nil {
		shown.Problem = clip(strings.TrimPrefix(err.Error(), "x509: "))
	} else {
		shown.Verified = true
	}
	shown.DANE = d.tlsa(certs)
	d.s.top = &speech{Conn: conn, w: d.s.w}
	d.s.tls = shown.TLS
	d.read = bufio.NewReader(d.s.top)
	return shown, nil
}

// tlsa compares the certificates with the DANE records that bind; "" = none do.
func (d *probeDialogue) tlsa(certs []*x509.Certificate) string {
	for _, x := range d.dane {
		if !x.Binding || !strings.EqualFold(x.Host, d.host) {
			continue
		}
		for _, rec := range x.Records {
			if rec.Usable() == "" && rec.Matches(certs) && (rec.Usage == 3 || anchored(rec, certs, d.host)) {
				return "match"
			}
		}
		return "mismatch"
	}
	return ""
}

// anchored verifies a host's certificate against the one that a record of usage 2 names (RFC 7672 section 3.1.2).
func anchored(rec dnscheck.TLSA, certs []*x509.Certificate, host string) bool {
	opts := x509.VerifyOptions{Roots: x509.NewCertPool(), Intermediates: x509.NewCertPool(), DNSName: host}
	for _, c := range certs {
		if rec.Matches([]*x509.Certificate{c}) {
			opts.Roots.AddCert(c)
		} else {
			opts.Intermediates.AddCert(c)
		}
	}
	_, err := certs[0].Verify(opts)
	return err == nil
}

func (d *probeDialogue) mail() bool {
	from := ""
	if d.p.ReturnPath != nil {
		from = d.p.ReturnPath()
	}
	command := "MAIL FROM:<" + from + ">"
	if d.to.NeedsUTF8 {
		if !d.offered("SMTPUTF8") {
			s := ProbeStep{Step: "mail", Grade: GradeBad, Cause: "recipient.needs_smtputf8", Says: sentence(errNoUTF8.Error())}
			d.end(ledger.Rejected, s.Cause, s.Says)
			d.tell1(time.Now(), s)
			return false
		}
		command += " SMTPUTF8"
	}
	_, ok := d.ask("mail", command, d.s.w.limits.Command, 250, "The host takes our return path.")
	return ok
}

// rcpt asks the question that all this is for.
func (d *probeDialogue) rcpt() (decided bool) {
	_, ok := d.ask("rcpt", "RCPT TO:<"+d.to.String()+">", d.s.w.limits.Command, 250, "The host would take mail for this address. Some hosts say so for every address, and refuse or bounce later.")
	if ok {
		d.end(ledger.Accepted, "", "The recipient's host would take mail for this address, as far as RCPT tells.")
		return true
	}
	return d.out.Outcome == ledger.Rejected || d.out.Outcome == ledger.Deferred
}

func (d *probeDialogue) quit() {
	d.s.w.farewell()
	d.ask("quit", "QUIT", 2*time.Second, 221, "Goodbye.")
}

// sentence begins with a capital and ends with a full stop.
func sentence(s string) string {
	if s == "" {
		return ""
	}
	s = strings.ToUpper(s[:1]) + s[1:]
	if !strings.ContainsAny(s[len(s)-1:], ".!?") {
		s += "."
	}
	return s
}
