/* Tests the operator natively. */
#include "main.c"
#include "wasmill_test.h"

int main(void) {
    WASMILL_CHECK(wasmill_test_try_open("{\"min\": 0}") == WASMILL_FAILED);
   
    wasmill_test_open("{\"min\": 2}");
    const char *words[] = {"b", "a", "c", "a", "b", "a"};
    for (int i = 0; i < 6; i++) WASMILL_CHECK(wasmill_test_record(0, words[i], "") == WASMILL_OK);
    WASMILL_CHECK(wasmill_test_record(0, NULL, "a record without a key") == WASMILL_OK);
    WASMILL_CHECK(wasmill_test.rejections == 1 && !strcmp(wasmill_test.reason, "no key"));
    WASMILL_CHECK(wasmill_end() == WASMILL_OK);
    WASMILL_CHECK(wasmill_test.outputs[0].count == 2);
    WASMILL_CHECK(wasmill_test_emitted(0, 0, "a", "3") || wasmill_test_emitted(0, 1, "a", "3"));
    WASMILL_CHECK(wasmill_test_emitted(0, 0, "b", "2") || wasmill_test_emitted(0, 1, "b", "2"));
    return wasmill_test_result();
}
