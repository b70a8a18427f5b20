// q20, what it is about: auctions and bids as they are, under the auction's id. The bids of
// an auction between two flushes leave as one record.
#include "groups.hpp"

using namespace nexmark;

static groups<BID> bids;

static int flush(context *c) { return bids.flush(c); }

static int process(context *c, const record *r) {
    if (is_auction(r)) return emit_as(c, auction(r).id(), r->timestamp, r->value);
    if (!is_bid(r)) return WASMILL_OK;
    auto g = bids.of(c, bid(r).auction(), r->value.len);
    if (!g) return WASMILL_FAILED;
    char *to = bids.add(c, g, r->timestamp, r->value.len);
    if (!to) return WASMILL_FAILED;
    wasmill_copy(to, r->value.ptr, r->value.len);
    return bids.full() ? flush(c) : WASMILL_OK;
}

WASMILL_OPERATOR(.name = "q20-bids", .version = "1.0.0", .process = process, .flush = flush);
