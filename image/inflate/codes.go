package inflate

import "math/bits"

const (
	literalBits  = 11 // index of the first table of literals and lengths
	distanceBits = 8

	maxCodeword     = 15
	maxDistanceBits = maxCodeword + 13

	endOfBlock = 256
)

// An entry of a table, from its lowest bit on:
//
//	 0-5   how many bits it takes: the codeword (in a second table what is left of
//	       it) and the extra bits
//	 8-11  how many of them are the codeword; of a link the index of the second table
//	14     a link: the codeword goes on in a second table
//	13     the end of the block
//	15     a link, the end, or no codeword: what is rare, so that one test parts it
//	16-30  the literal; the least length or distance; where the second table begins
//	31     a literal
const (
	isEnd     = 1 << 13
	isLink    = 1 << 14
	isRare    = 1 << 15
	isLiteral = 1 << 31
)

// value is an entry's length or distance, with the extra bits behind the codeword.
func value(e uint32, input uint64) int {
	return int(e>>16) + int(input&(1<<(e&63)-1)>>(e>>8&15))
}

// follow is the index of the entry that a link leads to.
func follow(e uint32, input uint64) uint32 {
	return e>>16&0x7fff + uint32(input)&(1<<(e>>8&15)-1)
}

// symbols are the entries of the three codes' symbols, without a codeword. They are
// made with the decoder: what a package makes when it is initialised costs every
// start of the program.
type symbols struct {
	literals  [288]uint32 // and lengths
	distances [32]uint32
	lengths   [19]uint32 // of the code in which codewords' lengths are written
}

// fill makes the entries, as RFC 1951, 3.2.5, has them. The last two literals and
// distances have codewords in a fixed block but no meaning.
func (s *symbols) fill() {
	for i := range endOfBlock {
		s.literals[i] = isLiteral | uint32(i)<<16
	}
	s.literals[endOfBlock] = isRare | isEnd
	for i, least := 0, uint32(3); i < 28; i++ {
		extra := uint32(max(0, i/4-1))
		s.literals[257+i] = least<<16 | extra
		least += 1 << extra
	}
	s.literals[285] = maxLength << 16
	s.literals[286], s.literals[287] = isRare, isRare
	for i, least := 0, uint32(1); i < 30; i++ {
		extra := uint32(max(0, i/2-1))
		s.distances[i] = least<<16 | extra
		least += 1 << extra
	}
	s.distances[30], s.distances[31] = isRare, isRare
	for i := range s.lengths {
		s.lengths[i] = uint32(i) << 16
	}
}

// lengthOrder is the order in which that code's own lengths come (3.2.7).
var lengthOrder = [19]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}

// fixedCodes makes the tables of a block of type 1 (3.2.6).
func (d *decoder) fixedCodes() error {
	var lengths [288 + 32]uint8
	for i := range lengths {
		switch {
		case i < 144:
			lengths[i] = 8
		case i < 256:
			lengths[i] = 9
		case i < 280:
			lengths[i] = 7
		case i < 288:
			lengths[i] = 8
		default:
			lengths[i] = 5
		}
	}
	return d.makeCodes(lengths[:288], lengths[288:])
}

func (d *decoder) makeCodes(literals, distances []uint8) error {
	if !build(d.literals[:], literalBits, literals, d.symbols.literals[:]) ||
		!build(d.distances[:], distanceBits, distances, d.symbols.distances[:]) {
		return ErrCorrupt
	}
	return nil
}

// readCodes reads the codes of a block of type 2 (3.2.7).
func (d *decoder) readCodes() error {
	counts, err := d.take(14)
	if err != nil {
		return err
	}
	literals, distances := int(counts&31)+257, int(counts>>5&31)+1
	if literals > 286 || distances > 30 {
		return ErrCorrupt
	}
	var small [19]uint8
	for _, i := range lengthOrder[:counts>>10+4] {
		l, err := d.take(3)
		if err != nil {
			return err
		}
		small[i] = uint8(l)
	}
	var table [1 << 7]uint32
	if !build(table[:], 7, small[:], d.symbols.lengths[:]) {
		return ErrCorrupt
	}
	var lengths [286 + 30]uint8
	for i := 0; i < literals+distances; {
		symbol, err := d.symbol(&table)
		if err != nil {
			return err
		}
		if symbol < 16 {
			lengths[i] = uint8(symbol)
			i++
			continue
		}
		repeat, err := d.repeat(symbol)
		if err != nil {
			return err
		}
		var length uint8
		if symbol == 16 {
			if i == 0 {
				return ErrCorrupt
			}
			length = lengths[i-1]
		}
		if i+repeat > literals+distances {
			return ErrCorrupt
		}
		for range repeat {
			lengths[i] = length
			i++
		}
	}
	return d.makeCodes(lengths[:literals], lengths[literals:literals+distances])
}

