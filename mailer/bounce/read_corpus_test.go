package bounce

import (
	"bytes"
	"crypto/sha1"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"testing"

	"github.com/resetd/resetd/diag/reply"
)

// corpusDir finds ../shared/corpora/bounces beside the checkout, "" if it is not there.
func corpusDir() string {
	dir, err := os.Getwd()
	for err == nil && dir != filepath.Dir(dir) {
		dir = filepath.Dir(dir)
		c := filepath.Join(dir, "shared", "corpora", "bounces")
		if _, err := os.Stat(filepath.Join(c, "manifest.tsv")); err == nil {
			return c
		}
	}
	return ""
}

type corpusRow struct{ recipient, status, cause string }

type corpusFile struct {
	name, kind, action string
	rows               []corpusRow
	mail               []byte
}

// corpus reads the manifest and its messages in order; it skips the test where the folder is absent.
func corpus(t testing.TB) []corpusFile {
	dir := corpusDir()
	if dir == "" {
		t.Skip("no shared corpora beside this checkout")
	}
	manifest, err := os.ReadFile(filepath.Join(dir, "manifest.tsv"))
	if err != nil {
		t.Fatal(err)
	}
	var files []corpusFile
	at := map[string]int{}
	for i, line := range strings.Split(strings.TrimRight(string(manifest), "\n"), "\n") {
		c := strings.Split(line, "\t")
		if i == 0 || len(c) < 10 {
			continue
		}
		k, ok := at[c[0]]
		if !ok {
			mail, err := os.ReadFile(filepath.Join(dir, "msg", c[0]))
			if err != nil {
				t.Fatal(err)
			}
			k = len(files)
			at[c[0]] = k
			files = append(files, corpusFile{name: c[0], kind: c[4], action: c[5], mail: mail})
		}
		files[k].rows = append(files[k].rows, corpusRow{c[6], c[7], c[9]})
	}
	return files
}

// score counts as score.py of the corpora does.
type score struct {
	n     map[string]int
	notes []string
}

func (s *score) add(key string, ok bool) {
	if ok {
		s.n[key]++
	}
}

func isReported(kind string) bool {
	return kind == "hard" || kind == "soft" || kind == "policy" || kind == "-"
}

func (s *score) file(f corpusFile, m Explained) {
	c := s.n
	bounce := m.Kind == KindBounce && len(m.Reports) > 0
	note := func(format string, args ...any) {
		s.notes = append(s.notes, f.name+" "+fmt.Sprintf(format, args...))
	}
	if !isReported(f.kind) {
		c["others"]++
		s.add("false", bounce)
		c["n_"+f.kind]++
		s.add("ok_"+f.kind, string(m.Kind) == f.kind)
		s.add("false_"+f.kind, bounce)
		if bounce {
			note("taken for a bounce: %s", f.kind)
		} else if (f.kind == "feedback" || f.kind == "autoreply") && string(m.Kind) != f.kind {
			note("is %s, read as %s", f.kind, m.Kind)
		}
		return
	}
	c["bounces"]++
	s.add("found", bounce)
	if !bounce {
		note("missed, read as %s", m.Kind)
	}
	want := make([]map[string]bool, len(f.rows))
	stated := true
	got := map[string]bool{}
	if bounce {
		for _, r := range m.Reports {
			got[strings.ToLower(r.Recipient)] = true
		}
	}
	for k, row := range f.rows {
		want[k] = map[string]bool{}
		for _, a := range strings.Split(strings.ToLower(row.recipient), "|") {
			want[k][a] = true
		}
		if want[k]["-"] {
			stated = false
			continue
		}
		c["rcpt_want"]++
		hit := false
		for a := range want[k] {
			hit = hit || got[a]
		}
		s.add("rcpt_found", hit)
		if bounce && !hit {
			note("recipient %s not found, got %v", row.recipient, keys(got))
		}
	}
	if bounce && stated {
		for a := range got {
			c["rcpt_got"]++
			right := false
			for k := range want {
				right = right || want[k][a]
			}
			s.add("rcpt_right", right)
			if !right {
				note("recipient %q is wrong", a)
			}
		}
	}
	for k, row := range f.rows {
		alts := strings.Split(row.cause, "|")
		if alts[0] == "-" {
			continue
		}
		var x ExplainedReport
		if bounce {
			x = m.Reports[min(k, len(m.Reports)-1)]
			for _, r := range m.Reports {
				if want[k][strings.ToLower(r.Recipient)] {
					x = r
					break
				}
			}
		}
		accepted, hard, anyHard, class := false, true, false, false
		for _, a := range alts {
			accepted = accepted || a == string(x.Reason)
			h := reply.Reason(a).Class() == reply.Hard
			hard, anyHard = hard && h, anyHard || h
			class = class || x.Reason != "" && x.Reason.Class() == reply.Reason(a).Class()
		}
		c["rows"]++
		s.add("strict", alts[0] == string(x.Reason))
		s.add("lenient", accepted)
		s.add("class", class)
		saysHard := x.Reason != "" && x.Reason.Class() == reply.Hard
		if hard {
			c["hard"]++
			s.add("hard_found", saysHard)
		} else if !anyHard {
			c["not_hard"]++
			s.add("false_hard", saysHard)
		}
		if os.Getenv("CORPUS_NOTES") == "2" && accepted && alts[0] != string(x.Reason) {
			note("strict %s, read as %s (%s) from %q", row.cause, x.Reason, x.Status, x.Diagnostic)
		}
		if !accepted {
			note("reason %s, read as %s from %q", row.cause, x.Reason, x.Diagnostic)
		}
		if row.status != "-" {
			c["status"]++
			s.add("status_ok", x.Status == row.status)
			if x.Status != row.status {
				note("status %s, read as %q", row.status, x.Status)
			}
		}
		s.add("action_ok", string(x.Action) == f.action)
		if string(x.Action) != f.action {
			note("action %s, read as %q", f.action, x.Action)
		}
	}
}

