// q5, by auction: SELECT window_end, auction, SUM(count) AS num of a window of 10 s, every
// 2 s; of a window only those leave that have the most bids of all auctions here. By
// window to q5_max. The windows are the engine's: a count for each auction and pane.
#include "held.hpp"

using namespace nexmark;

struct candidate {
    uint64_t auction, num;
};

// Of the window that is being finished.
static int64_t window_end;
static list<candidate> most;

static int flush(context *c) {
    for (auto &m : most)
        if (emit_as(c, window_end, window_end - 1, m)) return WASMILL_FAILED;
    most.clear();
    return WASMILL_OK;
}

static int accumulate(context *, void *acc, const record *r) {
    *(uint64_t *)acc += load64(r->value.ptr);
    return WASMILL_OK;
}

static int merge(context *, void *acc, const void *other) {
    *(uint64_t *)acc += *(const uint64_t *)other;
    return WASMILL_OK;
}

static int finish(context *c, const wasmill_window *w, const void *acc) {
    uint64_t num = *(const uint64_t *)acc;
    if (w->end != window_end && flush(c)) return WASMILL_FAILED;
    window_end = w->end;
    if (most.size() && num < most[0].num) return WASMILL_OK;
    if (most.size() && num > most[0].num) most.clear();
    candidate *m = most.add(c);
    if (!m) return WASMILL_FAILED;
    *m = {load64(w->key.ptr), num};
    return WASMILL_OK;
}

WASMILL_OPERATOR(.name = "q5-count", .version = "1.0.0", .flush = flush, .acc_size = sizeof(uint64_t), .accumulate = accumulate, .merge = merge, .finish = finish);
