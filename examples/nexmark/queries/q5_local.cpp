// q5, before the shuffle: SELECT auction, COUNT(*) FROM bid by pane of 2 s, as far as they
// come between two flushes; by neighbours to q5_count.
#include "panes.hpp"

using namespace nexmark;

static held<uint64_t> counts; // by auction and pane

static int flush(context *c) {
    for (auto &e : counts)
        if (emit_as(c, e.a / NEIGHBOURS, int64_t(e.b), auction_count{e.a, e.value})) return WASMILL_FAILED;
    counts.clear();
    return WASMILL_OK;
}

static int process(context *c, const record *r) {
    if (!is_bid(r)) return WASMILL_OK;
    bid b(r);
    auto e = counts.at(c, b.auction(), span_of<EVERY>(b.date_time()));
    if (!e) return WASMILL_FAILED;
    e->value++;
    return counts.full() ? flush(c) : WASMILL_OK;
}

WASMILL_OPERATOR(.name = "q5-local", .version = "1.0.0", .process = process, .flush = flush);
