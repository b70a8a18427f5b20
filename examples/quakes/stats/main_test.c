/* Tests the operator natively: make test-sdk-c. */
#include "main.c"
#include "wasmill_test.h"

/* A group as the engine gives it: key, accumulator and body, of a window. */
static char group[4096];

static uint32_t make_group(const char *key, int64_t start, const void *acc, const void *body, uint32_t body_len) {
    uint32_t head[3] = {(uint32_t)strlen(key), acc ? (uint32_t)sizeof(stats) : ~0u, body_len};
    int64_t window[2] = {start, start + DAY_MS};
    memset(group, 0, 16);
    memcpy(group, head, sizeof head), memcpy(group + 16, window, sizeof window);
    char *at = group + 32;
    memcpy(at, key, head[0]), at += head[0];
    if (acc) memcpy(at, acc, sizeof(stats)), at += sizeof(stats);
    if (body_len) memcpy(at, body, body_len), at += body_len;
    return (uint32_t)(at - group);
}

static stats replied(void) {
    stats s;
    memcpy(&s, wasmill_test_reply.bytes, sizeof s);
    return s;
}

static stats accumulated(const stats *acc, const char *quake) {
    static wasmill_context c;
    wasmill_record r = {.timestamp = 1, .key = wasmill_string("ak"), .value = wasmill_string(quake)};
    wasmill_batch b = {.ptr = (char *)wasmill_grow(1024), .cap = 1024};
    wasmill_append(&c, &b, &r);
    WASMILL_CHECK(wasmill_accumulate(group, make_group("ak", 0, acc, b.ptr, b.len)) == WASMILL_OK);
    return replied();
}

static void finishes(const char *net, int64_t start, const stats *s, const char *want) {
    wasmill_test_clear();
    WASMILL_CHECK(wasmill_finish(group, make_group(net, start, s, NULL, 0)) == WASMILL_OK);
    WASMILL_CHECK(wasmill_test_emitted(0, 0, net, want));
}

static void rejects(const char *quake, const char *reason) {
    wasmill_test_clear();
    WASMILL_CHECK(accumulated(NULL, quake).count == 0);
    WASMILL_CHECK(wasmill_test.rejections == 1 && !strcmp(wasmill_test.reason, reason));
}

int main(void) {
    const int64_t day = DAY_MS;
    wasmill_test_open("{}");

    stats s = accumulated(NULL, "{\"mag\":-0.5}");
    finishes("ak", 0, &s, "{\"net\":\"ak\",\"day\":\"1970-01-01\",\"count\":1,\"max_mag\":-0.5}");
    s = accumulated(&s, "{\"mag\":1.50}");
    s = accumulated(&s, "{\"mag\":1.5}");
    s = accumulated(&s, "{\"mag\":1.25}");
    finishes("ak", 17563 * day, &s, "{\"net\":\"ak\",\"day\":\"2018-02-01\",\"count\":4,\"max_mag\":1.50}");
    finishes("ak", 11016 * day, &s, "{\"net\":\"ak\",\"day\":\"2000-02-29\",\"count\":4,\"max_mag\":1.50}");
    finishes("ak", -1 * day, &s, "{\"net\":\"ak\",\"day\":\"1969-12-31\",\"count\":4,\"max_mag\":1.50}");
    finishes("a\"\n", -1 * day - 1, &s, "{\"net\":\"a\\\"\\u000a\",\"day\":\"1969-12-30\",\"count\":4,\"max_mag\":1.50}");

    stats unknown = accumulated(NULL, "{\"mag\":null}");
    unknown = accumulated(&unknown, "{}");
    finishes("ak", 0, &unknown, "{\"net\":\"ak\",\"day\":\"1970-01-01\",\"count\":2,\"max_mag\":null}");

    char parts[2 * (4 + sizeof(stats))];
    uint32_t size = sizeof(stats);
    memcpy(parts, &size, 4), memcpy(parts + 4, &unknown, size);
    memcpy(parts + 4 + size, &size, 4), memcpy(parts + 8 + size, &s, size);
    WASMILL_CHECK(wasmill_merge(group, make_group("ak", 0, NULL, parts, sizeof parts)) == WASMILL_OK);
    s = replied();
    finishes("ak", 0, &s, "{\"net\":\"ak\",\"day\":\"1970-01-01\",\"count\":6,\"max_mag\":1.50}");

    rejects("{\"mag\":\"5\"}", "the magnitude is not a number");
    rejects("{\"mag\":1.00000000000000000000000000000000000001}", "the magnitude is not a number");
    return wasmill_test_result();
}
