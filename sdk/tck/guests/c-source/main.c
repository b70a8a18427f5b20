/* The source guest of sdk/tck in C, without libc. */
#include "wasmill.h"

static int64_t records, next;
static bool polled;

static int open(wasmill_context *c) {
    records = (int64_t)wasmill_json_number(wasmill_json_get(c->config, "records"), 0);
    return WASMILL_OK;
}

static int poll(wasmill_context *c, int max) {
    if (!polled) {
        polled = true;
        return WASMILL_IDLE;
    }
    for (; max > 0 && next < records; max--, next++) {
        char text[32] = "record ", *end = text + sizeof text, *at = end;
        int64_t n = next;
        do *--at = (char)('0' + n % 10);
        while (n /= 10);
        uint32_t digits = (uint32_t)(end - at);
        wasmill_record r = {.timestamp = next, .key = {at, digits}, .value = {text, 7 + digits}};
        wasmill_copy(text + 7, at, digits);
        if (wasmill_emit(c, &r)) return WASMILL_FAILED;
    }
    return next == records ? WASMILL_END : WASMILL_MORE;
}

WASMILL_OPERATOR(
    .name = "tck-source",
    .config_schema = "{\"type\":\"object\",\"properties\":{\"records\":{\"type\":\"integer\",\"minimum\":0}},"
                     "\"required\":[\"records\"],\"additionalProperties\":false}",
    .open = open, .poll = poll);
