package container

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"gocker/container/step"
	"gocker/network"

	"golang.org/x/sys/unix"
)

// modeBridge is the value of --network for the bridge of all containers.
const modeBridge = "bridge"

// endpoint is a container's place on a bridge, for one run.
//
// Its address is leased by a symbolic link to nothing in the run directory, whose
// text is the address and the gateway. So a lease dies with the run, after a crash
// too, and who is looking for an address that is free reads those of all others.
type endpoint struct {
	bridge  network.Bridge
	missing step.Plan // what the bridge lacks; nil once it is there
	address netip.Prefix
	mac     [6]byte
	cable   string // the name of its end on the host
}

// leaseName is the lease's name in a run directory.
const leaseName = "eth0"

// connect gives the container, whose run directory is there, its place on the
// bridge, which is made if it is missing. Two that do this at once wait for each
// other.
func (s *Store) connect(c *Container) error {
	all, err := lock(s.RunRoot, true)
	if err != nil {
		return err
	}
	defer all.Close()
	e, err := s.lookForPlace(c)
	if err != nil {
		return err
	}
	if e.missing != nil {
		if e, err = s.makeBridge(c); err != nil {
			return err
		}
	}
	lease := e.address.String() + " " + e.bridge.Gateway.Addr().String()
	if err := os.Symlink(lease, filepath.Join(c.runDir, leaseName)); err != nil {
		return fmt.Errorf("lease address %s: %w", e.address, err)
	}
	c.endpoint = e
	hosts, err := c.hosts()
	if err != nil {
		return err
	}
	return newFile(filepath.Join(c.dir, "hosts"), hosts, false)
}

// makeBridge makes what is missing of the bridge. Stores with other bridges may
// be looking for a free subnet at the same time; they share the namespace.
func (s *Store) makeBridge(c *Container) (*endpoint, error) {
	namespace, err := lockSoon("/proc/thread-self/ns/net")
	if err != nil {
		return nil, err
	}
	defer namespace.Close()
	// What others do to rules meanwhile can hide some from a look at them.
	for tries := 0; ; tries++ {
		e, err := s.lookForPlace(c)
		if err != nil || e.missing == nil {
			return e, err
		}
		if tries == 5 {
			return nil, fmt.Errorf("bridge %s: it is down again", e.bridge.Name)
		}
		if err := e.missing.Do(); err != nil {
			return nil, err
		}
	}
}

