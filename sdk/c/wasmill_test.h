/* wasmill_test.h: tests an operator natively, without wasm. One file includes the
 * operator's source and then this:
 *
 *     #include "main.c"
 *     #include "wasmill_test.h"
 *
 *     int main(void) {
 *         wasmill_test_open("{\"min\": 2}");
 *         wasmill_test_record(0, "key", "value");
 *         WASMILL_CHECK(wasmill_test_emitted(0, 0, "key", "value"));
 *         return wasmill_test_result();
 *     }
 *
 * It needs libc. Variables of the operator live as long as the program: a test that
 * needs a fresh one is a program of its own.
 */
#ifndef WASMILL_TEST_H
#define WASMILL_TEST_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wasmill.h"

/* One entry of a table. Named here: C++ would keep the name inside of what follows. */
struct wasmill_test_entry {
    int table;
    wasmill_bytes key, sub, value;
    uint32_t version;
};

/* What the operator did since wasmill_test_clear. */
static struct {
    struct {
        wasmill_record records[65536];
        int partitions[65536]; /* -1: as the job's edge says */
        int count;
    } outputs[WASMILL_MAX_PORTS];
    int rejected[1024], rejections; /* indexes of records given up */
    char reason[4096], failure[4096], line[4096]; /* the last of each */
    int lines;
    struct {
        char name[256];
        double value;
    } metrics[64];
    int64_t now;
    int64_t watermark;
    int failures; /* of WASMILL_CHECK */
    struct wasmill_test_entry entries[65536]; /* in order of table, key and subkey */
    int kept;
    struct {
        int domain;
        int64_t at;
        wasmill_bytes key, tag;
    } timers[4096];
    int pending;
    int state_calls; /* of the engine, to read and write tables */
} wasmill_test = {.watermark = INT64_MIN};

#define WASMILL_CHECK(condition)                                                  \
    do                                                                            \
        if (!(condition)) {                                                       \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);       \
            wasmill_test.failures++;                                              \
        }                                                                         \
    while (0)

static inline int wasmill_test_result(void) {
    puts(wasmill_test.failures ? "FAIL" : "ok");
    return wasmill_test.failures ? 1 : 0;
}

static inline void wasmill_test_stop(const char *why) {
    fprintf(stderr, "%s\n", why);
    exit(1);
}

/* The engine. */

