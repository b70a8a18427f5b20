// q18: the last bid of each bidder for each auction. State by bidder and auction: what makes
// it the last, not its columns, since a row replaces the one before under its key, "bidder
// auction". Of bids of one ms the dearest is the last.
#include "order.hpp"

using namespace nexmark;

enum { LAST };

static int process(context *c, const record *r) {
    lateness now(r->value), *before = (lateness *)wasmill_value(c, LAST, sizeof now);
    if (!before) return WASMILL_FAILED;
    if (before->time && now < *before) return WASMILL_OK;
    *before = now;
    bid b(r);
    char key[48], *at = put_number(key, b.bidder());
    *at++ = ' ';
    at = put_number(at, b.auction());
    return row(c, r->timestamp, {key, uint32_t(at - key)}, r->value.len)
        .number<"auction">(b.auction())
        .number<"bidder">(b.bidder())
        .number<"price">(b.price())
        .text<"channel">(b.channel())
        .text<"url">(b.url())
        .number<"dateTime">(b.date_time())
        .text<"extra">(b.extra())
        .emit(WASMILL_UPDATE_AFTER);
}

WASMILL_OPERATOR(.name = "q18-last", .version = "1.0.0", .process = process, .tables = {{"last"}});
