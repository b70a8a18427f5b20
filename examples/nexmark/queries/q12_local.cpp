// q12, before the shuffle: SELECT bidder, COUNT(*) FROM bid by window of 10 s, as far as
// they come between two flushes; by bidder to q11_count.
#include "held.hpp"

using namespace nexmark;

static held<uint64_t> counts; // by bidder and window

static int flush(context *c) {
    for (auto &e : counts)
        if (emit_as(c, e.a, int64_t(e.b), e.value)) return WASMILL_FAILED;
    counts.clear();
    return WASMILL_OK;
}

static int process(context *c, const record *r) {
    if (!is_bid(r)) return WASMILL_OK;
    bid b(r);
    auto e = counts.at(c, b.bidder(), span_of<10000>(b.date_time()));
    if (!e) return WASMILL_FAILED;
    e->value++;
    return counts.full() ? flush(c) : WASMILL_OK;
}

WASMILL_OPERATOR(.name = "q12-local", .version = "1.0.0", .process = process, .flush = flush);