#ifdef __cplusplus
extern "C" {
#endif

void *wasmill_grow(uint32_t size) { return aligned_alloc(16, ((size_t)size + 31) & ~(size_t)15); }

void wasmill_host_emit_to(int32_t output, int32_t partition, const void *p, uint32_t n) {
    char *batch = (char *)wasmill_grow(n);
    memcpy(batch, p, n);
    for (uint32_t at = 0, size; at < n; at += size) {
        int i = wasmill_test.outputs[output].count++;
        if (i == 65536) wasmill_test_stop("the test looks at 65536 records of an output at most");
        size = wasmill_read(&wasmill_test.outputs[output].records[i], batch + at, n - at);
        wasmill_test.outputs[output].partitions[i] = partition;
        if (!size) wasmill_test_stop("the operator emitted what is no batch");
    }
}

void wasmill_host_emit(int32_t output, const void *p, uint32_t n) { wasmill_host_emit_to(output, -1, p, n); }

static void wasmill_test_keep(char *to, uint32_t room, const void *p, uint32_t n) {
    n = n < room ? n : room - 1;
    if (n) memcpy(to, p, n);
    to[n] = 0;
}

void wasmill_host_reject(int32_t index, const void *p, uint32_t n) {
    if (wasmill_test.rejections < 1024) wasmill_test.rejected[wasmill_test.rejections++] = index;
    wasmill_test_keep(wasmill_test.reason, sizeof wasmill_test.reason, p, n);
}

int64_t wasmill_host_now(void) { return wasmill_test.now; }

void wasmill_host_log(int32_t level, const void *p, uint32_t n) {
    (void)level;
    wasmill_test.lines++;
    wasmill_test_keep(wasmill_test.line, sizeof wasmill_test.line, p, n);
}

void wasmill_host_fail(const void *p, uint32_t n) { wasmill_test_keep(wasmill_test.failure, sizeof wasmill_test.failure, p, n); }

void wasmill_host_metric(int32_t kind, const void *p, uint32_t n, double value) {
    char name[256];
    wasmill_test_keep(name, sizeof name, p, n);
    if (n == 0 || n > 255 || strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_.") != n || name[0] < 'a')
        wasmill_test_stop("names of metrics are a-z, 0-9, _ and . from a letter on, up to 255 bytes");
    for (int i = 0; i < 64; i++) {
        if (wasmill_test.metrics[i].name[0] && strcmp(wasmill_test.metrics[i].name, name)) continue;
        strcpy(wasmill_test.metrics[i].name, name);
        wasmill_test.metrics[i].value = kind == 0 ? wasmill_test.metrics[i].value + value : value;
        return;
    }
    wasmill_test_stop("the test keeps 64 metrics at most");
}

static wasmill_bytes wasmill_test_copy(wasmill_bytes b, wasmill_bytes more) {
    char *p = (char *)wasmill_grow(b.len + more.len);
    if (b.len) memcpy(p, b.ptr, b.len);
    if (more.len) memcpy(p + b.len, more.ptr, more.len);
    b.ptr = p, b.len += more.len;
    return b;
}

static int wasmill_test_compare(wasmill_bytes a, wasmill_bytes b) {
    int order = a.len && b.len ? memcmp(a.ptr, b.ptr, a.len < b.len ? a.len : b.len) : 0;
    return order ? order : (a.len > b.len) - (a.len < b.len);
}

/* The first entry that is not before this one. */
static int wasmill_test_place(int table, wasmill_bytes key, wasmill_bytes sub, bool *same) {
    int i = 0, order = 1;
    for (; i < wasmill_test.kept; i++) {
        struct wasmill_test_entry *e = &wasmill_test.entries[i];
        order = e->table != table ? e->table - table : wasmill_test_compare(e->key, key);
        if (!order) order = wasmill_test_compare(e->sub, sub);
        if (order >= 0) break;
    }
    *same = i < wasmill_test.kept && order == 0;
    return i;
}

static void wasmill_test_drop(int i) {
    memmove((void *)&wasmill_test.entries[i], (void *)&wasmill_test.entries[i + 1], (size_t)(--wasmill_test.kept - i) * sizeof wasmill_test.entries[0]);
}

static void wasmill_test_write(int table, wasmill_bytes key, wasmill_bytes sub, wasmill_bytes value, bool append, uint32_t version) {
    bool same;
    wasmill_bytes none = {NULL, 0};
    int i = wasmill_test_place(table, key, sub, &same);
    struct wasmill_test_entry *e = &wasmill_test.entries[i];
    if (!same) {
        if (wasmill_test.kept == 65536) wasmill_test_stop("the test keeps 65536 entries at most");
        memmove((void *)(e + 1), (void *)e, (size_t)(wasmill_test.kept++ - i) * sizeof *e);
        e->table = table, e->key = wasmill_test_copy(key, none), e->sub = wasmill_test_copy(sub, none), e->value = none;
    }
    e->value = wasmill_test_copy(append ? e->value : none, value);
    e->version = version;
}

static uint32_t wasmill_test_version(void);

/* One operation; returns the bytes of its answer, or -1 if it does not fit. */
static int64_t wasmill_test_do(const char *p, wasmill_bytes key, wasmill_bytes sub, wasmill_bytes value, char *out, uint32_t cap) {
    int code = p[0], table = *(const wasmill_u16 *)(p + 2);
    bool same;
    int i = wasmill_test_place(table, key, sub, &same);
    struct wasmill_test_entry *e = &wasmill_test.entries[i];
    uint32_t n = WASMILL_ANSWER_HEAD;
    switch (code) {
    case WASMILL_GET:
        if (cap < n + (same ? e->value.len : 0)) return -1;
        *(wasmill_u32 *)out = same ? e->version : 0;
        *(wasmill_u32 *)(out + 4) = same ? e->value.len : ~0u;
        if (!same) return n;
        if (e->value.len) memcpy(out + n, e->value.ptr, e->value.len);
        return n + e->value.len;
    case WASMILL_PUT:
    case WASMILL_APPEND:
        wasmill_test_write(table, key, sub, value, code == WASMILL_APPEND, wasmill_test_version());
        return 0;
    case WASMILL_REMOVE:
        if (same) wasmill_test_drop(i);
        return 0;
    case WASMILL_SCAN:
    case WASMILL_REMOVE_RANGE:
        if (code == WASMILL_SCAN && cap < n) return -1;
        bool more = false;
        while (i < wasmill_test.kept && e->table == table && !wasmill_test_compare(e->key, key) && (!p[1] || wasmill_test_compare(e->sub, value) < 0)) {
            if (code == WASMILL_REMOVE_RANGE) {
                wasmill_test_drop(i);
                continue;
            }
            if ((more = n + WASMILL_SCAN_HEAD + e->sub.len + e->value.len > cap)) break;
            *(wasmill_u32 *)(out + n) = e->sub.len, *(wasmill_u32 *)(out + n + 4) = e->value.len, *(wasmill_u32 *)(out + n + 8) = e->version;
            n += WASMILL_SCAN_HEAD;
            if (e->sub.len) memcpy(out + n, e->sub.ptr, e->sub.len);
            if (e->value.len) memcpy(out + n + e->sub.len, e->value.ptr, e->value.len);
            n += e->sub.len + e->value.len;
            e++, i++;
        }
        if (code == WASMILL_REMOVE_RANGE) return 0;
        if (more && n == WASMILL_ANSWER_HEAD) return -1;
        *(wasmill_u32 *)out = more, *(wasmill_u32 *)(out + 4) = n - WASMILL_ANSWER_HEAD;
        return n;
    }
    wasmill_test_stop("the test knows no such operation");
    return -1;
}

int64_t wasmill_host_state(const void *request, uint32_t left, void *out, uint32_t cap) {
    const char *p = (const char *)request;
    int64_t done = 0;
    uint32_t used = 0;
    wasmill_test.state_calls++;
    while (left) {
        const wasmill_u32 *head = (const wasmill_u32 *)p;
        wasmill_bytes key = {p + 16, head[1]}, sub = {p + 16 + head[1], head[2]}, value = {p + 16 + head[1] + head[2], head[3]};
        uint32_t size = 16 + key.len + sub.len + value.len;
        if (size > left) wasmill_test_stop("the state request is cut off");
        int64_t n = wasmill_test_do(p, key, sub, value, (char *)out + used, cap - used);
        if (n < 0) break;
        used += (uint32_t)n, p += size, left -= size, done++;
    }
    return done << 32 | used;
}

static int wasmill_test_timer(int domain, int64_t at, wasmill_bytes key, wasmill_bytes tag) {
    for (int i = 0; i < wasmill_test.pending; i++)
        if (wasmill_test.timers[i].domain == domain && wasmill_test.timers[i].at == at && !wasmill_test_compare(wasmill_test.timers[i].key, key) && !wasmill_test_compare(wasmill_test.timers[i].tag, tag)) return i;
    return -1;
}

void wasmill_host_timer_set(int32_t domain, int64_t at, const void *key, uint32_t key_len, const void *tag, uint32_t tag_len) {
    wasmill_bytes none = {NULL, 0}, k = {(const char *)key, key_len}, t = {(const char *)tag, tag_len};
    if (wasmill_test_timer(domain, at, k, t) >= 0) return;
    if (wasmill_test.pending == 4096) wasmill_test_stop("the test keeps 4096 timers at most");
    int i = wasmill_test.pending++;
    wasmill_test.timers[i].domain = domain, wasmill_test.timers[i].at = at;
    wasmill_test.timers[i].key = wasmill_test_copy(k, none), wasmill_test.timers[i].tag = wasmill_test_copy(t, none);
}

void wasmill_host_timer_delete(int32_t domain, int64_t at, const void *key, uint32_t key_len, const void *tag, uint32_t tag_len) {
    wasmill_bytes k = {(const char *)key, key_len}, t = {(const char *)tag, tag_len};
    int i = wasmill_test_timer(domain, at, k, t);
    if (i >= 0) wasmill_test.timers[i] = wasmill_test.timers[--wasmill_test.pending];
}

int64_t wasmill_host_watermark(void) { return wasmill_test.watermark; }

/* The last accumulator that was replied. */
static struct {
    char bytes[65536];
    uint32_t len;
} wasmill_test_reply;

void wasmill_host_reply(const void *p, uint32_t n) {
    if (n < 4 || n - 4 > sizeof wasmill_test_reply.bytes) wasmill_test_stop("the test keeps accumulators of 65536 bytes at most");
    memcpy(wasmill_test_reply.bytes, (const char *)p + 4, n - 4);
    wasmill_test_reply.len = n - 4;
}

#ifdef __cplusplus
}
#endif

static uint32_t wasmill_test_version(void) { return wasmill_op.state_version; }

/* Driving the operator. Status is what its call returned: WASMILL_FAILED leaves the
 * message in wasmill_test.failure. */

static inline int wasmill_test_try_open(const char *config) {
    char request[8192];
    int n = snprintf(request, sizeof request, "{\"operator\":\"operator\",\"config\":%s,\"subtask\":0,\"parallelism\":1,\"maxParallelism\":128,\"restored\":false}", config);
    return wasmill_open(request, (uint32_t)n);
}

static inline void wasmill_test_open(const char *config) {
    if (wasmill_test_try_open(config) != WASMILL_OK) wasmill_test_stop(wasmill_test.failure);
}

/* Hands in records as one batch. */
static inline int wasmill_test_batch(int input, const wasmill_record *records, int count) {
    static wasmill_context c;
    static wasmill_batch b;
    b.len = 0, b.cap = 0;
    uint64_t size = 0;
    for (int i = 0; i < count; i++) size += wasmill_size(&records[i]);
    b.ptr = (char *)wasmill_grow((uint32_t)size);
    b.cap = (uint32_t)size;
    for (int i = 0; i < count; i++)
        if (wasmill_append(&c, &b, &records[i])) wasmill_test_stop(wasmill_test.failure);
    return wasmill_process(input, b.ptr, b.len);
}

/* Hands in one record without a timestamp; key or value NULL: absent. */
static inline int wasmill_test_record(int input, const char *key, const char *value) {
    wasmill_record r;
    memset((void *)&r, 0, sizeof r);
    r.timestamp = WASMILL_NO_TIMESTAMP;
    if (key) r.key = wasmill_string(key);
    if (value) r.value = wasmill_string(value);
    return wasmill_test_batch(input, &r, 1);
}

/* Windows. */

static inline wasmill_bytes wasmill_test_join(wasmill_bytes a, wasmill_bytes b) { return b.len ? wasmill_test_copy(a, b) : a; }

/* Adds a group to others; acc.ptr NULL: it has none. See sdk/abi.md. */
static inline wasmill_bytes wasmill_test_group(wasmill_bytes groups, const char *key, int64_t start, int64_t end, wasmill_bytes acc, wasmill_bytes body, int input, bool more) {
    char bytes[WASMILL_GROUP_HEAD] = {0};
    wasmill_bytes head = {bytes, sizeof bytes}, name = wasmill_string(key);
    *(wasmill_u32 *)bytes = name.len, *(wasmill_u32 *)(bytes + 4) = acc.ptr ? acc.len : ~0u, *(wasmill_u32 *)(bytes + 8) = body.len;
    bytes[12] = more, bytes[13] = (char)input;
    *(wasmill_u64 *)(bytes + 16) = (uint64_t)start, *(wasmill_u64 *)(bytes + 24) = (uint64_t)end;
    groups = wasmill_test_join(wasmill_test_join(groups, head), name);
    return wasmill_test_join(wasmill_test_join(groups, acc), body);
}

/* The records of an input out of some; inputs NULL: all are of the first. */
static inline wasmill_bytes wasmill_test_body(const wasmill_record *records, const int *inputs, int from, int to, int input) {
    wasmill_context c;
    wasmill_bytes body = {NULL, 0};
    memset((void *)&c, 0, sizeof c);
    for (int i = from; i < to; i++) {
        if ((inputs ? inputs[i] : 0) != input) continue;
        wasmill_batch b;
        memset((void *)&b, 0, sizeof b);
        b.cap = (uint32_t)wasmill_size(&records[i]), b.ptr = (char *)wasmill_grow(b.cap);
        if (wasmill_append(&c, &b, &records[i])) wasmill_test_stop(wasmill_test.failure);
        wasmill_bytes one = {b.ptr, b.len};
        body = wasmill_test_join(body, one);
    }
    return body;
}

static inline int wasmill_test_aggregate(const char *key, int64_t start, int64_t end, const wasmill_record *records, int count) {
    wasmill_bytes none = {NULL, 0}, parts = none;
    for (int half = 0; half < 2; half++) {
        wasmill_bytes body = wasmill_test_body(records, NULL, half ? count / 2 : 0, half ? count : count / 2, 0);
        if (!body.len) continue;
        wasmill_bytes g = wasmill_test_group(none, key, start, end, none, body, 0, false);
        int status = wasmill_accumulate(g.ptr, g.len);
        if (status) return status;
        wasmill_bytes len = {(const char *)&wasmill_test_reply.len, 4}, acc = {wasmill_test_reply.bytes, wasmill_test_reply.len};
        parts = wasmill_test_join(wasmill_test_join(parts, len), acc);
    }
    if (!parts.len) return WASMILL_OK;
    wasmill_bytes g = wasmill_test_group(none, key, start, end, none, parts, 0, false);
    int status = wasmill_merge(g.ptr, g.len);
    if (status) return status;
    wasmill_bytes acc = {wasmill_test_reply.bytes, wasmill_test_reply.len};
    g = wasmill_test_group(none, key, start, end, acc, none, 0, false);
    return wasmill_finish(g.ptr, g.len);
}

/* Gives the operator a window of a key that closes, with its records; inputs says of which
 * input each is, NULL: of the first. An aggregate gets them in two parts, which it must
 * merge. */
static inline int wasmill_test_window(const char *key, int64_t start, int64_t end, const wasmill_record *records, const int *inputs, int count) {
    if (wasmill_op.accumulate) return wasmill_test_aggregate(key, start, end, records, count);
    wasmill_bytes none = {NULL, 0}, groups = none;
    int last = 0;
    for (int i = 0; i < count; i++)
        if (inputs && inputs[i] > last) last = inputs[i];
    for (int input = 0; input <= last; input++) {
        wasmill_bytes body = wasmill_test_body(records, inputs, 0, count, input);
        if (body.len) groups = wasmill_test_group(groups, key, start, end, none, body, input, input < last);
    }
    return wasmill_apply(groups.ptr, groups.len);
}

/* Fires the timers of a domain that are due, the earliest first. */
static inline int wasmill_test_fire(int domain, int64_t upto) {
    for (;;) {
        int first = -1;
        for (int i = 0; i < wasmill_test.pending; i++)
            if (wasmill_test.timers[i].domain == domain && wasmill_test.timers[i].at <= upto && (first < 0 || wasmill_test.timers[i].at < wasmill_test.timers[first].at)) first = i;
        if (first < 0) return WASMILL_OK;
        wasmill_record r;
        memset((void *)&r, 0, sizeof r);
        r.key = wasmill_test.timers[first].key, r.value = wasmill_test.timers[first].tag;
        r.timestamp = wasmill_test.timers[first].at, r.change = (uint32_t)domain;
        wasmill_test.timers[first] = wasmill_test.timers[--wasmill_test.pending];
        wasmill_context c;
        wasmill_batch b;
        memset((void *)&c, 0, sizeof c), memset((void *)&b, 0, sizeof b);
        b.cap = (uint32_t)wasmill_size(&r), b.ptr = (char *)wasmill_grow(b.cap);
        if (wasmill_append(&c, &b, &r)) wasmill_test_stop(wasmill_test.failure);
        int status = wasmill_timers(b.ptr, b.len);
        if (status) return status;
    }
}

/* Advances the watermark: timers that are due fire first. */
static inline int wasmill_test_watermark(int64_t ts) {
    wasmill_test.watermark = ts;
    int status = wasmill_test_fire(WASMILL_EVENT_TIME, ts);
    if (!status) status = wasmill_watermark(ts);
    return status ? status : wasmill_flush();
}

/* Sets the clock: timers that are due fire. */
static inline int wasmill_test_clock(int64_t now) {
    wasmill_test.now = now;
    return wasmill_test_fire(WASMILL_PROCESSING_TIME, now);
}

/* Forgets what was given out. */
static inline void wasmill_test_clear(void) {
    for (int i = 0; i < WASMILL_MAX_PORTS; i++) wasmill_test.outputs[i].count = 0;
    wasmill_test.rejections = wasmill_test.lines = 0;
}

/* Looking at what it did. */

static inline bool wasmill_test_equal(wasmill_bytes b, const char *text) {
    return text ? b.ptr && b.len == strlen(text) && memcmp(b.ptr, text, b.len) == 0 : !b.ptr;
}

/* Whether the nth record of an output, from 0, is this one; NULL: absent. */
static inline bool wasmill_test_emitted(int output, int n, const char *key, const char *value) {
    if (n >= wasmill_test.outputs[output].count) return false;
    const wasmill_record *r = &wasmill_test.outputs[output].records[n];
    return wasmill_test_equal(r->key, key) && wasmill_test_equal(r->value, value);
}

/* The value of a table; ptr NULL: there is none. */
static inline wasmill_bytes wasmill_test_value(int table, const char *key, const char *sub) {
    wasmill_bytes none = {NULL, 0};
    bool same;
    int i = wasmill_test_place(table, wasmill_string(key), wasmill_string(sub), &same);
    return same ? wasmill_test.entries[i].value : none;
}

/* Writes an entry as an older version of the operator left it. */
static inline void wasmill_test_put(int table, const char *key, const char *sub, wasmill_bytes value, uint32_t version) {
    wasmill_test_write(table, wasmill_string(key), wasmill_string(sub), value, false, version);
}

static inline double wasmill_test_metric(const char *name) {
    for (int i = 0; i < 64; i++)
        if (!strcmp(wasmill_test.metrics[i].name, name)) return wasmill_test.metrics[i].value;
    return 0;
}

#endif