// lockSoon locks a file that anybody may keep locked: a container on the host's
// network can open its namespace, too. After two seconds it goes without.
func lockSoon(path string) (*os.File, error) {
	for tries := 0; ; tries++ {
		f, err := lock(path, false)
		if !errors.Is(err, errLocked) {
			return f, err
		}
		if tries == 200 {
			return os.Open(path)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// lookForPlace finds the container's place and changes nothing.
func (s *Store) lookForPlace(c *Container) (*endpoint, error) {
	b, err := network.LookAtBridge(network.BridgeName(s.RunRoot))
	if err != nil {
		return nil, err
	}
	firewall, err := network.LookAtFirewall(b.Name)
	if err != nil {
		return nil, err
	}
	taken, err := s.leases(c.ID)
	if err != nil {
		return nil, err
	}
	e := &endpoint{bridge: b, missing: b.Plan(firewall), mac: network.MAC(c.ID)}
	if e.address, err = b.FreeAddress(c.ID, taken); err != nil {
		return nil, err
	}
	// A container that is started again has another name, for the cable of its
	// former run may go a moment after that has ended.
	e.cable = "veth" + c.ID[:7] + fmt.Sprintf("%04x", time.Now().UnixMicro()&0xffff)
	return e, nil
}

// foreseePlace gives a container of which only the plan is wanted its place.
func (s *Store) foreseePlace(c *Container) (err error) {
	if c.HostConfig.NetworkMode == modeBridge {
		c.endpoint, err = s.lookForPlace(c)
	}
	return err
}

// leases returns the addresses that are taken by others than one container.
func (s *Store) leases(but string) (map[netip.Addr]bool, error) {
	entries, err := os.ReadDir(s.RunRoot)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	taken := map[netip.Addr]bool{}
	for _, e := range entries {
		if e.Name() == but || !e.IsDir() {
			continue
		}
		if l, ok := readLease(filepath.Join(s.RunRoot, e.Name())); ok {
			taken[l.Address.Addr()] = true
		}
	}
	return taken, nil
}

// Lease is where a running container is on its network.
type Lease struct {
	Address netip.Prefix // its own, with the length of the network's
	Gateway netip.Addr
	MAC     string
}

// Lease returns the container's place on the bridge; ok is false when it has none.
func (c *Container) Lease() (l Lease, ok bool) {
	l, ok = readLease(c.runDir)
	mac := network.MAC(c.ID)
	l.MAC = fmt.Sprintf("%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5])
	return l, ok
}

func readLease(runDir string) (l Lease, ok bool) {
	text, err := os.Readlink(filepath.Join(runDir, leaseName))
	if err != nil {
		return l, false
	}
	address, gateway, _ := strings.Cut(text, " ")
	if l.Address, err = netip.ParsePrefix(address); err != nil {
		return l, false
	}
	l.Gateway, err = netip.ParseAddr(gateway)
	return l, err == nil
}

// SweepNetwork takes the store's bridge and its rules away when nobody uses them.
// A run in the foreground leaves them for the next one: it would wait for that.
func (s *Store) SweepNetwork() error {
	b := network.Bridge{Name: network.BridgeName(s.RunRoot)}
	// The cable of a container that has just ended goes a moment later. One that
	// stays is of a container that gocker knows nothing of: of a printed script.
	for tries := 0; ; tries++ {
		ports, err := network.Ports(b.Name)
		if err != nil || ports < 0 || tries == 10 {
			return err
		}
		if ports == 0 {
			break
		}
		if used, err := s.leases(""); err != nil || len(used) > 0 {
			return err
		}
		time.Sleep(20 * time.Millisecond)
	}
	all, err := lock(s.RunRoot, true)
	if err != nil {
		return err
	}
	defer all.Close()
	if used, err := s.leases(""); err != nil || len(used) > 0 {
		return err
	}
	return b.Remove()
}

// Where a printed script has the host's network namespace.
const printedNamespace = 9

// connectSteps lay the cable to the bridge, from the container's new namespace.
func (p *plans) connectSteps(e *endpoint) ([]step.Step, error) {
	if e == nil {
		return nil, nil
	}
	cable := step.Veth{
		FD: printedNamespace, Name: e.cable, Bridge: e.bridge.Name, BridgeIndex: e.bridge.Index,
		Inside: "eth0", MAC: e.mac,
	}
	if p.stdio != nil {
		cable.FD, cable.Own = len(p.clone.Files), len(p.clone.Files)+1
		for range 2 { // the second keeps a number free
			f, err := os.Open("/proc/thread-self/ns/net")
			if err != nil {
				return nil, fmt.Errorf("open the network namespace: %w", err)
			}
			p.clone.Files = append(p.clone.Files, f)
		}
	}
	var steps []step.Step
	if err := unix.Access("/proc/sys/net/ipv6", unix.F_OK); err == nil {
		steps = append(steps, step.Write{Path: "/proc/sys/net/ipv6/conf/default/disable_ipv6", Data: "1"})
	}
	return append(steps,
		cable,
		step.Address{Link: "eth0", Prefix: e.address},
		step.LinkUp{Name: "eth0"},
		step.DefaultRoute{Gateway: e.bridge.Gateway.Addr()},
	), nil
}

// bridgePlan is what a printed script has before the host plan: the bridge, as
// far as it is missing, and the host's namespace at hand for the cable.
func (p *plans) bridgePlan() step.Plan {
	if p.endpoint == nil {
		return nil
	}
	return append(p.endpoint.missing[:len(p.endpoint.missing):len(p.endpoint.missing)], step.Group{
		Why:   "Keep the host's network namespace at hand: the cable is laid from the container's.",
		Man:   "network_namespaces(7)",
		Steps: []step.Step{holdNamespace{FD: printedNamespace}},
	})
}

// holdNamespace opens the network namespace, in a printed script.
type holdNamespace struct{ FD int }

// Shell opens the namespace.
func (s holdNamespace) Shell() string {
	return fmt.Sprintf("exec %d< /proc/self/ns/net", s.FD)
}

// Do is not for this step: it is for printing.
func (s holdNamespace) Do() error { return unix.ENOTSUP }

// Undo is nil.
func (s holdNamespace) Undo() step.Step { return nil }
