// SELECT auction, bidder, price, dateTime, extra FROM bid
#include "nexmark.hpp"

using namespace nexmark;

static int process(context *c, const record *r) {
    if (!is_bid(r)) return WASMILL_OK;
    return row(c, r->timestamp, r->key, r->value.len).brief(bid(r)).emit();
}

WASMILL_OPERATOR(.name = "q0", .version = "1.0.0", .process = process);
