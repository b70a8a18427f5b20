// SELECT auction, price FROM bid WHERE auction MOD 123 = 0
#include "nexmark.hpp"

using namespace nexmark;

static int process(context *c, const record *r) {
    if (!is_bid(r)) return WASMILL_OK;
    bid b(r);
    if (b.auction() % 123 != 0) return WASMILL_OK;
    return row(c, r->timestamp, r->key, 0).number<"auction">(b.auction()).number<"price">(b.price()).emit();
}

WASMILL_OPERATOR(.name = "q2", .version = "1.0.0", .process = process);
