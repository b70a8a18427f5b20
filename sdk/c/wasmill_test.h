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
    int failures; /* of WASMILL_CHECK */
} wasmill_test;

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

#ifdef __cplusplus
}
#endif

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

static inline double wasmill_test_metric(const char *name) {
    for (int i = 0; i < 64; i++)
        if (!strcmp(wasmill_test.metrics[i].name, name)) return wasmill_test.metrics[i].value;
    return 0;
}

#endif
