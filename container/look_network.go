package container

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// NetworkView is a container's way to the network.
type NetworkView struct {
	Mode       string // of --network
	Shared     bool   // the host's interfaces are the container's
	Interfaces []InterfaceView
	Routes     []RouteView
	// Path are the interfaces that a packet to elsewhere goes through, from the
	// container to the host's way out; empty where there is none.
	Path []HopView
	// Forwarding says that the host passes on packets of others:
	// net.ipv4.ip_forward.
	Forwarding bool
}

// InterfaceView is one interface of the container.
type InterfaceView struct {
	Index     int
	Name      string
	Kind      string // "veth", "bridge", … "" for those without one, as loopback
	Up        bool
	MTU       int
	Addresses []string // "172.17.0.2/16"
	Peer      int      // the index of a veth's other end, in the namespace where that is
	Master    int      // the index of the bridge that it belongs to
}

// RouteView is one route of the main table.
type RouteView struct {
	To      string // "default" (of IPv4), "::/0" or "172.17.0.0/16"
	Gateway string // "" for what is on the link itself
	Device  string
}

// HopView is one interface on the way out.
type HopView struct {
	Where string // "container" or "host"
	InterfaceView
}

// network reads the interfaces and routes in the process's network namespace,
// and where they lead on the host.
func (p *proc) network(mode string) (NetworkView, error) {
	v := NetworkView{Mode: mode}
	ns, err := p.open("ns/net")
	if err != nil {
		return v, err
	}
	defer ns.Close()
	host, err := readLinks()
	if err != nil {
		return v, err
	}
	theirs := host
	if v.Shared, err = sameFile(ns, "/proc/self/ns/net"); err != nil {
		return v, err
	}
	if !v.Shared {
		if theirs, err = readLinksIn(ns); err != nil {
			return v, err
		}
	}
	v.Interfaces, v.Routes = theirs.interfaces, theirs.routes
	if !v.Shared {
		v.Path = pathOut(theirs, host)
	} else if hop := host.wayOut(); hop != nil {
		v.Path = []HopView{{"host", *hop}}
	}
	forward, err := os.ReadFile("/proc/sys/net/ipv4/ip_forward")
	v.Forwarding = strings.TrimSpace(string(forward)) == "1"
	return v, err
}

func sameFile(f *os.File, path string) (bool, error) {
	a, err := f.Stat()
	if err != nil {
		return false, err
	}
	b, err := os.Stat(path)
	if err != nil {
		return false, err
	}
	return os.SameFile(a, b), nil
}

// pathOut follows a packet to elsewhere: out of the container's default route,
// through the pair of a veth, up to the bridge, and out of the host's default
// route.
func pathOut(theirs, host *links) []HopView {
	first := theirs.wayOut()
	if first == nil {
		return nil
	}
	path := []HopView{{"container", *first}}
	next := host.byIndex(first.Peer)
	if first.Kind != "veth" || next == nil {
		return path
	}
	path = append(path, HopView{"host", *next})
	if bridge := host.byIndex(next.Master); bridge != nil {
		path = append(path, HopView{"host", *bridge})
	}
	if out := host.wayOut(); out != nil {
		path = append(path, HopView{"host", *out})
	}
	return path
}

// links are the interfaces and routes of one network namespace.
type links struct {
	interfaces []InterfaceView
	routes     []RouteView
}

func (l *links) byIndex(index int) *InterfaceView {
	i := slices.IndexFunc(l.interfaces, func(v InterfaceView) bool { return v.Index == index })
	if i < 0 {
		return nil
	}
	return &l.interfaces[i]
}

// wayOut is the interface of the first default route, of IPv4 if there is one.
func (l *links) wayOut() *InterfaceView {
	for _, to := range []string{"default", "::/0"} {
		for _, r := range l.routes {
			i := slices.IndexFunc(l.interfaces, func(v InterfaceView) bool { return v.Name == r.Device })
			if r.To == to && i >= 0 {
				return &l.interfaces[i]
			}
		}
	}
	return nil
}

// readLinksIn reads another namespace by a thread that goes there and comes back.
// One that can't come back ends with its goroutine. See setns(2).
func readLinksIn(ns *os.File) (l *links, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		l, err = visit(ns)
	}()
	<-done
	return l, err
}

func visit(ns *os.File) (*links, error) {
	runtime.LockOSThread()
	home, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		runtime.UnlockOSThread()
		return nil, err
	}
	defer home.Close()
	if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
		runtime.UnlockOSThread()
		return nil, fmt.Errorf("enter the network namespace: %w", err)
	}
	l, err := readLinks()
	if back := unix.Setns(int(home.Fd()), unix.CLONE_NEWNET); back != nil {
		return nil, errors.Join(err, fmt.Errorf("leave the network namespace: %w", back))
	}
	runtime.UnlockOSThread()
	return l, err
}

