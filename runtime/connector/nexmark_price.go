package connector

import (
	"math/big"
	"math/bits"
	"sync"
)

// nexmarkPrices make prices between 100 and 10^8, as many in each decade: 100·10^(6u) for
// a u of 32 bits below 1. Floating point would round differently on other machines, so
// that is the product of four numbers in fixed point, one for each byte of u.
type nexmarkPrices struct {
	first [256]uint64    // 100·10^(6u) for the highest byte, times 2^36
	rest  [3][256]uint64 // 10^(6u) for the others, times 2^63
}

func (p *nexmarkPrices) price(u uint32) uint64 {
	price := p.first[u>>24]
	for i := range p.rest {
		price, _ = bits.Mul64(price, p.rest[i][u>>(16-8*i)&0xff])
		price <<= 1
	}
	return (price + 1<<35) >> 36
}

// pricesOfNexmark makes the tables, whose entries are powers of roots of a million.
var pricesOfNexmark = sync.OnceValue(func() *nexmarkPrices {
	const precision = 256 // bits of the fraction
	p := &nexmarkPrices{}
	root := new(big.Int).Lsh(big.NewInt(1e6), precision)
	for level := range 4 {
		for range 8 {
			root.Sqrt(root.Lsh(root, precision))
		}
		power := new(big.Int).Lsh(big.NewInt(1), precision)
		for i := range 256 {
			if entry := new(big.Int); level == 0 {
				p.first[i] = entry.Rsh(entry.Mul(power, big.NewInt(100)), precision-36).Uint64()
			} else {
				p.rest[level-1][i] = entry.Rsh(power, precision-63).Uint64()
			}
			power.Rsh(power.Mul(power, root), precision)
		}
	}
	return p
})
