/* Tests the operator natively. */
#include "main.c"
#include "wasmill_test.h"

int main(void) {
    wasmill_test_open("{}");
    wasmill_record r[3];
    memset((void *)r, 0, sizeof r);
    r[0].value = wasmill_string("book"), r[1].value = wasmill_string("12"), r[2].value = wasmill_string("pen");
    const int inputs[] = {ORDERS, PAYMENTS, ORDERS};
    WASMILL_CHECK(wasmill_test_window("a", 0, 60000, r, inputs, 3) == WASMILL_OK);
    WASMILL_CHECK(wasmill_test_window("b", 0, 60000, r, NULL, 1) == WASMILL_OK);
    WASMILL_CHECK(wasmill_test.outputs[0].count == 2);
    WASMILL_CHECK(wasmill_test_emitted(0, 0, "a", "book 12") && wasmill_test_emitted(0, 1, "a", "pen 12"));
    return wasmill_test_result();
}
