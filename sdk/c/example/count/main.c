/* Counts the records of each key, in a table without libc, and gives out those that
 * came often enough when its inputs have ended. */
#include "wasmill.h"

enum { SLOTS = 4096 };

static struct {
    char key[48];
    uint32_t len, count;
} table[SLOTS];

static uint32_t min = 1;

static int open(wasmill_context *c) {
    double n = wasmill_json_number(wasmill_json_get(c->config, "min"), 1);
    if (n < 1) return wasmill_fail(c, "config min is below 1");
    min = (uint32_t)n;
    return WASMILL_OK;
}

static int count(wasmill_context *c, const wasmill_record *r) {
    if (!r->key.len) return wasmill_reject(c, "no key");
    if (r->key.len > sizeof table[0].key) return wasmill_reject(c, "the key is longer than 48 bytes");
    uint32_t slot = 2166136261u;
    for (uint32_t i = 0; i < r->key.len; i++) slot = (slot ^ (uint8_t)r->key.ptr[i]) * 16777619u;
    for (int tries = 0; tries < SLOTS; tries++, slot++) {
        if (!table[slot % SLOTS].len) {
            table[slot % SLOTS].len = r->key.len;
            wasmill_copy(table[slot % SLOTS].key, r->key.ptr, r->key.len);
        }
        if (table[slot % SLOTS].len != r->key.len || !wasmill_same(table[slot % SLOTS].key, r->key.ptr, r->key.len)) continue;
        table[slot % SLOTS].count++;
        return WASMILL_OK;
    }
    return wasmill_fail(c, "more than 4096 keys");
}

static int end(wasmill_context *c) {
    for (int i = 0; i < SLOTS; i++) {
        if (!table[i].len || table[i].count < min) continue;
        char text[10], *last = text + sizeof text, *at = last;
        uint32_t n = table[i].count;
        do *--at = (char)('0' + n % 10);
        while (n /= 10);
        wasmill_record r = {.timestamp = WASMILL_NO_TIMESTAMP, .key = {table[i].key, table[i].len}, .value = {at, (uint32_t)(last - at)}};
        if (wasmill_emit(c, &r)) return WASMILL_FAILED;
    }
    return WASMILL_OK;
}

WASMILL_OPERATOR(
    .name = "count", .keeps_key = true,
    .config_schema = "{\"type\":\"object\",\"properties\":{\"min\":{\"type\":\"integer\",\"minimum\":1}},\"additionalProperties\":false}",
    .open = open, .process = count, .end = end);
