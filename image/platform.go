package image

import (
	"fmt"
	"runtime"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sys/unix"
)

// parsePlatform reads OS[/ARCH[/VARIANT]] or ARCH[/VARIANT], the forms of
// docker's --platform, and writes them the one way that images use: x86_64 is
// amd64, aarch64 is arm64/v8, arm and armhf are arm/v7.
func parsePlatform(s string) (v1.Platform, error) {
	parts := strings.Split(strings.ToLower(s), "/")
	for _, p := range parts {
		if p == "" || !consistsOf(p, alnum+"_-.") {
			return v1.Platform{}, fmt.Errorf("platform %q: want os/arch or os/arch/variant, such as linux/arm64", s)
		}
	}
	p := v1.Platform{OS: "linux", Architecture: runtime.GOARCH}
	if os, ok := operatingSystems[parts[0]]; ok {
		p.OS = os
		parts = parts[1:]
	} else if len(parts) > 2 {
		return v1.Platform{}, fmt.Errorf("platform %q: unknown operating system %q", s, parts[0])
	}
	switch len(parts) {
	case 0:
		return normalize(p), nil
	case 1:
		p.Architecture = parts[0]
	case 2:
		p.Architecture, p.Variant = parts[0], parts[1]
	default:
		return v1.Platform{}, fmt.Errorf("platform %q: want os/arch or os/arch/variant, such as linux/arm64", s)
	}
	return normalize(p), nil
}

// operatingSystems are the words that stand for a system rather than for an
// architecture when they come first.
var operatingSystems = map[string]string{
	"linux": "linux", "windows": "windows", "darwin": "darwin", "macos": "darwin", "freebsd": "freebsd",
}

// normalize writes other names of an architecture the way that the OCI image
// index does (spec 1.1, image-index.md, "platform").
func normalize(p v1.Platform) v1.Platform {
	switch p.Architecture {
	case "x86_64", "x86-64":
		p.Architecture = "amd64"
	case "i386", "i486", "i586", "i686":
		p.Architecture = "386"
	case "aarch64":
		p.Architecture = "arm64"
	case "armhf":
		p.Architecture, p.Variant = "arm", "v7"
	case "armel":
		p.Architecture, p.Variant = "arm", "v6"
	}
	if p.Variant != "" && consistsOf(p.Variant, digits) {
		p.Variant = "v" + p.Variant
	}
	switch {
	case p.Architecture == "amd64" && p.Variant == "v1":
		p.Variant = ""
	case p.Architecture == "arm64" && p.Variant == "":
		p.Variant = "v8"
	case p.Architecture == "arm" && p.Variant == "":
		p.Variant = "v7"
	}
	return p
}

// wanted returns the platforms that will do, best first. An empty name means
// this machine's, which also runs what its processor's older modes run.
func wanted(name string) ([]v1.Platform, error) {
	if name != "" {
		p, err := parsePlatform(name)
		if err != nil {
			return nil, err
		}
		return olderVariants(p), nil
	}
	var uts unix.Utsname
	if err := unix.Uname(&uts); err != nil {
		return nil, fmt.Errorf("uname: %w", err)
	}
	return machinePlatforms(runtime.GOARCH, unix.ByteSliceToString(uts.Machine[:])), nil
}

// machinePlatforms knows the platforms of a machine by the architecture of this
// program and the kernel's name for the processor (uname -m).
func machinePlatforms(goarch, machine string) []v1.Platform {
	p := v1.Platform{OS: "linux", Architecture: goarch}
	if v, ok := strings.CutPrefix(machine, "armv"); ok && goarch == "arm" {
		// armv8l is a 64-bit processor in 32-bit mode: images for that are v7.
		p.Variant = "v" + min(v[:min(len(v), 1)], "7")
	}
	all := olderVariants(normalize(p))
	switch goarch {
	case "amd64":
		all = append(all, v1.Platform{OS: "linux", Architecture: "386"})
	case "arm64":
		all = append(all, olderVariants(v1.Platform{OS: "linux", Architecture: "arm", Variant: "v8"})...)
	}
	return all
}

// olderVariants returns p and the lesser ARM variants that a processor of p runs.
func olderVariants(p v1.Platform) []v1.Platform {
	all := []v1.Platform{p}
	if p.Architecture != "arm" {
		return all
	}
	for _, v := range []string{"v8", "v7", "v6", "v5"} {
		if v < p.Variant {
			lesser := p
			lesser.Variant = v
			all = append(all, lesser)
		}
	}
	return all
}

// rank is the place of p among the wanted platforms, -1 where it is not one.
func rank(want []v1.Platform, p v1.Platform) int {
	p = normalize(p)
	for i, w := range want {
		if w.OS == p.OS && w.Architecture == p.Architecture && w.Variant == p.Variant {
			return i
		}
	}
	return -1
}

func platformString(p v1.Platform) string {
	s := p.OS + "/" + p.Architecture
	if p.Variant != "" {
		s += "/" + p.Variant
	}
	return s
}
