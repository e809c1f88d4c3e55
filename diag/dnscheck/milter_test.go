package dnscheck

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// milter is the mail server's side of Sendmail's milter protocol, as far as a filter that adds header fields needs it.
type milter struct {
	t    testing.TB
	conn net.Conn
	r    *bufio.Reader
	skip uint32 // steps that the filter does not want to see
}

// The steps that a filter may decline in its answer to the negotiation (SMFIP_*).
const (
	noConnect, noHelo, noMail, noRcpt, noBody, noHeaders, noEOH, noUnknown, noData = 1 << 0, 1 << 1, 1 << 2, 1 << 3, 1 << 4, 1 << 5, 1 << 6, 1 << 8, 1 << 9
)

func dialMilter(t testing.TB, addr string) *milter {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	t.Cleanup(func() { conn.Close() })
	m := &milter{t: t, conn: conn, r: bufio.NewReader(conn)}
	offer := binary.BigEndian.AppendUint32(nil, 6)
	offer = binary.BigEndian.AppendUint32(offer, 0x1ff)
	offer = binary.BigEndian.AppendUint32(offer, 0x1fffff)
	m.send('O', offer)
	cmd, data := m.read()
	if cmd != 'O' || len(data) < 12 {
		t.Fatalf("the filter answers %c %x to the negotiation", cmd, data)
	}
	m.skip = binary.BigEndian.Uint32(data[8:12])
	return m
}

func (m *milter) send(cmd byte, data []byte) {
	m.t.Helper()
	packet := append(binary.BigEndian.AppendUint32(nil, uint32(len(data)+1)), cmd)
	if _, err := m.conn.Write(append(packet, data...)); err != nil {
		m.t.Fatal(err)
	}
}

func (m *milter) read() (cmd byte, data []byte) {
	m.t.Helper()
	var head [5]byte
	if _, err := io.ReadFull(m.r, head[:]); err != nil {
		m.t.Fatal(err)
	}
	data = make([]byte, binary.BigEndian.Uint32(head[:4])-1)
	if _, err := io.ReadFull(m.r, data); err != nil {
		m.t.Fatal(err)
	}
	return head[4], data
}

// step tells the filter something, unless it declined it, and wants it to go on. From noReply on (SMFIP_NR_*) a filter may answer nothing.
func (m *milter) step(declined, noReply uint32, cmd byte, data string) {
	m.t.Helper()
	if m.skip&declined != 0 {
		return
	}
	m.send(cmd, []byte(data))
	if m.skip&noReply != 0 {
		return
	}
	switch got, _ := m.read(); {
	case got == 'c', got == 's' && cmd == 'B': // it has seen enough of the body
	default:
		m.t.Fatalf("the filter answers %c to %c", got, cmd)
	}
}

// filter takes a mail through the filter and gives it with the fields that the filter put in front.
func (m *milter) filter(mail string) string {
	m.t.Helper()
	const (
		nrHeader, nrConnect, nrHelo, nrMail, nrRcpt, nrData, nrEOH, nrBody = 1 << 7, 1 << 12, 1 << 13, 1 << 14, 1 << 15, 1 << 16, 1 << 18, 1 << 19
	)
	m.send('D', []byte("Cj\x00mx.sender.example\x00{daemon_name}\x00in\x00"))
	m.step(noConnect, nrConnect, 'C', "localhost\x004\x30\x39127.0.0.1\x00")
	m.step(noHelo, nrHelo, 'H', "localhost\x00")
	m.send('D', []byte("Mi\x004FxyzQ\x00"))
	m.step(noMail, nrMail, 'M', "<no-reply@sender.example>\x00")
	m.step(noRcpt, nrRcpt, 'R', "<jo@else.example>\x00")
	m.step(noData, nrData, 'T', "")
	head, body, ok := strings.Cut(mail, "\r\n\r\n")
	if !ok {
		m.t.Fatal("a mail without a body")
	}
	for _, field := range unfolded(head) {
		name, value, _ := strings.Cut(field, ":")
		// With SMFIP_HDR_LEADSPC the space after the colon belongs to the value; without, servers leave one out.
		if m.skip&(1<<20) == 0 {
			value = strings.TrimPrefix(value, " ")
		}
		m.step(noHeaders, nrHeader, 'L', name+"\x00"+strings.ReplaceAll(value, "\r\n", "\n")+"\x00")
	}
	m.step(noEOH, nrEOH, 'N', "")
	for _, chunk := range chunks(body, 65535) {
		m.step(noBody, nrBody, 'B', chunk)
	}
	m.send('E', nil)
	var fields strings.Builder
	for {
		switch cmd, data := m.read(); cmd {
		case 'i', 'h':
			if cmd == 'i' {
				data = data[4:]
			}
			name, value, _ := bytes.Cut(bytes.TrimSuffix(data, []byte{0}), []byte{0})
			text := strings.ReplaceAll(strings.ReplaceAll(string(value), "\r\n", "\n"), "\n", "\r\n")
			if !strings.HasPrefix(text, " ") {
				text = " " + text
			}
			fmt.Fprintf(&fields, "%s:%s\r\n", name, text)
		case 'c', 'a':
			return fields.String() + mail
		case 'p': // it is still at work
		default:
			m.t.Fatalf("the filter answers %c %q", cmd, data)
		}
	}
}

// unfolded cuts a header into fields, line breaks within a field kept.
func unfolded(head string) []string {
	var fields []string
	for line := range strings.SplitSeq(head, "\r\n") {
		if n := len(fields); n > 0 && (strings.HasPrefix(line, " ") || strings.HasPrefix(line, "\t")) {
			fields[n-1] += "\r\n" + line
			continue
		}
		fields = append(fields, line)
	}
	return fields
}

func chunks(s string, size int) []string {
	var out []string
	for len(s) > size {
		out, s = append(out, s[:size]), s[size:]
	}
	return append(out, s)
}
