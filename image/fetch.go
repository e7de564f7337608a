package image

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// parallel is how many layers are fetched at a time.
const parallel = 3

func (p *pull) stagedPath(h v1.Hash) string { return filepath.Join(p.dir, h.Hex) }

// fetchLayers stages what is missing of the image's layers: blobs in p.dir,
// unpacked layers in layer.staged. The first failure ends the others.
func (p *pull) fetchLayers(ctx context.Context) error {
	refs, err := p.store.readRefs()
	if err != nil {
		return err
	}
	verified := p.store.verifiedLayers(refs)
	// The same blob may stand in several places of one image: it is fetched once.
	var order []v1.Hash
	places := make(map[v1.Hash][]*layer)
	for _, l := range p.layers {
		if places[l.blob.Digest] == nil {
			order = append(order, l.blob.Digest)
		}
		places[l.blob.Digest] = append(places[l.blob.Digest], l)
		l.exists = verified[l.blob.Digest] == l.diffID && p.store.hasBlob(l.blob) && p.unpacked.Has(l.chainID)
	}
	p.tellLayers(len(refs.of(p.image.ID)) > 0)
	// The largest takes longest: the others fit in beside it.
	slices.SortStableFunc(order, func(a, b v1.Hash) int {
		return cmp.Compare(places[b][0].blob.Size, places[a][0].blob.Size)
	})

	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	slots := make(chan struct{}, parallel)
	var running sync.WaitGroup
	for _, digest := range order {
		missing := slices.DeleteFunc(places[digest], func(l *layer) bool { return l.exists })
		if len(missing) == 0 {
			continue
		}
		slots <- struct{}{}
		running.Go(func() {
			defer func() { <-slots }()
			if ctx.Err() != nil {
				return
			}
			if err := p.fetchBlob(ctx, missing); err != nil {
				cancel(fmt.Errorf("layer %s: %w", missing[0].name(), err))
			}
		})
	}
	running.Wait()
	// Also when all went well: this is the last moment at which an interruption
	// leaves nothing behind.
	return context.Cause(ctx)
}

// tellLayers says of each layer what will be done; nothing, as docker, of an image
// that is there already.
func (p *pull) tellLayers(held bool) {
	if held && !slices.ContainsFunc(p.layers, func(l *layer) bool { return !l.exists }) {
		return
	}
	for _, l := range p.layers {
		state := Waiting
		if l.exists {
			state = AlreadyExists
		}
		p.tell(Event{State: state, Layer: l.name()})
	}
}

// fetchBlob brings one blob to the store or to staging and unpacks it for each of
// its places where it is not unpacked yet.
func (p *pull) fetchBlob(ctx context.Context, places []*layer) error {
	blob, name := places[0].blob, places[0].name()
	from := p.store.blobPath(blob.Digest)
	if err := p.readHeld(ctx, from, places[0]); err != nil {
		// Not held, or damaged.
		from = p.stagedPath(blob.Digest)
		if err := p.download(ctx, from, places[0]); err != nil {
			return err
		}
	}
	for _, l := range places[1:] {
		if err := p.readHeld(ctx, from, l); err != nil {
			return err
		}
	}
	p.tell(Event{State: DownloadComplete, Layer: name})
	return nil
}

// readHeld unpacks a blob that is on disk already.
func (p *pull) readHeld(ctx context.Context, path string, l *layer) (err error) {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return p.unpack(ctx, f, io.Discard, l)
}

// download fetches a blob to path and unpacks it in the same pass.
func (p *pull) download(ctx context.Context, path string, l *layer) (err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	body := p.registry.blob(ctx, l.blob)
	defer body.Close()
	return p.unpack(ctx, &counting{Reader: body, pull: p, layer: l}, f, l)
}

