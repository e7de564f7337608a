package network

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"net/netip"
	"os"
	"slices"
	"strings"
	"syscall"

	"gocker/container/step"

	"golang.org/x/sys/unix"
)

// Bridge is a switch in the kernel, which the host is connected to as gateway.
type Bridge struct {
	Name  string
	Index int // 0 until it is there
	// Gateway is the host's address on it, with the length of the network's.
	Gateway netip.Prefix
	Up      bool
}

// BridgeName is the name of the default bridge of a store that keeps what dies
// with the boot in runRoot. Each has its own, so that stores don't give out each
// other's addresses.
func BridgeName(runRoot string) string {
	if runRoot == "/run/gocker" {
		return "gocker0"
	}
	h := fnv.New32a()
	_, _ = io.WriteString(h, runRoot)
	return fmt.Sprintf("gocker-%08x", h.Sum32())
}

// LookAtBridge asks the caller's network namespace for a bridge. Of one that is
// not there, or half made, it chooses the subnet, which no route of the host
// leads into. See netdevice(7).
func LookAtBridge(name string) (Bridge, error) {
	b, err := findBridge(name)
	if err != nil || b.Up && b.Gateway.IsValid() {
		return b, err
	}
	f, err := os.Open("/proc/thread-self/net/route")
	if err != nil {
		return b, err
	}
	defer f.Close()
	taken, err := Routes(f)
	if err != nil {
		return b, err
	}
	if !b.Gateway.IsValid() {
		b.Gateway, err = FreeSubnet(taken)
	}
	return b, err
}

// HasBridge reports whether there is an interface of that name.
func HasBridge(name string) bool {
	b, err := findBridge(name)
	return err == nil && b.Index != 0
}

// Ports returns how many interfaces are connected to a bridge, -1 when it is not
// there. See rtnetlink(7).
func Ports(name string) (int, error) {
	b, err := findBridge(name)
	if err != nil || b.Index == 0 {
		return -1, err
	}
	table, err := syscall.NetlinkRIB(unix.RTM_GETLINK, unix.AF_UNSPEC)
	if err != nil {
		return -1, os.NewSyscallError("netlink", err)
	}
	messages, err := syscall.ParseNetlinkMessage(table)
	if err != nil {
		return -1, os.NewSyscallError("netlink", err)
	}
	ports := 0
	for _, m := range messages {
		if m.Header.Type != unix.RTM_NEWLINK {
			continue
		}
		attributes, err := syscall.ParseNetlinkRouteAttr(&m)
		if err != nil {
			return -1, os.NewSyscallError("netlink", err)
		}
		for _, a := range attributes {
			if a.Attr.Type == unix.IFLA_MASTER && len(a.Value) == 4 && int(binary.NativeEndian.Uint32(a.Value)) == b.Index {
				ports++
			}
		}
	}
	return ports, nil
}

// findBridge asks for what there is under a name. Another process may take it away
// between two questions: then there is nothing.
func findBridge(name string) (Bridge, error) {
	b, err := askForBridge(name)
	if errors.Is(err, unix.ENODEV) {
		return Bridge{Name: name}, nil
	}
	if err != nil {
		return b, fmt.Errorf("look at interface %s: %w", name, err)
	}
	return b, nil
}

func askForBridge(name string) (Bridge, error) {
	b := Bridge{Name: name}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return b, os.NewSyscallError("socket", err)
	}
	defer unix.Close(fd)
	ask := func(request uint) (*unix.Ifreq, error) {
		r, err := unix.NewIfreq(name)
		if err != nil {
			return nil, err
		}
		return r, unix.IoctlIfreq(fd, request, r)
	}
	r, err := ask(unix.SIOCGIFINDEX)
	if err != nil {
		return b, err
	}
	b.Index = int(r.Uint32())
	if r, err = ask(unix.SIOCGIFFLAGS); err != nil {
		return b, err
	}
	b.Up = r.Uint16()&unix.IFF_UP != 0
	if r, err = ask(unix.SIOCGIFADDR); errors.Is(err, unix.EADDRNOTAVAIL) {
		return b, nil // it has none
	}
	if err != nil {
		return b, err
	}
	addr, err := r.Inet4Addr()
	if err != nil {
		return b, err
	}
	if r, err = ask(unix.SIOCGIFNETMASK); err != nil {
		return b, err
	}
	mask, err := r.Inet4Addr()
	if err != nil {
		return b, err
	}
	ip, _ := netip.AddrFromSlice(addr)
	b.Gateway = netip.PrefixFrom(ip, ones(mask))
	return b, nil
}

func ones(mask []byte) int {
	n := 0
	for _, b := range mask {
		for ; b&0x80 != 0; b <<= 1 {
			n++
		}
	}
	return n
}

// pools are the subnets that the default bridge may have, in the order in which
// they are tried. 172.17.0.0/16 is where docker is.
func pools() []netip.Prefix {
	var all []netip.Prefix
	for i := byte(18); i < 32; i++ {
		all = append(all, netip.PrefixFrom(netip.AddrFrom4([4]byte{172, i, 0, 0}), 16))
	}
	for i := 0; i < 256; i += 16 {
		all = append(all, netip.PrefixFrom(netip.AddrFrom4([4]byte{192, 168, byte(i), 0}), 20))
	}
	for i := 200; i < 256; i++ {
		all = append(all, netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i), 0, 0}), 16))
	}
	return all
}

