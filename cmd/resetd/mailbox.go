package main

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// maxMail is how much of one mail of a mailbox is kept, in bytes; the rest is passed over unread. It is one more than what is read, so that
// the reader can say that something was cut off.
const maxMail = 1<<20 + 1

// mailbox explains each mail of an mbox file (RFC 4155, and the dialects mboxo and mboxrd: ">From " in a text was "From "). An .eml file that
// begins with a From line and holds one mail is that mail.
func (x *explainer) mailbox(name string, in *bufio.Reader) error {
	var first []byte // an .eml's only mail, until a second one comes
	n := 0
	one := func(raw []byte) error {
		n++
		if n == 1 && strings.HasSuffix(strings.ToLower(name), ".eml") {
			first = bytes.Clone(raw)
			return nil
		}
		if first != nil {
			if err := x.mail(name+"#1", x.rules.Reader().ReadBytes(first)); err != nil {
				return err
			}
			first = nil
		}
		return x.mail(name+"#"+strconv.Itoa(n), x.rules.Reader().ReadBytes(raw))
	}
	if err := splitMailbox(in, one); err != nil {
		return err
	}
	if first != nil {
		return x.mail(name, x.rules.Reader().ReadBytes(first))
	}
	return nil
}

// splitMailbox calls one for each mail of an mbox, without its From line. raw is good until one returns.
func splitMailbox(in *bufio.Reader, one func(raw []byte) error) error {
	var mail []byte
	begun, blank, start := false, true, true // within a mail; the line before was empty; at the start of a line
	for {
		piece, err := in.ReadSlice('\n') // a piece of a line, where it is longer than the buffer
		if start && blank && isFromLine(piece, !begun) {
			if begun {
				if err := one(mail); err != nil {
					return err
				}
			}
			mail, begun = mail[:0], true
			for err == bufio.ErrBufferFull {
				_, err = in.ReadSlice('\n')
			}
			piece = nil
		} else if start && bytes.HasPrefix(bytes.TrimLeft(piece, ">"), []byte("From ")) && len(piece) > 0 && piece[0] == '>' {
			piece = piece[1:]
		}
		blank = start && len(bytes.TrimRight(piece, "\r\n")) == 0
		start = err == nil
		if room := maxMail - len(mail); room > 0 {
			mail = append(mail, piece[:min(len(piece), room)]...)
		}
		switch {
		case err == nil || err == bufio.ErrBufferFull:
		case err == io.EOF && begun:
			return one(mail)
		case err == io.EOF:
			return nil
		default:
			return err
		}
	}
}

// isFromLine tells the line before a mail: "From sender date". Within a mailbox it must hold a time of day, since not every program
// masks a line of text that begins so.
func isFromLine(line []byte, first bool) bool {
	if !bytes.HasPrefix(line, []byte("From ")) {
		return false
	}
	if first {
		return true
	}
	for i := 5; i+5 <= len(line); i++ {
		if d := line[i : i+5]; d[2] == ':' && isDigit(d[0]) && isDigit(d[1]) && isDigit(d[3]) && isDigit(d[4]) {
			return true
		}
	}
	return false
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// maildir lists the mails of a Maildir, the unseen ones first.
func maildir(dir string) ([]string, error) {
	var out []string
	found := false
	for _, sub := range []string{"new", "cur"} {
		files, err := os.ReadDir(filepath.Join(dir, sub))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		found = true
		for _, f := range files {
			if f.Type().IsRegular() && !strings.HasPrefix(f.Name(), ".") {
				out = append(out, filepath.Join(dir, sub, f.Name()))
			}
		}
	}
	if !found {
		return nil, errors.New("it is a folder and no Maildir (it has neither new nor cur); name its files instead: DIR/*.eml")
	}
	return out, nil
}

// maxLine is how much of a pasted line is read, in bytes; the rest of it is passed over.
const maxLine = 64 << 10

// readLine reads one line without its end; more is false at the end of the input.
func readLine(in *bufio.Reader) (line string, more bool, err error) {
	var b []byte
	for {
		piece, err := in.ReadSlice('\n')
		if len(b) == 0 && len(piece) == 0 && err == io.EOF {
			return "", false, nil
		}
		if room := maxLine - len(b); room > 0 {
			b = append(b, piece[:min(len(piece), room)]...)
		}
		switch {
		case err == bufio.ErrBufferFull:
		case err == nil || err == io.EOF:
			return string(bytes.TrimRight(b, "\r\n")), true, nil
		default:
			return "", false, err
		}
	}
}
