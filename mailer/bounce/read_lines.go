package bounce

import (
	"bytes"
	"io"
)

// readCapped returns at most limit bytes and drains the rest, so that the writer is never left hanging.
func readCapped(r io.Reader, limit int) (b []byte, cut bool, err error) {
	b = make([]byte, 0, 16<<10)
	for len(b) < limit {
		if len(b) == cap(b) {
			grown := make([]byte, len(b), min(2*cap(b), limit))
			copy(grown, b)
			b = grown
		}
		n, err := r.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		if err == io.EOF {
			return b, false, nil
		}
		if err != nil {
			return nil, false, err
		}
	}
	n, err := io.Copy(io.Discard, r)
	return b, n > 0, err
}

// normalize turns CRLF, CR and any CR CR LF into one LF, so that every copy of a mail reads the same and has the same
// line numbers. If own is true it may write into b.
func normalize(b []byte, own bool) string {
	b = bytes.TrimPrefix(b, []byte("\xef\xbb\xbf"))
	i := bytes.IndexByte(b, '\r')
	if i < 0 {
		return string(b)
	}
	out := b[:i:i]
	if own {
		out = b[:i]
	} else {
		out = append(make([]byte, 0, len(b)), out...)
	}
	for i < len(b) {
		if b[i] != '\r' {
			j := bytes.IndexByte(b[i:], '\r')
			if j < 0 {
				j = len(b) - i
			}
			out = append(out, b[i:i+j]...)
			i += j
			continue
		}
		j := i
		for j < len(b) && b[j] == '\r' {
			j++
		}
		if j < len(b) && b[j] == '\n' {
			out = append(out, '\n')
			i = j + 1
			continue
		}
		for ; i < j; i++ {
			out = append(out, '\n')
		}
	}
	return string(out)
}
