// SELECT auction, bidder, price, dateTime, value FROM bid JOIN side ON auction MOD 10000 = key
//
// Rows of side come first, to all subtasks, and lie in a table of them all: key to value.
#include "nexmark.hpp"

using namespace nexmark;

enum { SIDE };

static int keep(context *c, const record *r) {
    uint64_t key;
    if (!number_of(r->key, &key)) return c->reject("side: the key is not a decimal number of up to 18 digits"_b);
    static char buffer[1024];
    bytes value = wasmill_json_get(r->value, "value");
    if (!value.ptr || value.len > sizeof buffer) return c->reject("side: no value, or one that is too long"_b);
    return wasmill_map_set(c, SIDE, {(const char *)&key, sizeof key}, wasmill_json_text(value, buffer));
}

static int process(context *c, const record *r) {
    if (c->input == 1) return keep(c, r);
    if (!is_bid(r)) return WASMILL_OK;
    bid b(r);
    uint64_t key = b.auction() % 10000;
    bytes value = wasmill_map_get(c, SIDE, {(const char *)&key, sizeof key});
    if (!value.ptr) return WASMILL_OK;
    return row(c, r->timestamp, r->key, value.len)
        .number<"auction">(b.auction())
        .number<"bidder">(b.bidder())
        .number<"price">(b.price())
        .number<"dateTime">(b.date_time())
        .text<"value">(value)
        .emit();
}

WASMILL_OPERATOR(.name = "q13", .version = "1.0.0", .inputs = {"bids", "side"}, .process = process,
                 .tables = {{.name = "side", .scope = WASMILL_BROADCAST, .use = WASMILL_MAPS}},
                 .broadcast_inputs = 1 << 1);
