package step

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The steps of this file make interfaces and say where packets go. They speak
// rtnetlink(7), or the ioctls of netdevice(7) where those know an interface by
// its name and netlink only by its number, which no plan knows beforehand.

// LinkUp sets a network interface up and leaves its other flags as they are,
// which the ioctls of netdevice(7) can't do in one request. See rtnetlink(7).
type LinkUp struct{ Name string }

// Shell prints ip link set.
func (s LinkUp) Shell() string { return "ip link set dev " + Quote(s.Name) + " up" }

// Do sets the interface up.
func (s LinkUp) Do() error { return do(s) }

// Undo is nil: the end of the namespace is the undo.
func (s LinkUp) Undo() Step { return nil }

func (s LinkUp) compile(p *program) {
	r := newLink(0, unix.IfInfomsg{Flags: unix.IFF_UP, Change: unix.IFF_UP})
	r.name(p, unix.IFLA_IFNAME, s.Name)
	p.ask(r)
}

// Bridge makes a switch in the kernel, which is down. One that is there is left
// as it is, because others may use it, and so it is when the step is undone.
type Bridge struct {
	Name string
	// MAC stays the same whoever is connected. That of a bridge without one is
	// the lowest of its ports', and changes with them.
	MAC [6]byte
}

// Shell prints ip link add.
func (s Bridge) Shell() string {
	return fmt.Sprintf("ip link show dev %[1]s > /dev/null 2>&1 || ip link add name %[1]s address %[2]s type bridge", Quote(s.Name), macWord(s.MAC))
}

// Do makes the bridge.
func (s Bridge) Do() error { return do(s) }

// Undo is nil.
func (s Bridge) Undo() Step { return nil }

func (s Bridge) compile(p *program) {
	r := newLink(unix.NLM_F_CREATE|unix.NLM_F_EXCL, unix.IfInfomsg{})
	r.name(p, unix.IFLA_IFNAME, s.Name)
	r.attr(unix.IFLA_ADDRESS, s.MAC[:])
	r.nest(unix.IFLA_LINKINFO, func() { r.attr(unix.IFLA_INFO_KIND, []byte("bridge")) })
	p.ask(r).tolerate(unix.EEXIST)
}

func (s Bridge) hint(err error) string {
	if errors.Is(err, unix.EOPNOTSUPP) {
		return "the kernel has no bridges: modprobe bridge, or --network none or host"
	}
	return ""
}

// DelLink removes an interface. One that is gone counts as removed.
type DelLink struct{ Name string }

// Shell prints ip link del.
func (s DelLink) Shell() string {
	return fmt.Sprintf("! ip link show dev %[1]s > /dev/null 2>&1 || ip link del dev %[1]s", Quote(s.Name))
}

// Do removes the interface.
func (s DelLink) Do() error { return do(s) }

// Undo is nil.
func (s DelLink) Undo() Step { return nil }

func (s DelLink) compile(p *program) {
	r := newLink(0, unix.IfInfomsg{})
	r.header().Type = unix.RTM_DELLINK
	r.name(p, unix.IFLA_IFNAME, s.Name)
	p.ask(r).tolerate(unix.ENODEV)
}

// Veth makes a cable between another network namespace and the process's own: a
// pair of interfaces, of which each puts out what is put into the other. That
// there is plugged into a bridge and up, that here is down. Both go with either
// namespace. See veth(4).
type Veth struct {
	// FD is a descriptor of the other namespace. Own is a number at which the
	// step opens this one, and leaves it: something is open there already, so
	// that it is nobody else's.
	FD, Own int

	Name        string // there
	Bridge      string
	BridgeIndex int // of Bridge

	Inside string // the name here
	MAC    [6]byte
}

// Shell prints ip link add, done in the other namespace.
func (s Veth) Shell() string {
	return fmt.Sprintf("nsenter --net=/proc/self/fd/%d ip link add name %s up master %s type veth peer name %s address %s netns $$",
		s.FD, Quote(s.Name), Quote(s.Bridge), Quote(s.Inside), macWord(s.MAC))
}

