// SELECT auction, bidder, CAST(0.908 * price AS DECIMAL(23, 3)) AS price, dateTime, extra
// FROM bid
#include "nexmark.hpp"

using namespace nexmark;

static int process(context *c, const record *r) {
    if (!is_bid(r)) return WASMILL_OK;
    bid b(r);
    return row(c, r->timestamp, r->key, r->value.len)
        .number<"auction">(b.auction())
        .number<"bidder">(b.bidder())
        .thousandths<"price">(b.price(), 908)
        .number<"dateTime">(b.date_time())
        .text<"extra">(b.extra())
        .emit();
}

WASMILL_OPERATOR(.name = "q1", .version = "1.0.0", .process = process);
