// q5, by window: SELECT auction, num WHERE num = MAX(num) of the window, ties and all. What
// comes is the most of each subtask of q5_count.
#include "nexmark.hpp"

using namespace nexmark;

static int apply(context *c, wasmill_window *w) {
    wasmill_window again = *w;
    uint64_t most = 0;
    record r;
    while (wasmill_window_next(w, &r))
        if (load64(r.value.ptr + 8) > most) most = load64(r.value.ptr + 8);
    while (wasmill_window_next(&again, &r)) {
        if (load64(r.value.ptr + 8) != most) continue;
        if (row(c, w->end - 1, {}, 0).number<"auction">(load64(r.value.ptr)).number<"num">(most).emit()) return WASMILL_FAILED;
    }
    return WASMILL_OK;
}

WASMILL_OPERATOR(.name = "q5-max", .version = "1.0.0", .apply = apply);
