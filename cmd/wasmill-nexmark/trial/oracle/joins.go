package oracle

import "slices"

// q3: who sells in category 10 in OR, ID or CA.
func q3(e *Events) (rows []Row) {
	persons := map[int64]Person{}
	for _, p := range e.Persons {
		persons[p.ID] = p
	}
	for _, a := range e.Auctions {
		p, ok := persons[a.Seller]
		if ok && a.Category == 10 && slices.Contains([]string{"OR", "ID", "CA"}, p.State) {
			rows = append(rows, Row{"name": p.Name, "city": p.City, "state": p.State, "id": a.ID})
		}
	}
	return rows
}

// winners are the bids that win each auction: the highest of those from its beginning to
// its end, both included; of equal ones the first.
func winners(e *Events) map[int64]Bid {
	won := map[int64]Bid{}
	auctions := auctionsByID(e)
	for _, b := range e.Bids {
		a, ok := auctions[b.Auction]
		if !ok || b.DateTime < a.DateTime || b.DateTime > a.Expires {
			continue
		}
		if best, ok := won[a.ID]; !ok || outbids(b, best) {
			won[a.ID] = b
		}
	}
	return won
}

func auctionsByID(e *Events) map[int64]Auction {
	auctions := map[int64]Auction{}
	for _, a := range e.Auctions {
		auctions[a.ID] = a
	}
	return auctions
}

// outbids says that a is dearer than b or, at the same price, earlier.
func outbids(a, b Bid) bool {
	if a.Price != b.Price {
		return a.Price > b.Price
	}
	return earlier(a, b)
}

func earlier(a, b Bid) bool {
	if a.DateTime != b.DateTime {
		return a.DateTime < b.DateTime
	}
	return a.Number < b.Number
}

// q4: by category, the average of what its auctions went for, a whole number.
func q4(e *Events) (rows []Row) {
	sums, counts := map[int64]int64{}, map[int64]int64{}
	won := winners(e)
	for _, a := range e.Auctions {
		if b, ok := won[a.ID]; ok {
			sums[a.Category] += b.Price
			counts[a.Category]++
		}
	}
	for category, sum := range sums {
		rows = append(rows, Row{"category": category, "final": sum / counts[category]})
	}
	return rows
}

// q9: each auction with its winning bid.
func q9(e *Events) (rows []Row) {
	won := winners(e)
	for _, a := range e.Auctions {
		b, ok := won[a.ID]
		if !ok {
			continue
		}
		rows = append(rows, Row{
			"id": a.ID, "itemName": a.ItemName, "description": a.Description, "initialBid": a.InitialBid, "reserve": a.Reserve,
			"dateTime": a.DateTime, "expires": a.Expires, "seller": a.Seller, "category": a.Category, "extra": a.Extra,
			"auction": b.Auction, "bidder": b.Bidder, "price": b.Price, "bid_dateTime": b.DateTime, "bid_extra": b.Extra,
		})
	}
	return rows
}

// q20: every bid on an auction of category 10, with the auction.
func q20(e *Events) (rows []Row) {
	auctions := auctionsByID(e)
	for _, b := range e.Bids {
		a, ok := auctions[b.Auction]
		if !ok || a.Category != 10 {
			continue
		}
		rows = append(rows, Row{
			"auction": b.Auction, "bidder": b.Bidder, "price": b.Price, "channel": b.Channel, "url": b.URL,
			"bid_dateTime": b.DateTime, "bid_extra": b.Extra,
			"itemName": a.ItemName, "description": a.Description, "initialBid": a.InitialBid, "reserve": a.Reserve,
			"auction_dateTime": a.DateTime, "expires": a.Expires, "seller": a.Seller, "category": a.Category, "auction_extra": a.Extra,
		})
	}
	return rows
}
