// q18, before the shuffle: the last bid of a bidder for an auction between two flushes; by
// bidder and auction to q18_last.
#include "held.hpp"

using namespace nexmark;

struct kept {
    char *at;
    uint32_t len, cap;
};
struct bidder_auction {
    uint64_t bidder, auction;
};

static held<kept> last; // by bidder and auction
static arena bids;

static int flush(context *c) {
    for (auto &e : last) {
        record r;
        bidder_auction key = {e.a, e.b};
        r.key = bytes((const char *)&key, sizeof key), r.value = bytes(e.value.at, e.value.len);
        r.timestamp = int64_t(bid(r.value).date_time()), r.change = WASMILL_INSERT;
        if (c->emit(r)) return WASMILL_FAILED;
    }
    last.clear(), bids.clear();
    return WASMILL_OK;
}

static int process(context *c, const record *r) {
    if (!is_bid(r)) return WASMILL_OK;
    bid b(r);
    auto e = last.at(c, b.bidder(), b.auction());
    if (!e) return WASMILL_FAILED;
    kept &k = e->value;
    if (k.len && b.arrived() < bid(bytes(k.at, k.len)).arrived()) return WASMILL_OK;
    if (r->value.len > k.cap) {
        k.cap = (r->value.len + 63) & ~63u; // the next one is often a little longer
        if (!(k.at = bids.add(c, k.cap))) return WASMILL_FAILED;
    }
    wasmill_copy(k.at, r->value.ptr, r->value.len);
    k.len = r->value.len;
    return last.full() || bids.size() > 8 << 20 ? flush(c) : WASMILL_OK;
}

WASMILL_OPERATOR(.name = "q18-local", .version = "1.0.0", .process = process, .flush = flush);
