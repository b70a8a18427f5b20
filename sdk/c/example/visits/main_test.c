/* Tests the operator natively. */
#include "main.c"
#include "wasmill_test.h"

static void visit_at(int64_t minute, const char *user, const char *page) {
    wasmill_record r;
    memset((void *)&r, 0, sizeof r);
    r.timestamp = minute * 60000, r.key = wasmill_string(user), r.value = wasmill_string(page);
    WASMILL_CHECK(wasmill_test_batch(0, &r, 1) == WASMILL_OK);
}

int main(void) {
    wasmill_test_open("{}");
    WASMILL_CHECK(wasmill_test_record(1, NULL, "mute /health") == WASMILL_OK);
    WASMILL_CHECK(wasmill_test_record(1, NULL, "what") == WASMILL_OK && !strcmp(wasmill_test.reason, "no rule"));
    visit_at(1, "ann", "/"), visit_at(10, "ann", "/b"), visit_at(5, "ann", "/");
    visit_at(20, "bob", "/health"), visit_at(20, "bob", "/");
    WASMILL_CHECK(wasmill_test_watermark(70 * 60000 - 1) == WASMILL_OK && wasmill_test.outputs[0].count == 0);
    WASMILL_CHECK(wasmill_test_watermark(80 * 60000) == WASMILL_OK);
    WASMILL_CHECK(wasmill_test_emitted(0, 0, "ann", "/ /b / /=2 /b=1 ") && wasmill_test_emitted(0, 1, "bob", "/ /=1 "));
    WASMILL_CHECK(wasmill_barrier(1) == WASMILL_OK);
    wasmill_bytes total = wasmill_test_value(TOTALS, "", "visits");
    WASMILL_CHECK(total.len == 8 && total.ptr[0] == 5);

    uint32_t seconds = 100 * 60; /* version 1 has seen carl */
    wasmill_bytes old = {(const char *)&seconds, 4};
    wasmill_test_put(LAST, "carl", "", old, 1);
    visit_at(99, "carl", "/");
    WASMILL_CHECK(wasmill_test.pending == 0);
    visit_at(101, "carl", "/");
    WASMILL_CHECK(wasmill_test.pending == 1 && wasmill_test.timers[0].at == 161 * 60000);
    return wasmill_test_result();
}
