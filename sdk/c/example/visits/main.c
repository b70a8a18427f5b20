/* Keeps what each user of a site does, and says so after an hour without a visit. It is
 * where docs/state.md takes its snippets from. */
#include "wasmill.h"

enum { LAST, PAGES, TRAIL, MUTED, TOTALS };

static const int64_t silence = 60 * 60 * 1000;
static int64_t seen;

/* Moves the user's timer to an hour after this visit. */
static int remind(wasmill_context *c, const wasmill_record *r) {
    wasmill_bytes tag = wasmill_string("silent");
    int64_t *last = (int64_t *)wasmill_value(c, LAST, sizeof *last); /* 0 if there is none */
    if (!last) return WASMILL_FAILED;
    if (*last >= r->timestamp) return WASMILL_OK; /* out of order */
    if (*last && wasmill_timer_delete(c, WASMILL_EVENT_TIME, *last + silence, tag)) return WASMILL_FAILED;
    *last = r->timestamp;
    return wasmill_timer_set(c, WASMILL_EVENT_TIME, r->timestamp + silence, tag);
}

static int visit(wasmill_context *c, const wasmill_record *r) {
    if (wasmill_map_get(c, MUTED, r->value).ptr) return WASMILL_OK;
    uint64_t n = 0;
    wasmill_bytes before = wasmill_map_get(c, PAGES, r->value); /* ptr NULL: there is none */
    if (before.len == sizeof n) __builtin_memcpy(&n, before.ptr, sizeof n);
    n++;
    wasmill_bytes now = {(const char *)&n, sizeof n};
    if (wasmill_map_set(c, PAGES, r->value, now)) return WASMILL_FAILED;
    if (wasmill_list_add(c, TRAIL, r->value)) return WASMILL_FAILED;
    return remind(c, r);
}

/* "mute PAGE" or "unmute PAGE". Each subtask gets each rule. */
static int rule(wasmill_context *c, const wasmill_record *r) {
    wasmill_bytes page = r->value;
    bool mute = page.len > 5 && wasmill_same(page.ptr, "mute ", 5);
    uint32_t verb = mute ? 5 : 7;
    if (!mute && !(page.len > 7 && wasmill_same(page.ptr, "unmute ", 7))) return wasmill_reject(c, "no rule");
    page.ptr += verb, page.len -= verb;
    return mute ? wasmill_map_set(c, MUTED, page, wasmill_string("")) : wasmill_map_remove(c, MUTED, page);
}

static int process(wasmill_context *c, const wasmill_record *r) {
    if (c->input == 1) return rule(c, r);
    if (!r->key.ptr || r->timestamp <= 0) return wasmill_reject(c, "a visit has a user and a time");
    seen++;
    return visit(c, r);
}

typedef struct {
    char bytes[4096];
    uint32_t len;
} line;

static void put(line *l, wasmill_bytes b) {
    if (b.len > sizeof l->bytes - l->len) b.len = (uint32_t)sizeof l->bytes - l->len;
    wasmill_copy(l->bytes + l->len, b.ptr, b.len);
    l->len += b.len;
}

static void put_count(line *l, uint64_t n) {
    char digits[20], *end = digits + sizeof digits, *at = end;
    do *--at = (char)('0' + n % 10);
    while (n /= 10);
    wasmill_bytes b = {at, (uint32_t)(end - at)};
    put(l, b);
}

/* A timer is due: the tables are those of its key. */
static int report(wasmill_context *c, int domain, wasmill_bytes tag) {
    static line l;
    (void)domain, (void)tag;
    l.len = 0;
    wasmill_bytes trail = wasmill_list_get(c, TRAIL), page;
    while (wasmill_list_next(&trail, &page)) put(&l, page), put(&l, wasmill_string(" "));
    wasmill_cursor at = {0};
    while (wasmill_map_next(c, PAGES, &at)) { /* by path */
        uint64_t n = *(const wasmill_u64 *)at.value.ptr;
        put(&l, at.sub), put(&l, wasmill_string("=")), put_count(&l, n), put(&l, wasmill_string(" "));
    }
    if (wasmill_clear(c, TRAIL) || wasmill_value_clear(c, LAST)) return WASMILL_FAILED;
    wasmill_record r = {.timestamp = c->timer, .key = c->key, .value = {l.bytes, l.len}};
    return wasmill_emit(c, &r);
}

/* A snapshot comes: what is kept elsewhere is written to a table. */
static int barrier(wasmill_context *c, int64_t checkpoint) {
    (void)checkpoint;
    wasmill_bytes sub = wasmill_string("visits"), before = wasmill_map_get(c, TOTALS, sub);
    if (before.len == sizeof seen) seen += (int64_t)*(const wasmill_u64 *)before.ptr;
    wasmill_bytes now = {(const char *)&seen, sizeof seen};
    int status = wasmill_map_set(c, TOTALS, sub, now);
    seen = 0;
    return status;
}

/* Reads what version 1 wrote to LAST: seconds, four bytes. */
static int migrate(wasmill_context *c, int table, uint32_t version, wasmill_bytes *value) {
    static int64_t ms;
    if (table != LAST) return WASMILL_OK;
    if (version != 1 || value->len != 4) return wasmill_fail(c, "last: no time of version 1");
    ms = (int64_t)*(const wasmill_u32 *)value->ptr * 1000;
    value->ptr = (const char *)&ms, value->len = sizeof ms;
    return WASMILL_OK;
}

WASMILL_OPERATOR(
    .name = "visits", .inputs = {"in", "rules"}, .keeps_key = true, .process = process,
    .tables = {
        {.name = "last"},
        {.name = "pages", .use = WASMILL_MAPS, .ttl = "720h"},
        {.name = "trail", .use = WASMILL_LISTS},
        {.name = "muted", .use = WASMILL_MAPS, .scope = WASMILL_BROADCAST},
        {.name = "totals", .use = WASMILL_MAPS, .scope = WASMILL_SPLIT},
    },
    .state_version = 2, .broadcast_inputs = 1 << 1, .migrate = migrate, .timer = report, .barrier = barrier);
