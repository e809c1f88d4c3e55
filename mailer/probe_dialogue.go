package mailer

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net/netip"
	"net/textproto"
	"strconv"
	"strings"
	"time"

	"github.com/resetd/resetd/diag/reply"
	"github.com/resetd/resetd/internal/ledger"
)

// probeDialogue asks one host. It speaks itself and not through the client library, because each line that the host says is shown; the
// budgets of wire and speech bound it all the same.
type probeDialogue struct {
	*probing
	host   string
	ip     netip.Addr
	demand demand // what the host must prove

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
	s, err := dial(ctx, d.limits, target{host: d.host, ip: d.ip}, port)
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

// secure says STARTTLS where it is offered, and tells what certificate the host shows. False: nothing more can be said to this host.
func (d *probeDialogue) secure() bool {
	began := time.Now()
	must := ""
	if d.demand.enforced() {
		must = policyWords(d.demand.policy)
	}
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
	shown, sec, err := d.handshake()
	s.Cert = shown
	switch {
	case err != nil:
		s.Grade, s.Cause, s.Says = GradeBad, "tls.policy_failed", "The TLS handshake fails: "+d.s.errText(err)+"."
		if must == "" {
			s.Cause, s.Says = "deferred.other", s.Says+" A mail would be offered again in clear."
		}
		d.end(ledger.Unreachable, s.Cause, s.Says)
	case sec.Failed != "" && must != "":
		s.Grade, s.Cause, s.Says = GradeBad, "tls.policy_failed", must+" keeps mail from this host: "+sec.Problem+"."
		d.end(ledger.Blocked, s.Cause, s.Says)
	case sec.Failed != "":
		s.Grade, s.Says = GradeCare, "Encrypted, "+shown.TLS+". "+policyWords(sec.Policy)+" would keep mail from this host: "+sec.Problem+"."
	case !shown.Verified && shown.DANE != "match":
		s.Grade, s.Says = GradeCare, "Encrypted, "+shown.TLS+"; "+sec.Problem+", which most senders accept."
	default:
		s.Grade, s.Says = GradeOK, "Encrypted, "+shown.TLS+", and the certificate "+map[bool]string{true: "fits the DANE records", false: "verifies"}[shown.DANE == "match"]+"."
	}
	d.tell1(began, s)
	return s.Grade != GradeBad && d.hello()
}

// handshake brings TLS up and reads the certificate; that it does not verify is told and no error.
func (d *probeDialogue) handshake() (*Shown, *ledger.Security, error) {
	d.s.w.stage(d.s.w.limits.Command)
	conn := tls.Client(d.s.w, &tls.Config{ServerName: d.demand.sni(d.host), InsecureSkipVerify: true}) // verified below, to be told
	if err := conn.Handshake(); err != nil {
		return nil, nil, errHandshake{err}
	}
	state := conn.ConnectionState()
	sec := d.demand.shown(state, d.host, d.p.RootCAs)
	shown := &Shown{TLS: tls.VersionName(state.Version), Verified: sec.Certificate == ledger.Verified}
	if len(state.PeerCertificates) > 0 {
		leaf := state.PeerCertificates[0]
		shown.Issuer, shown.NotAfter = clip(leaf.Issuer.String()), leaf.NotAfter.UTC()
		for _, n := range leaf.DNSNames[:min(20, len(leaf.DNSNames))] {
			shown.Names = append(shown.Names, clip(n))
		}
		_, shown.Problem = judgeCertificate(state.PeerCertificates, d.host, d.p.RootCAs)
	}
	if d.demand.policy == ledger.DANE && len(d.demand.tlsa) > 0 {
		shown.DANE = "match"
		if sec.Failed != "" {
			shown.DANE = "mismatch"
		}
	}
	d.s.top = &speech{Conn: conn, w: d.s.w}
	d.s.tls = shown.TLS
	d.read = bufio.NewReader(d.s.top)
	return shown, sec, nil
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
