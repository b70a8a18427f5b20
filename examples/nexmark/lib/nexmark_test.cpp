// Tests the library natively, by an operator that makes a row of its record.
#include "nexmark.hpp"

using namespace nexmark;

static int process(context *c, const record *r) {
    return row(c, r->timestamp, r->key, r->value.len)
        .number<"number">(uint64_t(r->timestamp))
        .thousandths<"thousandths">(uint64_t(r->timestamp))
        .text<"text">(r->value)
        .emit();
}

WASMILL_OPERATOR(.name = "row", .process = process);

#include "wasmill_test.h"

#include <string>

static std::string escaped(std::string_view text) {
    std::string json;
    for (char c : text) {
        char code[8];
        snprintf(code, sizeof code, "\\u%04x", unsigned(uint8_t(c)));
        if (uint8_t(c) < ' ') json += code;
        else if (c == '"' || c == '\\') json += std::string("\\") + c;
        else json += c;
    }
    return json;
}

// The row of a record, as printf would have written it.
static void expect_row(uint64_t n, const std::string &text) {
    wasmill_test_clear();
    std::string kept = text; // so that a read behind it is noticed
    record r{.timestamp = int64_t(n), .key = "key", .value = bytes(kept.data(), uint32_t(kept.size()))};
    WASMILL_CHECK(wasmill_test_batch(0, &r, 1) == WASMILL_OK);
    WASMILL_CHECK(wasmill_test.outputs[0].count == 1);
    char numbers[128];
    snprintf(numbers, sizeof numbers, "{\"number\":%llu,\"thousandths\":%llu.%03llu,\"text\":\"", (unsigned long long)n, (unsigned long long)(n / 1000), (unsigned long long)(n % 1000));
    std::string want = numbers + escaped(text) + "\"}";
    const record &got = wasmill_test.outputs[0].records[0];
    if (std::string_view(got.value) != want) fprintf(stderr, "got  %.*s\nwant %s\n", int(got.value.len), got.value.ptr, want.c_str());
    WASMILL_CHECK(std::string_view(got.value) == want && std::string_view(got.key) == "key" && got.timestamp == int64_t(n));
}

static void test_numbers() {
    for (uint64_t n = 1; n < 10'000'000'000'000'000'000u; n *= 10)
        for (uint64_t m : {n - 1, n, n + 1, 2 * n - 1, 9 * n, 123456789 % n}) expect_row(m, "");
    for (uint64_t n = 1; n < 200000; n += 7) expect_row(n * n, "");
    expect_row(uint64_t(INT64_MAX) - 1, "");
    expect_row(uint64_t(-1), "");
}

static void test_texts() {
    for (size_t length = 0; length < 70; length++) {
        std::string text;
        for (size_t i = 0; i < length; i++) text += char('A' + i % 26);
        expect_row(1, text);
        for (size_t at = 0; at < length; at++) {
            for (char c : {'"', '\\', '\n', '\0', '\x1f', ' ', '\x7f', '\xc3'}) {
                std::string other = text;
                other[at] = c;
                expect_row(1, other);
            }
        }
        expect_row(1, std::string(length, '\\'));
        expect_row(1, std::string(length, '\x01'));
    }
    expect_row(1, std::string(60000, '\x01'));
}

static void test_strings() {
    std::string text;
    for (uint32_t length = 0; length < 50; length++, text += 'a') {
        WASMILL_CHECK(find(text, '/') == length && count(text, '/') == 0);
        for (uint32_t at = 0; at < length; at++) {
            std::string other = text;
            other[at] = '/';
            WASMILL_CHECK(find(other, '/') == at && count(other, '/') == 1 && count(other, 'a') == length - 1);
        }
    }
    splitter parts("a//long enough for a block/", '/');
    for (const char *part : {"a", "", "long enough for a block", ""}) WASMILL_CHECK(same(parts.next(), part));
    WASMILL_CHECK(!parts.next().ptr);
    WASMILL_CHECK(same_ignoring_case("GooGle"_b, "google"_b) && !same_ignoring_case("Goodle"_b, "google"_b) && !same_ignoring_case("@"_b, "`"_b));
    WASMILL_CHECK(starts_with("ab"_b, "ab"_b) && !starts_with("a"_b, "ab"_b));
}

static void test_numbers_of_text() {
    uint64_t n;
    for (const char *text : {"0", "7", "10", "007", "999999999999999999"}) WASMILL_CHECK(number_of(text, &n) && n == strtoull(text, nullptr, 10));
    for (const char *text : {"", "-1", "+1", " 1", "1 ", "1.0", "0x1", "/", ":", "1000000000000000000"}) WASMILL_CHECK(!number_of(text, &n));
}

int main() {
    wasmill_test_open("{}");
    test_numbers();
    test_texts();
    test_strings();
    test_numbers_of_text();
    return wasmill_test_result();
}
