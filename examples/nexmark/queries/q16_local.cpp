// q16, before the shuffle: the bids of a channel and day between two flushes, and which
// bidders and auctions are theirs; by day and channel to q16_total.
#include "distinct.hpp"

using namespace nexmark;

static local_distinct channels;
static char name[8 + 65536]; // day, channel

static int process(context *c, const record *r) {
    if (!is_bid(r)) return WASMILL_OK;
    bid b(r);
    store64(name, span_of<DAY>(b.date_time()));
    wasmill_copy(name + 8, b.channel().ptr, b.channel().len);
    return channels.add(c, {name, 8 + b.channel().len}, b);
}

static int flush(context *c) { return channels.flush(c); }

WASMILL_OPERATOR(.name = "q16-local", .version = "1.0.0", .process = process, .flush = flush);
