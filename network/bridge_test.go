package network_test

import (
	"net/netip"
	"strings"
	"testing"

	"gocker/network"
)

func TestASubnetIsChosenBesideTheHostsRoutes(t *testing.T) {
	const header = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
	for _, c := range []struct{ name, routes, want string }{
		{"no routes", "", "172.18.0.1/16"},
		{"a default route is in nobody's way", "eth0\t00000000\t010011AC\t0003\t0\t0\t0\t00000000\t0\t0\t0\n", "172.18.0.1/16"},
		{"the first is taken", "br\t000012AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n", "172.19.0.1/16"},
		{"one host of the first is", "tun\t050012AC\t00000000\t0005\t0\t0\t0\tFFFFFFFF\t0\t0\t0\n", "172.19.0.1/16"},
		{"172.16.0.0/12 is", "vpn\t000010AC\t00000000\t0001\t0\t0\t0\t0000F0FF\t0\t0\t0\n", "192.168.0.1/20"},
	} {
		taken, err := network.Routes(strings.NewReader(header + c.routes))
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if got, err := network.FreeSubnet(taken); err != nil || got.String() != c.want {
			t.Errorf("%s: %s, %v, want %s", c.name, got, err, c.want)
		}
	}
	all := []netip.Prefix{netip.MustParsePrefix("172.16.0.0/12"), netip.MustParsePrefix("192.168.0.0/16"), netip.MustParsePrefix("10.0.0.0/8")}
	if got, err := network.FreeSubnet(all); err == nil {
		t.Errorf("all are taken: %s", got)
	}
	for _, line := range []string{"br 000012AC", "br xx 0 0 0 0 0 0000FFFF", "br 000012 0 0 0 0 0 0000FFFF"} {
		if got, err := network.Routes(strings.NewReader(header + line)); err == nil {
			t.Errorf("%q: %v", line, got)
		}
	}
}

func TestEachAddressOfANetworkIsGivenOutOnce(t *testing.T) {
	b := network.Bridge{Name: "gocker0", Gateway: netip.MustParsePrefix("10.0.0.1/29")}
	taken := map[netip.Addr]bool{}
	for _, id := range []string{"a", "b", "c", "d", "e"} {
		got, err := b.FreeAddress(id, taken)
		switch {
		case err != nil:
			t.Fatal(err)
		case got.Bits() != 29 || !b.Gateway.Contains(got.Addr()) || got.Addr() == b.Gateway.Addr() || taken[got.Addr()]:
			t.Errorf("%s gets %s", id, got)
		case got.Addr() == netip.MustParseAddr("10.0.0.0") || got.Addr() == netip.MustParseAddr("10.0.0.7"):
			t.Errorf("%s gets %s, which is the network's", id, got)
		}
		taken[got.Addr()] = true
	}
	if got, err := b.FreeAddress("f", taken); err == nil {
		t.Errorf("the sixth gets %s", got)
	}
	delete(taken, netip.MustParseAddr("10.0.0.4"))
	if got, err := b.FreeAddress("f", taken); err != nil || got.Addr().String() != "10.0.0.4" {
		t.Errorf("the only one that is free: %s, %v", got, err)
	}
	again, _ := b.FreeAddress("a", nil)
	first, _ := b.FreeAddress("a", nil)
	if again != first {
		t.Errorf("a container gets %s, then %s", first, again)
	}
}

func TestAStoreHasABridgeOfItsOwn(t *testing.T) {
	if got := network.BridgeName("/run/gocker"); got != "gocker0" {
		t.Errorf("the default store's: %s", got)
	}
	a, b := network.BridgeName("/tmp/a"), network.BridgeName("/tmp/b")
	if a == b || len(a) > 15 {
		t.Errorf("others': %s, %s", a, b)
	}
}