func keys(m map[string]bool) []string {
	var out []string
	for k := range m {
		out = append(out, k)
	}
	sort.Strings(out)
	return out
}

// floor is a figure that must not be missed, in percent.
type floor struct {
	name, part, whole string
	least             float64
	most              bool // least is an upper bound
}

var floors = []floor{
	{"bounce recall", "found", "bounces", 99.5, false},
	{"false positives", "false", "others", 0.4, true},
	{"  on auto-replies", "false_autoreply", "n_autoreply", 0, true},
	{"  on complaints", "false_feedback", "n_feedback", 0, true},
	{"recipient recall", "rcpt_found", "rcpt_want", 99.0, false},
	{"recipient precision", "rcpt_right", "rcpt_got", 99.5, false},
	{"reason strict", "strict", "rows", 94.5, false},
	{"reason lenient", "lenient", "rows", 98.5, false},
	{"class", "class", "rows", 99, false},
	{"hard recall", "hard_found", "hard", 98.5, false},
	{"false hard", "false_hard", "not_hard", 0.3, true},
	{"status exact", "status_ok", "status", 98.5, false},
	{"action", "action_ok", "rows", 97.5, false}, // below the 99 wished for; see TestCorpus,
	{"complaint recall", "ok_feedback", "n_feedback", 100, false},
	{"auto-reply recall", "ok_autoreply", "n_autoreply", 96, false},
}

// TestCorpus judges the reader on real mail. The action falls short of 99 %: nine files are labelled by another rule than
// what their notice says (warnings that the host goes on trying are labelled failed; the same words of Exim, qmail and Gmail
// are labelled failed in one suite and delayed in another; a file has one label for reports that differ).
// CORPUS_PART=dev or held looks at two thirds or at the other third of the
// files only, chosen by a hash of their names: rules are written on the first, and the second tells how they generalise.
// CORPUS_NOTES=1 prints what was read wrongly.
func TestCorpus(t *testing.T) {
	files := corpus(t)
	part := os.Getenv("CORPUS_PART")
	s := score{n: map[string]int{}}
	for _, f := range files {
		if part != "" && (part == "held") != heldOut(f.name) {
			continue
		}
		s.file(f, Explain(f.name, ReadBytes(f.mail)))
	}
	for _, fl := range floors {
		a, b := s.n[fl.part], s.n[fl.whole]
		p := 100 * float64(a) / float64(max(b, 1))
		fmt.Printf("%-22s %6.2f %%  (%d/%d)\n", fl.name, p, a, b)
		if fl.most && p > fl.least || !fl.most && p < fl.least {
			t.Errorf("%s is %.2f %%, the floor is %.2f %%", fl.name, p, fl.least)
		}
	}
	if os.Getenv("CORPUS_NOTES") != "" {
		for _, n := range s.notes {
			fmt.Println(n)
		}
	}
}

func heldOut(name string) bool {
	h := sha1.Sum([]byte("s" + name))
	return h[0]%3 == 0
}

// TestCorpusDump writes what score.py reads to the file named by CORPUS_DUMP.
func TestCorpusDump(t *testing.T) {
	out := os.Getenv("CORPUS_DUMP")
	if out == "" {
		t.Skip("CORPUS_DUMP names no file")
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	for _, f := range corpus(t) {
		if err := enc.Encode(Explain(f.name, ReadBytes(f.mail))); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(out, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
}
