// Package network gives containers their network: a place on a bridge, and the
// files under /etc that name hosts and resolvers.
//
// A *bridge* is a switch in the kernel. The host is connected to it, as the
// *gateway* of all containers; each of those by a *cable*, a pair of interfaces of
// which one is in its network namespace. The *rules* are the bridge's own table of
// nftables, and what has to stand in the tables of others.
//
//	b, err := LookAtBridge(name)       // there, or with a subnet that is free
//	f, err := LookAtFirewall(name)
//	err = b.Plan(f).Do()               // makes what is missing
//	addr, err := b.FreeAddress(id, taken)
//
// Who has which address is the caller's to keep, and so is the order in which
// several callers do this.
package network

import (
	"bufio"
	"fmt"
	"io"
	"net/netip"
	"strings"
)

// Host is a line of hosts(5).
type Host struct {
	Name string
	Addr netip.Addr
}

// Hosts returns a container's /etc/hosts: the loopback names, those that were
// asked for, and the container's own, which leads to addr when it has one. See
// hosts(5).
func Hosts(hostname string, addr netip.Addr, more ...Host) []byte {
	var b strings.Builder
	b.WriteString("127.0.0.1\tlocalhost\n")
	b.WriteString("::1\tlocalhost ip6-localhost ip6-loopback\n")
	b.WriteString("fe00::\tip6-localnet\n")
	b.WriteString("ff00::\tip6-mcastprefix\n")
	b.WriteString("ff02::1\tip6-allnodes\n")
	b.WriteString("ff02::2\tip6-allrouters\n")
	for _, h := range more {
		fmt.Fprintf(&b, "%s\t%s\n", h.Addr, h.Name)
	}
	if addr.IsValid() {
		fmt.Fprintf(&b, "%s\t%s\n", addr, hostname)
	}
	return []byte(b.String())
}

// Resolver is what takes the place of the host's settings in resolv.conf(5). Of
// a list that is empty the host's lines stay.
type Resolver struct {
	Servers []string
	Search  []string // "." alone is no search at all
	Options []string
	// OwnNetwork says that the host's loopback can't be reached: resolvers there
	// are left out.
	OwnNetwork bool
}

// ResolvConf returns a container's /etc/resolv.conf made from the host's, whose
// comments stay. See resolv.conf(5).
func ResolvConf(host io.Reader, r Resolver) ([]byte, error) {
	var b strings.Builder
	lines := bufio.NewScanner(host)
	for lines.Scan() {
		if !r.replaces(strings.Fields(lines.Text())) {
			b.WriteString(lines.Text() + "\n")
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read resolv.conf: %w", err)
	}
	for _, s := range r.Servers {
		b.WriteString("nameserver " + s + "\n")
	}
	if len(r.Search) > 0 && (len(r.Search) > 1 || r.Search[0] != ".") {
		b.WriteString("search " + strings.Join(r.Search, " ") + "\n")
	}
	if len(r.Options) > 0 {
		b.WriteString("options " + strings.Join(r.Options, " ") + "\n")
	}
	return []byte(b.String()), nil
}

// IsStub reports whether all resolvers of a resolv.conf(5) are the local one of
// systemd-resolved(8), which containers can't reach: those that it asks itself are
// in a file of its own.
func IsStub(resolvConf io.Reader) (bool, error) {
	stubs, others := 0, 0
	lines := bufio.NewScanner(resolvConf)
	for lines.Scan() {
		switch f := strings.Fields(lines.Text()); {
		case len(f) < 2 || f[0] != "nameserver":
		case f[1] == "127.0.0.53" || f[1] == "127.0.0.54":
			stubs++
		default:
			others++
		}
	}
	return stubs > 0 && others == 0, lines.Err()
}

// replaces reports whether a line of the host's file is left out.
func (r Resolver) replaces(fields []string) bool {
	if len(fields) == 0 {
		return false
	}
	switch fields[0] {
	case "nameserver":
		if len(r.Servers) > 0 {
			return true
		}
		if !r.OwnNetwork || len(fields) < 2 {
			return false
		}
		addr, err := netip.ParseAddr(fields[1])
		return err == nil && addr.IsLoopback()
	case "search", "domain":
		return len(r.Search) > 0
	case "options":
		return len(r.Options) > 0
	}
	return false
}
