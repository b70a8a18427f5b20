// q7: SELECT the bids of a window of 10 s WHERE price = MAX(price) of the window; one just
// at its end counts for the result, not for the maximum. The engine keeps the few bids.
#include "nexmark.hpp"

using namespace nexmark;

static int apply(context *c, wasmill_window *w) {
    wasmill_window again = *w;
    uint64_t end = load64(w->key.ptr), most = 0;
    bool some = false;
    record r;
    while (wasmill_window_next(w, &r)) {
        bid b(&r);
        if (b.date_time() == end) continue;
        some = true;
        if (b.price() > most) most = b.price();
    }
    while (some && wasmill_window_next(&again, &r)) {
        bid b(&r);
        if (b.price() != most) continue;
        if (row(c, int64_t(end - 1), {}, r.value.len).brief(b).emit()) return WASMILL_FAILED;
    }
    return WASMILL_OK;
}

WASMILL_OPERATOR(.name = "q7-max", .version = "1.0.0", .apply = apply);
