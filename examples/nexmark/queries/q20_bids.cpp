// q20, what it is about: auctions and bids as they are, under the auction's id. The bids of
// an auction between two flushes leave as one record.
#include "groups.hpp"

using namespace nexmark;

static groups<BID> bids;

static int process(context *c, const record *r) {
    if (is_auction(r)) return emit_under(c, auction(r).id(), r->timestamp, r->value);
    if (!is_bid(r)) return WASMILL_OK;
    auto g = bids.of(c, bid(r).auction(), r->value.len);
    if (!g) return WASMILL_FAILED;
    wasmill_copy(bids.add(g, r->timestamp, r->value.len), r->value.ptr, r->value.len);
    return WASMILL_OK;
}

static int flush(context *c) { return bids.flush(c); }

WASMILL_OPERATOR(.name = "q20-bids", .version = "1.0.0", .process = process, .flush = flush);
