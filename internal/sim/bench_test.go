package sim_test

import (
	"strings"
	"testing"

	"github.com/emersion/go-smtp"

	"github.com/resetd/resetd/internal/sim"
)

// BenchmarkAccept is what the world itself costs per mail on a connection that is kept: the floor of every measurement that
// sends to it.
func BenchmarkAccept(b *testing.B) {
	w, err := sim.New()
	if err != nil {
		b.Fatal(err)
	}
	defer w.Close()
	h := w.Host("mx.bench.example", sim.Accept())
	c, err := smtp.Dial(h.Addr())
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	b.ReportAllocs()
	for b.Loop() {
		if err := c.SendMail(sender, []string{"jo@bench.example"}, strings.NewReader(story)); err != nil {
			b.Fatal(err)
		}
		if h.Counts().Dots >= 1000 {
			h.Clear()
		}
	}
}
