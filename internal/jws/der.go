package jws

import (
	"bytes"
	"errors"
)

// maxDER is the length of the longest DER signature, on P-521: a header of
// three bytes, and two integers of a header of two, a zero and 66.
const maxDER = 3 + 2*(2+1+66)

var errDER = errors.New("the signer returned no DER signature that fits its curve")

// appendDER appends the DER form of raw, r and s of equal length, to dst. What
// r and s are worth is for who verifies them.
func appendDER(dst, raw []byte) []byte {
	r, s := raw[:len(raw)/2], raw[len(raw)/2:]
	r, s = trim(r), trim(s)
	n := 4 + len(r) + len(s) + sign(r) + sign(s)
	dst = append(dst, 0x30)
	if n > 127 {
		dst = append(dst, 0x81)
	}
	dst = append(dst, byte(n))
	return appendInteger(appendInteger(dst, r), s)
}

func appendInteger(dst, n []byte) []byte {
	dst = append(dst, 0x02, byte(len(n)+sign(n)))
	if sign(n) == 1 {
		dst = append(dst, 0)
	}
	return append(dst, n...)
}

// trim drops leading zeros, all but the last of them in a zero.
func trim(n []byte) []byte {
	for len(n) > 1 && n[0] == 0 {
		n = n[1:]
	}
	return n
}

// sign returns 1 if n needs a leading zero to be positive.
func sign(n []byte) int { return int(n[0] >> 7) }

// appendRaw appends r and s of a DER signature to dst, each of size bytes.
func appendRaw(dst, der []byte, size int) ([]byte, error) {
	body, rest, ok := element(der, 0x30)
	if !ok || len(rest) != 0 {
		return dst, errDER
	}
	r, rest, ok := integer(body, size)
	if !ok {
		return dst, errDER
	}
	s, rest, ok := integer(rest, size)
	if !ok || len(rest) != 0 {
		return dst, errDER
	}
	var zeros [66]byte
	dst = append(dst, zeros[:size-len(r)]...)
	dst = append(dst, r...)
	dst = append(dst, zeros[:size-len(s)]...)
	return append(dst, s...), nil
}

// element splits the first element, of that tag, from b.
func element(b []byte, tag byte) (body, rest []byte, ok bool) {
	if len(b) < 2 || b[0] != tag {
		return nil, nil, false
	}
	n, b := int(b[1]), b[2:]
	if n == 0x81 && len(b) > 0 && b[0] > 127 {
		n, b = int(b[0]), b[1:]
	} else if n > 127 {
		return nil, nil, false
	}
	if n > len(b) {
		return nil, nil, false
	}
	return b[:n], b[n:], true
}

// integer splits the first element of b, an integer above zero that fits size
// bytes, from it.
func integer(b []byte, size int) (n, rest []byte, ok bool) {
	n, rest, ok = element(b, 0x02)
	if !ok || len(n) == 0 || n[0] > 127 || len(n) > 1 && n[0] == 0 && n[1] < 128 {
		return nil, nil, false
	}
	n = bytes.TrimLeft(n, "\x00")
	return n, rest, len(n) > 0 && len(n) <= size
}
