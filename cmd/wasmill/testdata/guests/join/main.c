/* join gives out, of each window of a key, what came from the left and from the right. */
#include "../row.h"

static int join(wasmill_context *c, wasmill_window *w) {
    fold sides[2] = {{0, 0}, {0, 0}};
    for (wasmill_record r; wasmill_window_next(w, &r);) fold_record(&sides[w->input], &r);
    row r = {.len = 0};
    put_bytes(&r, w->key);
    put_number(&r, (uint64_t)w->start), put_fold(&r, &sides[0]), put_fold(&r, &sides[1]);
    return emit_row(c, w->key, &r);
}

WASMILL_OPERATOR(.name = "join", .inputs = {"left", "right"}, .keeps_key = true, .apply = join);
