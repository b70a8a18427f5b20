// q7, before the shuffle: bids as they are, by the end of their window of 10 s, but those
// of a window that a dearer one has gone ahead. What is known of that may be forgotten at
// any time. A bid just at the end of a window goes to that one, too: it is BETWEEN its start
// and its end. Times are those ends.
#include "held.hpp"

using namespace nexmark;

static int process(context *c, const record *r) {
    static uint64_t start, dearest, dearest_before; // that of the window which ends at start
    if (!is_bid(r)) return WASMILL_OK;
    bid b(r);
    uint64_t s = span_of<10000>(b.date_time());
    if (s != start) dearest_before = s == start + 10000 ? dearest : 0, start = s, dearest = 0;
    record out = *r;
    if (b.date_time() == s && b.price() >= dearest_before) {
        out.key = bytes((const char *)&s, sizeof s), out.timestamp = int64_t(s);
        if (c->emit(out)) return WASMILL_FAILED;
    }
    if (b.price() < dearest) return WASMILL_OK;
    dearest = b.price();
    uint64_t end = s + 10000;
    out.key = bytes((const char *)&end, sizeof end), out.timestamp = int64_t(end);
    return c->emit(out);
}

WASMILL_OPERATOR(.name = "q7-local", .version = "1.0.0", .process = process);
