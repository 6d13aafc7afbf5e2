package jws

import "math/big"

// rocaPrimes are the odd primes up to 167, those first that tell most.
var rocaPrimes = [...]int64{
	37, 11, 97, 79, 13, 73, 61, 151, 127, 71, 19, 17, 53, 103, 107, 109, 157,
	3, 5, 7, 23, 29, 31, 41, 43, 47, 59, 67, 83, 89, 101, 113, 131, 137, 139, 149, 163, 167,
}

// roca reports whether an RSA modulus was made by the chips of CVE-2017-15361
// (ROCA), whose primes can be found with some effort. They, and so the modulus,
// are 65537^x modulo the product of rocaPrimes, which happens to one in 2^150
// sound ones.
func roca(modulus *big.Int) bool {
	var prime, residue big.Int
	var exponents [len(rocaPrimes)]struct{ x, order int64 } // x modulo order
	for i, p := range rocaPrimes {
		x, order := exponent(residue.Mod(modulus, prime.SetInt64(p)).Int64(), p)
		if order == 0 {
			return false
		}
		for _, other := range exponents[:i] { // there is one x for all
			if (x-other.x)%gcd(order, other.order) != 0 {
				return false
			}
		}
		exponents[i].x, exponents[i].order = x, order
	}
	return true
}

// exponent returns x with 65537^x = n modulo p, and the order of 65537, modulo
// which x counts; an order of 0 if there is no x.
func exponent(n, p int64) (x, order int64) {
	x = -1
	for power := int64(1); ; {
		if power == n {
			x = order
		}
		order++
		if power = power * 65537 % p; power == 1 {
			break
		}
	}
	if x < 0 {
		return 0, 0
	}
	return x, order
}

func gcd(a, b int64) int64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}