// unpack verifies a blob and stages its layer, unless that layer is there.
func (p *pull) unpack(ctx context.Context, src io.Reader, keep io.Writer, l *layer) error {
	r, err := newLayerReader(src, keep, l.blob, l.diffID)
	if err != nil {
		return err
	}
	ahead := newReadAhead(r)
	defer r.close()
	defer ahead.stop()
	if p.unpacked.Has(l.chainID) {
		if _, err := io.Copy(io.Discard, ahead); err != nil {
			return err
		}
		return nil
	}
	staged, err := p.unpacked.Stage(ctx, ahead)
	if err != nil {
		return err
	}
	if !ahead.ended() {
		return errors.Join(errors.New("unpacking stopped before the layer's end was verified"), staged.Discard())
	}
	l.staged = staged
	return nil
}

// verifiedLayers returns the diff ID of each layer's blob of the images that are
// held: pairs that a pull has checked.
func (s *Store) verifiedLayers(r *refs) map[v1.Hash]v1.Hash {
	pairs := make(map[v1.Hash]v1.Hash)
	for _, d := range r.Manifests {
		img, err := s.load(d)
		if err != nil {
			continue // damaged: this pull may be the one that mends it
		}
		for i, l := range img.manifest.Layers {
			pairs[l.Digest] = img.Config.RootFS.DiffIDs[i]
		}
	}
	return pairs
}

func (s *Store) hasBlob(d v1.Descriptor) bool {
	info, err := os.Stat(s.blobPath(d.Digest))
	return err == nil && info.Size() == d.Size
}

// counting tells the progress of a download.
type counting struct {
	io.Reader
	pull  *pull
	layer *layer
	done  int64
}

func (c *counting) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.done += int64(n)
	c.pull.tell(Event{State: Downloading, Layer: c.layer.name(), Done: c.done, Total: c.layer.blob.Size})
	return n, err
}

// readAhead reads a layer in a goroutine of its own, so that download and inflation
// go on while files are written. It passes the layer's end on as it is.
type readAhead struct {
	full, free chan []byte
	quit       chan struct{}
	stopped    chan struct{}
	err        error // why full was closed
	rest       []byte
	buf        []byte
	sawEnd     bool
}

func newReadAhead(r io.Reader) *readAhead {
	const buffers, size = 4, 256 << 10
	a := &readAhead{
		full:    make(chan []byte, buffers),
		free:    make(chan []byte, buffers),
		quit:    make(chan struct{}),
		stopped: make(chan struct{}),
	}
	for range buffers {
		a.free <- make([]byte, size)
	}
	go a.fill(r)
	return a
}

func (a *readAhead) fill(r io.Reader) {
	defer close(a.stopped)
	defer close(a.full)
	for {
		select {
		case <-a.quit:
			return
		case buf := <-a.free:
			n, err := readFull(r, buf)
			a.full <- buf[:n] // never waits: it has room for every buffer
			if err != nil {
				a.err = err
				return
			}
		}
	}
}

// readFull is io.ReadFull without its own errors for a short end.
func readFull(r io.Reader, buf []byte) (n int, err error) {
	for n < len(buf) && err == nil {
		var m int
		m, err = r.Read(buf[n:])
		n += m
	}
	return n, err
}

func (a *readAhead) Read(p []byte) (int, error) {
	for len(a.rest) == 0 {
		if a.buf != nil {
			a.free <- a.buf[:cap(a.buf)]
			a.buf = nil
		}
		buf, ok := <-a.full
		if !ok {
			a.sawEnd = a.err == io.EOF
			return 0, a.err
		}
		a.buf, a.rest = buf, buf
	}
	n := copy(p, a.rest)
	a.rest = a.rest[n:]
	return n, nil
}

// ended reports whether Read has returned the layer's verified end.
func (a *readAhead) ended() bool { return a.sawEnd }

// stop ends the goroutine. A Read that it is in has to end by itself: the context
// of a download does that.
func (a *readAhead) stop() {
	close(a.quit)
	<-a.stopped
}
