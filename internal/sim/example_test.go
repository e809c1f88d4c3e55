package sim_test

import (
	"context"
	"fmt"
	"time"

	"github.com/resetd/resetd/internal/sim"
)

// A domain whose mailbox is full, and one that takes the mail at the second try.
func Example() {
	w, err := sim.New()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer w.Close()
	full := w.Host("mx.full.example", sim.MailboxFull())
	w.Domain("full.example", full)
	grey := w.Host("mx.grey.example", sim.Greylist(0, 60))
	w.Domain("grey.example", grey)

	fmt.Println(said(deliver(full, "jo@full.example", nil, nil)))
	fmt.Println(said(deliver(grey, "jo@grey.example", nil, nil)))
	fmt.Println(said(deliver(grey, "jo@grey.example", nil, nil)))
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	mails, err := grey.Wait(ctx, 1)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(mails[0].Link())
	// Output:
	// rcpt 452 4.2.2
	// rcpt 451 4.7.1
	// accepted
	// https://reset.shop.example/r/abcdef_-123
}