// Do makes the cable.
func (s Veth) Do() error { return do(s) }

// Undo is nil: the end of the namespace is the undo.
func (s Veth) Undo() Step { return nil }

func (s Veth) compile(p *program) {
	r := newLink(unix.NLM_F_CREATE|unix.NLM_F_EXCL, unix.IfInfomsg{Flags: unix.IFF_UP, Change: unix.IFF_UP})
	r.name(p, unix.IFLA_IFNAME, s.Name)
	r.attr(unix.IFLA_MASTER, word(uint32(s.BridgeIndex)))
	r.nest(unix.IFLA_LINKINFO, func() {
		r.attr(unix.IFLA_INFO_KIND, []byte("veth"))
		r.nest(unix.IFLA_INFO_DATA, func() {
			r.nest(vethPeer, func() {
				r.b = append(r.b, make([]byte, unix.SizeofIfInfomsg)...)
				r.name(p, unix.IFLA_IFNAME, s.Inside)
				r.attr(unix.IFLA_ADDRESS, s.MAC[:])
				r.attr(unix.IFLA_NET_NS_FD, word(uint32(s.Own)))
			})
		})
	})
	p.add(unix.SYS_OPENAT, cwd, p.cstring("/proc/self/ns/net"), unix.O_RDONLY|unix.O_CLOEXEC).hold = true
	p.add(unix.SYS_DUP3, 0, uintptr(s.Own), unix.O_CLOEXEC).onHeld = true
	p.add(unix.SYS_CLOSE).onHeld = true
	// A socket belongs to the namespace in which it was made.
	p.add(unix.SYS_SETNS, uintptr(s.FD), unix.CLONE_NEWNET)
	p.add(unix.SYS_SOCKET, unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE).hold = true
	p.add(unix.SYS_SETNS, uintptr(s.Own), unix.CLONE_NEWNET)
	p.askHeld(r)
}

// vethPeer is VETH_INFO_PEER of linux/veth.h.
const vethPeer = 1

func (s Veth) hint(err error) string {
	if errors.Is(err, unix.EOPNOTSUPP) {
		return "the kernel has no cables between namespaces: modprobe veth, or --network none or host"
	}
	return ""
}

// Address gives an interface its first IPv4 address, with that of all who are on
// the link as broadcast address. See netdevice(7).
type Address struct {
	Link   string
	Prefix netip.Prefix // the address itself and the length of its network's
}

// Shell prints ip address add.
func (s Address) Shell() string {
	return fmt.Sprintf("ip address replace %s brd + dev %s", s.Prefix, Quote(s.Link))
}

// Do sets the address.
func (s Address) Do() error { return do(s) }

// Undo is nil: the address goes with the interface.
func (s Address) Undo() Step { return nil }

func (s Address) compile(p *program) {
	if !s.Prefix.Addr().Is4() {
		p.err = fmt.Errorf("address %s: %w", s.Prefix, unix.EAFNOSUPPORT)
		return
	}
	var mask [4]byte
	binary.BigEndian.PutUint32(mask[:], ^uint32(0)<<(32-s.Prefix.Bits()))
	p.add(unix.SYS_SOCKET, unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0).hold = true
	for _, set := range []struct {
		request uintptr
		value   [4]byte
	}{{unix.SIOCSIFADDR, s.Prefix.Addr().As4()}, {unix.SIOCSIFNETMASK, mask}} {
		ifreq := p.ifreq(s.Link)
		binary.NativeEndian.PutUint16(ifreq[unix.IFNAMSIZ:], unix.AF_INET)
		copy(ifreq[unix.IFNAMSIZ+4:], set.value[:]) // after the family and a port
		p.add(unix.SYS_IOCTL, 0, set.request, p.bytes(ifreq)).onHeld = true
	}
	p.add(unix.SYS_CLOSE).onHeld = true
}

// DefaultRoute sends what is for elsewhere to a gateway. See rtnetlink(7).
type DefaultRoute struct{ Gateway netip.Addr }

// Shell prints ip route add.
func (s DefaultRoute) Shell() string { return "ip route add default via " + s.Gateway.String() }

