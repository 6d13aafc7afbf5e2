package jws_test

import (
	"crypto/rsa"
	"math/big"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/internal/jws"
)

// TestKeysOfROCAChipsAreRefused makes moduli of the form that those chips make,
// k*M + (65537^x mod M) where M is the product of the primes up to 167, of keys
// that nobody has.
func TestKeysOfROCAChipsAreRefused(t *testing.T) {
	m := big.NewInt(1)
	for p := int64(2); p <= 167; p++ {
		if big.NewInt(p).ProbablyPrime(0) {
			m.Mul(m, big.NewInt(p))
		}
	}
	of := func(residue *big.Int) *rsa.PublicKey {
		n := new(big.Int).Lsh(big.NewInt(1), 2047)
		n.Sub(n, new(big.Int).Mod(n, m)).Add(n, m).Add(n, residue)
		return &rsa.PublicKey{N: n, E: 65537}
	}
	g := big.NewInt(65537)
	for _, x := range []int64{0, 1, 1 << 40} {
		err := jws.CheckKey(of(new(big.Int).Exp(g, big.NewInt(x), m)))
		require.ErrorIs(t, err, jws.ErrKey, "x = %d", x)
		require.ErrorContains(t, err, "ROCA")
	}
	for _, p := range []int64{37, 157} {
		// 65537^1 modulo p, 65537^0 modulo the others: there is no one x.
		rest := new(big.Int).Div(m, big.NewInt(p))
		step := new(big.Int).ModInverse(rest, big.NewInt(p))
		step.Mul(step, big.NewInt(65536)).Mod(step, big.NewInt(p)).Mul(step, rest)
		require.NoError(t, jws.CheckKey(of(step.Add(step, big.NewInt(1)))), "p = %d", p)
	}
	residue := new(big.Int).Exp(g, big.NewInt(77), m)
	require.NoError(t, jws.CheckKey(of(residue.Add(residue, big.NewInt(2)))), "no power at all")
}
