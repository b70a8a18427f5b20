/* Tests tables, timers and lazy migration of wasmill_state.h, natively. */
#include "wasmill.h"

enum { LAST, NAMES, LOG, TOTAL };

static wasmill_bytes text(const char *s) { return wasmill_string(s); }

/* Keys for the next flush, which brings their names of "a" out. */
static char wanted[8][16];
static int keys;

/* The record's value is a command; "key" is the key at hand. */
static int process(wasmill_context *c, const wasmill_record *r) {
    char command = r->value.ptr[0];
    wasmill_bytes rest = {r->value.ptr + 1, r->value.len - 1}, none = {NULL, 0};
    wasmill_record out = *r;
    out.value = none;
    switch (command) {
    case 's': return wasmill_value_set(c, LAST, rest);
    case 'g': out.value = wasmill_value_get(c, LAST); return wasmill_emit(c, &out);
    case 'p': return wasmill_value_add(c, LAST, rest);
    case 'c': return wasmill_clear(c, LAST);
    case 'm': return wasmill_map_set(c, NAMES, rest, r->key);
    case 'q': out.value = wasmill_map_get(c, NAMES, rest); return wasmill_emit(c, &out);
    case 'r': return wasmill_map_remove(c, NAMES, rest);
    case 'x': return wasmill_clear(c, NAMES);
    case 'w': {
        wasmill_cursor at = {.sub = rest};
        while (wasmill_map_next(c, NAMES, &at)) {
            out.value = at.sub;
            if (wasmill_emit(c, &out)) return WASMILL_FAILED;
        }
        return WASMILL_OK;
    }
    case 'a': return wasmill_list_add(c, LOG, rest);
    case 'l': {
        wasmill_bytes list = wasmill_list_get(c, LOG);
        while (wasmill_list_next(&list, &out.value))
            if (wasmill_emit(c, &out)) return WASMILL_FAILED;
        return WASMILL_OK;
    }
    case 't': {
        uint64_t *n = (uint64_t *)wasmill_value(c, TOTAL, 8);
        if (!n) return WASMILL_FAILED;
        ++*n;
        return WASMILL_OK;
    }
    case 'T': return wasmill_timer_set(c, rest.ptr[0] - '0', rest.ptr[1] - '0', rest);
    case 'D': return wasmill_timer_delete(c, rest.ptr[0] - '0', rest.ptr[1] - '0', rest);
    case 'b': return wasmill_value_set(c, 7, rest);
    case 'h': return wasmill_copy(wanted[keys++], rest.ptr, rest.len), WASMILL_OK;
    case 'W': return wasmill_want(c, 7, none);
    }
    return wasmill_reject(c, "no such command");
}

static int flush(wasmill_context *c) {
    if (keys && wasmill_want(c, NAMES, text("a")) == WASMILL_OK) return WASMILL_OK; /* no key is at hand */
    c->failed = false;
    for (int i = 0; i < keys; i++) {
        if (wasmill_at_key(c, text(wanted[i])) || wasmill_want(c, NAMES, text("a"))) return WASMILL_FAILED;
    }
    for (int i = 0; i < keys; i++) {
        if (wasmill_at_key(c, text(wanted[i]))) return WASMILL_FAILED;
        wasmill_record out = {.key = text(wanted[i]), .value = wasmill_map_get(c, NAMES, text("a"))};
        if (wasmill_emit(c, &out) || wasmill_map_set(c, NAMES, text("a"), text("flushed"))) return WASMILL_FAILED;
        wanted[i][0] = '?'; /* whoever holds keys may use their place again */
    }
    keys = 0;
    return WASMILL_OK;
}

static int timer(wasmill_context *c, int domain, wasmill_bytes tag) {
    wasmill_record out = {.timestamp = c->timer, .key = c->key, .value = tag};
    if (tag.len > 2 && tag.ptr[2] == '+') wasmill_timer_set(c, domain, c->timer + 1, text("again"));
    return wasmill_emit(c, &out);
}

static int migrate(wasmill_context *c, int table, uint32_t version, wasmill_bytes *value) {
    static const char list[] = {3, 0, 0, 0, 'n', 'e', 'w'};
    (void)c;
    if (version > 3) return WASMILL_FAILED;
    if (table == LOG) return value->ptr = list, value->len = sizeof list, WASMILL_OK;
    *value = version == 1 ? text("new") : wasmill_no_sub;
    return WASMILL_OK;
}

WASMILL_OPERATOR(
    .name = "commands", .process = process, .flush = flush,
    .tables = {{.name = "last"}, {.name = "names", .use = WASMILL_MAPS}, {.name = "log", .use = WASMILL_LISTS, .ttl = "1h"}, {.name = "total", .scope = WASMILL_SPLIT}},
    .state_version = 3, .migrate = migrate, .timer = timer);

#include "wasmill_test.h"

/* Does commands, separated by spaces, as one batch. */
static int do_all(const char *key, const char *commands) {
    static char copy[4096];
    wasmill_record records[256];
    int n = 0;
    strcpy(copy, commands);
    for (char *c = strtok(copy, " "); c; c = strtok(NULL, " ")) {
        memset((void *)&records[n], 0, sizeof records[n]);
        records[n].key = text(key), records[n].value = text(c);
        n++;
    }
    wasmill_test_clear();
    return wasmill_test_batch(0, records, n);
}

static bool gave(int n, const char *value) { return wasmill_test_emitted(0, n, "k", value); }

