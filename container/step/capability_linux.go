package step

import (
	"fmt"
	"math/bits"
	"strings"

	"golang.org/x/sys/unix"
)

// CapSet is a set of capabilities, a bit each. See capabilities(7).
type CapSet uint64

// capNames are the capabilities in the order of their numbers.
var capNames = []string{
	"chown", "dac_override", "dac_read_search", "fowner", "fsetid", "kill", "setgid", "setuid",
	"setpcap", "linux_immutable", "net_bind_service", "net_broadcast", "net_admin", "net_raw",
	"ipc_lock", "ipc_owner", "sys_module", "sys_rawio", "sys_chroot", "sys_ptrace", "sys_pacct",
	"sys_admin", "sys_boot", "sys_nice", "sys_resource", "sys_time", "sys_tty_config", "mknod",
	"lease", "audit_write", "audit_control", "setfcap", "mac_override", "mac_admin", "syslog",
	"wake_alarm", "block_suspend", "audit_read", "perfmon", "bpf", "checkpoint_restore",
}

// ParseCap returns the capability with a name such as "CAP_CHOWN", "chown" or
// "NET_RAW".
func ParseCap(name string) (CapSet, error) {
	want := strings.TrimPrefix(strings.ToLower(name), "cap_")
	for i, n := range capNames {
		if n == want {
			return 1 << i, nil
		}
	}
	return 0, fmt.Errorf("unknown capability %q", name)
}

// Names returns the capabilities of the set in the spelling of the OCI runtime
// spec, "CAP_CHOWN".
func (s CapSet) Names() []string {
	names := []string{}
	for i, n := range capNames {
		if s&(1<<i) != 0 {
			names = append(names, "CAP_"+strings.ToUpper(n))
		}
	}
	return names
}

// BoundingSet returns the capabilities that this process and its children can
// ever have.
func BoundingSet() (CapSet, error) {
	var set CapSet
	for i := range capNames {
		r, err := unix.PrctlRetInt(unix.PR_CAPBSET_READ, uintptr(i), 0, 0, 0)
		if err == unix.EINVAL {
			break // the kernel is older than the name
		}
		if err != nil {
			return 0, fmt.Errorf("read the capability bounding set: %w", err)
		}
		if r == 1 {
			set |= 1 << i
		}
	}
	return set, nil
}

// EffectiveSet returns the capabilities that the calling thread can use now.
func EffectiveSet() (CapSet, error) {
	var data [2]unix.CapUserData
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	if err := unix.Capget(&hdr, &data[0]); err != nil {
		return 0, fmt.Errorf("read the effective capabilities: %w", err)
	}
	return CapSet(data[0].Effective) | CapSet(data[1].Effective)<<32, nil
}

// DropBounding takes capabilities out of the bounding set: neither the process
// nor a set-user-ID program that it executes can get them back. See
// capabilities(7), PR_CAPBSET_DROP.
type DropBounding struct{ Drop CapSet }

// Shell prints setpriv(1), a prefix of the command.
func (s DropBounding) Shell() string { return strings.TrimSpace("setpriv " + s.setpriv()) }

func (s DropBounding) setpriv() string {
	words := []string{}
	for set := uint64(s.Drop); set != 0; set &= set - 1 {
		i := bits.TrailingZeros64(set)
		if i < len(capNames) {
			words = append(words, "-"+capNames[i])
		} else {
			words = append(words, fmt.Sprintf("-cap_%d", i))
		}
	}
	if len(words) == 0 {
		return ""
	}
	return "--bounding-set " + strings.Join(words, ",")
}

// Do drops them.
func (s DropBounding) Do() error { return do(s) }

// Undo is nil: there is no way back.
func (s DropBounding) Undo() Step { return nil }
func (s DropBounding) wraps()     {}

func (s DropBounding) compile(p *program) {
	for set := uint64(s.Drop); set != 0; set &= set - 1 {
		p.add(unix.SYS_PRCTL, unix.PR_CAPBSET_DROP, uintptr(bits.TrailingZeros64(set)))
	}
}

// Capset sets the process's permitted and effective set and empties the
// inheritable one, and with it the ambient one. What a program gets by exec as
// root is the bounding set; see CVE-2022-24769 for why nothing is inheritable.
// See capset(2).
type Capset struct{ Permitted CapSet }

// Shell prints setpriv(1), a prefix of the command. The permitted set is what
// exec makes of the bounding set.
func (s Capset) Shell() string   { return "setpriv " + s.setpriv() }
func (s Capset) setpriv() string { return "--inh-caps -all --ambient-caps -all" }

// Do sets them.
func (s Capset) Do() error { return do(s) }

// Undo is nil.
func (s Capset) Undo() Step { return nil }
func (s Capset) wraps()     {}

func (s Capset) compile(p *program) {
	low, high := uint32(s.Permitted), uint32(s.Permitted>>32)
	data := &[2]unix.CapUserData{{Effective: low, Permitted: low}, {Effective: high, Permitted: high}}
	p.add(unix.SYS_CAPSET, pointer(p, &unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}), pointer(p, data))
}

// NoNewPrivs forbids that exec ever grants privileges, by set-user-ID or file
// capabilities. See prctl(2), PR_SET_NO_NEW_PRIVS.
type NoNewPrivs struct{}

// Shell prints setpriv(1), a prefix of the command.
func (s NoNewPrivs) Shell() string   { return "setpriv " + s.setpriv() }
func (s NoNewPrivs) setpriv() string { return "--no-new-privs" }

// Do sets the flag.
func (s NoNewPrivs) Do() error { return do(s) }

// Undo is nil: there is no way back.
func (s NoNewPrivs) Undo() Step { return nil }
func (s NoNewPrivs) wraps()     {}

func (s NoNewPrivs) compile(p *program) {
	p.add(unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
}
