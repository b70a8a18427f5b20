/* row.h: what the guests of the fault tests share: texts of numbers, and a sum of records
 * that does not depend on their order. */
#ifndef ROW_H
#define ROW_H
#include "wasmill.h"

typedef struct {
    uint64_t count, sum;
} fold;

static inline uint64_t hash(wasmill_bytes b) {
    uint64_t h = 14695981039346656037u;
    for (uint32_t i = 0; i < b.len; i++) h = (h ^ (uint8_t)b.ptr[i]) * 1099511628211u;
    return h;
}

static inline void fold_record(fold *f, const wasmill_record *r) {
    f->count++;
    f->sum += hash(r->value) * ((uint64_t)r->timestamp | 1);
}

typedef struct {
    char text[512];
    uint32_t len;
} row;

static inline void put_bytes(row *r, wasmill_bytes b) {
    if (r->len && r->len < sizeof r->text) r->text[r->len++] = ' ';
    for (uint32_t i = 0; i < b.len && r->len < sizeof r->text; i++) r->text[r->len++] = b.ptr[i];
}

static inline void put_number(row *r, uint64_t n) {
    char text[20], *last = text + sizeof text, *at = last;
    do *--at = (char)('0' + n % 10);
    while (n /= 10);
    wasmill_bytes b = {at, (uint32_t)(last - at)};
    put_bytes(r, b);
}

static inline void put_fold(row *r, const fold *f) {
    put_number(r, f->count);
    put_number(r, f->sum);
}

static inline int emit_row(wasmill_context *c, wasmill_bytes key, const row *r) {
    wasmill_record out = {.timestamp = WASMILL_NO_TIMESTAMP, .key = key, .value = {r->text, r->len}};
    return wasmill_emit(c, &out);
}

#endif
