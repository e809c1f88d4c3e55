package scenario

import (
	"embed"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

//go:embed stories/*.txtar
var stories embed.FS

// Scenario is one story, read.
type Scenario struct {
	Name  string // of its file
	Story string
	Mixed string // what contradicts what, or is mixed with it; "" = the story is plain
	Demo  *Part  // who is shown in the demo; nil = nobody
	World World
	Steps []Step
	Files map[string]string // beside the configuration, by name
}

// Part is a scenario's part in the demo.
type Part struct {
	Login, Realm, Says string
}

// Step is a line of the script.
type Step struct {
	Line   int
	Text   string
	At     time.Duration // since the story began
	verb   string
	who    string
	words  []string // of a line that changes the world
	args   args
	expect []string // behind the colon, at the commas
	looks  bool     // it needs everything before it to be done
}

// End is when the last line happens.
func (s *Scenario) End() time.Duration {
	if len(s.Steps) == 0 {
		return 0
	}
	return s.Steps[len(s.Steps)-1].At
}

// Asked tells of what the last `why` about a login in a realm must say first; "" = nothing.
func (s *Scenario) Asked(login, realm string) string {
	for _, st := range slices.Backward(s.Steps) {
		a := st.args
		if st.verb == "why" && len(a.plain) > 0 && a.plain[0] == login && a.after("in", realm) == realm && len(a.pair) == 0 {
			if w, err := readExpectation(st.expect); err == nil {
				return w.Cause
			}
		}
	}
	return ""
}

// All reads every story, by name.
func All() ([]*Scenario, error) {
	names, err := fs.Glob(stories, "stories/*.txtar")
	if err != nil {
		return nil, err
	}
	var out []*Scenario
	for _, n := range names {
		text, err := fs.ReadFile(stories, n)
		if err != nil {
			return nil, err
		}
		s, err := Parse(strings.TrimSuffix(path.Base(n), ".txtar"), string(text))
		if err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, nil
}

var sectionLine = regexp.MustCompile(`^-- ([^ ]+) --$`)

// Parse reads one story. An error names file and line.
func Parse(name, text string) (*Scenario, error) {
	s := &Scenario{Name: name, World: newWorld(), Files: map[string]string{}}
	section := ""
	var at time.Duration
	for n, line := range strings.Split(text, "\n") {
		if m := sectionLine.FindStringSubmatch(strings.TrimRight(line, " \r")); m != nil {
			section = m[1]
			continue
		}
		var err error
		switch section {
		case "":
			s.Story = strings.TrimLeft(s.Story+line+"\n", "\n")
		case "mixed":
			s.Mixed = strings.TrimSpace(s.Mixed + " " + line)
		case "demo":
			err = s.part(line)
		case "world", "script":
			for _, one := range each(line) {
				if err == nil && section == "world" {
					err = s.World.line(one)
				} else if err == nil {
					at, err = s.step(n+1, at, one)
				}
			}
		default:
			s.Files[section] += line + "\n"
		}
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", name, n+1, err)
		}
	}
	s.Story = strings.TrimSpace(s.Story)
	if s.Story == "" || len(s.Steps) == 0 {
		return nil, fmt.Errorf("%s: a scenario needs a story and a script", name)
	}
	if s.Demo != nil && s.Asked(s.Demo.Login, s.Demo.Realm) == "" {
		return nil, fmt.Errorf("%s: the script does not say why for the demo's person", name)
	}
	return s, nil
}

func (s *Scenario) part(line string) error {
	if line = strings.TrimSpace(line); line == "" {
		return nil
	}
	who, says, ok := strings.Cut(line, ": ")
	login, realm, in := strings.Cut(who, " in ")
	if !ok || !in || s.Demo != nil {
		return fmt.Errorf("want one line: LOGIN in REALM: what happened")
	}
	s.Demo = &Part{Login: login, Realm: realm, Says: says}
	return nil
}

var rangeWord = regexp.MustCompile(`\{([0-9]{1,3})\.\.([0-9]{1,3})\}`)

// each repeats a line for each number of the range in it: p{1..3}@fine.example is three people.
func each(line string) []string {
	m := rangeWord.FindStringSubmatch(line)
	if m == nil {
		return []string{line}
	}
	from, _ := strconv.Atoi(m[1])
	to, _ := strconv.Atoi(m[2])
	var out []string
	for i := from; i <= to; i++ {
		out = append(out, strings.ReplaceAll(line, m[0], strconv.Itoa(i)))
	}
	return out
}

var timeWord = regexp.MustCompile(`^\+?[0-9]+[0-9smhd]*[smhd]$`)

// step reads a line of the script; at is the time of the line before.
func (s *Scenario) step(n int, at time.Duration, line string) (time.Duration, error) {
	ws, err := words(line)
	if err != nil || len(ws) == 0 {
		return at, err
	}
	if timeWord.MatchString(ws[0]) {
		d, err := duration(strings.TrimPrefix(ws[0], "+"))
		if err != nil {
			return at, err
		}
		if strings.HasPrefix(ws[0], "+") {
			d += at
		}
		if d < at {
			return at, fmt.Errorf("%s is before the line above", ws[0])
		}
		at, ws = d, ws[1:]
	}
	st := Step{Line: n, Text: strings.TrimSpace(line), At: at}
	if i := slices.IndexFunc(ws, func(w string) bool { return strings.HasSuffix(w, ":") && !strings.HasSuffix(w, "=:") }); i >= 0 {
		rest := strings.Join(ws[i+1:], " ")
		for _, e := range strings.Split(rest, ",") {
			if e = strings.TrimSpace(e); e != "" {
				st.expect = append(st.expect, e)
			}
		}
		ws[i] = strings.TrimSuffix(ws[i], ":")
		ws = ws[:i+1]
		if ws[i] == "" {
			ws = ws[:i]
		}
	}
	if len(ws) == 0 {
		return at, fmt.Errorf("nobody does anything")
	}
	if err := st.understand(ws); err != nil {
		return at, err
	}
	s.Steps = append(s.Steps, st)
	return at, nil
}

// understand finds out who does what. The world's own lines and expectations begin with their word.
func (st *Step) understand(ws []string) error {
	st.who = ws[0]
	switch ws[0] {
	case "why", "state", "mails", "incident", "incidents":
		st.verb, st.looks = ws[0], true
		st.args = *readArgs(ws[1:])
		if len(st.expect) == 0 {
			return fmt.Errorf("%s expects nothing: there is no colon", ws[0])
		}
		if ws[0] == "why" {
			_, err := readExpectation(st.expect)
			return err
		}
		return nil
	case "dns", "account", "directory", "relay":
		st.verb, st.looks, st.words = "world", true, ws
		w := newWorld()
		return w.words(ws)
	case "host":
		if len(ws) > 2 && slices.Contains([]string{"returns", "answers", "complains", "mumbles"}, ws[2]) {
			st.who, st.verb, st.looks, st.args = ws[1], ws[2], true, *readArgs(ws[3:])
			return nil
		}
		st.verb, st.looks, st.words = "world", true, ws
		w := newWorld()
		return w.words(ws)
	}
	if len(ws) < 2 {
		return fmt.Errorf("what does %s do?", ws[0])
	}
	st.verb, st.args = ws[1], *readArgs(ws[2:])
	if ws[0] == "provider" {
		if len(ws) < 4 || ws[2] != "says" || providerWords[ws[1]] == nil {
			return fmt.Errorf("want: provider NAME says EVENT LOGIN, with one of the providers %s", strings.Join(sorted(providerWords), ", "))
		}
		st.who, st.verb, st.args, st.looks = ws[1], "tells", *readArgs(ws[3:]), true
		return nil
	}
	verbs := map[string][]string{
		"app": {"asks", "reports", "redeems", "inspects", "says"}, "support": {"asks", "reports", "resends"},
		"admin": {"asks", "resends", "cancels", "releases", "pauses", "resumes"}, "ops": {"pauses", "resumes", "checks", "resends"},
		"clock": {"steps"}, "store": {"loses"},
		"person": {"opens", "presses"}, "scanner": {"opens"}, "forger": {"returns"},
		"worker": {"stops", "crashes", "starts"}, "receiver": {"stops", "starts"},
	}
	if !slices.Contains(verbs[st.who], st.verb) {
		return fmt.Errorf("%s does not know how to %q", st.who, st.verb)
	}
	if st.verb == "resends" && len(st.args.plain) > 0 && st.args.plain[0] == "incident" {
		st.verb = "resends all"
	} else if st.who == "ops" && st.verb == "resends" {
		return fmt.Errorf("ops resends an incident, not a mail")
	}
	st.looks = st.verb != "asks" && st.verb != "reports"
	return nil
}

// Without is the realm that a worker of the script is started without; "" = none.
func (s *Scenario) Without() string {
	for _, st := range s.Steps {
		if st.verb == "starts" {
			if realm := st.args.clone().after("without", ""); realm != "" {
				return realm
			}
		}
	}
	return ""
}

// Slow tells whether a host of the world does not answer the dial: a real mailer waits for half a minute then.
func (s *Scenario) Slow() bool {
	return slices.ContainsFunc(s.World.Hosts, func(h Host) bool { return strings.HasPrefix(h.How, "is silent") })
}

// Stops tells whether the script stops or starts a part of resetd.
func (s *Scenario) Stops() bool {
	return slices.ContainsFunc(s.Steps, func(st Step) bool { return st.who == "worker" || st.who == "receiver" })
}
