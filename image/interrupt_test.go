package image

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
)

func TestAnInterruptedPullLeavesNothing(t *testing.T) {
	s, _ := newStore(t)
	r := newRegistry(t)
	img := r.image("one", "two", "three", "four")
	r.push("latest", img)
	ctx, cancel := context.WithCancel(t.Context())
	stuck := img.manifest.Layers[1].Digest.String()
	blob := r.blobs[stuck]
	r.serve[stuck] = func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(len(blob)))
		w.Write(blob[:20])
		w.(http.Flusher).Flush()
		cancel()
		<-req.Context().Done()
	}
	_, _, err := s.Pull(ctx, r.name("a"), PullOptions{})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v, want context canceled", err)
	}
	if got := listing(t, s); got != "" {
		t.Errorf("left:\n%s", got)
	}
}

func TestAPullThatIsInterruptedAfterItsLastLayerLeavesNothing(t *testing.T) {
	s, _ := newStore(t)
	r := newRegistry(t)
	r.push("latest", r.image("one"))
	ctx, cancel := context.WithCancel(t.Context())
	_, _, err := s.Pull(ctx, r.name("a"), PullOptions{Progress: func(e Event) {
		if e.State == DownloadComplete {
			cancel()
		}
	}})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v, want context canceled", err)
	}
	if got := listing(t, s); got != "" {
		t.Errorf("left:\n%s", got)
	}
}

func TestALayerThatIsNotReadToItsEndIsNotPublished(t *testing.T) {
	s, layers := newStore(t)
	r := newRegistry(t)
	r.push("latest", r.image("one"))
	layers.stopAfter = 100
	_, _, err := s.Pull(t.Context(), r.name("a"), PullOptions{})
	wantError(t, err, "before the layer's end was verified")
	if got := listing(t, s); got != "" {
		t.Errorf("left:\n%s", got)
	}
}

func TestAFailureWhilePublishingLeavesNothing(t *testing.T) {
	s, layers := newStore(t)
	r := newRegistry(t)
	r.push("held", r.image("one"))
	if _, _, err := s.Pull(t.Context(), r.name("a:held"), PullOptions{}); err != nil {
		t.Fatal(err)
	}
	before := listing(t, s)
	img := r.image("one", "two", "three")
	r.push("latest", img)
	var diffIDs []string
	for _, d := range img.config.RootFS.DiffIDs {
		diffIDs = append(diffIDs, d.String())
	}
	layers.failCommit = chainIDs(diffIDs)[2]
	_, _, err := s.Pull(t.Context(), r.name("a"), PullOptions{})
	wantError(t, err, "publish image: layer ", "commit fails")
	if after := listing(t, s); after != before {
		t.Errorf("the store was\n%s\nand is\n%s", before, after)
	}
}

func TestWhatAKilledPullLeftIsSweptByTheNext(t *testing.T) {
	s, _ := newStore(t)
	r := newRegistry(t)
	r.push("latest", r.image("one"))
	pull := func() {
		if _, _, err := s.Pull(t.Context(), r.name("a"), PullOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	pull()
	before := listing(t, s)
	for _, path := range []string{"tmp/pull-123/abc", "tmp/layer-9", "layers/unnamed", "images/blobs/sha256/unnamed", "images/.index.json"} {
		if err := errors.Join(os.MkdirAll(s.path("tmp/pull-123"), 0o700), os.WriteFile(s.path(path), []byte("x"), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	r.push("latest", r.image("one")) // the same image
	pull()
	r.push("other", r.image("one")) // a ref more, so that index.json is written
	if _, _, err := s.Pull(t.Context(), r.name("a:other"), PullOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Remove(r.name("a:other"), false); err != nil {
		t.Fatal(err)
	}
	if after := listing(t, s); after != before {
		t.Errorf("the store was\n%s\nand is\n%s", before, after)
	}
}

func TestPullsAtOnceDoNotHurtEachOther(t *testing.T) {
	s, layers := newStore(t)
	r := newRegistry(t)
	for i := range 6 {
		r.push(fmt.Sprint("t", i), r.image("base", "common", fmt.Sprint("own", i/2)))
	}
	var all sync.WaitGroup
	for i := range 6 {
		all.Go(func() {
			for range 5 {
				mine := Open(s.root)
				mine.Layers = s.Layers
				name := r.name("a") + fmt.Sprint(":t", i)
				img, _, err := mine.Pull(context.Background(), name, PullOptions{})
				if err != nil {
					t.Error(err)
					return
				}
				for _, id := range img.ChainIDs {
					if !layers.Has(id) && s.has(name) {
						t.Errorf("layer %s of %s is missing", id, name)
					}
				}
				if _, err := mine.Remove(name, false); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if err := s.Collect(); err != nil {
		t.Error(err)
	}
	if got := listing(t, s); strings.Count(got, "\n") != 1 {
		t.Errorf("left but for oci-layout and index.json:\n%s", got)
	}
}

func (s *Store) has(name string) bool {
	_, err := s.Get(name)
	return err == nil
}

func TestAPullHasLockedOutASweep(t *testing.T) {
	s, layers := newStore(t)
	r := newRegistry(t)
	r.push("latest", r.image("one"))
	swept := make(chan error, 1)
	layers.staged = func() {
		other := Open(s.root)
		other.Layers = s.Layers
		swept <- other.Collect()
	}
	if _, _, err := s.Pull(t.Context(), r.name("a"), PullOptions{}); err != nil {
		t.Error(err)
	}
	if err := <-swept; err != nil {
		t.Error(err)
	}
}
