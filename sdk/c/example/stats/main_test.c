/* Tests the operator natively. */
#include "main.c"
#include "wasmill_test.h"

int main(void) {
    wasmill_test_open("{}");
    wasmill_record r[4];
    memset((void *)r, 0, sizeof r);
    const char *values[] = {"one", NULL, "four", ""};
    for (int i = 0; i < 4; i++)
        if (values[i]) r[i].value = wasmill_string(values[i]);
    WASMILL_CHECK(wasmill_test_window("k", 0, 60000, r, NULL, 4) == WASMILL_OK);
    WASMILL_CHECK(wasmill_test.rejections == 1 && !strcmp(wasmill_test.reason, "no value"));
    WASMILL_CHECK(wasmill_test.outputs[0].count == 1);
    stats s;
    memcpy(&s, wasmill_test.outputs[0].records[0].value.ptr, sizeof s);
    WASMILL_CHECK(s.count == 3 && s.bytes == 7);
    return wasmill_test_result();
}
