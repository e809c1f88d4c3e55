package postfixtest

import (
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// configure writes the configuration and makes the folders.
func (p *Postfix) configure() error {
	if err := os.Chmod(p.dir, 0o755); err != nil {
		return err
	}
	for _, d := range []string{"etc", "queue", "mail"} {
		if err := os.MkdirAll(filepath.Join(p.dir, d), 0o755); err != nil {
			return err
		}
	}
	if err := os.Chown(filepath.Join(p.dir, "mail"), mailboxUser, mailboxUser); err != nil {
		return err
	}
	if err := p.makeQueue(); err != nil {
		return err
	}
	boxes, domains := "", map[string]bool{}
	for _, address := range p.o.Mailboxes {
		boxes += fmt.Sprintf("%s %s/\n", strings.ToLower(address), box(address))
		domains[address[strings.LastIndexByte(address, '@')+1:]] = true
	}
	for _, d := range p.o.Domains {
		domains[d] = true
	}
	transport := ""
	for _, domain := range slices.Sorted(maps.Keys(p.o.Transport)) {
		host, port, err := net.SplitHostPort(p.o.Transport[domain])
		if err != nil {
			return fmt.Errorf("transport of %s: %w", domain, err)
		}
		transport += fmt.Sprintf("%s smtp:[%s]:%s\n", domain, host, port)
	}
	for name, text := range map[string]string{
		"main.cf": p.mainCF(slices.Sorted(maps.Keys(domains))), "master.cf": p.masterCF(), "mailboxes": boxes, "transport": transport,
	} {
		file := filepath.Join(p.dir, "etc", name)
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			return err
		}
		// Postfix waits for two seconds where a file has just been written: somebody may be in the middle of it.
		if past := time.Now().Add(-time.Minute); os.Chtimes(file, past, past) != nil {
			return fmt.Errorf("set the time of %s", name)
		}
	}
	return nil
}

// box is the folder of an address below mail; as written in a Maildir, "/" at the end makes it one.
func box(address string) string { return strings.ReplaceAll(strings.ToLower(address), "/", "_") }

func (p *Postfix) mainCF(domains []string) string {
	etc := filepath.Join(p.dir, "etc")
	params := map[string]string{
		"compatibility_level": "3.6",
		"queue_directory":     filepath.Join(p.dir, "queue"),
		"data_directory":      filepath.Join(p.dir, "data"),
		"maillog_file":        filepath.Join(p.dir, "postfix.log"), "maillog_file_prefixes": p.dir,

		// Loopback only, and no look-ups outside.
		"inet_interfaces": "127.0.0.1", "inet_protocols": "ipv4", "mynetworks": "127.0.0.0/8",
		"smtp_dns_support_level": "disabled", "smtp_host_lookup": "native", "smtpd_peername_lookup": "no",

		// Where mail goes. An unknown local user is no reason to refuse at RCPT: the report comes later.
		"myhostname": p.o.Hostname, "myorigin": "$myhostname", "mydestination": "", "alias_maps": "", "alias_database": "",
		"local_recipient_maps": "", "relay_domains": "", "smtpd_relay_restrictions": "permit_mynetworks, reject",
		"transport_maps":                  "texthash:" + filepath.Join(etc, "transport"),
		"default_transport":               "error:5.1.2 Host or domain name not found",
		"virtual_mailbox_domains":         strings.Join(domains, ", "),
		"virtual_mailbox_base":            filepath.Join(p.dir, "mail"),
		"virtual_mailbox_maps":            "texthash:" + filepath.Join(etc, "mailboxes"),
		"virtual_uid_maps":                fmt.Sprintf("static:%d", mailboxUser),
		"virtual_gid_maps":                fmt.Sprintf("static:%d", mailboxUser),
		"smtpd_reject_unlisted_recipient": "no",

		"smtputf8_enable": "yes", "notify_classes": "", "smtpd_tls_security_level": "none",

		// A second is long in a test.
		"queue_run_delay": "1s", "minimal_backoff_time": "1s", "maximal_backoff_time": "2s", "ipc_idle": "5s",
	}
	maps.Copy(params, p.o.Main)
	var b strings.Builder
	for _, k := range slices.Sorted(maps.Keys(params)) {
		fmt.Fprintf(&b, "%s = %s\n", k, params[k])
	}
	return b.String()
}

// masterCF is the stock list of services, none in a chroot, with our port.
func (p *Postfix) masterCF() string {
	return fmt.Sprintf("127.0.0.1:%d inet n - n - - smtpd\n", p.port) + `pickup    unix  n - n 60   1 pickup
cleanup   unix  n - n -    0 cleanup
qmgr      unix  n - n 300  1 qmgr
tlsmgr    unix  - - n 1000 1 tlsmgr
rewrite   unix  - - n -    - trivial-rewrite
bounce    unix  - - n -    0 bounce
defer     unix  - - n -    0 bounce
trace     unix  - - n -    0 bounce
verify    unix  - - n -    1 verify
flush     unix  n - n 1000 0 flush
proxymap  unix  - - n -    - proxymap
proxywrite unix - - n -    1 proxymap
smtp      unix  - - n -    - smtp
relay     unix  - - n -    - smtp
showq     unix  n - n -    - showq
error     unix  - - n -    - error
retry     unix  - - n -    - error
discard   unix  - - n -    - discard
virtual   unix  - n n -    - virtual
anvil     unix  - - n -    1 anvil
scache    unix  - - n -    1 scache
postlog   unix-dgram n - n - 1 postlogd
`
}
