/* The state guest of sdk/tck in C, without libc. */
#include "wasmill.h"

enum { VALUE, MAP, LIST, BRIEF, SPLIT, UNION, SHARED };

static char cached[256];
static uint32_t cached_len;

static bool is(wasmill_bytes b, const char *text) {
    uint32_t n = 0;
    for (; text[n]; n++)
        if (n >= b.len || b.ptr[n] != text[n]) return false;
    return n == b.len;
}

static int64_t number_of(wasmill_bytes b) { return b.len ? (int64_t)wasmill_json_number(b, 0) : 0; }

/* A text under way. */
typedef struct text {
    char bytes[8192];
    uint32_t len;
} text;

static void put(text *t, wasmill_bytes b) {
    if (t->len + b.len > sizeof t->bytes) __builtin_trap();
    wasmill_copy(t->bytes + t->len, b.ptr, b.len);
    t->len += b.len;
}

static void put_text(text *t, const char *s) { put(t, wasmill_string(s)); }

static void put_number(text *t, int64_t v) {
    char digits[20], *end = digits + sizeof digits, *at = end;
    uint64_t left = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
    if (v < 0) put_text(t, "-");
    do *--at = (char)('0' + left % 10);
    while (left /= 10);
    put(t, (wasmill_bytes){at, (uint32_t)(end - at)});
}

static int say(wasmill_context *c, wasmill_bytes b) {
    wasmill_record r = {.timestamp = WASMILL_NO_TIMESTAMP, .key = c->key, .value = b};
    return wasmill_emit(c, &r);
}

static int say_text(wasmill_context *c, const text *t) { return say(c, (wasmill_bytes){t->bytes, t->len}); }

static int say_if(wasmill_context *c, wasmill_bytes b) { return say(c, b.ptr ? b : wasmill_string("-")); }

/* Splits b into n words; the last is the rest. */
static void words_of(wasmill_bytes b, wasmill_bytes *words, int n) {
    const char *from = b.ptr, *end = b.ptr + b.len;
    for (int i = 0; i < n; i++) {
        const char *at = from;
        while (at < end && (i == n - 1 || *at != ' ')) at++;
        words[i].ptr = from, words[i].len = (uint32_t)(at - from);
        from = at < end ? at + 1 : end;
    }
}

/* What an older version wrote is read with that version before it. */
static wasmill_bytes migrated(text *t, uint32_t version, wasmill_bytes value) {
    t->len = 0;
    put_text(t, "v"), put_number(t, version), put_text(t, ":"), put(t, value);
    return (wasmill_bytes){t->bytes, t->len};
}

static int migrate(wasmill_context *c, int table, uint32_t version, wasmill_bytes *value) {
    static text t;
    (void)c;
    if (table != LIST) *value = migrated(&t, version, *value);
    return WASMILL_OK;
}

static int on_value(wasmill_context *c, int table, const wasmill_bytes *word) {
    if (is(word[1], "get")) return say_if(c, wasmill_value_get(c, table));
    if (is(word[1], "set")) return wasmill_value_set(c, table, word[2]);
    if (is(word[1], "clear")) return wasmill_value_clear(c, table);
    return WASMILL_OK;
}

static int fill(wasmill_context *c, int table, int64_t n, uint32_t size) {
    static char x[4096];
    __builtin_memset(x, 'x', sizeof x);
    for (int64_t i = 0; i < n; i++) {
        text sub = {.len = 0};
        put_number(&sub, 100000 + i);
        if (wasmill_map_set(c, table, (wasmill_bytes){sub.bytes, sub.len}, (wasmill_bytes){x, size})) return WASMILL_FAILED;
    }
    return WASMILL_OK;
}

static int on_map(wasmill_context *c, int table, const wasmill_bytes *word) {
    static text t, old;
    if (is(word[1], "get")) return say_if(c, wasmill_map_get(c, table, word[2]));
    if (is(word[1], "set")) return wasmill_map_set(c, table, word[2], word[3]);
    if (is(word[1], "remove")) return wasmill_map_remove(c, table, word[2]);
    if (is(word[1], "clear")) return wasmill_clear(c, table);
    if (is(word[1], "fill")) return fill(c, table, number_of(word[2]), (uint32_t)number_of(word[3]));
    wasmill_cursor at = {0};
    int64_t entries = 0, size = 0;
    while (wasmill_map_next(c, table, &at)) {
        entries++, size += at.value.len;
        if (!is(word[1], "all")) continue;
        t.len = 0;
        put(&t, at.sub), put_text(&t, "="), put(&t, at.version == 2 ? at.value : migrated(&old, at.version, at.value));
        if (say_text(c, &t)) return WASMILL_FAILED;
    }
    if (!is(word[1], "size")) return WASMILL_OK;
    t.len = 0;
    put_number(&t, entries), put_text(&t, " "), put_number(&t, size);
    return say_text(c, &t);
}

