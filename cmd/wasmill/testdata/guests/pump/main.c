/* pump is a source whose position is in a variable: so many records, a few at a time. */
#include "wasmill.h"

static int64_t records, next;

static int open(wasmill_context *c) {
    records = (int64_t)wasmill_json_number(wasmill_json_get(c->config, "records"), 0);
    return WASMILL_OK;
}

static int poll(wasmill_context *c, int max) {
    for (int n = 0; n < 50 && n < max && next < records; n++, next++) {
        char text[20], key[2] = {'p', (char)('0' + next % 10)}, *end = text + sizeof text, *at = end;
        int64_t rest = next;
        do *--at = (char)('0' + rest % 10);
        while (rest /= 10);
        wasmill_record r = {.timestamp = next, .key = {key, sizeof key}, .value = {at, (uint32_t)(end - at)}};
        if (wasmill_emit(c, &r)) return WASMILL_FAILED;
    }
    return next == records ? WASMILL_END : WASMILL_IDLE;
}

WASMILL_OPERATOR(
    .name = "pump",
    .config_schema = "{\"type\":\"object\",\"properties\":{\"records\":{\"type\":\"integer\"}},\"required\":[\"records\"]}",
    .open = open, .poll = poll);