int main(void) {
    wasmill_test_open("{}");
    WASMILL_CHECK(do_all("k", "g sone g stwotwotwo g s g c g") == WASMILL_OK);
    WASMILL_CHECK(gave(0, NULL) && gave(1, "one") && gave(2, "twotwotwo") && gave(3, "") && gave(4, NULL));
    WASMILL_CHECK(!wasmill_test_value(LAST, "k", "").ptr);
    WASMILL_CHECK(do_all("k", "pone p g ptwo g c pthree") == WASMILL_OK && gave(0, "one") && gave(1, "onetwo"));
    WASMILL_CHECK(do_all("k", "p-four g") == WASMILL_OK && gave(0, "three-four"));
    WASMILL_CHECK(do_all("k", "skept") == WASMILL_OK && do_all("other", "g") == WASMILL_OK && wasmill_test_emitted(0, 0, "other", NULL));
    WASMILL_CHECK(do_all("k", "g") == WASMILL_OK && gave(0, "kept"));

    WASMILL_CHECK(do_all("k", "mb ma w qa qz mc rb w") == WASMILL_OK);
    WASMILL_CHECK(gave(0, "a") && gave(1, "b") && gave(2, "k") && gave(3, NULL) && gave(4, "a") && gave(5, "c"));
    WASMILL_CHECK(do_all("k", "wa x w md w") == WASMILL_OK && gave(0, "c") && gave(1, "d") && wasmill_test.outputs[0].count == 2);

    WASMILL_CHECK(do_all("k", "aone a l athree l") == WASMILL_OK);
    WASMILL_CHECK(gave(0, "one") && gave(1, "") && gave(2, "one") && gave(3, "") && gave(4, "three"));

    WASMILL_CHECK(do_all("k", "t t") == WASMILL_OK && do_all("other", "t") == WASMILL_OK);
    WASMILL_CHECK(wasmill_test_value(TOTAL, "", "").len == 8 && wasmill_test_value(TOTAL, "", "").ptr[0] == 3);

    WASMILL_CHECK(do_all("k", "T05 T05 T03+ T09 D09 T16") == WASMILL_OK);
    wasmill_test_clear();
    WASMILL_CHECK(wasmill_test_watermark(8) == WASMILL_OK && wasmill_test.outputs[0].count == 3);
    WASMILL_CHECK(gave(0, "03+") && gave(1, "again") && gave(2, "05"));
    WASMILL_CHECK(wasmill_test_clock(6) == WASMILL_OK && gave(3, "16") && wasmill_test.pending == 0);

    wasmill_test_put(LAST, "k", "", text("old"), 1);
    WASMILL_CHECK(do_all("k", "g") == WASMILL_OK && gave(0, "new"));
    wasmill_bytes now = wasmill_test_value(LAST, "k", "");
    WASMILL_CHECK(now.len == 3 && !memcmp(now.ptr, "new", 3));
    wasmill_test_put(LAST, "k", "", text("older"), 2);
    WASMILL_CHECK(do_all("k", "g") == WASMILL_OK && gave(0, NULL) && !wasmill_test_value(LAST, "k", "").ptr);

    /* What is added to a list goes behind what was migrated, and is seen at once. */
    wasmill_test_put(LOG, "k", "", text("old"), 1);
    WASMILL_CHECK(do_all("k", "l aadded l l") == WASMILL_OK && wasmill_test.outputs[0].count == 5);
    WASMILL_CHECK(gave(0, "new") && gave(1, "new") && gave(2, "added") && gave(3, "new") && gave(4, "added"));
    WASMILL_CHECK(do_all("k", "l") == WASMILL_OK && wasmill_test.outputs[0].count == 2 && gave(1, "added"));

    /* What is wanted of several keys comes in one call, and goes back in one. */
    WASMILL_CHECK(do_all("k", "ma") == WASMILL_OK && do_all("l", "ma") == WASMILL_OK && do_all("k", "hk hl hnone") == WASMILL_OK);
    wasmill_test.state_calls = 0;
    WASMILL_CHECK(wasmill_flush() == 0 && wasmill_test.state_calls == 2);
    WASMILL_CHECK(gave(0, "k") && wasmill_test_emitted(0, 1, "l", "l") && wasmill_test_emitted(0, 2, "none", NULL));
    WASMILL_CHECK(do_all("none", "qa") == WASMILL_OK && wasmill_test_emitted(0, 0, "none", "flushed"));
    WASMILL_CHECK(do_all("k", "ra") == WASMILL_OK);

    static char many[40000], *at = many;
    wasmill_test_clear();
    for (int i = 0; i < 3000; i++) {
        wasmill_record r;
        memset((void *)&r, 0, sizeof r);
        at = many;
        at += sprintf(at, "m%05d-and-quite-a-long-subkey-to-fill-pages", i);
        r.key = text("k"), r.value = text(many);
        WASMILL_CHECK(wasmill_test_batch(0, &r, 1) == WASMILL_OK);
    }
    WASMILL_CHECK(do_all("k", "w") == WASMILL_OK && wasmill_test.outputs[0].count == 3001);

    WASMILL_CHECK(do_all("k", "W") == WASMILL_FAILED && !strcmp(wasmill_test.failure, "there is no such table"));
    WASMILL_CHECK(do_all("k", "bad") == WASMILL_FAILED && !strcmp(wasmill_test.failure, "there is no such table"));
    return wasmill_test_result();
}
