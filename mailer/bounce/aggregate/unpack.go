package aggregate

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"io"
	"path"
	"strings"
)

var (
	gzipMagic = []byte("\x1f\x8b")
	zipMagic  = []byte("PK\x03\x04")
	zipEntry  = []byte("PK\x01\x02") // begins an entry of the directory at the end of a zip
)

func packed(raw []byte) bool {
	return bytes.HasPrefix(raw, gzipMagic) || bytes.HasPrefix(raw, zipMagic)
}

// unpack calls each with every text in a file, whatever it is packed in.
func (b *budget) unpack(name string, raw []byte, nested int, each func(name string, text []byte)) error {
	switch {
	case nested > maxNested:
		return ErrTooMuch
	case bytes.HasPrefix(raw, gzipMagic):
		z, err := gzip.NewReader(bytes.NewReader(raw))
		if err != nil {
			return broken("the gzip is damaged", 0)
		}
		text, err := b.all(z, "gzip")
		if err != nil {
			return err
		}
		return b.unpack(trimSuffix(name, ".gz", ".gzip"), text, nested+1, each)
	case bytes.HasPrefix(raw, zipMagic):
		return b.unzip(raw, nested, each)
	}
	each(name, raw)
	return nil
}

// unzip counts the entries before the library reads them all. A bomb ends where the budget does.
func (b *budget) unzip(raw []byte, nested int, each func(name string, text []byte)) error {
	if bytes.Count(raw, zipEntry) > maxEntries {
		return ErrTooMuch
	}
	z, err := zip.NewReader(bytes.NewReader(raw), int64(len(raw)))
	if err != nil {
		return broken("the zip is damaged", 0)
	}
	for _, f := range z.File {
		if f.FileInfo().IsDir() || strings.HasPrefix(f.Name, "__MACOSX/") {
			continue
		}
		in, err := f.Open()
		if err != nil {
			return broken("the zip is encrypted or packed in an unknown way", 0)
		}
		text, err := b.all(in, "zip")
		in.Close()
		if err != nil {
			return err
		}
		if err := b.unpack(path.Base(f.Name), text, nested+1, each); err != nil {
			return err
		}
	}
	return nil
}

// all reads to the end, within the budget.
func (b *budget) all(r io.Reader, how string) ([]byte, error) {
	var out bytes.Buffer
	chunk := make([]byte, 64<<10)
	for {
		n, err := r.Read(chunk)
		if b.left -= int64(n); b.left < 0 || b.spent() {
			return nil, ErrTooMuch
		}
		out.Write(chunk[:n])
		switch {
		case err == io.EOF:
			return out.Bytes(), nil
		case err != nil:
			return nil, broken("the "+how+" is damaged", 0)
		}
	}
}

// trimSuffix cuts the first of suffixes that is there, in whatever case.
func trimSuffix(s string, suffixes ...string) string {
	for _, x := range suffixes {
		if len(s) >= len(x) && strings.EqualFold(s[len(s)-len(x):], x) {
			return s[:len(s)-len(x)]
		}
	}
	return s
}