// FreeSubnet returns the first address, with its length, of the first subnet
// that overlaps none of those that are taken.
func FreeSubnet(taken []netip.Prefix) (netip.Prefix, error) {
	for _, p := range pools() {
		if !slices.ContainsFunc(taken, p.Overlaps) {
			return netip.PrefixFrom(p.Addr().Next(), p.Bits()), nil
		}
	}
	return netip.Prefix{}, errors.New("could not find an available, non-overlapping IPv4 address pool among the defaults to assign to the network")
}

// Routes reads where the host's routes lead, but for the default one, from the
// form of /proc/net/route: words in hexadecimal, in the machine's byte order.
func Routes(r io.Reader) ([]netip.Prefix, error) {
	var found []netip.Prefix
	lines := bufio.NewScanner(r)
	for n := 0; lines.Scan(); n++ {
		f := strings.Fields(lines.Text())
		if n == 0 || len(f) == 0 {
			continue // the names of the columns
		}
		if len(f) < 8 {
			return nil, fmt.Errorf("route %q: too few columns", lines.Text())
		}
		var words [2][4]byte
		for i, text := range []string{f[1], f[7]} {
			b, err := hex.DecodeString(text)
			if err != nil || len(b) != 4 {
				return nil, fmt.Errorf("route %q: %q is no address", lines.Text(), text)
			}
			copy(words[i][:], b)
			slices.Reverse(words[i][:]) // amd64 and arm64 have the lowest byte first
		}
		if bits := ones(words[1][:]); bits > 0 {
			found = append(found, netip.PrefixFrom(netip.AddrFrom4(words[0]), bits))
		}
	}
	return found, lines.Err()
}

// FreeAddress returns an address of the bridge's network that is not taken, for
// a container. It is the one that id points to, or the next: so a container gets
// its own again, and one that was given back is hardly ever the next to be given
// out, when others have its former owner's MAC still in their caches.
func (b Bridge) FreeAddress(id string, taken map[netip.Addr]bool) (netip.Prefix, error) {
	net := b.Gateway.Masked()
	first := net.Addr().As4()
	base := uint32(first[0])<<24 | uint32(first[1])<<16 | uint32(first[2])<<8 | uint32(first[3])
	hosts := uint32(1)<<(32-net.Bits()) - 2 // neither the network's address nor the broadcast's
	h := fnv.New32a()
	_, _ = io.WriteString(h, id)
	start := h.Sum32() % hosts
	for i := range hosts {
		n := base + 1 + (start+i)%hosts
		addr := netip.AddrFrom4([4]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
		if addr != b.Gateway.Addr() && !taken[addr] {
			return netip.PrefixFrom(addr, net.Bits()), nil
		}
	}
	return netip.Prefix{}, fmt.Errorf("no available IPv4 addresses on this network's address pools: %s (%s)", b.Name, net)
}

// MAC returns the address of a container's interface, made from its id: one that
// is administered locally.
func MAC(id string) [6]byte {
	mac := [6]byte{2}
	b, _ := hex.DecodeString(id[:min(len(id), 10)])
	copy(mac[1:], b)
	return mac
}

// mac is the bridge's own address.
func (b Bridge) mac() [6]byte {
	h := fnv.New32a()
	_, _ = io.WriteString(h, b.Name)
	n := h.Sum32()
	return [6]byte{2, 0x67, byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}
}

// Plan makes the bridge, or what is missing of it: the rules come first and that
// it is up last, so that one that is up is complete. Containers share it: it is
// not undone with one of them.
func (b Bridge) Plan(f Firewall) step.Plan {
	var plan step.Plan
	if len(f.Walls) > 0 {
		g := step.Group{
			Why: "Chains of others drop what the host passes on, and no rule of another table can change that. So it is said in them that packets of the bridge pass.",
			Man: "nft(8)",
		}
		for _, w := range f.Walls {
			g.Steps = append(g.Steps, Pass{Wall: w, Bridge: b.Name})
		}
		plan = append(plan, g)
	}
	if !f.Rules {
		plan = append(plan, step.Group{
			Why:   "Address translation: what containers send out gets the host's address, and answers find back. Nobody else comes in. The rules are in a table of gocker's own.",
			Man:   "nft(8)",
			Steps: []step.Step{Rules{Bridge: b.Name, Subnet: b.Gateway.Masked()}},
		})
	}
	if !b.Up || !f.Rules {
		plan = append(plan, step.Group{
			Why:   "The host passes packets on.",
			Man:   "ip(7), ip_forward",
			Steps: []step.Step{step.Write{Path: "/proc/sys/net/ipv4/ip_forward", Data: "1"}},
		})
	}
	if !b.Up {
		plan = append(plan, step.Group{
			Why: "The bridge of all containers, a switch in the kernel. The host is connected to it as their gateway.",
			Man: "ip-link(8), bridge(8)",
			Steps: []step.Step{
				step.Bridge{Name: b.Name, MAC: b.mac()},
				step.Address{Link: b.Name, Prefix: b.Gateway},
				step.LinkUp{Name: b.Name},
			},
		})
	}
	return plan
}

// Remove takes the bridge and its rules away. It is safe when they are gone. The
// bridge is last: who finds it knows that something is left.
func (b Bridge) Remove() error {
	if err := errors.Join(removePasses(b.Name), Rules{Bridge: b.Name}.Undo().Do()); err != nil {
		return err
	}
	return step.DelLink{Name: b.Name}.Do()
}
