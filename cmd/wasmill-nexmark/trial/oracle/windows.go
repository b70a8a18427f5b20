package oracle

const size = 10_000 // ms of a window, and of the gap between sessions

// startOf is where the window begins that a time is in, of those one behind the other.
func startOf(t int64) int64 { return t / size * size }

// window is a key in a window.
type window struct{ key, start int64 }

// q5: of every ten seconds, which begin every two, the auctions with the most bids.
func q5(e *Events) (rows []Row) {
	const every = 2000
	counts, most := map[window]int64{}, map[int64]int64{}
	for _, b := range e.Bids {
		for start := b.DateTime / every * every; start > b.DateTime-size; start -= every {
			w := window{b.Auction, start}
			counts[w]++
			most[start] = max(most[start], counts[w])
		}
	}
	for w, n := range counts {
		if n == most[w.start] {
			rows = append(rows, Row{"auction": w.key, "num": n})
		}
	}
	return rows
}

// q7: the dearest bids of every ten seconds, and bids of that price just at their end.
func q7(e *Events) (rows []Row) {
	dearest := map[int64]int64{}
	for _, b := range e.Bids {
		start := startOf(b.DateTime)
		dearest[start] = max(dearest[start], b.Price)
	}
	for _, b := range e.Bids {
		start := startOf(b.DateTime)
		row := Row{"auction": b.Auction, "bidder": b.Bidder, "price": b.Price, "dateTime": b.DateTime, "extra": b.Extra}
		if b.Price == dearest[start] {
			rows = append(rows, row)
		}
		if b.DateTime == start && b.Price == dearest[start-size] {
			rows = append(rows, row)
		}
	}
	return rows
}

// q8: who entered and opened an auction in the same ten seconds.
func q8(e *Events) (rows []Row) {
	sellers := map[window]bool{}
	for _, a := range e.Auctions {
		sellers[window{a.Seller, startOf(a.DateTime)}] = true
	}
	for _, p := range e.Persons {
		if start := startOf(p.DateTime); sellers[window{p.ID, start}] {
			rows = append(rows, Row{"id": p.ID, "name": p.Name, "stime": start})
		}
	}
	return rows
}

// q11: how often each bidder bid without a break of more than ten seconds.
func q11(e *Events) (rows []Row) {
	type session struct{ bids, first, last int64 }
	open := map[int64]session{}
	end := func(bidder int64, s session) {
		rows = append(rows, Row{"bidder": bidder, "bid_count": s.bids, "starttime": s.first, "endtime": s.last + size})
	}
	for _, b := range e.Bids {
		s, ok := open[b.Bidder]
		if ok && b.DateTime-s.last > size {
			end(b.Bidder, s)
			ok = false
		}
		if !ok {
			s = session{first: b.DateTime}
		}
		open[b.Bidder] = session{s.bids + 1, s.first, b.DateTime}
	}
	for bidder, s := range open {
		end(bidder, s)
	}
	return rows
}

// q12: how often each bidder bid in ten seconds.
func q12(e *Events) (rows []Row) {
	counts := map[window]int64{}
	for _, b := range e.Bids {
		counts[window{b.Bidder, startOf(b.DateTime)}]++
	}
	for w, n := range counts {
		rows = append(rows, Row{"bidder": w.key, "bid_count": n, "starttime": w.start, "endtime": w.start + size})
	}
	return rows
}
