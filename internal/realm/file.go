package realm

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	maxLine = 64 << 10  // bytes of one account
	maxFile = 256 << 20 // bytes of all of them
	// A file written twice within its clock's tick keeps its time; one that was read this soon after it was written is read again.
	settle = 100 * time.Millisecond
)

// File is a directory in a file: JSON Lines of Account, read again whenever its time or size changes. An account without a realm belongs to every
// realm that uses the file. Empty lines and lines that begin with # are skipped.
type File struct {
	path string

	mu   sync.Mutex // held while reading: lookups that come meanwhile want the new content
	snap *snapshot  // nil before the first read
}

type snapshot struct {
	mtime  time.Time
	size   int64
	readAt time.Time
	lines  lines
	index  map[string][]int // Normal(name) -> positions in lines.accounts
	forms  []form           // of every name, for look-alikes
	owner  []int            // forms[i] belongs to lines.accounts[owner[i]]
}

// NewFile is a directory in the file at path. It is first read at the first look-up.
func NewFile(path string) *File { return &File{path: path} }

// Lookup finds the accounts of the realm whose login, username, address or other address is the login. Look-alikes are looked for only where there
// is no account. Where a line could not be read, "no such account" cannot be said: the missing one may stand there.
func (f *File) Lookup(ctx context.Context, realm, login string) (Found, error) {
	if err := ctx.Err(); err != nil {
		return Found{}, unavailable(KindSilent, "no time was left to read the accounts file", err)
	}
	s, err := f.current()
	if err != nil {
		return Found{}, err
	}
	found := Found{}
	for _, i := range s.index[Normal(login)] {
		if a := s.lines.accounts[i]; a.Realm == realm || a.Realm == "" {
			a.Realm = realm
			found.Accounts = append(found.Accounts, a)
		}
	}
	if len(found.Accounts) > 0 {
		return found, nil
	}
	if len(s.lines.bad) > 0 {
		return Found{}, unavailable(KindNonsense, "not found, and the accounts file could not be read in full: "+s.lines.bad[0].Error(), s.lines.bad[0])
	}
	near := newNearest(login)
	for i, fm := range s.forms {
		if a := s.lines.accounts[s.owner[i]]; a.Realm == realm || a.Realm == "" {
			near.offer(fm, s.owner[i])
		}
	}
	for _, i := range near.best() {
		a := s.lines.accounts[i]
		a.Realm = realm
		found.Near = append(found.Near, a)
	}
	return found, nil
}

// Check reads the file now and says what is wrong in it: an *Unavailable where it cannot be read at all, else the joined LineErrors.
func (f *File) Check() error {
	s, err := f.current()
	if err != nil {
		return err
	}
	var errs []error
	for _, b := range s.lines.bad {
		errs = append(errs, b)
	}
	return errors.Join(errs...)
}

func (f *File) current() (*snapshot, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	st, err := os.Stat(f.path)
	if err != nil {
		return nil, unreadable(err)
	}
	if s := f.snap; s != nil && s.size == st.Size() && s.mtime.Equal(st.ModTime()) && s.readAt.Sub(s.mtime) > settle {
		return s, nil
	}
	if st.Size() > maxFile {
		return nil, unavailable(KindTooBig, fmt.Sprintf("the accounts file is over %d MiB", maxFile>>20), nil)
	}
	if !st.Mode().IsRegular() {
		return nil, unavailable(KindUnreadable, "the accounts file is not a regular file", nil)
	}
	readAt := time.Now()
	in, err := os.Open(f.path)
	if err != nil {
		return nil, unreadable(err)
	}
	defer in.Close()
	ls, err := readLines(io.LimitReader(in, maxFile))
	if err != nil {
		return nil, unreadable(err)
	}
	f.snap = index(ls)
	f.snap.mtime, f.snap.size, f.snap.readAt = st.ModTime(), st.Size(), readAt
	return f.snap, nil
}

// unreadable drops the path: it may be an address's or a person's.
func unreadable(err error) *Unavailable {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		err = pe.Err
	}
	return unavailable(KindUnreadable, "the accounts file cannot be read: "+err.Error(), err)
}

func index(ls lines) *snapshot {
	s := &snapshot{lines: ls, index: make(map[string][]int, 2*len(ls.accounts))}
	for i, a := range ls.accounts {
		for _, name := range a.names() {
			n := Normal(name)
			if at := s.index[n]; !slices.Contains(at, i) {
				s.index[n] = append(at, i)
				s.forms = append(s.forms, newForm(name))
				s.owner = append(s.owner, i)
			}
		}
	}
	return s
}

// LineError is a line of an accounts file that is not an account.
type LineError struct {
	Line int    // from 1
	What string // quotes nothing
}

func (e *LineError) Error() string { return fmt.Sprintf("line %d: %s", e.Line, e.What) }

type lines struct {
	accounts []Account
	bad      []*LineError
}

// ReadAccounts reads JSON Lines of Account: the good ones, and every bad line by its number. The error is r's.
func ReadAccounts(r io.Reader) ([]Account, []*LineError, error) {
	ls, err := readLines(r)
	return ls.accounts, ls.bad, err
}

func readLines(r io.Reader) (lines, error) {
	var out lines
	type key struct{ realm, id string }
	seen := map[key]int{}
	br := bufio.NewReaderSize(r, maxLine)
	for n := 1; ; n++ {
		line, err := br.ReadSlice('\n')
		tooLong := err == bufio.ErrBufferFull
		for err == bufio.ErrBufferFull {
			_, err = br.ReadSlice('\n')
		}
		if err != nil && err != io.EOF {
			return out, err
		}
		if n == 1 {
			line = bytes.TrimPrefix(line, []byte("\ufeff"))
		}
		line = bytes.TrimSpace(line)
		switch {
		case tooLong:
			out.bad = append(out.bad, &LineError{n, fmt.Sprintf("over %d KiB", maxLine>>10)})
		case len(line) == 0 || line[0] == '#':
		default:
			a, perr := ParseAccount(line)
			if perr == nil && seen[key{a.Realm, a.ID}] != 0 {
				perr = fmt.Errorf("the account's id stands in line %d already", seen[key{a.Realm, a.ID}])
			}
			if perr != nil {
				out.bad = append(out.bad, &LineError{n, strings.TrimSuffix(perr.Error(), ".")})
				break
			}
			seen[key{a.Realm, a.ID}] = n
			out.accounts = append(out.accounts, a)
		}
		if err == io.EOF {
			return out, nil
		}
	}
}
