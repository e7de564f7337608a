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
		more       []network.Host
		want       string
	}{
		{"no address", "box", netip.Addr{}, nil, loopback},
		{"an address", "box", netip.MustParseAddr("172.17.0.2"), nil, loopback + "172.17.0.2\tbox\n"},
		{"a domain", "box.example.org box", netip.MustParseAddr("fd00::2"), nil, loopback + "fd00::2\tbox.example.org box\n"},
		{"other hosts", "box", netip.MustParseAddr("172.17.0.2"), []network.Host{
			{Name: "db", Addr: netip.MustParseAddr("10.0.0.1")}, {Name: "db", Addr: netip.MustParseAddr("fd00::1")},
		}, loopback + "10.0.0.1\tdb\nfd00::1\tdb\n172.17.0.2\tbox\n"},
	} {
		if got := string(network.Hosts(c.host, c.addr, c.more...)); got != c.want {
			t.Errorf("%s: got\n%swant\n%s", c.name, got, c.want)
		}
	}
}

func TestTheStubOfSystemdResolvedIsKnown(t *testing.T) {
	for text, want := range map[string]bool{
		"": false, "nameserver 10.0.0.1": false, "# nameserver 127.0.0.53": false, "nameserver": false,
		"nameserver 127.0.0.53\noptions edns0 trust-ad\nsearch .\n": true,
		"nameserver 127.0.0.53\nnameserver 10.0.0.1\n":              false,
		"nameserver 127.0.0.1\n":                                    false,
	} {
		if got, err := network.IsStub(strings.NewReader(text)); err != nil || got != want {
			t.Errorf("%q: %v, %v", text, got, err)
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
		got, err := network.ResolvConf(strings.NewReader(c.host), network.Resolver{OwnNetwork: c.own})
		if err != nil || string(got) != c.want {
			t.Errorf("%s: %v, got\n%swant\n%s", c.name, err, got, c.want)
		}
	}
	broken := errors.New("broken")
	if _, err := network.ResolvConf(iotest.ErrReader(broken), network.Resolver{}); !errors.Is(err, broken) {
		t.Errorf("a file that can't be read: %v", err)
	}
}

func TestResolversThatWereAskedForTakeTheHostsPlace(t *testing.T) {
	const host = "# by hand\ndomain example.org\nnameserver 10.0.0.1\noptions edns0\nsearch example.org\nsortlist 10.0.0.0\n"
	for _, c := range []struct {
		r    network.Resolver
		want string
	}{
		{network.Resolver{Servers: []string{"127.0.0.1", "fd00::53"}, OwnNetwork: true}, "# by hand\ndomain example.org\noptions edns0\nsearch example.org\nsortlist 10.0.0.0\nnameserver 127.0.0.1\nnameserver fd00::53\n"},
		{network.Resolver{Search: []string{"a.org", "b.org"}}, "# by hand\nnameserver 10.0.0.1\noptions edns0\nsortlist 10.0.0.0\nsearch a.org b.org\n"},
		{network.Resolver{Search: []string{"."}}, "# by hand\nnameserver 10.0.0.1\noptions edns0\nsortlist 10.0.0.0\n"},
		{network.Resolver{Options: []string{"ndots:2", "rotate"}}, "# by hand\ndomain example.org\nnameserver 10.0.0.1\nsearch example.org\nsortlist 10.0.0.0\noptions ndots:2 rotate\n"},
	} {
		got, err := network.ResolvConf(strings.NewReader(host), c.r)
		if err != nil || string(got) != c.want {
			t.Errorf("%+v: %v, got\n%swant\n%s", c.r, err, got, c.want)
		}
	}
}
