package mailer

import (
	"errors"
	"time"
)

// Limits bound one dialogue. A zero field takes its default.
type Limits struct {
	Dial      time.Duration // until the connection stands; 30 s
	Banner    time.Duration // until the 220; 60 s
	Command   time.Duration // until each reply, and for each TLS handshake; 60 s
	BeforeDot time.Duration // for all that comes before the final dot; 5 min
	FinalDot  time.Duration // for the reply to it; 10 min, RFC 5321 section 4.5.3.2.6

	ReplyBytes    int // of one reply, 64 KiB
	ReplyLines    int // of one reply, 512
	DialogueBytes int // read in one dialogue, on the wire, TLS included; 256 KiB

	Dialogues    int           // with different addresses, in one Deliver; 5
	IdlePerHost  int           // connections kept to one address; 4
	Idle         time.Duration // how long a connection is kept; 30 s
	MailsPerConn int           // then it is closed; 100
}

// maxIdle is the most connections that all hosts together may keep.
const maxIdle = 64

func (l Limits) withDefaults() Limits {
	def := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	num := func(n *int, v int) {
		if *n == 0 {
			*n = v
		}
	}
	def(&l.Dial, 30*time.Second)
	def(&l.Banner, 60*time.Second)
	def(&l.Command, 60*time.Second)
	def(&l.BeforeDot, 5*time.Minute)
	def(&l.FinalDot, 10*time.Minute)
	def(&l.Idle, 30*time.Second)
	num(&l.ReplyBytes, 64<<10)
	num(&l.ReplyLines, 512)
	num(&l.DialogueBytes, 256<<10)
	num(&l.Dialogues, 5)
	num(&l.IdlePerHost, 4)
	num(&l.MailsPerConn, 100)
	return l
}

// Why a dialogue was cut from our side.
var (
	errReplyBytes = errors.New("the host's reply was longer than our budget")
	errReplyLines = errors.New("the host's reply had more lines than our budget")
	errDialogue   = errors.New("the host said more in one dialogue than our budget")
	errStopped    = errors.New(textStopped)
)

const textStopped = "stopped before the final dot"
