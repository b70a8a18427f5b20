// q8, what it is about: persons as their name under their id, and sellers of auctions under
// theirs. A seller's further auctions of a window say nothing new: what is remembered of
// them is a cache, and forgetting it costs a record.
#include "nexmark.hpp"

using namespace nexmark;

enum { PERSONS, SELLERS };

struct seen {
    uint64_t seller, window; // its number, from 1
};
static seen lately[1 << 12];

static int process(context *c, const record *r) {
    record out = *r;
    char key[8];
    out.key = bytes(key, sizeof key);
    if (is_auction(r)) {
        auction a(r);
        seen now = {a.seller(), a.date_time() / 10000 + 1};
        seen *last = &lately[now.seller & 4095];
        if (last->seller == now.seller && last->window == now.window) return WASMILL_OK;
        *last = now;
        store64(key, now.seller);
        out.value = bytes("", 0);
        return wasmill_emit_out(c, SELLERS, &out);
    }
    if (!is_person(r)) return WASMILL_OK;
    store64(key, person(r).id());
    out.value = person(r).name();
    return wasmill_emit_out(c, PERSONS, &out);
}

WASMILL_OPERATOR(.name = "q8-parties", .version = "1.0.0", .outputs = {"persons", "sellers"}, .process = process);
