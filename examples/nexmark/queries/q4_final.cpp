// q4, by auction: final = MAX(price) of the bids with dateTime BETWEEN auction.dateTime AND
// auction.expires. State: the auction and what is final so far or, until it comes, its bids.
// What changes goes to the category; many changes until the next flush are one.
#include "held.hpp"

using namespace nexmark;

enum { AUCTIONS };

// What a category's sum and count have gained since the last flush.
struct gain {
    uint64_t category;
    int64_t sum, count, timestamp;
};
static gain gains[64];
static uint32_t categories;

static int flush(context *c) {
    for (uint32_t i = 0; i < categories; i++) {
        const gain &g = gains[i];
        if (emit_as(c, g.category, g.timestamp, {(const char *)&g.sum, 16})) return WASMILL_FAILED;
    }
    categories = 0;
    return WASMILL_OK;
}

static int changed(context *c, uint64_t category, int64_t timestamp, int64_t sum, int64_t count) {
    uint32_t i = 0;
    while (i < categories && gains[i].category != category) i++;
    if (i == categories) {
        if (i == sizeof gains / sizeof *gains && flush(c)) return WASMILL_FAILED;
        i = categories++;
        gains[i] = {category, 0, 0, timestamp};
    }
    gains[i].sum += sum, gains[i].count += count;
    if (timestamp > gains[i].timestamp) gains[i].timestamp = timestamp;
    return WASMILL_OK;
}

// The highest bid in the auction's time; -1: there is none.
static int64_t highest(const char *a, bytes bids) {
    int64_t best = -1;
    uint64_t from = load64(a + 1), to = load64(a + 9);
    for (const char *p = bids.ptr + 1; p < bids.end(); p += 16)
        if (load64(p) >= from && load64(p) <= to && int64_t(load64(p + 8)) > best) best = int64_t(load64(p + 8));
    return best;
}

// State of an auction: AUCTION, dateTime, expires, category, final or -1.
static int process(context *c, const record *r) {
    bytes known = wasmill_value_get(c, AUCTIONS);
    char now[33];
    int64_t before = -1, best = -1;
    if (r->value[0] == AUCTION) {
        if (known && known[0] == AUCTION) return WASMILL_OK;
        wasmill_copy(now, r->value.ptr, 25);
        if (known) best = highest(now, known);
    } else if (known && known[0] == AUCTION) {
        before = int64_t(load64(known.ptr + 25));
        best = highest(known.ptr, r->value);
        if (best <= before) return WASMILL_OK;
        wasmill_copy(now, known.ptr, 25);
    } else {
        return wasmill_value_add(c, AUCTIONS, known ? bytes(r->value.ptr + 1, r->value.len - 1) : r->value);
    }
    store64(now + 25, uint64_t(best));
    if (wasmill_value_set(c, AUCTIONS, {now, sizeof now})) return WASMILL_FAILED;
    if (best < 0) return WASMILL_OK;
    return changed(c, load64(now + 17), r->timestamp, best - (before < 0 ? 0 : before), before < 0);
}

WASMILL_OPERATOR(.name = "q4-final", .version = "1.0.0", .process = process, .flush = flush, .tables = {{"auctions"}});
