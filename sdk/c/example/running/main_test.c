/* Tests the operator natively. */
#include "main.c"
#include "wasmill_test.h"

int main(void) {
    wasmill_test_open("{}");
    wasmill_record r[5];
    memset((void *)r, 0, sizeof r);
    const char *words[] = {"b", "a", "b", "a", "b"};
    for (int i = 0; i < 5; i++) r[i].key = wasmill_string(words[i]), r[i].value = wasmill_string("");
    for (int round = 0; round < 2; round++) WASMILL_CHECK(wasmill_test_batch(0, r, 5) == WASMILL_OK);
    WASMILL_CHECK(wasmill_test_emitted(0, 0, "b", "1") && wasmill_test_emitted(0, 4, "b", "3"));
    WASMILL_CHECK(wasmill_test_emitted(0, 5, "b", "4") && wasmill_test_emitted(0, 8, "a", "4"));
    wasmill_bytes kept = wasmill_test_value(COUNTS, "b", "");
    WASMILL_CHECK(kept.len == 8 && kept.ptr[0] == 6);
    WASMILL_CHECK(wasmill_test_record(0, NULL, "a record without a key") == WASMILL_OK);
    WASMILL_CHECK(wasmill_test.rejections == 1 && !strcmp(wasmill_test.reason, "no key"));
    return wasmill_test_result();
}
