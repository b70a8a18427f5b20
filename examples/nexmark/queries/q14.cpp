// SELECT auction, bidder, 0.908 * price AS price, CASE of the hour AS bidTimeType, dateTime,
// extra, COUNT_CHAR(extra, 'c') AS c_counts FROM bid WHERE 0.908 * price > 1e6 AND < 5e7
#include "nexmark.hpp"

using namespace nexmark;

static bytes time_type(uint64_t date_time) {
    uint64_t hour = date_time / 3600000 % 24;
    if (hour >= 8 && hour <= 18) return "dayTime"_b;
    if (hour <= 6 || hour >= 20) return "nightTime"_b;
    return "otherTime"_b;
}

static int process(context *c, const record *r) {
    if (!is_bid(r)) return WASMILL_OK;
    bid b(r);
    uint64_t price = b.price();
    if (price <= 1'000'000'000 / 908 || price > 50'000'000'000 / 908) return WASMILL_OK;
    bytes extra = b.extra();
    return row(c, r->timestamp, r->key, extra.len)
        .number<"auction">(b.auction())
        .number<"bidder">(b.bidder())
        .thousandths<"price">(price, 908)
        .plain<"bidTimeType">(time_type(b.date_time()))
        .number<"dateTime">(b.date_time())
        .text<"extra">(extra)
        .number<"c_counts">(count(extra, 'c'))
        .emit();
}

WASMILL_OPERATOR(.name = "q14", .version = "1.0.0", .process = process);
