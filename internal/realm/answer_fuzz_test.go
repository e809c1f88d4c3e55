package realm

import (
	"errors"
	"testing"
)

func FuzzDecodeAnswer(f *testing.F) {
	f.Add([]byte(`{"accounts":[{"id":"u1","realm":"r","login":"jo@a.example","address":"jo@a.example","state":"active"}],"near":[]}`))
	f.Add([]byte(`{"accounts":[],"near":{}}`))
	f.Add([]byte(`{"accounts":[{"id":"a","id":"b"}]}`))
	f.Add([]byte("{\"\x00\":[[[[]]]]}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		found, err := decodeAnswer(data, "r")
		var u *Unavailable
		if err != nil {
			if !errors.As(err, &u) || len(found.Accounts)+len(found.Near) != 0 {
				t.Errorf("%+v, %v", found, err)
			}
			return
		}
		for _, a := range append(found.Accounts, found.Near...) {
			if a.check() != nil || a.Realm != "r" {
				t.Errorf("accepted %+v", a)
			}
		}
	})
}
