/* The process guest of sdk/tck in C, without libc. */
#include "wasmill.h"

static struct {
    uint64_t processed;
    int64_t sum;
    struct held {
        struct held *next;
        uint32_t len;
        char bytes[];
    } *first, **last;
} guest;

static bool is(wasmill_bytes b, const char *text) {
    uint32_t n = 0;
    for (; text[n]; n++)
        if (n >= b.len || b.ptr[n] != text[n]) return false;
    return n == b.len;
}

static int64_t number_of(wasmill_bytes b) { return (int64_t)wasmill_json_number(b, 0); }

/* Appends to text at n, and returns the new length. */
static uint32_t put(char *text, uint32_t n, const char *s, uint32_t len) {
    wasmill_copy(text + n, s, len);
    return n + len;
}

static uint32_t put_number(char *text, uint32_t n, int64_t v) {
    char digits[20];
    uint32_t at = sizeof digits;
    do digits[--at] = (char)('0' + v % 10);
    while (v /= 10);
    return put(text, n, digits + at, sizeof digits - at);
}

static int emit(wasmill_context *c, const wasmill_record *r, const char *value, uint32_t len) {
    wasmill_record out = *r;
    out.value.ptr = value, out.value.len = len;
    return wasmill_emit(c, &out);
}

static int emit_number(wasmill_context *c, const wasmill_record *r, int64_t v) {
    char text[20];
    return emit(c, r, text, put_number(text, 0, v));
}

static int emit_settings(wasmill_context *c, const wasmill_record *r) {
    char text[256];
    uint32_t n = put(text, 0, c->operator_name.ptr, c->operator_name.len);
    int32_t numbers[] = {c->subtask, c->parallelism, c->max_parallelism};
    for (int i = 0; i < 3; i++) n = put_number(text, put(text, n, " ", 1), numbers[i]);
    n = c->restored ? put(text, n, " true", 5) : put(text, n, " false", 6);
    return emit(c, r, text, n);
}

static int emit_config(wasmill_context *c, const wasmill_record *r) {
    static char buffer[4096];
    wasmill_bytes prefix = wasmill_json_text(wasmill_json_get(c->config, "prefix"), buffer);
    return emit(c, r, prefix.ptr ? prefix.ptr : "", prefix.len);
}

static int emit_large(wasmill_context *c, const wasmill_record *r) {
    uint32_t n = (uint32_t)number_of(r->value);
    char *x = wasmill_grow(n);
    if (!x) return wasmill_fail(c, "no memory");
    __builtin_memset(x, 'x', n);
    return emit(c, r, x, n);
}

static int hold(wasmill_context *c, const wasmill_record *r) {
    static char *room;
    static uint32_t left;
    uint32_t need = (uint32_t)(sizeof(struct held) + r->value.len + 15) & ~15u;
    if (need > left) {
        left = need > 65536 ? need : 65536;
        room = wasmill_grow(left);
        if (!room) return wasmill_fail(c, "no memory");
    }
    struct held *h = (struct held *)room;
    room += need, left -= need;
    h->next = NULL, h->len = r->value.len;
    wasmill_copy(h->bytes, r->value.ptr, r->value.len);
    if (!guest.first) guest.last = &guest.first;
    *guest.last = h, guest.last = &h->next;
    return WASMILL_OK;
}

static int process(wasmill_context *c, const wasmill_record *r) {
    wasmill_bytes k = r->key;
    guest.processed++;
    if (is(k, "side")) return wasmill_emit_out(c, 1, r);
    if (is(k, "both")) return wasmill_emit(c, r) || wasmill_emit_out(c, 1, r) ? WASMILL_FAILED : WASMILL_OK;
    if (is(k, "none")) return WASMILL_OK;
    if (is(k, "input")) return emit_number(c, r, c->input);
    if (is(k, "partition")) return wasmill_emit_to(c, 0, (int)number_of(r->value), r);
    if (is(k, "reject")) return wasmill_reject_bytes(c, r->value);
    if (is(k, "fail")) return wasmill_fail_bytes(c, r->value);
    if (is(k, "trap")) __builtin_trap();
    if (is(k, "log")) return wasmill_log_bytes(WASMILL_WARN, r->value), WASMILL_OK;
    if (is(k, "metric")) {
        wasmill_count("tck.count", 1);
        wasmill_gauge("tck.gauge", 2.5);
        wasmill_observe("tck.histogram", 3);
        return WASMILL_OK;
    }
    if (is(k, "now")) return emit_number(c, r, wasmill_now());
    if (is(k, "config")) return emit_config(c, r);
    if (is(k, "settings")) return emit_settings(c, r);
    if (is(k, "large")) return emit_large(c, r);
    if (is(k, "sum")) return emit_number(c, r, guest.sum += number_of(r->value));
    if (is(k, "hold")) return hold(c, r);
    if (is(k, "many")) {
        int64_t n = number_of(r->value);
        for (int64_t i = 0; i < n; i++)
            if (emit_number(c, r, i)) return WASMILL_FAILED;
        return WASMILL_OK;
    }
    return wasmill_emit(c, r);
}

static int flush(wasmill_context *c) {
    wasmill_record out = {.timestamp = WASMILL_NO_TIMESTAMP, .key = {"held", 4}};
    for (struct held *h = guest.first; h; h = h->next)
        if (emit(c, &out, h->bytes, h->len)) return WASMILL_FAILED;
    guest.first = NULL;
    return WASMILL_OK;
}

static int end(wasmill_context *c) {
    wasmill_record out = {.timestamp = WASMILL_NO_TIMESTAMP, .key = {"ended", 5}};
    return emit_number(c, &out, (int64_t)guest.processed);
}

WASMILL_OPERATOR(
    .name = "tck", .version = "1", .inputs = {"left", "right"}, .outputs = {"out", "side"}, .keeps_key = true,
    .config_schema = "{\"type\":\"object\",\"properties\":{\"prefix\":{\"type\":\"string\"}},\"additionalProperties\":false}",
    .process = process, .flush = flush, .end = end);
