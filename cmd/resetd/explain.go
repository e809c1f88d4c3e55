package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/resetd/resetd/diag"
	"github.com/resetd/resetd/internal/api/words"
	"github.com/resetd/resetd/internal/desk"
	"github.com/resetd/resetd/mailer/bounce"
)

// explainCmd is `resetd explain`: what came back, in plain language. It works by itself and keeps nothing.
func explainCmd() *cobra.Command {
	var asJSON, lines bool
	var rules string
	cmd := ours(&cobra.Command{
		Use: "explain [FILE…]", Short: "what a bounce, a mailbox of them, or a pasted SMTP reply means", Args: cobra.ArbitraryArgs,
		Long: `Says of each mail in FILE what happened, whose fault it is and what to do. A FILE is one mail (.eml), a mailbox (mbox; its mails are named FILE#1, FILE#2, …),
a Maildir, or - for standard input, which is also read when there is no FILE. A pasted SMTP reply, also one in place of FILE, is known by its code. Of a mail, the first MiB is read.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				args = []string{"-"}
			}
			x := &explainer{cmd: cmd, json: asJSON, lines: lines}
			if rules != "" {
				text, err := os.ReadFile(rules)
				if err != nil {
					return couldNot("%s: %s", inert(rules), reasonOf(err))
				}
				if x.rules, err = desk.ParseRules(string(text)); err != nil {
					return couldNot("%s: %s\nhint: diag/reply/rules shows how rules are written; `resetd tray answer` prints some.", inert(rules), inert(err.Error()))
				}
			}
			return x.all(args)
		},
	})
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object on a line for each mail or reply")
	cmd.Flags().StringVar(&rules, "rules", "", "`FILE` of rules to be tried first, such as the tray makes them")
	cmd.Flags().BoolVar(&lines, "lines", false, "each line of input is an SMTP reply, perhaps with its provider and a tab in front")
	return cmd
}

// explainer answers for one run of the command.
type explainer struct {
	cmd         *cobra.Command
	json, lines bool
	rules       *desk.Rules
	p           *printer
	out         *bufio.Writer
	answered    int
}

// all explains each input. One that cannot be read is said and passed over.
func (x *explainer) all(names []string) error {
	x.p = printerFor(x.cmd)
	x.out = bufio.NewWriterSize(x.p.w, 64<<10)
	x.p.w = x.out
	bad := 0
	for _, name := range names {
		if err := x.input(name); err != nil {
			if errors.Is(err, errOutput) {
				return couldNot("the answer could not be written")
			}
			bad++
			x.out.Flush()
			fmt.Fprintf(x.cmd.ErrOrStderr(), "resetd: %s: %s\n", inert(name), inert(reasonOf(err)))
		}
	}
	if x.out.Flush() != nil {
		return couldNot("the answer could not be written")
	}
	if bad > 0 {
		return couldNot("%s could not be read", counted(bad, "input"))
	}
	return nil
}

// errOutput means that nobody takes the answers any more.
var errOutput = errors.New("the output is closed")

// reasonOf leaves the path out of an error that is said beside the path.
func reasonOf(err error) string {
	var p *os.PathError
	if errors.As(err, &p) {
		return p.Err.Error()
	}
	return err.Error()
}

func (x *explainer) input(name string) error {
	if name == "-" {
		return x.stream(name, x.cmd.InOrStdin())
	}
	st, err := os.Stat(name)
	if errors.Is(err, fs.ErrNotExist) && x.rules.IsReply(name, false) {
		return x.reply(name) // pasted onto the command line
	}
	if err != nil {
		return err
	}
	if st.IsDir() {
		files, err := maildir(name)
		if err != nil {
			return err
		}
		var wrong error
		for _, f := range files {
			wrong = errors.Join(wrong, x.file(f))
		}
		return wrong
	}
	return x.file(name)
}

func (x *explainer) file(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	return x.stream(name, f)
}

// peeked is how much of an input is looked at to tell what it is, in bytes.
const peeked = 16 << 10

func (x *explainer) stream(name string, r io.Reader) error {
	in := bufio.NewReaderSize(r, peeked)
	if x.lines {
		return x.replies(in)
	}
	head, err := in.Peek(peeked)
	if err != nil && err != io.EOF && len(head) == 0 {
		return err
	}
	switch {
	case err == io.EOF && name == "-" && len(bytes.TrimSpace(head)) == 0:
		return errors.New("nothing came in; give a FILE, or pipe a mail or a reply in")
	case bytes.HasPrefix(head, []byte("From ")):
		return x.mailbox(name, in)
	case err == io.EOF && x.rules.IsReply(string(head), name == "-"):
		return x.reply(strings.TrimRight(string(head), "\r\n"))
	}
	m, err := x.rules.Reader().Read(in)
	if err != nil {
		return err
	}
	return x.mail(name, m)
}

func (x *explainer) replies(in *bufio.Reader) error {
	for {
		line, more, err := readLine(in)
		if err != nil {
			return err
		}
		if !more {
			return nil
		}
		if line == "" && !x.json {
			continue
		}
		if err := x.reply(line); err != nil {
			return err
		}
	}
}

func (x *explainer) reply(text string) error {
	e := x.rules.ExplainReply(strings.ToValidUTF8(text, "\uFFFD"))
	if x.json {
		return x.line(e.ReplyLine)
	}
	x.gap()
	x.p.text("", e.Reply)
	fmt.Fprintln(x.out)
	how := fmt.Sprintf("%s, %s. (%s, %s)", final(e.Permanent, false, ""), strings.ToLower(words.Confidence(diag.Confidence(e.Confidence))), e.Cause, e.Reason)
	if e.Accepted {
		how = "Done."
	}
	x.p.means(e.Meaning, how)
	if e.RetryAfter > 0 {
		x.p.text("", fmt.Sprintf("The host asks for another try after %d seconds.", e.RetryAfter))
	}
	x.p.because(e.Because)
	return nil
}

func (x *explainer) mail(name string, m bounce.Mail) error {
	if x.json {
		return x.line(bounce.Explain(name, m))
	}
	x.gap()
	x.p.mail(desk.ExplainMail(name, m))
	return nil
}

// gap draws a line between two answers.
func (x *explainer) gap() {
	if x.answered++; x.answered > 1 {
		fmt.Fprintf(x.out, "\n%s\n\n", strings.Repeat("─", columns))
	}
}

// line prints one object. Strangers' control characters and marks of direction stand in it as escapes only, as it may be looked at on a terminal.
func (x *explainer) line(v any) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return err
	}
	for _, r := range strings.TrimSuffix(b.String(), "\n") {
		if r >= 0x7f && (unicode.IsControl(r) || unicode.Is(unicode.Cf, r)) && r <= 0xffff {
			fmt.Fprintf(x.out, `\u%04x`, r)
			continue
		}
		if _, err := x.out.WriteRune(r); err != nil {
			return errOutput
		}
	}
	if x.out.WriteByte('\n') != nil {
		return errOutput
	}
	return nil
}

// mail tells what a returned mail means, recipient by recipient.
func (p *printer) mail(e desk.ExplainedMail) {
	p.text("", e.File+" · "+e.Says)
	for _, r := range e.Reports {
		who := r.Recipient
		if who == "" {
			who = "A recipient who is not named"
		}
		if r.Final != "" {
			who += ", by way of " + r.Final
		}
		p.heading(who)
		p.means(r.Meaning, fmt.Sprintf("%s. (%s)", final(r.Permanent, r.GaveUp, r.Action), strings.Join(filled(r.Cause, string(r.Reason), r.Status), ", ")))
		p.because(r.Because)
	}
	if e.Because != nil && len(e.Reports) == 0 {
		p.because(*e.Because)
	}
	if len(e.Unread) > 0 {
		p.heading("What could not be read")
		for _, u := range e.Unread {
			p.item("  - ", u)
		}
	}
}

func (p *printer) means(m diag.Meaning, how string) {
	p.strong(m.Says)
	p.text("", words.Blame(m.Blame)+". "+how)
	p.text("", words.Helps(m.Resend.Helps)+". "+m.Resend.Because)
	for i, a := range m.Actions {
		p.item(fmt.Sprintf("%3d. ", i+1), words.Who(a.Who)+": "+a.Do)
	}
}

func (p *printer) because(b bounce.ExplainedBecause) {
	switch {
	case b.Text == "":
	case b.Line > 0:
		p.text("", fmt.Sprintf("It says so in line %d: “%s”", b.Line, b.Text))
	default:
		p.text("", fmt.Sprintf("It says so: “%s”", b.Text))
	}
}

// final says whether the last word is spoken.
func final(permanent, gaveUp bool, a bounce.Action) string {
	switch {
	case a == bounce.ActionDelivered || a == bounce.ActionRelayed || a == bounce.ActionExpanded:
		return "Done"
	case permanent:
		return "Final"
	case gaveUp:
		return "Given up by that host; another mail may pass"
	case a == bounce.ActionDelayed:
		return "Not final: the host still tries"
	}
	return "Not final: the same mail may pass later"
}

func filled(list ...string) []string {
	var out []string
	for _, s := range list {
		if s != "" {
			out = append(out, s)
		}
	}
	return out
}
