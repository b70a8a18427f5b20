// SELECT DISTINCT id, name, stime: persons who entered and are a seller of an auction in the
// same window. The window (job file: tumbling, 10 s) brings both, by id.
#include "nexmark.hpp"

using namespace nexmark;

enum { PERSONS, SELLERS };

// Whether a person of that name came before p.
static bool again(wasmill_window w, const record &p) {
    record earlier;
    while (wasmill_window_next(&w, &earlier) && earlier.value.ptr != p.value.ptr)
        if (same(earlier.value, p.value)) return true;
    return false;
}

static int apply(context *c, wasmill_window *w) {
    if (!w->parts[SELLERS].len) return WASMILL_OK;
    wasmill_window all = *w;
    record p;
    while (wasmill_window_next(w, &p) && w->input == PERSONS) {
        if (again(all, p)) continue;
        row(c, WASMILL_NO_TIMESTAMP, {}, p.value.len)
            .number<"id">(load64(w->key.ptr))
            .text<"name">(p.value)
            .number<"stime">(uint64_t(w->start))
            .emit();
    }
    return WASMILL_OK;
}

WASMILL_OPERATOR(.name = "q8", .version = "1.0.0", .inputs = {"persons", "sellers"}, .apply = apply);
