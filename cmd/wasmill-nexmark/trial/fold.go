package trial

import (
	"encoding/json"
	"fmt"
	"strconv"
)

// bidsOfBidders adds up the bids of each bidder over all windows: when a window of
// processing time ends is up to the clock.
func bidsOfBidders(rows Rows) (Rows, error) {
	bids := map[string]int64{}
	for row, times := range rows {
		fields, err := parse([]byte(row))
		if err != nil {
			return nil, err
		}
		number, _ := fields["bid_count"].(json.Number)
		n, err := number.Int64()
		if err != nil {
			return nil, fmt.Errorf("read bid_count of %s: %w", row, err)
		}
		bids[encode(fields["bidder"])] += n * int64(times)
	}
	sums := Rows{}
	for bidder, n := range bids {
		sums[bidder+": "+strconv.FormatInt(n, 10)]++
	}
	return sums, nil
}
