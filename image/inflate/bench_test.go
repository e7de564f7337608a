package inflate

import (
	"bytes"
	stdgzip "compress/gzip"
	"io"
	"os"
	"testing"

	"github.com/klauspost/compress/gzip"
)

// BenchmarkLayer inflates the file that GOCKER_LAYER names, a layer for instance:
//
//	tar -cz -C / usr/lib/python3 >/tmp/layer.gz
//	GOCKER_LAYER=/tmp/layer.gz go test ./image/inflate -bench Layer -run -
func BenchmarkLayer(b *testing.B) {
	path := os.Getenv("GOCKER_LAYER")
	if path == "" {
		b.Skip("GOCKER_LAYER names no file")
	}
	file, err := os.ReadFile(path)
	if err != nil {
		b.Fatal(err)
	}
	for _, c := range []struct {
		name string
		open func(io.Reader) (io.Reader, error)
	}{
		{"ours", func(r io.Reader) (io.Reader, error) { return NewReader(r), nil }},
		{"compress", func(r io.Reader) (io.Reader, error) { return stdgzip.NewReader(r) }},
		{"klauspost", func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) }},
	} {
		b.Run(c.name, func(b *testing.B) {
			buf := make([]byte, 256<<10)
			for b.Loop() {
				z, err := c.open(bytes.NewReader(file))
				if err != nil {
					b.Fatal(err)
				}
				var size int64
				for err == nil {
					var n int
					n, err = z.Read(buf)
					size += int64(n)
				}
				if err != io.EOF {
					b.Fatal(err)
				}
				b.SetBytes(size)
			}
		})
	}
}
