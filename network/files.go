// Package network gives containers their network: today the files under /etc
// that name hosts and resolvers.
package network

import (
	"bufio"
	"fmt"
	"io"
	"net/netip"
	"strings"
)

// Hosts returns a container's /etc/hosts: the loopback names and its own, which
// leads to addr when it has one. See hosts(5).
func Hosts(hostname string, addr netip.Addr) []byte {
	var b strings.Builder
	b.WriteString("127.0.0.1\tlocalhost\n")
	b.WriteString("::1\tlocalhost ip6-localhost ip6-loopback\n")
	b.WriteString("fe00::\tip6-localnet\n")
	b.WriteString("ff00::\tip6-mcastprefix\n")
	b.WriteString("ff02::1\tip6-allnodes\n")
	b.WriteString("ff02::2\tip6-allrouters\n")
	if addr.IsValid() {
		fmt.Fprintf(&b, "%s\t%s\n", addr, hostname)
	}
	return []byte(b.String())
}

// ResolvConf returns a container's /etc/resolv.conf made from the host's. A
// container with a network of its own can't reach the host's loopback, so
// resolvers there are left out; comments and options stay. See resolv.conf(5).
func ResolvConf(host io.Reader, ownNetwork bool) ([]byte, error) {
	var b strings.Builder
	lines := bufio.NewScanner(host)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if ownNetwork && len(fields) >= 2 && fields[0] == "nameserver" {
			if addr, err := netip.ParseAddr(fields[1]); err == nil && addr.IsLoopback() {
				continue
			}
		}
		b.WriteString(lines.Text() + "\n")
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read resolv.conf: %w", err)
	}
	return []byte(b.String()), nil
}
