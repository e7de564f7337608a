package container

import (
	"io"
	"testing"

	"gocker/container/step"
)

// What a run computes, and what --explain adds to it: a run that is not explained
// makes no script and prints no step.
func BenchmarkPlans(b *testing.B) {
	tmp := b.TempDir()
	store := planStore(b, tmp)
	o := planOptions()
	c, spec, _, err := store.prepare(o)
	if err != nil {
		b.Fatal(err)
	}
	h := planHost(b, tmp, true)
	p, err := c.plans(spec, h, nil)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("make", func(b *testing.B) {
		b.ReportAllocs()
		for range b.N {
			if _, err := c.plans(spec, h, nil); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("explain", func(b *testing.B) {
		b.ReportAllocs()
		for range b.N {
			script, err := c.script(p)
			if err != nil {
				b.Fatal(err)
			}
			if err := script.Print(io.Discard, step.PrintOptions{}); err != nil {
				b.Fatal(err)
			}
		}
	})
}
