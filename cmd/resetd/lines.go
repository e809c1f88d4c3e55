package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"time"
)

var (
	errNoneYet = errors.New("no line yet")
	errNoMore  = errors.New("no more lines")
)

// lineSource gives the lines of a log, without their ends.
type lineSource interface {
	// next gives errNoneYet, where now is true, instead of waiting for a line, and errNoMore at the end or when ctx ends.
	next(ctx context.Context, now bool) (string, error)
}

// openLines opens a log; "-" is standard input.
func openLines(path string, follow bool) (lineSource, error) {
	if path == "-" {
		return pipe(os.Stdin), nil
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	return &tail{path: path, follow: follow, file: f, in: bufio.NewReaderSize(f, lineMost)}, nil
}

// lineMost is how much of a line is kept, in bytes; the rest of a longer one is drained.
const lineMost = 16 << 10

// tail reads a file, and follows it: what is appended, and the new file of that name after the log was rotated.
type tail struct {
	path   string
	follow bool
	file   *os.File
	in     *bufio.Reader
	part   []byte // the beginning of a line whose end is not written yet
}

// tailLook is how often a followed file is looked at. Its folder could be watched instead; this costs a read in half a second.
const tailLook = 500 * time.Millisecond

func (t *tail) next(ctx context.Context, now bool) (string, error) {
	for {
		if ctx.Err() != nil {
			t.file.Close()
			return "", errNoMore
		}
		b, err := t.in.ReadSlice('\n')
		if room := lineMost - len(t.part); len(b) > 0 && room > 0 {
			t.part = append(t.part, b[:min(len(b), room)]...)
		}
		switch {
		case err == nil:
			line := string(t.part)
			t.part = t.part[:0]
			return line, nil
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case !errors.Is(err, io.EOF):
			return "", err
		}
		if !t.follow {
			if len(t.part) > 0 {
				line := string(t.part)
				t.part = nil
				return line, nil // the next read is at the end again
			}
			t.file.Close()
			return "", errNoMore
		}
		if t.rotated() {
			continue
		}
		if now {
			return "", errNoneYet
		}
		select {
		case <-ctx.Done():
		case <-time.After(tailLook):
		}
	}
}

// rotated goes over to another file of the name, or to the beginning of one that was cut. While there is none of that name, it stays.
func (t *tail) rotated() bool {
	here, err := t.file.Stat()
	if err != nil {
		return false
	}
	there, err := os.Stat(t.path)
	if err != nil {
		return false
	}
	if os.SameFile(here, there) {
		at, err := t.file.Seek(0, io.SeekCurrent)
		if err != nil || there.Size() >= at {
			return false
		}
		if _, err := t.file.Seek(0, io.SeekStart); err != nil {
			return false
		}
		t.in.Reset(t.file)
		t.part = t.part[:0]
		return true
	}
	// The last lines of the old file may have been written after the read that found its end.
	if at, err := t.file.Seek(0, io.SeekCurrent); err == nil && here.Size() > at {
		return true
	}
	f, err := os.Open(t.path)
	if err != nil {
		return false
	}
	t.file.Close()
	t.file, t.part = f, t.part[:0]
	t.in.Reset(f)
	return true
}

// piped reads standard input, which cannot be looked at without waiting.
type piped struct{ lines chan string }

// pipe reads until its input ends. Its goroutine ends with the process: nothing can interrupt a read of a terminal.
func pipe(r io.Reader) *piped {
	p := &piped{make(chan string, 1000)}
	go func() {
		defer close(p.lines)
		in := bufio.NewReaderSize(r, lineMost)
		for {
			line, more, err := in.ReadLine()
			if err != nil {
				return
			}
			p.lines <- string(line)
			for more && err == nil {
				_, more, err = in.ReadLine()
			}
		}
	}()
	return p
}

func (p *piped) next(ctx context.Context, now bool) (string, error) {
	select {
	case line, ok := <-p.lines:
		if !ok {
			return "", errNoMore
		}
		return line, nil
	default:
		if now {
			return "", errNoneYet
		}
	}
	select {
	case line, ok := <-p.lines:
		if !ok {
			return "", errNoMore
		}
		return line, nil
	case <-ctx.Done():
		return "", errNoMore
	}
}
