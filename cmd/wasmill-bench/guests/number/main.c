/* Gives each record of a generator the key that is its own number. */
#include "wasmill.h"

static int number(wasmill_context *c, const wasmill_record *r) {
    uint64_t n = 0;
    if (r->value.len < 16) return wasmill_reject(c, "no number");
    for (int i = 0; i < 16; i++) n = n << 4 | (uint64_t)(r->value.ptr[i] <= '9' ? r->value.ptr[i] - '0' : r->value.ptr[i] - 'a' + 10);
    char text[20], *last = text + sizeof text, *at = last;
    do *--at = (char)('0' + n % 10);
    while (n /= 10);
    wasmill_record out = *r;
    out.key.ptr = at, out.key.len = (uint32_t)(last - at);
    return wasmill_emit(c, &out);
}

WASMILL_OPERATOR(.name = "number", .process = number);
