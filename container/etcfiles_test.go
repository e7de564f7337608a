package container

import (
	"strings"
	"testing"
)

func TestNamesAndAddressesOfFlagsAreReadAsInDocker(t *testing.T) {
	for _, c := range []struct {
		parse    func(string) (string, error)
		in, want string
		err      string
	}{
		{ParseExtraHost, "db:10.0.0.1", "db:10.0.0.1", ""},
		{ParseExtraHost, "db=10.0.0.1", "db:10.0.0.1", ""},
		{ParseExtraHost, "six:fd00:0::6", "six:fd00::6", ""},
		{ParseExtraHost, "six=[fd00::6]", "six:fd00::6", ""},
		{ParseExtraHost, "me:host-gateway", "me:host-gateway", ""},
		{ParseExtraHost, "db", "", `bad format for add-host: "db"`},
		{ParseExtraHost, ":10.0.0.1", "", `bad format for add-host: ":10.0.0.1"`},
		{ParseExtraHost, "db:", "", `invalid IP address in add-host: ""`},
		{ParseExtraHost, "db:here", "", `invalid IP address in add-host: "here"`},
		{ParseExtraHost, "a b:10.0.0.1", "", "invalid IP address in add-host"},
		{ParseExtraHost, "six:fe80::1%eth0", "", "invalid IP address in add-host"},
		{ParseDNS, " 10.0.0.53 ", "10.0.0.53", ""},
		{ParseDNS, "fd00::53", "fd00::53", ""},
		{ParseDNS, "resolver", "", "resolver is not an ip address"},
		{ParseDNS, "10.0.0.53\nnameserver 10.0.0.54", "", "is not an ip address"},
		{ParseDNSSearch, ".", ".", ""},
		{ParseDNSSearch, "a.Example.org.", "a.Example.org.", ""},
		{ParseDNSSearch, "", "", " is not a valid domain"},
		{ParseDNSSearch, "a..b", "", "a..b is not a valid domain"},
		{ParseDNSSearch, "a-.b", "", "a-.b is not a valid domain"},
		{ParseDNSSearch, "a b", "", "a b is not a valid domain"},
	} {
		got, err := c.parse(c.in)
		if got != c.want || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%q: got %q, error %v, want %q, %q", c.in, got, err, c.want, c.err)
		}
	}
}

func TestOnlyKernelParametersOfNamespacesCanBeSet(t *testing.T) {
	for in, ok := range map[string]bool{} {
		if name, _, err := ParseSysctl(in); (err == nil) != ok {
			t.Errorf("%q: name %q, error %v", in, name, err)
		}
	}
}
