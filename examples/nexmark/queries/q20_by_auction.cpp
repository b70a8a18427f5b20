// q20, what it is about: auctions and bids as they are, under the auction's id.
#include "groups.hpp"

using namespace nexmark;

static int process(context *c, const record *r) {
    if (is_bid(r)) return emit_under(c, bid(r).auction(), r->timestamp, r->value);
    if (is_auction(r)) return emit_under(c, auction(r).id(), r->timestamp, r->value);
    return WASMILL_OK;
}

WASMILL_OPERATOR(.name = "q20-by-auction", .version = "1.0.0", .process = process);
