package inflate

import "encoding/binary"

// run carries out the instructions of a block while no more than in[:limit] is read
// and there is room for one more. It returns true after the block's last one. Then,
// as on any return, fewer than eight bits are in the bit buffer.
func (d *decoder) run(limit int) (ended bool, err error) {
	// In variables, so that the compiler keeps them in registers.
	in, out, literals, distances := &d.in, &d.out, &d.literals, &d.distances
	bits, n, pos, w := d.bits, d.n, d.pos, d.w
	for pos <= limit && w <= outSize-outAhead {
		// As many whole bytes as there is room for, by or-ing eight: those that
		// did not count are or-ed in again the next time.
		bits |= binary.LittleEndian.Uint64(in[pos:]) << (n & 63)
		pos += int((63 - n) >> 3)
		n |= 56

		e := literals[bits&(1<<literalBits-1)]
		if e&isLiteral != 0 {
			bits, n = bits>>(e&63), n-uint(e&63)
			out[w] = byte(e >> 16)
			w++
			e = literals[bits&(1<<literalBits-1)]
			if e&isLiteral != 0 {
				bits, n = bits>>(e&63), n-uint(e&63)
				out[w] = byte(e >> 16)
				w++
				e = literals[bits&(1<<literalBits-1)]
			}
		}
		if e&isRare != 0 {
			if e&isLink != 0 {
				bits, n = bits>>literalBits, n-literalBits
				e = literals[follow(e, bits)&(1<<12-1)]
			}
			if e&isRare != 0 {
				bits, n = bits>>(e&63), n-uint(e&63)
				ended = e&isEnd != 0
				if !ended {
					err = ErrCorrupt
				}
				break
			}
		}
		more := bits
		bits, n = bits>>(e&63), n-uint(e&63)
		if e&isLiteral != 0 {
			out[w] = byte(e >> 16)
			w++
			continue
		}
		length := value(e, more)

		// The codewords so far took up to 2*11+15+5 bits; the distance may take
		// 15+13.
		if n < maxDistanceBits {
			bits |= binary.LittleEndian.Uint64(in[pos:]) << (n & 63)
			pos += int((63 - n) >> 3)
			n |= 56
		}
		e = distances[bits&(1<<distanceBits-1)]
		if e&isRare != 0 {
			if e&isLink != 0 {
				bits, n = bits>>distanceBits, n-distanceBits
				e = distances[follow(e, bits)&(1<<9-1)]
			}
			if e&isRare != 0 {
				err = ErrCorrupt
				break
			}
		}
		more = bits
		bits, n = bits>>(e&63), n-uint(e&63)
		distance := value(e, more)
		if distance > w-d.first {
			err = ErrCorrupt
			break
		}
		copyMatch(out, w, distance, length)
		w += length
	}
	d.w = w
	d.pos = pos - int(n>>3)
	d.n = n & 7
	d.bits = bits & (1<<d.n - 1)
	return ended, err
}

// copyMatch writes at out[w:] the length bytes that begin distance before. A match
// may overlap with itself: then what it has written repeats. Up to 15 bytes more are
// written.
func copyMatch(out *[outSize]byte, w, distance, length int) {
	from := w - distance
	switch {
	case distance >= 16 || distance >= length:
		copy(out[w:w+16], out[from:from+16])
		for i := 16; i < length; i += 16 {
			copy(out[w+i:w+i+16], out[from+i:from+i+16])
		}
	case distance == 1:
		// Zeros, most often: a tar is full of them.
		eight := uint64(out[from]) * 0x0101010101010101
		for i := 0; i < length; i += 8 {
			binary.LittleEndian.PutUint64(out[w+i:], eight)
		}
	default:
		for end := w + length; w < end; {
			w += copy(out[w:end], out[from:w])
		}
	}
}
