package image

import (
	"bufio"
	"bytes"
	"fmt"
	"io"

	"gocker/image/inflate"

	"github.com/klauspost/compress/zstd"
)

// compression is how a stream is compressed, in the words of errors.
type compression string

const (
	gzipped   compression = "gzip" // of one or more members
	zstandard compression = "zstd"
	plain     compression = "tar"
)

// magicSize is how much of the beginning of a stream tells how it is compressed.
const magicSize = 4

func compressionOf(magic []byte) compression {
	switch {
	case bytes.HasPrefix(magic, []byte{0x1f, 0x8b}):
		return gzipped
	case bytes.Equal(magic, []byte{0x28, 0xb5, 0x2f, 0xfd}), isSkippableFrame(magic):
		return zstandard
	}
	return plain
}

// isSkippableFrame knows the zstd frames that hold metadata (RFC 8878, 3.1.2),
// with which an estargz-like blob may begin.
func isSkippableFrame(magic []byte) bool {
	return len(magic) == magicSize && magic[0]&0xf0 == 0x50 && bytes.Equal(magic[1:], []byte{0x2a, 0x4d, 0x18})
}

// Inflate returns what a stream holds, be it compressed by gzip, zstd or not at all,
// and a function that frees what that takes.
func Inflate(r io.Reader) (io.Reader, func(), error) {
	inflated, _, end, err := inflated(r)
	return inflated, end, err
}

// inflated is Inflate, and tells how the stream is compressed.
func inflated(r io.Reader) (io.Reader, compression, func(), error) {
	// The size of a read from the network, and of a write to a file.
	buf := bufio.NewReaderSize(r, 256<<10)
	magic, err := buf.Peek(magicSize)
	if err != nil && err != io.EOF {
		return nil, "", nil, err
	}
	switch how := compressionOf(magic); how {
	case gzipped:
		return inflate.NewReader(buf), how, func() {}, nil
	case zstandard:
		z, err := zstd.NewReader(buf, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(128<<20))
		if err != nil {
			return nil, "", nil, fmt.Errorf("zstd: %w", err)
		}
		return z, how, z.Close, nil
	default:
		return buf, how, func() {}, nil
	}
}
