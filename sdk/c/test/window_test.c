/* Tests wasmill_window.h: accumulators, natively. */
#include "wasmill.h"

typedef struct {
    int64_t count, max;
} stats;

static int accumulate(wasmill_context *c, void *acc, const wasmill_record *r) {
    stats *s = (stats *)acc;
    if (!r->value.len) return wasmill_reject(c, "empty");
    s->count++;
    if (r->value.len > s->max) s->max = r->value.len;
    return WASMILL_OK;
}

static int merge(wasmill_context *c, void *acc, const void *other) {
    (void)c;
    stats *s = (stats *)acc;
    const stats *o = (const stats *)other;
    s->count += o->count;
    if (o->max > s->max) s->max = o->max;
    return WASMILL_OK;
}

static int finish(wasmill_context *c, const wasmill_window *w, const void *acc) {
    const stats *s = (const stats *)acc;
    char text[] = {(char)('0' + s->count), (char)('0' + s->max), (char)('0' + w->firing)};
    wasmill_record r = {.timestamp = WASMILL_NO_TIMESTAMP, .key = w->key, .value = {text, 3}};
    return wasmill_emit(c, &r);
}

WASMILL_OPERATOR(.name = "stats", .acc_size = sizeof(stats), .accumulate = accumulate, .merge = merge, .finish = finish);

#include "wasmill_test.h"

static char groups[4096], *at = groups;

static void group(const char *key, const void *acc, uint32_t acc_len, const char *body, uint32_t body_len, int firing) {
    memset(at, 0, 32);
    uint32_t head[3] = {(uint32_t)strlen(key), acc ? acc_len : ~0u, body_len};
    memcpy(at, head, 12);
    at[14] = (char)firing;
    at += 32;
    memcpy(at, key, head[0]), at += head[0];
    if (acc) memcpy(at, acc, acc_len), at += acc_len;
    if (body_len) memcpy(at, body, body_len), at += body_len;
}

static uint32_t take(void) {
    uint32_t n = (uint32_t)(at - groups);
    at = groups;
    return n;
}

int main(void) {
    wasmill_test_open("{}");
    wasmill_context c;
    wasmill_batch b;
    memset((void *)&c, 0, sizeof c), memset((void *)&b, 0, sizeof b);
    b.ptr = (char *)wasmill_grow(4096), b.cap = 4096;
    const char *values[] = {"a", "", "ccc"};
    for (int i = 0; i < 3; i++) {
        wasmill_record r;
        memset((void *)&r, 0, sizeof r);
        r.key = wasmill_string("k"), r.value = wasmill_string(values[i]);
        wasmill_append(&c, &b, &r);
    }
    group("k", NULL, 0, b.ptr, b.len, 0);
    WASMILL_CHECK(wasmill_accumulate(groups, take()) == WASMILL_OK && wasmill_test_reply.len == sizeof(stats));
    stats s;
    memcpy(&s, wasmill_test_reply.bytes, sizeof s);
    WASMILL_CHECK(s.count == 2 && s.max == 3 && wasmill_test.rejections == 1 && wasmill_test.rejected[0] == 1);
    group("k", &s, sizeof s, b.ptr, b.len, 0);
    WASMILL_CHECK(wasmill_accumulate(groups, take()) == WASMILL_OK);
    memcpy(&s, wasmill_test_reply.bytes, sizeof s);
    WASMILL_CHECK(s.count == 4);

    char body[64], *end = body;
    stats parts[3] = {{1, 5}, {2, 9}, {3, 1}};
    for (int i = 0; i < 3; i++) {
        uint32_t n = sizeof(stats);
        memcpy(end, &n, 4), memcpy(end + 4, &parts[i], n), end += 4 + n;
    }
    group("k", NULL, 0, body, (uint32_t)(end - body), 0);
    WASMILL_CHECK(wasmill_merge(groups, take()) == WASMILL_OK);
    memcpy(&s, wasmill_test_reply.bytes, sizeof s);
    WASMILL_CHECK(s.count == 6 && s.max == 9);

    group("k", &s, sizeof s, NULL, 0, WASMILL_LATE);
    group("l", &parts[0], sizeof s, NULL, 0, WASMILL_ON_TIME);
    WASMILL_CHECK(wasmill_finish(groups, take()) == WASMILL_OK);
    WASMILL_CHECK(wasmill_test_emitted(0, 0, "k", "692") && wasmill_test_emitted(0, 1, "l", "150"));
    group("k", "short", 5, NULL, 0, 0);
    WASMILL_CHECK(wasmill_finish(groups, take()) == WASMILL_FAILED);
    return wasmill_test_result();
}
