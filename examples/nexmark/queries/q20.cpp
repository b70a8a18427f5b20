// SELECT bid.*, auction.* FROM bid JOIN auction ON bid.auction = auction.id AND category = 10
// State, by auction: the auction as it is or, of another category, that it is known; until it
// comes, its bids, as q20_bids makes them.
#include "nexmark.hpp"

using namespace nexmark;

enum { AUCTIONS };

static const char OF_OTHER_CATEGORY = 'o';

static int emit(context *c, int64_t timestamp, bid b, auction a) {
    uint32_t strings = b.channel().len + b.url().len + b.extra().len + a.item_name().len + a.description().len + a.extra().len;
    return row(c, timestamp, {}, strings)
        .number<"auction">(b.auction())
        .number<"bidder">(b.bidder())
        .number<"price">(b.price())
        .text<"channel">(b.channel())
        .text<"url">(b.url())
        .number<"bid_dateTime">(b.date_time())
        .text<"bid_extra">(b.extra())
        .text<"itemName">(a.item_name())
        .text<"description">(a.description())
        .number<"initialBid">(a.initial_bid())
        .number<"reserve">(a.reserve())
        .number<"auction_dateTime">(a.date_time())
        .number<"expires">(a.expires())
        .number<"seller">(a.seller())
        .number<"category">(a.category())
        .text<"auction_extra">(a.extra())
        .emit();
}

static int emit_all(context *c, bytes bids, auction a) {
    for (const char *p = bids.ptr + 1; p < bids.end();) {
        bid b(bytes(p, uint32_t(bids.end() - p)));
        emit(c, int64_t(b.date_time()), b, a);
        p = b.extra().end();
    }
    return WASMILL_OK;
}

static int process(context *c, const record *r) {
    bytes known = wasmill_value_get(c, AUCTIONS);
    bool waiting = known && known[0] == BID;
    if (r->value[0] == AUCTION) {
        if (known && !waiting) return WASMILL_OK;
        auction a(r);
        bool wanted = a.category() == 10;
        if (wanted && waiting) emit_all(c, known, a);
        return wasmill_value_set(c, AUCTIONS, wanted ? r->value : bytes(&OF_OTHER_CATEGORY, 1));
    }
    if (!known || waiting) return wasmill_value_add(c, AUCTIONS, waiting ? bytes(r->value.ptr + 1, r->value.len - 1) : r->value);
    return known[0] == AUCTION ? emit_all(c, r->value, auction(known)) : WASMILL_OK;
}

WASMILL_OPERATOR(.name = "q20", .version = "1.0.0", .process = process, .tables = {{"auctions"}});
