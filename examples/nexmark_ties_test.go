package examples

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// offer is a bid of which others of the test have the price and the time, too.
type offer struct {
	number, auction, bidder, price, time int
}

// extra tells offers apart, and nothing of their order.
func (o offer) extra() string { return fmt.Sprintf("%08d", o.number*7919%1000) }

func offers() (all []offer) {
	for n := 2; n < 400; n++ { // behind the auctions
		all = append(all, offer{n, 1000 + n/5%2, 2000 + n%3, 100 + n*n%3, 1_772_409_550_000 + n/100})
	}
	return all
}

// arrival is the order of a stream.
func arrival(a, b offer) int {
	return cmp.Or(cmp.Compare(a.time, b.time), cmp.Compare(a.number, b.number))
}

// dearest is the order of what auctioneers like, and then that of the stream.
func dearest(a, b offer) int { return cmp.Or(cmp.Compare(b.price, a.price), arrival(a, b)) }

// Which of equal bids is first, or last, is a matter of when they came, and the same at any
// parallelism. A query's answer is the extra of a bid by key.
func TestNexmarkTies(t *testing.T) {
	all := offers()
	last := map[string]string{}
	for _, o := range slices.SortedFunc(slices.Values(all), arrival) {
		last[fmt.Sprint(o.bidder, " ", o.auction)] = o.extra()
	}
	tops, winners := map[string]string{}, map[string]string{}
	ranks := map[int]int{}
	for _, o := range slices.SortedFunc(slices.Values(all), dearest) {
		if ranks[o.auction]++; ranks[o.auction] == 1 {
			winners[fmt.Sprint(o.auction)] = o.extra()
		}
		if ranks[o.auction] <= 10 {
			tops[fmt.Sprint(o.auction, " ", ranks[o.auction])] = o.extra()
		}
	}
	file := writeOffers(t, all)
	for query, want := range map[string]map[string]string{"q9": winners, "q18": last, "q19": tops} {
		for _, parallelism := range []string{"1", "2", "3"} {
			t.Run(query+" at "+parallelism, func(t *testing.T) {
				t.Parallel()
				out := filepath.Join(t.TempDir(), "out")
				run(t, nil, "nexmark/"+query+".yaml", "--parallelism", parallelism, "--data-dir", t.TempDir(),
					"--set", "operators.in.with.file="+file, "--set", "operators.out.with.path="+out)
				if got := extras(t, rows(t, out)); !maps.Equal(got, want) {
					t.Errorf("got %v, want %v", got, want)
				}
			})
		}
	}
}

func writeOffers(t *testing.T, all []offer) string {
	t.Helper()
	var text []byte
	for _, id := range []int{1000, 1001} {
		text = fmt.Appendf(text, `{"type":"auction","id":%d,"itemName":"","description":"","initialBid":1,"reserve":1,"dateTime":%d,"expires":%d,"seller":1,"category":10,"extra":""}`+"\n",
			id, all[0].time, all[len(all)-1].time)
	}
	for _, o := range all {
		text = fmt.Appendf(text, `{"type":"bid","auction":%d,"bidder":%d,"price":%d,"channel":"","url":"","dateTime":%d,"extra":%q}`+"\n",
			o.auction, o.bidder, o.price, o.time, o.extra())
	}
	file := filepath.Join(t.TempDir(), "events.ndjson")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// extras are those of the last row of each key.
func extras(t *testing.T, rows []string) map[string]string {
	t.Helper()
	last := map[string]string{}
	for _, row := range rows {
		var r struct {
			Key   string
			Value struct {
				Extra    string
				BidExtra *string `json:"bid_extra"`
			}
		}
		if err := json.Unmarshal([]byte(row), &r); err != nil {
			t.Fatalf("%s: %v", row, err)
		}
		if last[r.Key] = r.Value.Extra; r.Value.BidExtra != nil {
			last[r.Key] = *r.Value.BidExtra
		}
	}
	return last
}
