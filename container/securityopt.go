package container

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// noMasks is the --security-opt that leaves /proc and /sys as they are.
const noMasks = "systempaths=unconfined"

// validateSecurityOpt checks the values of --security-opt. Beside what gocker
// does there is what it does anyway: it has no profiles and no labels to leave out.
func (h *HostConfig) validateSecurityOpt() error {
	for _, opt := range h.SecurityOpt {
		name, value, ok := cutSecurityOpt(opt)
		switch {
		case name == "no-new-privileges":
			if _, err := strconv.ParseBool(value); ok && err != nil {
				return fmt.Errorf("invalid --security-opt 2: %q", opt)
			}
		case !ok:
			return fmt.Errorf("Invalid --security-opt: %q", opt)
		case opt == noMasks, name == "seccomp" && value == "unconfined", name == "apparmor" && value == "unconfined", name == "label" && value == "disable":
		case name == "seccomp", name == "apparmor", name == "label", name == "systempaths":
			return fmt.Errorf("--security-opt %s: not supported", opt)
		default:
			return fmt.Errorf("invalid --security-opt 2: %q", opt)
		}
	}
	return nil
}

// cutSecurityOpt returns NAME and VALUE of NAME=VALUE, or of docker's older form
// NAME:VALUE.
func cutSecurityOpt(opt string) (name, value string, ok bool) {
	if name, value, ok = strings.Cut(opt, "="); !ok {
		name, value, ok = strings.Cut(opt, ":")
	}
	return name, value, ok
}

// noNewPrivileges reports whether --security-opt asks for that.
func (h *HostConfig) noNewPrivileges() bool {
	return slices.ContainsFunc(h.SecurityOpt, func(opt string) bool {
		name, value, ok := cutSecurityOpt(opt)
		on, err := strconv.ParseBool(value)
		return name == "no-new-privileges" && (!ok || err == nil && on)
	})
}
