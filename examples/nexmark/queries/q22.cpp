// SELECT auction, bidder, price, channel, SPLIT_INDEX(url, '/', 3) AS dir1,
// SPLIT_INDEX(url, '/', 4) AS dir2, SPLIT_INDEX(url, '/', 5) AS dir3 FROM bid
#include "nexmark.hpp"

using namespace nexmark;

static int process(context *c, const record *r) {
    if (!is_bid(r)) return WASMILL_OK;
    bid b(r);
    splitter url(b.url(), '/');
    url.next(), url.next(), url.next(); // https, nothing and the host
    bytes dir1 = url.next(), dir2 = url.next(), dir3 = url.next();
    return row(c, r->timestamp, r->key, r->value.len)
        .number<"auction">(b.auction())
        .number<"bidder">(b.bidder())
        .number<"price">(b.price())
        .text<"channel">(b.channel())
        .text<"dir1">(dir1)
        .text<"dir2">(dir2)
        .text<"dir3">(dir3)
        .emit();
}

WASMILL_OPERATOR(.name = "q22", .version = "1.0.0", .process = process);
