/* Keeps a value of each key: how often the key came, then random bytes, as many as the
 * first record's value has. Every record reads the entry and writes it. Of the records
 * that touch, one in so many is given out, as its number and its key. */
#include "wasmill.h"

enum { LATEST };
enum { LOAD, TOUCH };
enum { DIGITS = 16, MAX_KEY = 20 }; /* of the number with which a generator's value begins; of a key */

static uint32_t every = 1, since;

static int configure(wasmill_context *c) {
    every = (uint32_t)wasmill_json_number(wasmill_json_get(c->config, "every"), 1);
    return every ? WASMILL_OK : wasmill_fail(c, "every must be above 0");
}

/* Words of splitmix64: nothing that can be compressed. */
static void fill(uint64_t *words, uint32_t n, uint64_t seed) {
    for (uint32_t i = 0; i < n; i++) {
        uint64_t x = seed += 0x9e3779b97f4a7c15u;
        x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
        x = (x ^ x >> 27) * 0x94d049bb133111ebu;
        words[i] = x ^ x >> 31;
    }
}

static int keep(wasmill_context *c, const wasmill_record *r) {
    char text[DIGITS + 1 + MAX_KEY];
    if (!r->key.ptr || r->key.len > MAX_KEY || r->value.len < DIGITS) return wasmill_reject(c, "no key or no number");
    uint32_t words = r->value.len / 8;
    uint64_t *value = (uint64_t *)wasmill_value(c, LATEST, words * 8);
    if (!value) return WASMILL_FAILED;
    if (!value[0]++) fill(value + 1, words - 1, (uint64_t)wasmill_hash(r->key.ptr, r->key.len, 0) << 32);
    if (c->input == LOAD || ++since < every) return WASMILL_OK;
    since = 0;
    __builtin_memcpy(text, r->value.ptr, DIGITS);
    text[DIGITS] = ' ';
    __builtin_memcpy(text + DIGITS + 1, r->key.ptr, r->key.len);
    wasmill_record out = *r;
    out.value.ptr = text, out.value.len = DIGITS + 1 + r->key.len;
    return wasmill_emit(c, &out);
}

WASMILL_OPERATOR(.name = "keep", .keeps_key = true, .inputs = {"load", "touch"}, .open = configure, .process = keep, .tables = {{.name = "latest"}},
                 .config_schema = "{\"type\":\"object\",\"properties\":{\"every\":{\"type\":\"integer\",\"minimum\":1}},\"additionalProperties\":false}");