static int on_list(wasmill_context *c, const wasmill_bytes *word) {
    if (is(word[1], "add")) return wasmill_list_add(c, LIST, word[2]);
    if (is(word[1], "clear")) return wasmill_clear(c, LIST);
    if (!is(word[1], "all")) return WASMILL_OK;
    wasmill_bytes list = wasmill_list_get(c, LIST), element;
    while (wasmill_list_next(&list, &element))
        if (say(c, element)) return WASMILL_FAILED;
    return WASMILL_OK;
}

static int on_timer(wasmill_context *c, const wasmill_bytes *word) {
    int domain = (int)number_of(word[2]);
    if (is(word[1], "set")) return wasmill_timer_set(c, domain, number_of(word[3]), word[4]);
    if (is(word[1], "delete")) return wasmill_timer_delete(c, domain, number_of(word[3]), word[4]);
    return WASMILL_OK;
}

static int say_number(wasmill_context *c, const char *before, int64_t v) {
    static text t;
    t.len = 0;
    put_text(&t, before), put_number(&t, v);
    return say_text(c, &t);
}

#include "raw.h"

/* Does one command. */
static int run(wasmill_context *c, wasmill_bytes command) {
    static const char *const maps[] = {"map", "split", "union", "shared"};
    static const int tables[] = {MAP, SPLIT, UNION, SHARED};
    wasmill_bytes word[5];
    words_of(command, word, 5);
    for (int i = 0; i < 4; i++)
        if (is(word[0], maps[i])) return on_map(c, tables[i], word);
    if (is(word[0], "value")) return on_value(c, VALUE, word);
    if (is(word[0], "brief")) return on_value(c, BRIEF, word);
    if (is(word[0], "list")) return on_list(c, word);
    if (is(word[0], "timer")) return on_timer(c, word);
    if (is(word[0], "watermark")) return say_number(c, "", wasmill_watermark_now());
    if (is(word[0], "raw")) return raw(c, command);
    if (is(word[0], "cache")) {
        cached_len = word[1].len < sizeof cached ? word[1].len : sizeof cached;
        wasmill_copy(cached, word[1].ptr, cached_len);
    }
    return WASMILL_OK;
}

static int open(wasmill_context *c) {
    static char buffer[4096];
    wasmill_bytes command = wasmill_json_text(wasmill_json_get(c->config, "open"), buffer);
    return command.ptr ? run(c, command) : WASMILL_OK;
}

static int process(wasmill_context *c, const wasmill_record *r) { return run(c, r->value); }

static int timer(wasmill_context *c, int domain, wasmill_bytes tag) {
    static text t;
    t.len = 0;
    put_text(&t, "timer "), put_number(&t, domain), put_text(&t, " "), put_number(&t, c->timer), put_text(&t, " "), put(&t, tag);
    return say_text(c, &t) ? WASMILL_FAILED : run(c, tag);
}

static int watermark(wasmill_context *c, int64_t ts) { return say_number(c, "watermark ", ts); }

static int barrier(wasmill_context *c, int64_t checkpoint) {
    if (cached_len && wasmill_map_set(c, SPLIT, wasmill_string("cached"), (wasmill_bytes){cached, cached_len})) return WASMILL_FAILED;
    return say_number(c, "barrier ", checkpoint);
}

static int flush(wasmill_context *c) { return say(c, wasmill_string("flush")); }
static int end(wasmill_context *c) { return say(c, wasmill_string("end")); }

WASMILL_OPERATOR(
    .name = "tck-state", .inputs = {"in", "rules"},
    .config_schema = "{\"type\":\"object\",\"properties\":{\"open\":{\"type\":\"string\"}},\"additionalProperties\":false}",
    .open = open, .process = process, .flush = flush, .end = end,
    .tables = {{.name = "value"}, {.name = "map", .use = WASMILL_MAPS}, {.name = "list", .use = WASMILL_LISTS}, {.name = "brief", .ttl = "1h"},
        {.name = "split", .scope = WASMILL_SPLIT}, {.name = "union", .scope = WASMILL_UNION}, {.name = "shared", .scope = WASMILL_BROADCAST}},
    .state_version = 2, .broadcast_inputs = 2, .migrate = migrate, .timer = timer, .watermark = watermark, .barrier = barrier);
