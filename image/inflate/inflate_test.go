package inflate

import (
	"bufio"
	"bytes"
	"compress/flate"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"math/rand"
	"strings"
	"testing"
	"testing/iotest"
)

func TestWhatWasCompressedComesBack(t *testing.T) {
	for name, text := range texts() {
		for _, level := range []int{flate.HuffmanOnly, flate.NoCompression, flate.BestSpeed, 6, flate.BestCompression} {
			file := compress(text, level)
			for how, src := range map[string]io.Reader{
				"":            bytes.NewReader(file),
				"by bytes":    iotest.OneByteReader(bytes.NewReader(file)),
				"end with it": iotest.DataErrReader(bytes.NewReader(file)),
			} {
				got, err := io.ReadAll(NewReader(src))
				if err != nil || !bytes.Equal(got, text) {
					t.Errorf("%s, level %d %s: %d bytes and %v, want %d", name, level, how, len(got), err, len(text))
				}
			}
		}
	}
}

func TestAFileThatIsCutAnywhereEndsUnexpectedly(t *testing.T) {
	for _, level := range []int{flate.HuffmanOnly, flate.NoCompression, 6} {
		file := compress([]byte(strings.Repeat("a text of some words ", 20)), level)
		for n := range file {
			if _, err := io.ReadAll(NewReader(bytes.NewReader(file[:n]))); err != io.ErrUnexpectedEOF {
				t.Errorf("level %d: of %d bytes %d: %v", level, len(file), n, err)
			}
		}
	}
}

func TestADamagedFileIsNotRead(t *testing.T) {
	text := []byte(strings.Repeat("a text of some words ", 20))
	for _, level := range []int{flate.HuffmanOnly, flate.NoCompression, 6} {
		file := compress(text, level)
		for i := range file {
			for bit := range 8 {
				file[i] ^= 1 << bit
				sameAnswer(t, file)
				file[i] ^= 1 << bit
			}
		}
	}
}

