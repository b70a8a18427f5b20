// q7, before the shuffle: bids as they are, by the end of their window of 10 s, but those
// that a dearer one of the window has already gone ahead of. What is known of that may be
// forgotten at any time. A bid just at the end of a window goes to that one, too: it is
// BETWEEN its start and its end. Times are those ends.
#include "held.hpp"

using namespace nexmark;

static int process(context *c, const record *r) {
    static uint64_t start, dearest;
    if (!is_bid(r)) return WASMILL_OK;
    bid b(r);
    uint64_t s = span_of<10000>(b.date_time());
    if (s != start) start = s, dearest = 0;
    record out = *r;
    if (b.date_time() == s) {
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
