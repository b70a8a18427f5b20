/* The aggregate guest of sdk/tck in C, without libc. */
#include "wasmill.h"

WASMILL_EXTERN WASMILL_IMPORT(get) int64_t host_get(int32_t table, const void *key, uint32_t key_len, const void *sub, uint32_t sub_len, void *out, uint32_t cap);

typedef struct {
    int64_t count, sum, min, max;
} stats;

static bool is(wasmill_bytes b, const char *text) {
    uint32_t n = 0;
    for (; text[n]; n++)
        if (n >= b.len || b.ptr[n] != text[n]) return false;
    return n == b.len;
}

static int merge(wasmill_context *c, void *acc, const void *other) {
    (void)c;
    stats *s = acc;
    const stats *o = other;
    if (!o->count) return WASMILL_OK;
    if (!s->count || o->min < s->min) s->min = o->min;
    if (!s->count || o->max > s->max) s->max = o->max;
    s->count += o->count, s->sum += o->sum;
    return WASMILL_OK;
}

static int accumulate(wasmill_context *c, void *acc, const wasmill_record *r) {
    wasmill_bytes first = r->value;
    for (uint32_t n = 0; n < first.len; n++)
        if (first.ptr[n] == ' ') first.len = n;
    if (is(first, "reject")) return wasmill_reject(c, "no number");
    if (is(first, "fail")) return wasmill_fail(c, "as asked");
    if (is(first, "emit")) return wasmill_emit(c, r);
    if (is(first, "state")) return host_get(0, NULL, 0, NULL, 0, NULL, 0), WASMILL_OK;
    int64_t n = (int64_t)wasmill_json_number(first, 0);
    stats one = {1, n, n, n};
    return merge(c, acc, &one);
}

static char *put_number(char *to, int64_t v) {
    char digits[20], *end = digits + sizeof digits, *at = end;
    uint64_t left = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
    if (v < 0) *to++ = '-';
    do *--at = (char)('0' + left % 10);
    while (left /= 10);
    wasmill_copy(to, at, (uint32_t)(end - at));
    return to + (end - at);
}

static int finish(wasmill_context *c, const wasmill_window *w, const void *acc) {
    const stats *s = acc;
    int64_t numbers[] = {w->start, w->end, w->firing, s->count, s->sum, s->min, s->max};
    char text[256], *to = text;
    for (int i = 0; i < 7; i++) {
        if (i) *to++ = ' ';
        to = put_number(to, numbers[i]);
    }
    wasmill_record r = {.timestamp = WASMILL_NO_TIMESTAMP, .key = w->key, .value = {text, (uint32_t)(to - text)}};
    return wasmill_emit(c, &r);
}

WASMILL_OPERATOR(.name = "tck-aggregate", .acc_size = sizeof(stats), .accumulate = accumulate, .merge = merge, .finish = finish);
