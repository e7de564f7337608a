package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"gocker/image"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

const (
	digestA = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	digestB = "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
)

func TestAnImageHasALineForEachOfItsNames(t *testing.T) {
	for _, c := range []struct {
		refs    string
		digests bool
		want    []string // repository, tag, digest
	}{
		{"alpine", false, []string{"alpine latest <none>"}},
		{"alpine alpine@A", false, []string{"alpine latest <none>"}},
		{"alpine alpine@A", true, []string{"alpine latest A"}},
		{"alpine alpine:3 alpine@A alpine@B", true, []string{"alpine latest A", "alpine latest B", "alpine 3 A", "alpine 3 B"}},
		{"alpine@A", false, []string{"alpine <none> <none>"}},
		{"alpine@A alpine@B", false, []string{"alpine <none> <none>"}},
		{"alpine@A", true, []string{"alpine <none> A"}},
		{"alpine quay.io/x@A", true, []string{"alpine latest <none>", "quay.io/x <none> A"}},
		{"", true, []string{"<none> <none> <none>"}},
	} {
		var got []string
		for _, row := range imageRows(testImage(c.refs), 0, c.digests, false) {
			got = append(got, strings.NewReplacer(digestA, "A", digestB, "B").Replace(fmt.Sprint(row.Repository, " ", row.Tag, " ", row.Digest)))
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%q with digests %v: %q, want %q", c.refs, c.digests, got, c.want)
		}
	}
}

func TestAnImagesLineSaysIDAgeAndSize(t *testing.T) {
	img := testImage("alpine")
	for _, c := range []struct {
		age     time.Duration
		size    int64
		noTrunc bool
		want    string
	}{
		{2 * time.Hour, 7_049_688, false, "aaaaaaaaaaaa, 2 hours ago, 7.05MB"},
		{50 * 24 * time.Hour, 1_234_567_890, true, digestA + ", 7 weeks ago, 1.23GB"},
		{0, 0, false, "aaaaaaaaaaaa, N/A, 0B"},
	} {
		img.Config.Created = v1.Time{}
		if c.age > 0 {
			img.Config.Created.Time = time.Now().Add(-c.age)
		}
		row := imageRows(img, c.size, false, c.noTrunc)[0]
		if got := row.ID + ", " + row.CreatedSince + ", " + row.Size; got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}

func TestAFilterChoosesImagesAndNames(t *testing.T) {
	for _, c := range []struct{ refs, filters, want string }{
		{"alpine alpine:3", "reference=alpine", "alpine:latest alpine:3"},
		{"alpine alpine:3", "reference=alpine:3", "alpine:3"},
		{"alpine alpine:3", "reference=alpine:3 reference=*:latest", "alpine:latest alpine:3"},
		{"localhost:5000/x", "reference=*/x", "localhost:5000/x:latest"},
		{"localhost:5000/x", "reference=x", ""},
		{"alpine", "reference=alp", ""},
		{"alpine", "dangling=true", ""},
		{"alpine", "dangling=false", "alpine:latest"},
		{"alpine@A", "dangling=true", "alpine@" + digestA},
		{"alpine", "label=role", "alpine:latest"},
		{"alpine", "label=role=db", "alpine:latest"},
		{"alpine", "label=role=web", ""},
		{"alpine", "label=role label=nope", ""},
	} {
		f, err := parseImageFilters(nil, strings.Fields(c.filters))
		if err != nil {
			t.Fatal(err)
		}
		img := testImage(c.refs)
		got := ""
		if f.match(img) {
			got = strings.Join(append(img.Tags(), img.Digests()...), " ")
		}
		if got != c.want {
			t.Errorf("%q by %q: %q, want %q", c.refs, c.filters, got, c.want)
		}
	}
	for _, bad := range []string{"reference", "nope=1", "dangling=perhaps", "reference=["} {
		if _, err := parseImageFilters(nil, []string{bad}); err == nil {
			t.Errorf("filter %q is taken", bad)
		}
	}
}

// testImage is an image with the names of refs, in which A and B stand for digests.
func testImage(refs string) *image.Image {
	img := &image.Image{ID: digestA, Config: &v1.ConfigFile{}}
	img.Config.Config.Labels = map[string]string{"role": "db"}
	for name := range strings.FieldsSeq(strings.NewReplacer("@A", "@"+digestA, "@B", "@"+digestB).Replace(refs)) {
		ref, err := image.ParseReference(name)
		if err != nil {
			panic(err)
		}
		img.Refs = append(img.Refs, ref)
	}
	return img
}
