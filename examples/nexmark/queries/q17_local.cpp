// q17, before the shuffle: the prices of the bids of an auction and day between two
// flushes; by auction and day to q17_total.
#include "held.hpp"
#include "rank.hpp"

using namespace nexmark;

struct auction_day {
    uint64_t auction, day;
};

static held<prices> sums; // by auction and day

static int flush(context *c) {
    for (auto &e : sums)
        if (emit_as(c, auction_day{e.a, e.b}, int64_t(e.b), e.value)) return WASMILL_FAILED;
    sums.clear();
    return WASMILL_OK;
}

static int process(context *c, const record *r) {
    if (!is_bid(r)) return WASMILL_OK;
    bid b(r);
    auto e = sums.at(c, b.auction(), span_of<DAY>(b.date_time()));
    if (!e) return WASMILL_FAILED;
    prices &p = e->value;
    uint64_t price = b.price();
    if (!p.sum && !p.count()) p.min = price;
    p.bids[band_of(price)]++;
    if (price < p.min) p.min = price;
    if (price > p.max) p.max = price;
    p.sum += price;
    return sums.full() ? flush(c) : WASMILL_OK;
}

WASMILL_OPERATOR(.name = "q17-local", .version = "1.0.0", .process = process, .flush = flush);
