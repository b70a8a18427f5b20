// q11 and q12: SELECT bidder, SUM(count) AS bid_count, window start and end. The windows are
// the engine's, as the job file says: sessions, tumbling ones, or global ones that a clock
// empties, whose bounds are those of the clock's last 10 s. A count for each is kept.
#include "nexmark.hpp"

using namespace nexmark;

static int accumulate(context *, void *acc, const record *r) {
    *(uint64_t *)acc += load64(r->value.ptr);
    return WASMILL_OK;
}

static int merge(context *, void *acc, const void *other) {
    *(uint64_t *)acc += *(const uint64_t *)other;
    return WASMILL_OK;
}

static int finish(context *c, const wasmill_window *w, const void *acc) {
    int64_t start = w->start, end = w->end;
    if (end == INT64_MAX) {
        start = wasmill_now() / 10000 * 10000;
        if (w->firing == WASMILL_EARLY) start -= 10000; // what has just ended
        end = start + 10000;
    }
    return row(c, WASMILL_NO_TIMESTAMP, {}, 0)
        .number<"bidder">(load64(w->key.ptr))
        .number<"bid_count">(*(const uint64_t *)acc)
        .number<"starttime">(uint64_t(start))
        .number<"endtime">(uint64_t(end))
        .emit();
}

WASMILL_OPERATOR(.name = "q11-count", .version = "1.0.0", .acc_size = sizeof(uint64_t), .accumulate = accumulate, .merge = merge, .finish = finish);
