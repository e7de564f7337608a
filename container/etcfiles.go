package container

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strings"

	"gocker/network"
)

// etcFile is one of the files that take the place of the image's in /etc.
type etcFile struct {
	name string
	data []byte
}

func (c *Container) etcFiles() ([]etcFile, error) {
	resolv, err := c.resolvConf()
	if err != nil {
		return nil, err
	}
	hosts, err := c.hosts()
	if err != nil {
		return nil, err
	}
	return []etcFile{
		{"hostname", []byte(c.Config.Hostname + "\n")},
		{"hosts", hosts},
		{"resolv.conf", resolv},
	}, nil
}

// hosts is /etc/hosts. That of a container on a bridge is written again when it
// starts: only then has it an address.
func (c *Container) hosts() ([]byte, error) {
	more, err := c.extraHosts()
	if err != nil {
		return nil, err
	}
	name := c.Config.Hostname
	if c.Config.Domainname != "" {
		name += "." + c.Config.Domainname + " " + c.Config.Hostname
	}
	return network.Hosts(name, c.address(), more...), nil
}

// address is the container's own, which one that does not run lacks, or that has
// loopback only.
func (c *Container) address() netip.Addr {
	if c.endpoint == nil {
		return netip.Addr{}
	}
	return c.endpoint.address.Addr()
}

// gateway is the host's address, as the container has it. One that has nothing
// but a loopback interface of its own has none.
func (c *Container) gateway() netip.Addr {
	if c.endpoint != nil {
		return c.endpoint.bridge.Gateway.Addr()
	}
	if c.HostConfig.NetworkMode == "host" {
		return netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	return netip.Addr{}
}

func (c *Container) resolvConf() ([]byte, error) {
	r := network.Resolver{
		Servers: c.HostConfig.Dns, Search: c.HostConfig.DnsSearch, Options: c.HostConfig.DnsOptions,
		OwnNetwork: c.HostConfig.NetworkMode != "host",
	}
	f, err := openResolvers(r.OwnNetwork)
	if errors.Is(err, os.ErrNotExist) {
		return network.ResolvConf(strings.NewReader(""), r)
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return network.ResolvConf(f, r)
}

// openResolvers opens the host's resolv.conf(5), or, for a network from which the
// host's loopback can't be reached, the file with the resolvers behind it.
func openResolvers(ownNetwork bool) (*os.File, error) {
	f, err := os.Open("/etc/resolv.conf")
	if err != nil || !ownNetwork {
		return f, err
	}
	stub, err := network.IsStub(f)
	if err == nil && stub {
		if real, err := os.Open("/run/systemd/resolve/resolv.conf"); err == nil {
			return real, f.Close()
		}
	}
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("read resolv.conf: %w", err), f.Close())
	}
	return f, nil
}

// hostGateway stands for the host's address in --add-host.
const hostGateway = "host-gateway"

func (c *Container) extraHosts() ([]network.Host, error) {
	var hosts []network.Host
	for _, h := range c.HostConfig.ExtraHosts {
		name, text, _ := strings.Cut(h, ":")
		addr := c.gateway()
		if text != hostGateway {
			var err error
			if addr, err = netip.ParseAddr(text); err != nil {
				return nil, fmt.Errorf("invalid IP address in add-host: %q", text)
			}
		} else if !addr.IsValid() && c.HostConfig.NetworkMode == modeBridge {
			continue // it does not run yet
		} else if !addr.IsValid() {
			return nil, errors.New("unable to derive the IP value for host-gateway")
		}
		hosts = append(hosts, network.Host{Name: name, Addr: addr})
	}
	return hosts, nil
}

// ParseExtraHost reads the value of --add-host, NAME:IP or NAME=IP, where IP may
// be in brackets or host-gateway, and returns it as NAME:IP.
func ParseExtraHost(s string) (string, error) {
	name, addr, ok := strings.Cut(s, "=")
	if !ok {
		name, addr, ok = strings.Cut(s, ":")
	}
	if !ok || name == "" {
		return "", fmt.Errorf("bad format for add-host: %q", s)
	}
	if inner, ok := strings.CutPrefix(addr, "["); ok && strings.HasSuffix(inner, "]") {
		addr = strings.TrimSuffix(inner, "]")
	}
	if addr == hostGateway {
		return name + ":" + addr, nil
	}
	ip, err := netip.ParseAddr(addr)
	if err != nil || ip.Zone() != "" || strings.ContainsFunc(name, isSpace) {
		return "", fmt.Errorf("invalid IP address in add-host: %q", addr)
	}
	return name + ":" + ip.String(), nil
}

// ParseDNS reads the value of --dns.
func ParseDNS(s string) (string, error) {
	s = strings.TrimSpace(s)
	if ip, err := netip.ParseAddr(s); err != nil || ip.Zone() != "" {
		return "", fmt.Errorf("%s is not an ip address", s)
	}
	return s, nil
}

// ParseDNSSearch reads the value of --dns-search: a domain, or "." for none.
func ParseDNSSearch(s string) (string, error) {
	if s = strings.TrimSpace(s); s == "." {
		return s, nil
	}
	for label := range strings.SplitSeq(strings.TrimSuffix(s, "."), ".") {
		alnum := func(r rune) bool { return r >= '0' && r <= '9' || r|0x20 >= 'a' && r|0x20 <= 'z' || r == '_' }
		other := func(r rune) bool { return !alnum(r) && r != '-' }
		if label == "" || len(label) > 63 || strings.ContainsFunc(label, other) || label[0] == '-' || label[len(label)-1] == '-' {
			return "", fmt.Errorf("%s is not a valid domain", s)
		}
	}
	return s, nil
}

func isSpace(r rune) bool { return r == ' ' || r == '\t' || r == '\n' || r == '\r' }
