package client

import "github.com/clientele-go/clientele/credentials"

// Comparisons returns how many digests CheckSecret compares.
func Comparisons(c *Client, presented string) int {
	n := 0
	c.match(credentials.DigestOf(presented), func(a, b credentials.Digest) bool {
		n++
		return a.Equal(b)
	})
	return n
}
