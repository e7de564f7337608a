package image

import (
	"strings"
	"testing"
)

func TestANameGetsDockersDefaults(t *testing.T) {
	const digest = "sha256:26c68657ccce2cb0a31b330cb0be2b5e108d467f641c62e13ab40cbec258c68d"
	for _, c := range []struct{ name, full, familiar string }{
		{"alpine", "docker.io/library/alpine:latest", "alpine:latest"},
		{"alpine:3.19", "docker.io/library/alpine:3.19", "alpine:3.19"},
		{"library/alpine", "docker.io/library/alpine:latest", "alpine:latest"},
		{"docker.io/alpine", "docker.io/library/alpine:latest", "alpine:latest"},
		{"index.docker.io/library/alpine", "docker.io/library/alpine:latest", "alpine:latest"},
		{"grafana/grafana", "docker.io/grafana/grafana:latest", "grafana/grafana:latest"},
		{"docker.io/library/a/b", "docker.io/library/a/b:latest", "library/a/b:latest"},
		{"localhost/x", "localhost/x:latest", "localhost/x:latest"},
		{"localhost:5000/x", "localhost:5000/x:latest", "localhost:5000/x:latest"},
		{"localhost:5000/x:y", "localhost:5000/x:y", "localhost:5000/x:y"},
		{"x:5000", "docker.io/library/x:5000", "x:5000"},
		{"quay.io/a/b/c:1.0_x-Y", "quay.io/a/b/c:1.0_x-Y", "quay.io/a/b/c:1.0_x-Y"},
		{"Registry/x", "Registry/x:latest", "Registry/x:latest"},
		{"[::1]:5000/x", "[::1]:5000/x:latest", "[::1]:5000/x:latest"},
		{"a__b/c-d--e.f", "docker.io/a__b/c-d--e.f:latest", "a__b/c-d--e.f:latest"},
		{"alpine@" + digest, "docker.io/library/alpine@" + digest, "alpine@" + digest},
		{"alpine:3@" + digest, "docker.io/library/alpine:3@" + digest, "alpine:3@" + digest},
	} {
		r, err := ParseReference(c.name)
		if err != nil || r.String() != c.full || r.Familiar() != c.familiar {
			t.Errorf("ParseReference(%q) = %q, %q, %v; want %q, %q", c.name, r.String(), r.Familiar(), err, c.full, c.familiar)
		}
	}
}

func TestANameThatDockerRefusesIsRefused(t *testing.T) {
	for name, why := range map[string]string{
		"":                                       "invalid reference format",
		"Alpine":                                 "repository name (library/Alpine) must be lowercase",
		"a//b":                                   "invalid reference format",
		"a/":                                     "invalid reference format",
		"/a":                                     "invalid reference format",
		"-a":                                     "invalid reference format",
		"a_":                                     "invalid reference format",
		"a___b":                                  "invalid reference format",
		"a..b":                                   "invalid reference format",
		"../etc/passwd":                          "invalid reference format",
		"a:":                                     "invalid reference format",
		"a:-b":                                   "invalid reference format",
		"a b":                                    "invalid reference format",
		"a:" + strings.Repeat("b", 129):          "invalid reference format",
		"a@sha256:123":                           "invalid reference format",
		"a@md5:d41d8cd98f00b204e9800998ecf8427e": "invalid reference format",
		"host:port/a":                            "invalid reference format",
		"host:/a":                                "invalid reference format",
		"-host.x/a":                              "invalid reference format",
		strings.Repeat("a", 64):                  "64 hexadecimal digits",
		strings.Repeat("ab/", 86) + "c":          "255 characters",
	} {
		r, err := ParseReference(name)
		if err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("ParseReference(%q) = %+v, %v; want an error with %q", name, r, err, why)
		}
	}
}

func TestOnlyANameThatSaysItsTagHasOne(t *testing.T) {
	for name, want := range map[string]bool{
		"alpine": false, "localhost:5000/x": false, "alpine:3": true, "Alpine:3": false,
		"alpine@sha256:26c68657ccce2cb0a31b330cb0be2b5e108d467f641c62e13ab40cbec258c68d": true,
	} {
		if got := HasTag(name); got != want {
			t.Errorf("HasTag(%q) = %v", name, got)
		}
	}
}

func FuzzAParsedReferenceParsesToItself(f *testing.F) {
	for _, s := range []string{"alpine", "localhost:5000/a/b:c", "[::1]:1/x@sha256:26c68657ccce2cb0a31b330cb0be2b5e108d467f641c62e13ab40cbec258c68d", "A.b/c", "docker.io/library/a/b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := ParseReference(s)
		if err != nil {
			return
		}
		for _, form := range []string{r.String(), r.Familiar()} {
			if again, err := ParseReference(form); err != nil || again != r {
				t.Errorf("%q is %+v; its form %q is %+v, %v", s, r, form, again, err)
			}
		}
	})
}
