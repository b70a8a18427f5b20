/* Counts the records of a window, and the bytes of their values. The job file says which
 * windows. */
#include "wasmill.h"

/* What of the records of a window is kept; zero at first. */
typedef struct {
    uint64_t count, bytes;
} stats;

static int accumulate(wasmill_context *c, void *acc, const wasmill_record *r) {
    stats *s = (stats *)acc;
    if (!r->value.ptr) return wasmill_reject(c, "no value");
    s->count++, s->bytes += r->value.len;
    return WASMILL_OK;
}

static int merge(wasmill_context *c, void *acc, const void *other) {
    (void)c;
    stats *s = (stats *)acc;
    const stats *o = (const stats *)other;
    s->count += o->count, s->bytes += o->bytes;
    return WASMILL_OK;
}

static int finish(wasmill_context *c, const wasmill_window *w, const void *acc) {
    wasmill_record r = {.timestamp = WASMILL_NO_TIMESTAMP, .key = w->key, .value = {(const char *)acc, sizeof(stats)}};
    return wasmill_emit(c, &r);
}

WASMILL_OPERATOR(.name = "stats", .keeps_key = true, .acc_size = sizeof(stats), .accumulate = accumulate, .merge = merge, .finish = finish);
