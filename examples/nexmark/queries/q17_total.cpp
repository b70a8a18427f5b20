// q17: by auction and day: SELECT COUNT(*), in all and by band of the price, MIN, MAX, AVG (a
// whole number) and SUM of the price. State by auction and day: these. What changed gives
// its row, key "auction day", at most once between two flushes.
#include "held.hpp"
#include "rank.hpp"

using namespace nexmark;

enum { PRICES };

static held<prices> news; // by auction and day

static int put_row(context *c, uint64_t auction, uint64_t day, const prices &p) {
    char key[40], *at = put_number(key, auction);
    *at++ = ' ';
    bytes text = {at, uint32_t(put_day(at, day) - at)};
    return row(c, int64_t(day), {key, uint32_t(text.end() - key)}, text.len)
        .number<"auction">(auction)
        .plain<"day">(text)
        .number<"total_bids">(p.count())
        .number<"rank1_bids">(p.bids[0])
        .number<"rank2_bids">(p.bids[1])
        .number<"rank3_bids">(p.bids[2])
        .number<"min_price">(p.min)
        .number<"max_price">(p.max)
        .number<"avg_price">(p.sum / p.count())
        .number<"sum_price">(p.sum)
        .emit(WASMILL_UPDATE_AFTER);
}

static bytes key_of(const held<prices>::entry &e) { return {(const char *)&e.a, 16}; }

static int flush(context *c) {
    for (auto &e : news) {
        if (wasmill_at_key(c, key_of(e)) || wasmill_want(c, PRICES, wasmill_no_sub)) return WASMILL_FAILED;
    }
    for (auto &e : news) {
        if (wasmill_at_key(c, key_of(e))) return WASMILL_FAILED;
        prices *p = (prices *)wasmill_value(c, PRICES, sizeof *p);
        if (!p) return WASMILL_FAILED;
        p->add(e.value);
        if (put_row(c, e.a, e.b, *p)) return WASMILL_FAILED;
    }
    news.clear();
    return WASMILL_OK;
}

static int process(context *c, const record *r) {
    auto e = news.at(c, load64(r->key.ptr), load64(r->key.ptr + 8));
    if (!e) return WASMILL_FAILED;
    prices more;
    __builtin_memcpy(&more, r->value.ptr, sizeof more);
    e->value.add(more);
    return news.full() ? flush(c) : WASMILL_OK;
}

WASMILL_OPERATOR(.name = "q17-total", .version = "1.0.0", .process = process, .flush = flush,
    .tables = {{"prices", WASMILL_KEYED, WASMILL_MAPS}});
