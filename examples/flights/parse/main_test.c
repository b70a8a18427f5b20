/* Tests the operator natively: make test-sdk-c. */
#include "main.c"
#include "wasmill_test.h"

static void gives(const char *flight, const char *origin, const char *delay) {
    wasmill_test_clear();
    WASMILL_CHECK(wasmill_test_record(0, NULL, flight) == WASMILL_OK);
    WASMILL_CHECK(wasmill_test.rejections == 0);
    WASMILL_CHECK(wasmill_test.outputs[0].count == 1 && wasmill_test_emitted(0, 0, origin, delay));
}

static void rejects(const char *flight, const char *reason) {
    wasmill_test_clear();
    WASMILL_CHECK(wasmill_test_record(0, NULL, flight) == WASMILL_OK);
    WASMILL_CHECK(wasmill_test.rejections == 1 && !strcmp(wasmill_test.reason, reason));
    WASMILL_CHECK(wasmill_test.outputs[0].count == 0);
}

int main(void) {
    wasmill_test_open("{}");
    gives("{\"date\":\"2001/01/01 00:47\",\"delay\":66,\"origin\":\"DTW\"}", "DTW", "66");
    gives(" { \"origin\" : \"LAS\" , \"delay\" : -5 }", "LAS", "-5");
    gives("{\"a\":{\"origin\":\"no\"},\"delay\":0,\"origin\":\"S\\u0046O\"}", "SFO", "0");
    gives("{\"delay\":1,\"origin\":\"\"}", "", "1");

    rejects("", "the flight has no origin");
    rejects("not a flight", "the flight has no origin");
    rejects("{\"delay\":1}", "the flight has no origin");
    rejects("{\"delay\":1,\"origin\":7}", "the flight has no origin");
    rejects("{\"origin\":\"SFO\"}", "the flight's delay is not a number of minutes");
    rejects("{\"delay\":null,\"origin\":\"SFO\"}", "the flight's delay is not a number of minutes");
    rejects("{\"delay\":1.5,\"origin\":\"SFO\"}", "the flight's delay is not a number of minutes");
    rejects("{\"delay\":-,\"origin\":\"SFO\"}", "the flight's delay is not a number of minutes");
    rejects("{\"delay\":12345678901,\"origin\":\"SFO\"}", "the flight's delay is not a number of minutes");
    WASMILL_CHECK(wasmill_test_record(0, NULL, NULL) == WASMILL_OK);
    WASMILL_CHECK(wasmill_test.rejections == 2);
    return wasmill_test_result();
}
