package bounce

import (
	"bytes"
	"io"
	"strings"
)

// input collects a mail with every line ending made one LF, so that LF, CRLF and CR copies read the same and have the
// same line numbers. CR CR LF, which gateways make, is one line ending too.
type input struct {
	text strings.Builder
	crs  int // carriage returns seen last, not yet written
	size int // bytes taken
}

// take adds b, up to maxMail bytes in all.
func (in *input) take(b []byte) {
	if in.size == 0 {
		b = bytes.TrimPrefix(b, []byte("\xef\xbb\xbf"))
	}
	b = b[:min(len(b), maxMail-in.size)]
	in.size += len(b)
	if need := in.text.Len() + in.crs + len(b); need > in.text.Cap() {
		in.text.Grow(max(need, min(2*in.text.Cap(), maxMail)) - in.text.Len())
	}
	for len(b) > 0 {
		if b[0] == '\r' {
			in.crs++
			b = b[1:]
			continue
		}
		if in.crs > 0 {
			if b[0] == '\n' {
				in.crs = 0
			}
			in.flush()
		}
		i := bytes.IndexByte(b, '\r')
		if i < 0 {
			i = len(b)
		}
		in.text.Write(b[:i])
		b = b[i:]
	}
}

// flush writes the pending carriage returns, each a line ending of its own.
func (in *input) flush() {
	for ; in.crs > 0; in.crs-- {
		in.text.WriteByte('\n')
	}
}

func (in *input) string() string {
	in.flush()
	return in.text.String()
}

// normalize is input for text that is in memory.
func normalize(b []byte) string {
	var in input
	in.take(b)
	return in.string()
}

// readInput reads up to maxMail bytes and drains the rest, so that the writer is never left hanging.
func readInput(r io.Reader) (data string, cut bool, err error) {
	var in input
	chunk := make([]byte, 16<<10)
	for in.size < maxMail {
		n, err := r.Read(chunk)
		cut = n > maxMail-in.size
		in.take(chunk[:n])
		if err == io.EOF {
			return in.string(), cut, nil
		}
		if err != nil {
			return "", false, err
		}
	}
	n, err := io.Copy(io.Discard, r)
	return in.string(), cut || n > 0, err
}
