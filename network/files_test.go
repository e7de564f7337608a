package network_test

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"testing/iotest"

	"gocker/network"
)

func TestHostsNamesTheLoopbackAndTheContainer(t *testing.T) {
	const loopback = "127.0.0.1\tlocalhost\n" +
		"::1\tlocalhost ip6-localhost ip6-loopback\n" +
		"fe00::\tip6-localnet\nff00::\tip6-mcastprefix\n" +
		"ff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n"
	for _, c := range []struct {
		name, host string
		addr       netip.Addr
		want       string
	}{
		{"no address", "box", netip.Addr{}, loopback},
		{"an address", "box", netip.MustParseAddr("172.17.0.2"), loopback + "172.17.0.2\tbox\n"},
		{"a domain", "box.example.org box", netip.MustParseAddr("fd00::2"), loopback + "fd00::2\tbox.example.org box\n"},
	} {
		if got := string(network.Hosts(c.host, c.addr)); got != c.want {
			t.Errorf("%s: got\n%swant\n%s", c.name, got, c.want)
		}
	}
}

func TestResolversOnTheHostsLoopbackAreLeftOut(t *testing.T) {
	const host = `# written by a service
nameserver 127.0.0.53
  nameserver	10.0.0.1
nameserver ::1
nameserver fe80::1%eth0
nameserver 127.1.2.3 # a comment
nameserver
; nameserver 127.0.0.1
search example.org 127.0.0.1
options edns0 trust-ad`
	const filtered = `# written by a service
  nameserver	10.0.0.1
nameserver fe80::1%eth0
nameserver
; nameserver 127.0.0.1
search example.org 127.0.0.1
options edns0 trust-ad
`
	for _, c := range []struct {
		name, host string
		own        bool
		want       string
	}{
		{"a network of its own", host, true, filtered},
		{"the host's network", host, false, host + "\n"},
		{"an empty file", "", true, ""},
	} {
		got, err := network.ResolvConf(strings.NewReader(c.host), c.own)
		if err != nil || string(got) != c.want {
			t.Errorf("%s: %v, got\n%swant\n%s", c.name, err, got, c.want)
		}
	}
	broken := errors.New("broken")
	if _, err := network.ResolvConf(iotest.ErrReader(broken), true); !errors.Is(err, broken) {
		t.Errorf("a file that can't be read: %v", err)
	}
}
