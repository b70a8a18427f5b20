/* Counts the records of each key in a table, and gives out each key's count so far. */
#include "wasmill.h"

enum { COUNTS };

static int count(wasmill_context *c, const wasmill_record *r) {
    if (!r->key.ptr) return wasmill_reject(c, "no key");
    uint64_t *n = (uint64_t *)wasmill_value(c, COUNTS, sizeof *n);
    if (!n) return WASMILL_FAILED;
    ++*n;
    char text[20], *last = text + sizeof text, *at = last;
    uint64_t left = *n;
    do *--at = (char)('0' + left % 10);
    while (left /= 10);
    wasmill_record out = *r;
    out.value.ptr = at, out.value.len = (uint32_t)(last - at);
    return wasmill_emit(c, &out);
}

WASMILL_OPERATOR(.name = "running", .keeps_key = true, .process = count, .tables = {{.name = "counts"}});
