package image

import (
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

func TestAPlatformIsWrittenOneWay(t *testing.T) {
	for in, want := range map[string]string{
		"linux/amd64": "linux/amd64", "linux/x86_64": "linux/amd64", "amd64": "linux/amd64", "linux/amd64/v1": "linux/amd64",
		"linux/amd64/v3": "linux/amd64/v3", "linux/arm64": "linux/arm64/v8", "aarch64": "linux/arm64/v8", "arm64/v8": "linux/arm64/v8",
		"linux/arm64/8": "linux/arm64/v8", "linux/arm": "linux/arm/v7", "linux/arm/v6": "linux/arm/v6", "armhf": "linux/arm/v7",
		"armel": "linux/arm/v6", "linux/i386": "linux/386", "Linux/RISCV64": "linux/riscv64", "windows/amd64": "windows/amd64",
	} {
		p, err := parsePlatform(in)
		if err != nil || platformString(p) != want {
			t.Errorf("parsePlatform(%q) = %s, %v; want %s", in, platformString(p), err, want)
		}
	}
	for _, in := range []string{"/", "linux/", "linux//v8", "linux/arm/v7/x", "a b", "plan9/amd64/v1"} {
		if p, err := parsePlatform(in); err == nil {
			t.Errorf("parsePlatform(%q) = %+v, want an error", in, p)
		}
	}
}

func TestAMachineRunsItsOlderModesToo(t *testing.T) {
	for _, c := range []struct{ goarch, machine, want string }{
		{"amd64", "x86_64", "linux/amd64 linux/386"},
		{"arm64", "aarch64", "linux/arm64/v8 linux/arm/v8 linux/arm/v7 linux/arm/v6 linux/arm/v5"},
		{"arm", "armv6l", "linux/arm/v6 linux/arm/v5"},
		{"arm", "armv7l", "linux/arm/v7 linux/arm/v6 linux/arm/v5"},
		{"arm", "armv8l", "linux/arm/v7 linux/arm/v6 linux/arm/v5"},
		{"arm", "aarch64", "linux/arm/v7 linux/arm/v6 linux/arm/v5"},
		{"riscv64", "riscv64", "linux/riscv64"},
	} {
		var got []string
		for _, p := range machinePlatforms(c.goarch, c.machine) {
			got = append(got, platformString(p))
		}
		if s := strings.Join(got, " "); s != c.want {
			t.Errorf("%s on %s runs %s, want %s", c.goarch, c.machine, s, c.want)
		}
	}
}

func TestTheBestPlatformOfAnIndexIsChosen(t *testing.T) {
	entry := func(platform string) v1.Descriptor {
		d := v1.Descriptor{MediaType: "application/vnd.oci.image.manifest.v1+json", Digest: digestOf([]byte(platform))}
		if os, rest, ok := strings.Cut(platform, "/"); ok {
			arch, variant, _ := strings.Cut(rest, "/")
			d.Platform = &v1.Platform{OS: os, Architecture: arch, Variant: variant}
		}
		return d
	}
	for _, c := range []struct{ want, entries, chosen string }{
		{"linux/amd64", "linux/386 linux/amd64 unknown/unknown", "linux/amd64"},
		{"linux/arm64", "linux/amd64 linux/arm64", "linux/arm64"},
		{"linux/arm64", "linux/arm64/v8", "linux/arm64/v8"},
		{"linux/arm/v7", "linux/arm/v5 linux/arm/v6", "linux/arm/v6"},
		{"linux/arm/v6", "linux/arm/v7", ""},
		{"linux/amd64", "linux/amd64/v3", ""},
		{"linux/amd64", "windows/amd64", ""},
		{"linux/amd64", "untold", "untold"},
		{"linux/amd64", "untold linux/amd64", "linux/amd64"},
	} {
		want, err := wanted(c.want)
		if err != nil {
			t.Fatal(err)
		}
		var entries []v1.Descriptor
		for e := range strings.FieldsSeq(c.entries) {
			entries = append(entries, entry(e))
		}
		got := choose(entries, want)
		if c.chosen == "" && len(got) > 0 || c.chosen != "" && (len(got) != 1 || got[0].Digest != entry(c.chosen).Digest) {
			t.Errorf("for %s of %q: %v, want %q", c.want, c.entries, got, c.chosen)
		}
	}
}
