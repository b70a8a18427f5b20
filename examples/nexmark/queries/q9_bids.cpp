// q9, what it is about: auctions as they are, and bids as (dateTime, number, price, bidder,
// extra), both under the auction's id. The bids of an auction between two flushes leave as
// one record; of those of one ms only the highest can win, since an auction's times are ms.
#include "groups.hpp"

using namespace nexmark;

static groups<BID> bids;

static int flush(context *c) { return bids.flush(c); }

static int process(context *c, const record *r) {
    if (is_auction(r)) return emit_as(c, auction(r).id(), r->timestamp, r->value);
    if (!is_bid(r)) return WASMILL_OK;
    bid b(r);
    bytes extra = b.extra();
    uint32_t len = 34 + extra.len;
    auto g = bids.of(c, b.auction(), len);
    if (!g) return WASMILL_FAILED;
    bytes before = bids.newest(g);
    if (before && load64(before.ptr) == b.date_time()) {
        uint64_t number = load64(before.ptr + 8), price = load64(before.ptr + 16);
        if (price > b.price() || (price == b.price() && number < b.number())) return WASMILL_OK;
        bids.drop_newest(g);
    }
    char *to = bids.add(c, g, r->timestamp, len);
    if (!to) return WASMILL_FAILED;
    store64(to, b.date_time()), store64(to + 8, b.number()), store64(to + 16, b.price()), store64(to + 24, b.bidder());
    wasmill_copy(to + 32, extra.ptr - 2, 2 + extra.len);
    return bids.full() ? flush(c) : WASMILL_OK;
}

WASMILL_OPERATOR(.name = "q9-bids", .version = "1.0.0", .process = process, .flush = flush);
