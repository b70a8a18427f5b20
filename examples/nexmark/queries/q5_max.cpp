// q5, by window: SELECT auction, num WHERE num = MAX(num) of the window, ties and all. State:
// the most so far and the auctions that have it; its rows leave at the end of the window.
#include "panes.hpp"

using namespace nexmark;

enum { MOST };

// State of a window: num, then each auction.
static int process(context *c, const record *r) {
    auto [auction, num] = *(const auction_count *)r->value.ptr;
    bytes known = wasmill_value_get(c, MOST);
    if (!known && wasmill_timer_set(c, WASMILL_EVENT_TIME, int64_t(load64(r->key.ptr)) - 1, {})) return WASMILL_FAILED;
    if (!known || num > load64(known.ptr)) {
        uint64_t now[] = {num, auction};
        return wasmill_value_set(c, MOST, {(const char *)now, sizeof now});
    }
    if (num < load64(known.ptr)) return WASMILL_OK;
    for (const char *p = known.ptr + 8; p < known.end(); p += 8)
        if (load64(p) == auction) return WASMILL_OK;
    return wasmill_value_add(c, MOST, {r->value.ptr, 8});
}

static int timer(context *c, int, bytes) {
    bytes known = wasmill_value_get(c, MOST);
    for (const char *p = known.ptr + 8; p < known.end(); p += 8)
        if (row(c, c->timer, {}, 0).number<"auction">(load64(p)).number<"num">(load64(known.ptr)).emit()) return WASMILL_FAILED;
    return wasmill_value_clear(c, MOST);
}

WASMILL_OPERATOR(.name = "q5-max", .version = "1.0.0", .process = process, .tables = {{"most"}}, .timer = timer);
