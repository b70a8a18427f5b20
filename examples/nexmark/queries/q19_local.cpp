// q19, before the shuffle: bids as they are, by auction, but those that ten dearer ones of
// the auction have gone ahead of since the last flush. What is known of that may be
// forgotten at any time.
#include "held.hpp"

using namespace nexmark;

struct ten {
    uint64_t count, prices[10]; // ascending
};

static held<ten> dearest; // by auction

static bool among_ten(ten &t, uint64_t price) {
    uint64_t at;
    if (t.count < 10) {
        for (at = t.count++; at > 0 && t.prices[at - 1] > price; at--) t.prices[at] = t.prices[at - 1];
        t.prices[at] = price;
        return true;
    }
    if (price < t.prices[0]) return false;
    for (at = 0; at < 9 && t.prices[at + 1] < price; at++) t.prices[at] = t.prices[at + 1];
    t.prices[at] = price;
    return true;
}

static int flush(context *) {
    dearest.clear();
    return WASMILL_OK;
}

static int process(context *c, const record *r) {
    if (!is_bid(r)) return WASMILL_OK;
    bid b(r);
    if (dearest.full()) dearest.clear();
    auto e = dearest.at(c, b.auction(), 0);
    if (!e) return WASMILL_FAILED;
    if (!among_ten(e->value, b.price())) return WASMILL_OK;
    uint64_t auction = b.auction();
    record out = *r;
    out.key = bytes((const char *)&auction, sizeof auction);
    return c->emit(out);
}

WASMILL_OPERATOR(.name = "q19-local", .version = "1.0.0", .process = process, .flush = flush);
