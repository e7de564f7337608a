package image

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// layerReader inflates a layer and checks it. Its Read returns io.EOF only after
// the compressed bytes had the blob's size and digest and the inflated ones the
// diff ID, to the last byte of either; any other end is an error.
type layerReader struct {
	blob     *blobReader
	format   compression
	inflated io.Reader
	close    func()
	diff     hash.Hash
	diffID   v1.Hash
	done     error // what every further Read returns
}

// newLayerReader reads a blob from src and copies its bytes to keep. The
// compression is seen in the first bytes.
func newLayerReader(src io.Reader, keep io.Writer, d v1.Descriptor, diffID v1.Hash) (*layerReader, error) {
	l := &layerReader{
		blob:   &blobReader{src: src, keep: keep, want: d, sum: sha256.New()},
		diff:   sha256.New(),
		diffID: diffID,
	}
	var err error
	l.inflated, l.format, l.close, err = inflated(l.blob)
	if err != nil {
		return nil, err
	}
	return l, nil
}

func (l *layerReader) Read(p []byte) (int, error) {
	if l.done != nil {
		return 0, l.done
	}
	n, err := l.inflated.Read(p)
	l.diff.Write(p[:n])
	switch {
	case err == io.EOF:
		l.done = l.verify()
	case err != nil:
		l.done = l.blob.errOr(fmt.Errorf("%s: %w", l.format, err))
	}
	return n, l.done
}

// verify returns io.EOF when everything matched.
func (l *layerReader) verify() error {
	// The decoders stop at the end of their format; the blob may go on.
	if _, err := io.Copy(io.Discard, l.blob); err != nil {
		return err
	}
	if got := "sha256:" + hex.EncodeToString(l.diff.Sum(nil)); got != l.diffID.String() {
		return fmt.Errorf("diff ID is %s, the image config says %s", got, l.diffID)
	}
	return io.EOF
}

// blobReader passes a blob's bytes on and keeps a copy. Its io.EOF means that
// size and digest matched.
type blobReader struct {
	src  io.Reader
	keep io.Writer
	want v1.Descriptor
	sum  hash.Hash
	n    int64
	done error
}

func (b *blobReader) Read(p []byte) (int, error) {
	if b.done != nil {
		return 0, b.done
	}
	n, err := b.src.Read(p)
	b.n += int64(n)
	b.sum.Write(p[:n])
	if b.n > b.want.Size {
		b.done = fmt.Errorf("longer than the %d bytes that the manifest says", b.want.Size)
		return 0, b.done
	}
	if _, werr := b.keep.Write(p[:n]); werr != nil {
		b.done = werr
		return 0, b.done
	}
	switch {
	case err == io.EOF:
		b.done = b.verify()
	case err != nil:
		b.done = err
	}
	return n, b.done
}

func (b *blobReader) verify() error {
	if b.n != b.want.Size {
		return fmt.Errorf("ends after %d of the %d bytes that the manifest says", b.n, b.want.Size)
	}
	if got := "sha256:" + hex.EncodeToString(b.sum.Sum(nil)); got != b.want.Digest.String() {
		return fmt.Errorf("digest is %s, the manifest says %s", got, b.want.Digest)
	}
	return io.EOF
}

// errOr prefers what went wrong with the blob to what the decoder made of it.
func (b *blobReader) errOr(err error) error {
	if b.done != nil && b.done != io.EOF {
		return b.done
	}
	return err
}
