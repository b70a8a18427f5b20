// q11, before the shuffle: the bids of a bidder between two flushes as their count, first
// and last time. Who is not longer than the gap from first to last is in one session, so
// two records tell the engine all: one at each end. By bidder to q11_count.
#include "held.hpp"

using namespace nexmark;

struct run {
    uint64_t count, first, last;
};

static constexpr uint64_t gap = 10000;
static held<run> runs; // by bidder

static int emit(context *c, uint64_t bidder, const run &s) {
    uint64_t before = s.count - 1, one = 1;
    if (s.first == s.last) return emit_as(c, bidder, int64_t(s.last), s.count);
    return emit_as(c, bidder, int64_t(s.first), before) || emit_as(c, bidder, int64_t(s.last), one);
}

static int flush(context *c) {
    for (auto &e : runs)
        if (emit(c, e.a, e.value)) return WASMILL_FAILED;
    runs.clear();
    return WASMILL_OK;
}

static int process(context *c, const record *r) {
    if (!is_bid(r)) return WASMILL_OK;
    bid b(r);
    auto e = runs.at(c, b.bidder(), 0);
    if (!e) return WASMILL_FAILED;
    run &s = e->value;
    uint64_t t = b.date_time(), first = !s.count || t < s.first ? t : s.first, last = t > s.last ? t : s.last;
    if (last - first > gap) {
        if (emit(c, e->a, s)) return WASMILL_FAILED;
        s = {0, t, t}, first = last = t;
    }
    s = {s.count + 1, first, last};
    return runs.full() ? flush(c) : WASMILL_OK;
}

WASMILL_OPERATOR(.name = "q11-local", .version = "1.0.0", .process = process, .flush = flush);
