package layers_test

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"strings"
	"testing"
)

// The two benchmarks are to be compared: both unpack the same 5,000 files of
// 2 KiB in 500 directories and remove them.

func BenchmarkStage(b *testing.B) {
	s := openStore(b)
	data := benchmarkTar(b)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		staged, err := s.Stage(context.Background(), bytes.NewReader(data))
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		if err := staged.Discard(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}

func BenchmarkGNUTar(b *testing.B) {
	needRoot(b)
	data := benchmarkTar(b)
	b.SetBytes(int64(len(data)))
	dir := b.TempDir()
	for b.Loop() {
		cmd := exec.Command("tar", "-C", dir, "--xattrs", "--xattrs-include=*", "-xpf", "-")
		cmd.Stdin = bytes.NewReader(data)
		if err := cmd.Run(); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		run(b, "rm", "-r", dir+"/top")
		b.StartTimer()
	}
}

func benchmarkTar(b *testing.B) []byte {
	b.Helper()
	var sc strings.Builder
	sc.WriteString("dir top\n")
	text := strings.Repeat("x", 2048)
	for i := range 500 {
		fmt.Fprintf(&sc, "dir top/%d\n", i)
		for j := range 10 {
			fmt.Fprintf(&sc, "file top/%d/%d %s\n", i, j, text)
		}
	}
	return tarOf(b, sc.String())
}
