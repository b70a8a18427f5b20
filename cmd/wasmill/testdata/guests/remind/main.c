/* remind keeps the events of each key in a table until a timer, every 100 ms of event time
 * if there are any, gives them out, times the factor that the rules say at that time. Rules
 * come to all subtasks and are kept in a broadcast table, by their times. */
#include "../row.h"

enum { EVENTS, RULES, PERIOD = 100 };

/* A time, and what makes it one of several, as a subkey that sorts like the time. */
static wasmill_bytes in_order(char *to, int64_t at, uint64_t more) {
    for (int i = 0; i < 8; i++) to[i] = (char)((uint64_t)at >> (56 - 8 * i)), to[8 + i] = (char)(more >> (56 - 8 * i));
    wasmill_bytes b = {to, 16};
    return b;
}

static int64_t time_of(wasmill_bytes sub) {
    uint64_t at = 0;
    for (int i = 0; i < 8; i++) at = at << 8 | (uint8_t)sub.ptr[i];
    return (int64_t)at;
}

static int process(wasmill_context *c, const wasmill_record *r) {
    char sub[16];
    if (c->input == 1) return wasmill_map_set(c, RULES, in_order(sub, r->timestamp, 0), r->value);
    fold one = {0, 0};
    fold_record(&one, r);
    wasmill_bytes event = {(const char *)&one, sizeof one};
    if (wasmill_map_set(c, EVENTS, in_order(sub, r->timestamp, one.sum), event)) return WASMILL_FAILED;
    return wasmill_timer_set(c, WASMILL_EVENT_TIME, (r->timestamp / PERIOD + 1) * PERIOD, wasmill_string("due"));
}

static int due(wasmill_context *c, int domain, wasmill_bytes tag) {
    (void)domain, (void)tag;
    fold all = {0, 0};
    uint64_t factor = 1;
    wasmill_cursor at = {0};
    while (wasmill_map_next(c, EVENTS, &at) && time_of(at.sub) < c->timer) {
        fold one;
        wasmill_copy((char *)&one, at.value.ptr, sizeof one);
        all.count += one.count, all.sum += one.sum;
        if (wasmill_map_remove(c, EVENTS, at.sub)) return WASMILL_FAILED;
    }
    wasmill_cursor rule = {0};
    while (wasmill_map_next(c, RULES, &rule) && time_of(rule.sub) <= c->timer) factor = hash(rule.value);
    row r = {.len = 0};
    put_bytes(&r, c->key);
    put_number(&r, (uint64_t)c->timer), put_number(&r, all.count), put_number(&r, all.sum * factor);
    return emit_row(c, c->key, &r);
}

WASMILL_OPERATOR(
    .name = "remind", .inputs = {"events", "rules"}, .keeps_key = true, .process = process,
    .tables = {{.name = "events", .use = WASMILL_MAPS}, {.name = "rules", .scope = WASMILL_BROADCAST, .use = WASMILL_MAPS}},
    .broadcast_inputs = 2, .timer = due);
