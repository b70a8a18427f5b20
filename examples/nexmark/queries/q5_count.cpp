// q5, by 32 neighbouring auctions: SELECT window_end, auction, SUM(count) AS num of a window
// of 10 s, every 2 s. State: their counts in the last panes. Sums only grow, so each leaves
// as it grows, for q5_max by window, unless a greater one of the window has gone ahead:
// nothing is left to do at its end. What is known of that may be forgotten at any time.
#include "panes.hpp"

using namespace nexmark;

enum { COUNTS };

struct pane {
    wasmill_u64 number;
    wasmill_u32 counts[NEIGHBOURS];
};

// The most that has been seen of a window, which goes by the number of its last pane.
struct height {
    uint64_t window, most;
};
static height heights[64];
static held<uint64_t> candidates; // by window and auction

static height &height_of(uint64_t window) {
    height &h = heights[window % (sizeof heights / sizeof *heights)];
    if (h.window != window) h = {window, 0};
    return h;
}

// The last ms of a window, and of the last window that a pane is in.
static int64_t last_of(uint64_t window) { return int64_t(window + 1) * EVERY - 1; }
static int64_t needed_until(uint64_t number) { return last_of(number + PANES - 1); }

static int flush(context *c) {
    for (auto &e : candidates) {
        if (e.value < height_of(e.a).most) continue;
        int64_t last = last_of(e.a);
        if (emit_as(c, last + 1, last, auction_count{e.b, e.value})) return WASMILL_FAILED;
    }
    candidates.clear();
    return WASMILL_OK;
}

// What one pane leaves behind is not forgotten all at once, but while the next is counted.
static int forget_behind(context *c, uint64_t number) {
    uint64_t spread = (load64(c->key.ptr) * 0x9e3779b97f4a7c15u >> 32) % EVERY;
    return wasmill_timer_set(c, WASMILL_EVENT_TIME, needed_until(number) + int64_t(spread), {});
}

// All panes of the key at hand, one of them that of a number; null: failed.
static pane *panes_with(context *c, uint64_t number, uint32_t *size, pane **found) {
    *size = wasmill_value_get(c, COUNTS).len;
    pane *all = *size ? (pane *)wasmill_value(c, COUNTS, *size) : nullptr;
    uint32_t i = 0, n = *size / sizeof(pane);
    while (i < n && all[i].number != number) i++;
    if (i == n) {
        if (!n && forget_behind(c, number)) return nullptr;
        pane fresh = {number, {}};
        if (wasmill_value_add(c, COUNTS, {(const char *)&fresh, sizeof fresh})) return nullptr;
        all = (pane *)wasmill_value(c, COUNTS, *size += sizeof fresh);
    }
    if (all) *found = &all[i];
    return all;
}

static int process(context *c, const record *r) {
    static int64_t watermark;
    if (c->index == 0) watermark = wasmill_watermark_now();
    uint64_t number = uint64_t(r->timestamp) / EVERY;
    uint32_t size;
    const auto *more = (const auction_count *)r->value.ptr;
    uint64_t auction = more->auction;
    pane *found, *all = panes_with(c, number, &size, &found);
    if (!all) return WASMILL_FAILED;
    found->counts[auction % NEIGHBOURS] += uint32_t(more->num);
    uint64_t sums[PANES] = {};
    for (pane *p = all; p < all + size / sizeof *p; p++)
        for (uint32_t i = 0; i < PANES; i++)
            if (number + i - p->number < PANES) sums[i] += p->counts[auction % NEIGHBOURS];
    for (uint32_t i = 0; i < PANES; i++) {
        height &h = height_of(number + i);
        if (sums[i] < h.most || last_of(number + i) <= watermark) continue;
        h.most = sums[i];
        auto e = candidates.at(c, number + i, auction);
        if (!e) return WASMILL_FAILED;
        e->value = sums[i];
    }
    return candidates.full() ? flush(c) : WASMILL_OK;
}

// Panes that no window needs any more are forgotten.
static int timer(context *c, int, bytes) {
    uint32_t size = wasmill_value_get(c, COUNTS).len, n = 0;
    uint64_t last = 0;
    pane *all = (pane *)wasmill_value(c, COUNTS, size);
    if (!all) return WASMILL_FAILED;
    for (pane *p = all; p < all + size / sizeof *p; p++) {
        if (needed_until(p->number) <= wasmill_watermark_now()) continue;
        if (p->number > last) last = p->number;
        all[n++] = *p;
    }
    if (!n) return wasmill_value_clear(c, COUNTS);
    if (wasmill_value_set(c, COUNTS, {(const char *)all, n * uint32_t(sizeof *all)})) return WASMILL_FAILED;
    return forget_behind(c, last);
}

WASMILL_OPERATOR(.name = "q5-count", .version = "1.0.0", .process = process, .flush = flush, .tables = {{"counts"}}, .timer = timer);