// readLinks asks the network namespace of the calling thread. See rtnetlink(7).
func readLinks() (*links, error) {
	l := new(links)
	for _, ask := range []struct {
		request int
		take    func(*syscall.NetlinkMessage) error
	}{
		{syscall.RTM_GETLINK, l.addLink},
		{syscall.RTM_GETADDR, l.addAddress},
		{syscall.RTM_GETROUTE, l.addRoute},
	} {
		b, err := syscall.NetlinkRIB(ask.request, syscall.AF_UNSPEC)
		if err != nil {
			return nil, fmt.Errorf("ask for interfaces, addresses and routes: %w", os.NewSyscallError("netlink", err))
		}
		if err := eachMessage(b, ask.take); err != nil {
			return nil, fmt.Errorf("read interfaces, addresses and routes: %w", err)
		}
	}
	return l, nil
}

func eachMessage(b []byte, take func(*syscall.NetlinkMessage) error) error {
	messages, err := syscall.ParseNetlinkMessage(b)
	if err != nil {
		return err
	}
	for i := range messages {
		if messages[i].Header.Type == syscall.NLMSG_DONE {
			return nil
		}
		if err := take(&messages[i]); err != nil {
			return err
		}
	}
	return nil
}

var errShort = errors.New("a message of netlink is too short")

func (l *links) addLink(m *syscall.NetlinkMessage) error {
	if m.Header.Type != syscall.RTM_NEWLINK {
		return nil
	}
	if len(m.Data) < syscall.SizeofIfInfomsg {
		return errShort
	}
	v := InterfaceView{Index: int(int32(native.Uint32(m.Data[4:]))), Up: native.Uint32(m.Data[8:])&syscall.IFF_UP != 0}
	attrs, err := syscall.ParseNetlinkRouteAttr(m)
	if err != nil {
		return err
	}
	for _, a := range attrs {
		switch a.Attr.Type {
		case unix.IFLA_IFNAME:
			v.Name = unix.ByteSliceToString(a.Value)
		case unix.IFLA_MTU:
			v.MTU = number(a.Value)
		case unix.IFLA_LINK:
			v.Peer = number(a.Value)
		case unix.IFLA_MASTER:
			v.Master = number(a.Value)
		case unix.IFLA_LINKINFO:
			v.Kind = linkKind(a.Value)
		}
	}
	l.interfaces = append(l.interfaces, v)
	return nil
}

func (l *links) addAddress(m *syscall.NetlinkMessage) error {
	if m.Header.Type != syscall.RTM_NEWADDR {
		return nil
	}
	if len(m.Data) < syscall.SizeofIfAddrmsg {
		return errShort
	}
	attrs, err := syscall.ParseNetlinkRouteAttr(m)
	if err != nil {
		return err
	}
	var address netip.Addr
	for _, a := range attrs {
		local := a.Attr.Type == unix.IFA_LOCAL // the other end of a point-to-point link is IFA_ADDRESS
		if local || a.Attr.Type == unix.IFA_ADDRESS && !address.IsValid() {
			address, _ = netip.AddrFromSlice(a.Value)
		}
	}
	if on := l.byIndex(int(native.Uint32(m.Data[4:]))); on != nil && address.IsValid() {
		on.Addresses = append(on.Addresses, netip.PrefixFrom(address, int(m.Data[1])).String())
	}
	return nil
}

func (l *links) addRoute(m *syscall.NetlinkMessage) error {
	if m.Header.Type != syscall.RTM_NEWROUTE {
		return nil
	}
	if len(m.Data) < syscall.SizeofRtMsg {
		return errShort
	}
	table, kind := int(m.Data[4]), m.Data[7]
	attrs, err := syscall.ParseNetlinkRouteAttr(m)
	if err != nil {
		return err
	}
	r := RouteView{To: "default"}
	if m.Data[0] == syscall.AF_INET6 {
		r.To = "::/0"
	}
	for _, a := range attrs {
		address, _ := netip.AddrFromSlice(a.Value)
		switch a.Attr.Type {
		case unix.RTA_TABLE:
			table = number(a.Value)
		case unix.RTA_DST:
			r.To = netip.PrefixFrom(address, int(m.Data[1])).String()
		case unix.RTA_GATEWAY:
			r.Gateway = address.String()
		case unix.RTA_OIF:
			if dev := l.byIndex(number(a.Value)); dev != nil {
				r.Device = dev.Name
			}
		}
	}
	if table == unix.RT_TABLE_MAIN && kind == unix.RTN_UNICAST && r.Device != "" {
		l.routes = append(l.routes, r)
	}
	return nil
}
