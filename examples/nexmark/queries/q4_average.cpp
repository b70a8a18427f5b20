// q4, by category: SELECT category, AVG(final) of its auctions, a whole number.
// State: sum and count.
#include "nexmark.hpp"

using namespace nexmark;

enum { AVERAGES };

struct average {
    int64_t sum, count;
};

static int process(context *c, const record *r) {
    average *a = (average *)wasmill_value(c, AVERAGES, sizeof *a);
    if (!a) return WASMILL_FAILED;
    bool first = !a->count;
    a->sum += int64_t(load64(r->value.ptr)), a->count += int64_t(load64(r->value.ptr + 8));
    uint64_t category = load64(r->key.ptr);
    char key[32];
    return row(c, r->timestamp, {key, uint32_t(put_number(key, category) - key)}, 0)
        .number<"category">(category)
        .number<"final">(uint64_t(a->sum / a->count))
        .emit(first ? WASMILL_INSERT : WASMILL_UPDATE_AFTER);
}

WASMILL_OPERATOR(.name = "q4-average", .version = "1.0.0", .process = process, .tables = {{"averages"}});
