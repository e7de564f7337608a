package inflate

import (
	"encoding/binary"
	"hash/crc32"
	"io"
)

// Reader reads the text of a gzip file: of all its members, one behind the other
// (RFC 1952). Its zero value is of no use.
type Reader struct {
	decoder
	text   []byte // not yet read
	err    error  // comes after text
	member bool   // in one: its header has been read, its trailer not
	whole  bool   // one has been read to its end
	sum    uint32 // CRC-32 of the member so far
	size   uint32 // modulo 1<<32
}

// NewReader returns a reader of the gzip file that src is. It reads src to the end,
// and reads nothing before the first Read.
func NewReader(src io.Reader) *Reader {
	z := &Reader{}
	z.src = src
	z.symbols.fill()
	return z
}

// Read returns io.EOF after the last member, when the checksum and the length of
// each have matched. Other errors are ErrHeader, ErrCorrupt or ErrChecksum,
// io.ErrUnexpectedEOF where the input ends too early, or src's.
func (z *Reader) Read(p []byte) (int, error) {
	for len(z.text) == 0 {
		if z.err != nil {
			return 0, z.err
		}
		z.text, z.err = z.more()
	}
	n := copy(p, z.text)
	z.text = z.text[n:]
	return n, nil
}

// more returns the next bytes of the text, and goes from one member to the next.
func (z *Reader) more() ([]byte, error) {
	if !z.member {
		if err := z.need(1); err == io.ErrUnexpectedEOF && z.whole {
			return nil, io.EOF // nothing but where a member could begin
		}
		if err := z.readHeader(); err != nil {
			return nil, err
		}
		z.member, z.sum, z.size = true, 0, 0
		z.begin()
	}
	text, err := z.next()
	z.sum = crc32.Update(z.sum, crc32.IEEETable, text)
	z.size += uint32(len(text))
	if err != io.EOF {
		return text, err
	}
	z.member, z.whole = false, true
	return text, z.readTrailer()
}

// The flags of a header (RFC 1952, 2.3.1).
const (
	hasSum     = 1 << 1
	hasExtra   = 1 << 2
	hasName    = 1 << 3
	hasComment = 1 << 4
)

// maxName bounds the name and the comment, with the zero at their end, as
// compress/gzip does.
const maxName = 512

// readHeader reads a member's header and drops it.
func (z *Reader) readHeader() error {
	if err := z.need(10); err != nil {
		return err
	}
	head := z.in[z.pos : z.pos+10]
	if head[0] != 0x1f || head[1] != 0x8b || head[2] != 8 { // 8 is deflate
		return ErrHeader
	}
	flags := head[3]
	h := header{z: z}
	h.skip(10)
	if flags&hasExtra != 0 {
		h.skip(int(h.uint16()))
	}
	if flags&hasName != 0 {
		h.skipText()
	}
	if flags&hasComment != 0 {
		h.skipText()
	}
	if flags&hasSum != 0 {
		want := uint16(h.sum)
		if h.uint16() != want && h.err == nil {
			return ErrHeader
		}
	}
	return h.err
}

// header reads the parts of a header until something is wrong.
type header struct {
	z   *Reader
	sum uint32 // CRC-32 of what was read
	err error
}

func (h *header) byte() byte {
	if h.err == nil {
		h.err = h.z.need(1)
	}
	if h.err != nil {
		return 0
	}
	b := h.z.in[h.z.pos : h.z.pos+1]
	h.sum = crc32.Update(h.sum, crc32.IEEETable, b)
	h.z.pos++
	return b[0]
}

func (h *header) uint16() uint16 { return uint16(h.byte()) | uint16(h.byte())<<8 }

func (h *header) skip(n int) {
	for range n {
		h.byte()
	}
}

// skipText drops a text that ends in a zero.
func (h *header) skipText() {
	for range maxName {
		if h.byte() == 0 {
			return
		}
	}
	h.err = ErrHeader
}

func (z *Reader) readTrailer() error {
	if err := z.need(8); err != nil {
		return err
	}
	trailer := z.in[z.pos : z.pos+8]
	z.pos += 8
	if binary.LittleEndian.Uint32(trailer) != z.sum || binary.LittleEndian.Uint32(trailer[4:]) != z.size {
		return ErrChecksum
	}
	return nil
}
