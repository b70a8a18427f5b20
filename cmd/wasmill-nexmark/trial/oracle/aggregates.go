package oracle

import (
	"fmt"
	"slices"
	"time"
)

func dayOf(t int64) string    { return time.UnixMilli(t).UTC().Format("2006-01-02") }
func minuteOf(t int64) string { return time.UnixMilli(t).UTC().Format("15:04") }

// bandOf is which of the three bands of prices one is in.
func bandOf(price int64) int {
	switch {
	case price < 10_000:
		return 1
	case price < 1_000_000:
		return 2
	}
	return 3
}

// tally is how many bids there are, and of how many bidders and auctions: in all, and by
// band.
type tally struct {
	bids              [4]int64
	bidders, auctions [4]map[int64]bool
	minute            string // the last one
}

// tallies goes by whatever it is asked to.
func tallies[Key comparable](e *Events, by func(Bid) Key) map[Key]*tally {
	all := map[Key]*tally{}
	for _, b := range e.Bids {
		t := all[by(b)]
		if t == nil {
			t = &tally{}
			for i := range t.bids {
				t.bidders[i], t.auctions[i] = map[int64]bool{}, map[int64]bool{}
			}
			all[by(b)] = t
		}
		for _, i := range []int{0, bandOf(b.Price)} {
			t.bids[i]++
			t.bidders[i][b.Bidder] = true
			t.auctions[i][b.Auction] = true
		}
		t.minute = max(t.minute, minuteOf(b.DateTime))
	}
	return all
}

func (t *tally) row() Row {
	r := Row{}
	for i, prefix := range []string{"total", "rank1", "rank2", "rank3"} {
		r[prefix+"_bids"] = t.bids[i]
		r[prefix+"_bidders"] = len(t.bidders[i])
		r[prefix+"_auctions"] = len(t.auctions[i])
	}
	return r
}

// q15: by day, how many bids, bidders and auctions.
func q15(e *Events) (rows []Row) {
	for day, t := range tallies(e, func(b Bid) string { return dayOf(b.DateTime) }) {
		r := t.row()
		r["day"] = day
		rows = append(rows, r)
	}
	return rows
}

// q16: the same by channel and day, and the day's last minute with a bid.
func q16(e *Events) (rows []Row) {
	for by, t := range tallies(e, func(b Bid) [2]string { return [2]string{b.Channel, dayOf(b.DateTime)} }) {
		r := t.row()
		r["channel"], r["day"], r["minute"] = by[0], by[1], t.minute
		rows = append(rows, r)
	}
	return rows
}

type auctionDay struct {
	auction int64
	day     string
}

// q17: by auction and day, number, least, most, average and sum of prices.
func q17(e *Events) (rows []Row) {
	prices := map[auctionDay][]int64{}
	for _, b := range e.Bids {
		key := auctionDay{b.Auction, dayOf(b.DateTime)}
		prices[key] = append(prices[key], b.Price)
	}
	for key, all := range prices {
		r := Row{"auction": key.auction, "day": key.day, "total_bids": len(all), "min_price": slices.Min(all), "max_price": slices.Max(all)}
		bands, sum := [4]int{}, int64(0)
		for _, price := range all {
			bands[bandOf(price)]++
			sum += price
		}
		for band := 1; band <= 3; band++ {
			r[fmt.Sprintf("rank%d_bids", band)] = bands[band]
		}
		r["sum_price"], r["avg_price"] = sum, sum/int64(len(all))
		rows = append(rows, r)
	}
	return rows
}

func bidRow(b Bid) Row {
	return Row{"auction": b.Auction, "bidder": b.Bidder, "price": b.Price, "channel": b.Channel, "url": b.URL, "dateTime": b.DateTime, "extra": b.Extra}
}

// q18: the last bid of each bidder for each auction.
func q18(e *Events) (rows []Row) {
	last := map[[2]int64]Bid{}
	for _, b := range e.Bids {
		key := [2]int64{b.Bidder, b.Auction}
		if before, ok := last[key]; !ok || earlier(before, b) {
			last[key] = b
		}
	}
	for _, b := range last {
		rows = append(rows, bidRow(b))
	}
	return rows
}

// q19: the ten dearest bids of each auction, of equal ones the first.
func q19(e *Events) (rows []Row) {
	bids := map[int64][]Bid{}
	for _, b := range e.Bids {
		bids[b.Auction] = append(bids[b.Auction], b)
	}
	for _, all := range bids {
		slices.SortFunc(all, func(a, b Bid) int {
			if outbids(a, b) {
				return -1
			}
			return 1
		})
		for i, b := range all[:min(len(all), 10)] {
			r := bidRow(b)
			r["rank_number"] = i + 1
			rows = append(rows, r)
		}
	}
	return rows
}