// Do makes the route.
func (s DefaultRoute) Do() error { return do(s) }

// Undo is nil: the end of the namespace is the undo.
func (s DefaultRoute) Undo() Step { return nil }

func (s DefaultRoute) compile(p *program) {
	m := unix.RtMsg{
		Family: unix.AF_INET, Table: unix.RT_TABLE_MAIN, Protocol: unix.RTPROT_BOOT,
		Scope: unix.RT_SCOPE_UNIVERSE, Type: unix.RTN_UNICAST,
	}
	r := newRequest(unix.RTM_NEWROUTE, unix.NLM_F_CREATE|unix.NLM_F_EXCL, asBytes(&m))
	r.attr(unix.RTA_GATEWAY, s.Gateway.AsSlice())
	p.ask(r)
}

func macWord(mac [6]byte) string {
	return fmt.Sprintf("%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5])
}

// request is a message of rtnetlink that asks to be acknowledged.
type request struct{ b []byte }

func newRequest(kind, flags uint16, body []byte) *request {
	h := unix.NlMsghdr{Type: kind, Flags: unix.NLM_F_REQUEST | unix.NLM_F_ACK | flags}
	return &request{append(append([]byte{}, asBytes(&h)...), body...)}
}

func newLink(flags uint16, info unix.IfInfomsg) *request {
	return newRequest(unix.RTM_NEWLINK, flags, asBytes(&info))
}

func (r *request) header() *unix.NlMsghdr { return (*unix.NlMsghdr)(unsafe.Pointer(&r.b[0])) }

// attr appends an attribute: two bytes of length, two of type, its value, and
// what fills up to four.
func (r *request) attr(kind uint16, value []byte) {
	r.nest(kind, func() { r.b = append(r.b, value...) })
}

// nest appends an attribute whose value fill appends.
func (r *request) nest(kind uint16, fill func()) {
	at := len(r.b)
	r.b = append(r.b, 0, 0, 0, 0)
	binary.NativeEndian.PutUint16(r.b[at+2:], kind)
	fill()
	binary.NativeEndian.PutUint16(r.b[at:], uint16(len(r.b)-at))
	for len(r.b)%4 != 0 {
		r.b = append(r.b, 0)
	}
}

// name appends the name of an interface.
func (r *request) name(p *program, kind uint16, name string) {
	p.checkName(name)
	r.attr(kind, append([]byte(name), 0))
}

func (p *program) checkName(name string) {
	if name == "" || len(name) >= unix.IFNAMSIZ || strings.IndexByte(name, 0) >= 0 {
		p.err = fmt.Errorf("interface %q: %w", name, unix.EINVAL)
	}
}

// ifreq is the argument of an ioctl of netdevice(7), with a name.
func (p *program) ifreq(name string) []byte {
	p.checkName(name)
	b := make([]byte, 40)
	copy(b[:unix.IFNAMSIZ-1], name)
	return b
}

func word(n uint32) []byte { return binary.NativeEndian.AppendUint32(nil, n) }

// ask sends a request in the process's network namespace. The call that it
// returns has the kernel's answer.
func (p *program) ask(r *request) *call {
	p.add(unix.SYS_SOCKET, unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE).hold = true
	return p.askHeld(r)
}

// askHeld sends a request over the socket that the call before has made, and
// closes that.
func (p *program) askHeld(r *request) *call {
	r.header().Len = uint32(len(r.b))
	reply := &struct {
		unix.NlMsghdr
		unix.NlMsgerr
	}{}
	p.add(unix.SYS_WRITE, 0, p.bytes(r.b), uintptr(len(r.b))).onHeld = true
	at := pointer(p, reply)
	p.add(unix.SYS_READ, 0, at, unsafe.Sizeof(*reply)).onHeld = true
	i := len(p.calls) - 1
	p.calls[i].answer, p.calls[i].answerAt = &reply.NlMsgerr.Error, at+unsafe.Sizeof(reply.NlMsghdr)+unsafe.Offsetof(reply.NlMsgerr.Error)
	p.add(unix.SYS_CLOSE).onHeld = true
	return &p.calls[i]
}
