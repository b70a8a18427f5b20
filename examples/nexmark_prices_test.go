package examples

import (
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Prices are converted exactly, whatever a source can have.
func TestNexmarkPrices(t *testing.T) {
	const rate = 908 // thousandths
	prices := regexp.MustCompile(`"price":([^,}]+)`)
	var events strings.Builder
	converted := map[string][]string{}
	for i, price := range []int64{
		0, 1, 999, 1000, 1001,
		1_101_321, 1_101_322, 55_066_079, 55_066_080, // the bounds of q14
		20_316_016_602_083_206, 20_316_016_603_184_528, // a product of 64 bits, and of 65
		1<<63 - 2,
	} {
		fmt.Fprintf(&events, `{"type":"bid","auction":1000,"bidder":1001,"price":%d,"channel":"c","url":"u","dateTime":%d,"extra":""}`+"\n", price, i)
		product := new(big.Int).Mul(big.NewInt(rate), big.NewInt(price))
		whole, rest := new(big.Int).DivMod(product, big.NewInt(1000), new(big.Int))
		text := fmt.Sprintf("%s.%03d", whole, rest)
		converted["q1"] = append(converted["q1"], text)
		if product.Cmp(big.NewInt(1e9)) > 0 && product.Cmp(big.NewInt(5e10)) < 0 {
			converted["q14"] = append(converted["q14"], text)
		}
	}
	file := filepath.Join(t.TempDir(), "events.ndjson")
	if err := os.WriteFile(file, []byte(events.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	for query, want := range converted {
		t.Run(query, func(t *testing.T) {
			t.Parallel()
			out := filepath.Join(t.TempDir(), "out")
			run(t, nil, "nexmark/"+query+".yaml", "--data-dir", t.TempDir(),
				"--set", "operators.in.with.file="+file, "--set", "operators.out.with.path="+out)
			parts, err := filepath.Glob(out + "/*")
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, part := range parts {
				text, err := os.ReadFile(part)
				if err != nil {
					t.Fatal(err)
				}
				for _, row := range prices.FindAllSubmatch(text, -1) {
					got = append(got, string(row[1]))
				}
			}
			slices.Sort(got)
			if slices.Sort(want); !slices.Equal(got, want) {
				t.Errorf("prices are\n%q, want\n%q", got, want)
			}
		})
	}
}
