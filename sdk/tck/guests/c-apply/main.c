/* The apply guest of sdk/tck in C, without libc. */
#include "wasmill.h"

enum { APPLIED };

static bool is(wasmill_bytes b, const char *text) {
    uint32_t n = 0;
    for (; text[n]; n++)
        if (n >= b.len || b.ptr[n] != text[n]) return false;
    return n == b.len;
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

static int emit(wasmill_context *c, const wasmill_window *w, const char *text, uint32_t n) {
    wasmill_record r = {.timestamp = WASMILL_NO_TIMESTAMP, .key = w->key, .value = {text, n}};
    return wasmill_emit(c, &r);
}

static int apply(wasmill_context *c, wasmill_window *w) {
    int64_t counts[2] = {0, 0};
    char text[256], *to;
    for (wasmill_record r; wasmill_window_next(w, &r);) {
        counts[w->input]++;
        if (is(r.value, "fail")) return wasmill_fail(c, "as asked");
        if (is(r.value, "timer") && wasmill_timer_set(c, WASMILL_EVENT_TIME, 1, wasmill_string(""))) return WASMILL_FAILED;
        if (r.value.len > 100) continue;
        text[0] = (char)('0' + w->input), text[1] = ' ';
        wasmill_copy(text + 2, r.value.ptr, r.value.len);
        if (emit(c, w, text, 2 + r.value.len)) return WASMILL_FAILED;
    }
    int64_t *n = wasmill_value(c, APPLIED, sizeof *n);
    if (!n) return WASMILL_FAILED;
    ++*n;
    int64_t numbers[] = {w->start, w->end, w->firing, counts[0], counts[1], *n};
    to = text;
    for (int i = 0; i < 6; i++) {
        if (i == 3) *to++ = ':';
        if (i) *to++ = ' ';
        to = put_number(to, numbers[i]);
    }
    return emit(c, w, text, (uint32_t)(to - text));
}

WASMILL_OPERATOR(.name = "tck-apply", .inputs = {"left", "right"}, .tables = {{.name = "applied"}}, .apply = apply);
