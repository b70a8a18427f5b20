/* Counts the records of each key and window. */
#include "wasmill.h"

static int accumulate(wasmill_context *c, void *acc, const wasmill_record *r) {
    (void)c, (void)r;
    ++*(uint64_t *)acc;
    return WASMILL_OK;
}

static int merge(wasmill_context *c, void *acc, const void *other) {
    (void)c;
    *(uint64_t *)acc += *(const uint64_t *)other;
    return WASMILL_OK;
}

static int finish(wasmill_context *c, const wasmill_window *w, const void *acc) {
    wasmill_record out = {.timestamp = w->end - 1, .key = w->key, .value = {(const char *)acc, sizeof(uint64_t)}};
    return wasmill_emit(c, &out);
}

WASMILL_OPERATOR(.name = "windows", .acc_size = sizeof(uint64_t), .accumulate = accumulate, .merge = merge, .finish = finish);