// symbol reads one symbol of the code of lengths.
func (d *decoder) symbol(table *[1 << 7]uint32) (uint32, error) {
	for {
		e := table[d.bits&(1<<7-1)]
		if size := uint(e & 63); d.n >= size && e&isRare == 0 {
			_, err := d.take(size)
			return e >> 16, err
		}
		if d.n >= 7 {
			return 0, ErrCorrupt
		}
		if err := d.need(1); err != nil {
			return 0, err
		}
		d.bits |= uint64(d.in[d.pos]) << d.n
		d.pos++
		d.n += 8
	}
}

// repeat reads how often a length is repeated.
func (d *decoder) repeat(symbol uint32) (int, error) {
	least, extra := 3, uint(2) // 16: the one before
	switch symbol {
	case 17: // zeros
		extra = 3
	case 18:
		least, extra = 11, 7
	}
	more, err := d.take(extra)
	return least + int(more), err
}

// build makes the table by which codewords of the given lengths are decoded, that
// of symbol i being lengths[i] bits long, or none where that is 0. It returns false
// when there is no such code. A code has to be complete: each sequence of bits
// leads to a symbol. Only one without a codeword, or with a single one of one bit,
// is let pass, since that is how encoders tell of no distances or of one.
//
// The first 1<<first entries are indexed by the next bits of the input. Bits come
// lowest first but codewords highest first, so the codewords are mirrored here.
func build(table []uint32, first int, lengths []uint8, symbols []uint32) bool {
	var count, offset [maxCodeword + 2]int
	for _, l := range lengths {
		count[l]++
	}
	count[0] = 0
	left := 1
	for l := 1; l <= maxCodeword; l++ {
		left = left<<1 - count[l]
		if left < 0 {
			return false // more codewords than there is room for
		}
		offset[l+1] = offset[l] + count[l]
	}
	total := offset[maxCodeword+1]
	if left > 0 && (total > 1 || total == 1 && count[1] == 0) {
		return false
	}
	var sorted [288]uint16 // by length, then by symbol: codewords are counted so
	for s, l := range lengths {
		if l != 0 {
			sorted[offset[l]] = uint16(s)
			offset[l]++
		}
	}

	table[0], table[1] = isRare, isRare // what stays so where there is no codeword
	next := 0                           // of sorted
	codeword := uint32(0)
	for l := 1; l <= first; l++ {
		for range count[l] {
			table[codeword] = symbols[sorted[next]] + uint32(l)<<8 + uint32(l)
			codeword = successor(codeword, l)
			next++
		}
		// An index that is one bit longer begins with the same codewords.
		if l < first {
			copy(table[1<<l:2<<l], table[:1<<l])
		}
	}
	second, size := uint32(1<<first), 0 // where the present second table begins, and the bits of its index
	link := ^uint32(0)                  // the codewords' part that leads there; of none at first
	for l := first + 1; l <= maxCodeword; l++ {
		for i := range count[l] {
			if start := codeword & (1<<first - 1); start != link {
				if link != ^uint32(0) {
					second += 1 << size
				}
				link = start
				size = l - first
				for room := count[l] - i; room < 1<<size; {
					size++
					room = room<<1 + count[first+size]
				}
				table[link] = isRare | isLink | second<<16 | uint32(size)<<8 | uint32(first)
			}
			rest := uint32(l - first)
			e := symbols[sorted[next]] + rest<<8 + rest
			for j := codeword >> first; j < 1<<size; j += 1 << rest {
				table[second+j] = e
			}
			codeword = successor(codeword, l)
			next++
		}
	}
	return true
}

// successor counts a mirrored codeword of l bits up: from the highest bit down ones
// become zeros, until a zero becomes a one. After the last one comes zero.
func successor(codeword uint32, l int) uint32 {
	ones := bits.LeadingZeros32(^(codeword << (32 - l)))
	if ones == l {
		return 0
	}
	return codeword&(1<<(l-1-ones)-1) | 1<<(l-1-ones)
}