func TestErrorsOfAFile(t *testing.T) {
	file := compress([]byte("text"), 6)
	broken := errors.New("broken")
	for _, c := range []struct {
		name string
		src  io.Reader
		want error
	}{
		{"nothing", strings.NewReader(""), io.ErrUnexpectedEOF},
		{"a page", strings.NewReader("<html></html>"), ErrHeader},
		{"another method", bytes.NewReader(replaced(file, 2, 7)), ErrHeader},
		{"a block of type 3", bytes.NewReader(replaced(file, 10, 7)), ErrCorrupt},
		{"another checksum", bytes.NewReader(replaced(file, len(file)-8, file[len(file)-8]+1)), ErrChecksum},
		{"another length", bytes.NewReader(replaced(file, len(file)-4, 5)), ErrChecksum},
		{"garbage behind it", strings.NewReader(string(file) + "garbage garbage"), ErrHeader},
		{"zeros behind it", strings.NewReader(string(file) + "\x00\x00"), io.ErrUnexpectedEOF},
		{"a source that breaks", io.MultiReader(bytes.NewReader(file[:12]), iotest.ErrReader(broken)), broken},
		{"a source that breaks at the end", io.MultiReader(bytes.NewReader(file), iotest.ErrReader(broken)), broken},
		{"a source that gives nothing", io.MultiReader(bytes.NewReader(file[:12]), nothing{}), io.ErrNoProgress},
	} {
		z := NewReader(c.src)
		if _, err := io.ReadAll(z); err != c.want {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
		if _, err := z.Read(make([]byte, 1)); err != c.want {
			t.Errorf("%s, read again: %v, want %v", c.name, err, c.want)
		}
	}
}

// TestStreams has those that no encoder at hand writes. Their bits are written as
// they are read: lowest first, codewords highest first.
func TestStreams(t *testing.T) {
	// The first two blocks are their headers and codes; the comments count codes.
	const (
		final, fixed, dynamic = "1", "10", "01"
		end                   = "0000000" // of a fixed block
		a                     = "10010001"
	)
	// A dynamic block with literals "a" and the end, of one bit each, and one or no
	// distance: 257 and 1 codes, 18 lengths of the code of lengths, of which 18, 1 and
	// 0 are used: 97 zeros, 1, 138 and 20 zeros, 1, and then the distance's length.
	header := final + dynamic + "00000" + "00000" + "0111" +
		"000 000 100 010 000 000 000 000 000 000 000 000 000 000 000 000 000 010"
	lengths := "0 0110101" + "11" + "0 1111111" + "0 1001000" + "11"
	for _, c := range []struct {
		name, bits, text string
		fails            bool
	}{
		{name: "an empty fixed block", bits: final + fixed + end},
		{name: "a literal", bits: final + fixed + a + end, text: "a"},
		{name: "two blocks", bits: "0" + fixed + a + end + final + fixed + a + end, text: "aa"},
		{name: "a match of 3 at distance 1", bits: final + fixed + a + "0000001" + "00000" + end, text: "aaaa"},
		{name: "a match before the beginning", bits: final + fixed + a + "0000001" + "00001" + end, fails: true},
		{name: "length code 286", bits: final + fixed + a + "11000110" + "00000" + end, fails: true},
		{name: "distance code 30", bits: final + fixed + a + "0000001" + "11110" + end, fails: true},
		{name: "a match of 258 at distance 1", bits: final + fixed + a + "11000101" + "00000" + end, text: strings.Repeat("a", 259)},
		{name: "no distance codes", bits: header + lengths + "10" + "0 0 1", text: "aa"},
		{name: "one distance code of one bit", bits: header + lengths + "11" + "0 0 1", text: "aa"},
	} {
		file := member(pack(c.bits), c.text)
		sameAnswer(t, file)
		got, err := io.ReadAll(NewReader(bytes.NewReader(file)))
		if (err != nil) != c.fails || !c.fails && string(got) != c.text {
			t.Errorf("%s: %q and %v", c.name, got, err)
		}
	}
}

func TestHeadersOfAMember(t *testing.T) {
	stream := pack("110" + "0000000")
	sum := func(h string) string {
		return h + string(binary.LittleEndian.AppendUint16(nil, uint16(crc32.ChecksumIEEE([]byte(h)))))
	}
	head := func(flags byte) string { return "\x1f\x8b\x08" + string(flags) + "timexo" }
	for name, h := range map[string]string{
		"name":                  head(hasName) + "a name\x00",
		"a name without end":    head(hasName) + strings.Repeat("x", 600) + "\x00",
		"the longest name":      head(hasName) + strings.Repeat("x", 511) + "\x00",
		"one longer":            head(hasName) + strings.Repeat("x", 512) + "\x00",
		"comment":               head(hasComment) + "\x00",
		"extra":                 head(hasExtra) + "\x03\x00abc",
		"extra, too long":       head(hasExtra) + "\xff\xffabc",
		"checksum":              sum(head(hasSum)),
		"another checksum":      sum(head(hasSum))[:11] + "x",
		"all":                   sum(head(hasSum|hasExtra|hasName|hasComment) + "\x01\x00xname\x00comment\x00"),
		"flags without meaning": head(0xe1),
	} {
		file := member(stream, "")
		file = append([]byte(h), file[10:]...)
		if name == "all" {
			if _, err := io.ReadAll(NewReader(bytes.NewReader(file))); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		sameAnswer(t, file)
	}
}

// FuzzGzip holds that any file is read as compress/gzip reads it.
func FuzzGzip(f *testing.F) {
	for _, text := range texts() {
		f.Add(compress(text[:min(len(text), 4000)], 6))
		f.Add(compress(text[:min(len(text), 300)], flate.HuffmanOnly))
	}
	f.Add(append(compress([]byte("one"), 0), compress([]byte("two"), 1)...))
	f.Fuzz(sameAnswer)
}

// FuzzDeflate does the same behind a good header, and so that no checksum hides what
// the stream came to.
func FuzzDeflate(f *testing.F) {
	for _, text := range texts() {
		file := compress(text[:min(len(text), 4000)], 6)
		f.Add(file[10 : len(file)-8])
	}
	f.Fuzz(func(t *testing.T, stream []byte) {
		// bufio reads single bytes for flate, so that what it leaves can be compared.
		src := bufio.NewReader(bytes.NewReader(stream))
		want, wantErr := io.ReadAll(flate.NewReader(src))
		left, _ := io.ReadAll(src)

		d := &decoder{src: iotest.HalfReader(bytes.NewReader(stream))}
		d.symbols.fill()
		var got []byte
		var err error
		for err == nil {
			var text []byte
			text, err = d.next()
			got = append(got, text...)
		}
		if (err == io.EOF) != (wantErr == nil) {
			t.Fatalf("error is %v, of compress/flate %v", err, wantErr)
		}
		if err != io.EOF {
			if !bytes.HasPrefix(want, got) && !bytes.HasPrefix(got, want) {
				t.Fatalf("the text differs before the error")
			}
			return
		}
		if !bytes.Equal(got, want) {
			t.Fatalf("the text differs: %d bytes, want %d", len(got), len(want))
		}
		rest, _ := io.ReadAll(io.MultiReader(bytes.NewReader(d.in[d.pos:d.end]), d.src))
		if !bytes.Equal(rest, left) {
			t.Fatalf("left %d bytes behind the stream, compress/flate %d", len(rest), len(left))
		}
	})
}

func sameAnswer(t *testing.T, file []byte) {
	t.Helper()
	var want []byte
	z, wantErr := gzip.NewReader(bytes.NewReader(file))
	if wantErr == nil {
		want, wantErr = io.ReadAll(z)
	}
	got, err := io.ReadAll(NewReader(bytes.NewReader(file)))
	if (err == nil) != (wantErr == nil) {
		t.Fatalf("%x: error is %v, of compress/gzip %v", file, err, wantErr)
	}
	if err == nil && !bytes.Equal(got, want) {
		t.Fatalf("%x: the text differs", file)
	}
}

func texts() map[string][]byte {
	r := rand.New(rand.NewSource(1))
	random := make([]byte, 200<<10)
	r.Read(random)
	// Distances and lengths of all sizes.
	var matches []byte
	for len(matches) < 1<<20 {
		if len(matches) < 300 || r.Intn(4) == 0 {
			matches = append(matches, random[:1+r.Intn(40)]...)
			r.Shuffle(100, func(i, j int) { random[i], random[j] = random[j], random[i] })
			continue
		}
		from := len(matches) - 1 - r.Intn(min(len(matches), 1<<r.Intn(16)))
		for range 3 + r.Intn(1<<r.Intn(10)) {
			matches = append(matches, matches[from])
			from++
		}
	}
	// Frequencies that give codewords of all lengths.
	var skewed []byte
	for len(skewed) < 300<<10 {
		skewed = append(skewed, byte(r.ExpFloat64()*12))
	}
	return map[string][]byte{
		"nothing": nil,
		"a byte":  {7},
		"words":   []byte(strings.Repeat("a text of some words ", 9000)),
		"zeros":   make([]byte, 1<<20),
		"random":  random,
		"matches": matches,
		"skewed":  skewed,
	}
}

func compress(text []byte, level int) []byte {
	var buf bytes.Buffer
	w, err := gzip.NewWriterLevel(&buf, level)
	if err != nil {
		panic(err)
	}
	w.Write(text)
	w.Close()
	return buf.Bytes()
}

// member is a gzip file of a stream.
func member(stream []byte, text string) []byte {
	file := append([]byte("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"), stream...)
	file = binary.LittleEndian.AppendUint32(file, crc32.ChecksumIEEE([]byte(text)))
	return binary.LittleEndian.AppendUint32(file, uint32(len(text)))
}

// pack makes bytes of bits, of which the first is the lowest.
func pack(bits string) []byte {
	bits = strings.ReplaceAll(bits, " ", "")
	packed := make([]byte, (len(bits)+7)/8)
	for i := range bits {
		packed[i/8] |= (bits[i] - '0') << (i % 8)
	}
	return packed
}

func replaced(b []byte, i int, to byte) []byte {
	b = bytes.Clone(b)
	b[i] = to
	return b
}

// nothing is a source without bytes and without an end.
type nothing struct{}

func (nothing) Read([]byte) (int, error) { return 0, nil }
