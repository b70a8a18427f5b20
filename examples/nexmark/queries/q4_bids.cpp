// q4, what it is about: auctions as their time and category, and bids as (dateTime, price),
// both under the auction's id. The bids of an auction between two flushes leave as one
// record; of those of one ms only the highest matters, since an auction's times are ms.
#include "groups.hpp"

using namespace nexmark;

static groups<BID> bids;

static int flush(context *c) { return bids.flush(c); }

static int process(context *c, const record *r) {
    if (is_auction(r)) {
        auction a(r);
        char value[25] = {AUCTION};
        store64(value + 1, a.date_time()), store64(value + 9, a.expires()), store64(value + 17, a.category());
        return emit_as(c, a.id(), r->timestamp, {value, sizeof value});
    }
    if (!is_bid(r)) return WASMILL_OK;
    bid b(r);
    auto g = bids.of(c, b.auction(), 16);
    if (!g) return WASMILL_FAILED;
    bytes before = bids.newest(g);
    if (before && load64(before.ptr) == b.date_time()) {
        if (load64(before.ptr + 8) < b.price()) store64((char *)before.ptr + 8, b.price());
        return WASMILL_OK;
    }
    char *to = bids.add(c, g, r->timestamp, 16);
    if (!to) return WASMILL_FAILED;
    store64(to, b.date_time()), store64(to + 8, b.price());
    return bids.full() ? flush(c) : WASMILL_OK;
}

WASMILL_OPERATOR(.name = "q4-bids", .version = "1.0.0", .process = process, .flush = flush);
