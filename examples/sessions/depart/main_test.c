/* Tests the operator natively: make test-sdk-c. */
#include "main.c"
#include "wasmill_test.h"

static void leaves(const char *flight, const char *origin, int64_t at) {
    wasmill_test_clear();
    WASMILL_CHECK(wasmill_test_record(0, NULL, flight) == WASMILL_OK);
    WASMILL_CHECK(wasmill_test.rejections == 0);
    WASMILL_CHECK(wasmill_test.outputs[0].count == 1 && wasmill_test_emitted(0, 0, origin, flight));
    WASMILL_CHECK(wasmill_test.outputs[0].records[0].timestamp == at);
}

static void rejects(const char *flight, const char *reason) {
    wasmill_test_clear();
    WASMILL_CHECK(wasmill_test_record(0, NULL, flight) == WASMILL_OK);
    WASMILL_CHECK(wasmill_test.rejections == 1 && !strcmp(wasmill_test.reason, reason));
    WASMILL_CHECK(wasmill_test.outputs[0].count == 0);
}

int main(void) {
    const char *no_date = "the flight's date is not like 2001/01/31 23:59";
    wasmill_test_open("{}");
    leaves("{\"date\":\"2001/01/01 00:47\",\"delay\":66,\"origin\":\"DTW\"}", "DTW", 978310020000);
    leaves("{\"origin\":\"S\\u0046O\",\"date\":\"1970/01/01 00:00\"}", "SFO", 0);
    leaves("{\"origin\":\"\",\"date\":\"1969\\/12\\/31 23:59\"}", "", -60000);
    leaves("{\"origin\":\"A\",\"date\":\"2000/02/29 12:00\"}", "A", 951825600000);
    leaves("{\"origin\":\"A\",\"date\":\"2000/12/31 12:00\"}", "A", 978264000000);
    leaves("{\"origin\":\"A\",\"date\":\"0000/03/01 00:00\"}", "A", -62162035200000);

    rejects("not a flight", "the flight has no origin");
    rejects("{\"date\":\"2001/01/01 00:47\"}", "the flight has no origin");
    rejects("{\"origin\":\"A\"}", no_date);
    rejects("{\"origin\":\"A\",\"date\":null}", no_date);
    rejects("{\"origin\":\"A\",\"date\":\"2001-01-01 00:47\"}", no_date);
    rejects("{\"origin\":\"A\",\"date\":\"2001/01/01 00:4\"}", no_date);
    rejects("{\"origin\":\"A\",\"date\":\"2001/01/01 -1:00\"}", no_date);
    rejects("{\"origin\":\"A\",\"date\":\"2001/13/01 00:00\"}", no_date);
    rejects("{\"origin\":\"A\",\"date\":\"2001/02/29 00:00\"}", no_date);
    rejects("{\"origin\":\"A\",\"date\":\"2001/04/31 00:00\"}", no_date);
    rejects("{\"origin\":\"A\",\"date\":\"2001/12/00 00:00\"}", no_date);
    rejects("{\"origin\":\"A\",\"date\":\"2001/12/31 24:00\"}", no_date);
    rejects("{\"origin\":\"A\",\"date\":\"2001/12/31 23:60\"}", no_date);
    return wasmill_test_result();
}
