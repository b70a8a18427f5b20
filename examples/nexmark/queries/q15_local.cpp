// q15, before the shuffle: the bids of a day between two flushes, and which bidders and
// auctions are theirs; by day to q15_total.
#include "distinct.hpp"

using namespace nexmark;

static local_distinct days;

static int process(context *c, const record *r) {
    if (!is_bid(r)) return WASMILL_OK;
    bid b(r);
    uint64_t day = span_of<DAY>(b.date_time());
    return days.add(c, {(const char *)&day, sizeof day}, b);
}

static int flush(context *c) { return days.flush(c); }

WASMILL_OPERATOR(.name = "q15-local", .version = "1.0.0", .process = process, .flush = flush);
