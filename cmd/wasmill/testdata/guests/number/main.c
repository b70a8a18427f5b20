/* number numbers the records of its subtask, by state without keys: one number in a table
 * that is split, one in a table that is united. */
#include "../row.h"

enum { SPLIT, UNION };

static char name_of(wasmill_context *c) { return (char)('a' + c->subtask); }

/* What is united has the numbers of all: a subtask drops those of others, lest it tell
 * the next of them what is old by then. */
static int open(wasmill_context *c) {
    wasmill_cursor at = {0};
    while (wasmill_map_next(c, UNION, &at))
        if (at.sub.ptr[0] != name_of(c) && wasmill_map_remove(c, UNION, at.sub)) return WASMILL_FAILED;
    return WASMILL_OK;
}

static int next(wasmill_context *c, int table, uint64_t *n) {
    char name = name_of(c);
    wasmill_bytes sub = {&name, 1}, kept = wasmill_map_get(c, table, sub);
    *n = 0;
    if (kept.ptr) wasmill_copy((char *)n, kept.ptr, sizeof *n);
    ++*n;
    kept.ptr = (const char *)n, kept.len = sizeof *n;
    return wasmill_map_set(c, table, sub, kept);
}

static int number(wasmill_context *c, const wasmill_record *in) {
    uint64_t split, all;
    if (next(c, SPLIT, &split) || next(c, UNION, &all)) return WASMILL_FAILED;
    row r = {.len = 0};
    put_number(&r, (uint64_t)c->subtask), put_number(&r, split), put_number(&r, all);
    put_bytes(&r, in->value);
    return emit_row(c, in->key, &r);
}

WASMILL_OPERATOR(
    .name = "number", .keeps_key = true, .open = open, .process = number,
    .tables = {{.name = "split", .scope = WASMILL_SPLIT, .use = WASMILL_MAPS}, {.name = "union", .scope = WASMILL_UNION, .use = WASMILL_MAPS}});
