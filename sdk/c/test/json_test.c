/* Tests the JSON reader and the copying of every length. */
#include "../wasmill.h"

static int process(wasmill_context *c, const wasmill_record *r) { return wasmill_emit(c, r); }

WASMILL_OPERATOR(.name = "json", .process = process);

#include "../wasmill_test.h"

static bool get(const char *object, const char *name, const char *want) {
    return wasmill_test_equal(wasmill_json_get(wasmill_string(object), name), want);
}

static bool text(const char *value, const char *want) {
    char buffer[256];
    return wasmill_test_equal(wasmill_json_text(wasmill_string(value), buffer), want);
}

static bool number(const char *value, double want) { return wasmill_json_number(wasmill_string(value), -7) == want; }

static void test_get(void) {
    const char *object = " { \"a\" : 1 , \"b\":{\"a\":[\"}\",2]}, \"c\" : \"x\\\"}\" ,\"d\":[{},[]],\"ab\":null , \"e\":true}\n";
    WASMILL_CHECK(get(object, "a", "1"));
    WASMILL_CHECK(get(object, "b", "{\"a\":[\"}\",2]}"));
    WASMILL_CHECK(get(object, "c", "\"x\\\"}\""));
    WASMILL_CHECK(get(object, "d", "[{},[]]"));
    WASMILL_CHECK(get(object, "ab", "null"));
    WASMILL_CHECK(get(object, "e", "true"));
    WASMILL_CHECK(get(object, "f", NULL));
    const char *bad[] = {"", " ", "{", "{}", "[1]", "{\"a\"", "{\"a\":", "{\"a\":}", "{\"a", "{\"a\\", "{a:1}", "{\"b\":1 \"a\":2}", "x", "{\"a\":\"x"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) WASMILL_CHECK(get(bad[i], "a", NULL));
}

static void test_values(void) {
    WASMILL_CHECK(text("\"plain\"", "plain"));
    WASMILL_CHECK(text("\"\"", ""));
    WASMILL_CHECK(text("\"a\\n\\t\\\"\\\\\\/\\u00e9\\ud83d\\udd11\"", "a\n\t\"\\/é🔑"));
    WASMILL_CHECK(text("1", NULL));
    WASMILL_CHECK(text("\"", NULL));
    WASMILL_CHECK(number("0", 0) && number("-12", -12) && number("4.5", 4.5) && number("1e3", 1000) && number("25E-1", 2.5));
    WASMILL_CHECK(number("9007199254740991", 9007199254740991.0));
    WASMILL_CHECK(number("", -7) && number("-", -7) && number("1x", -7) && number("\"1\"", -7) && number("null", -7));
    WASMILL_CHECK(wasmill_json_bool(wasmill_string("true"), false) && !wasmill_json_bool(wasmill_string("false"), true));
    WASMILL_CHECK(wasmill_json_bool(wasmill_string("1"), true));
}

static void test_copy(void) {
    static char from[2048], to[2048];
    for (int i = 0; i < 2048; i++) from[i] = (char)(i * 7 + 1);
    for (uint32_t n = 0; n < 1100; n++) {
        memset(to, 0, sizeof to);
        wasmill_copy(to + 3, from + 5, n);
        WASMILL_CHECK(!memcmp(to + 3, from + 5, n) && !to[2] && !to[n + 3]);
    }
}

int main(void) {
    test_get();
    test_values();
    test_copy();
    return wasmill_test_result();
}
