/* fold gives out, of each window of a key, how many records it had and a sum of them. */
#include "../row.h"

static int add(wasmill_context *c, void *acc, const wasmill_record *r) {
    (void)c;
    fold_record((fold *)acc, r);
    return WASMILL_OK;
}

static int merge(wasmill_context *c, void *acc, const void *other) {
    (void)c;
    ((fold *)acc)->count += ((const fold *)other)->count;
    ((fold *)acc)->sum += ((const fold *)other)->sum;
    return WASMILL_OK;
}

static int finish(wasmill_context *c, const wasmill_window *w, const void *acc) {
    row r = {.len = 0};
    put_bytes(&r, w->key);
    put_number(&r, (uint64_t)w->start), put_number(&r, (uint64_t)w->end), put_number(&r, (uint64_t)w->firing);
    put_fold(&r, (const fold *)acc);
    return emit_row(c, w->key, &r);
}

WASMILL_OPERATOR(.name = "fold", .keeps_key = true, .acc_size = sizeof(fold), .accumulate = add, .merge = merge, .finish = finish);
