// Tests groups natively: whatever made them leave, the records of a key have its values in
// the order in which they came, less those that were taken back.
#include "groups.hpp"

using namespace nexmark;

static groups<'g'> kept;

// A record's key is the group's, its value is added. "-" takes the newest back.
static int process(context *c, const record *r) {
    auto g = kept.of(c, load64(r->key.ptr), r->value.len);
    if (!g) return WASMILL_FAILED;
    if (same(r->value, "-")) {
        if (kept.newest(g)) kept.drop_newest(g);
        return WASMILL_OK;
    }
    char *to = kept.add(c, g, r->timestamp, r->value.len);
    if (!to) return WASMILL_FAILED;
    wasmill_copy(to, r->value.ptr, r->value.len);
    return kept.full() ? kept.flush(c) : WASMILL_OK;
}

static int flush(context *c) { return kept.flush(c); }

WASMILL_OPERATOR(.name = "groups", .process = process, .flush = flush);

#include "wasmill_test.h"

#include <map>
#include <string>

static std::map<uint64_t, std::string> want, got;

static void add(uint64_t key, int64_t timestamp, std::string value) {
    char at[8];
    store64(at, key);
    record r{.timestamp = timestamp, .key = bytes(at, sizeof at), .value = bytes(value.data(), uint32_t(value.size()))};
    WASMILL_CHECK(wasmill_test_batch(0, &r, 1) == WASMILL_OK);
    if (value != "-") want[key] += value;
}

// Takes what has left so far. Returns how many records.
static int take() {
    auto &out = wasmill_test.outputs[0];
    for (int i = 0; i < int(out.count); i++) {
        const record &r = out.records[i];
        WASMILL_CHECK(r.key.len == 8 && r.value.len > 1 && r.value.ptr[0] == 'g' && r.value.len <= 1 + (16 << 10));
        got[load64(r.key.ptr)] += std::string(r.value.ptr + 1, r.value.len - 1);
    }
    int count = int(out.count);
    wasmill_test_clear();
    return count;
}

static int all() {
    WASMILL_CHECK(wasmill_flush() == WASMILL_OK);
    int count = take();
    WASMILL_CHECK(want == got);
    want.clear(), got.clear();
    return count;
}

int main(void) {
    wasmill_test_open("{}");

    add(7, 30, "one "), add(8, 10, "x"), add(7, 20, "two ");
    WASMILL_CHECK(wasmill_test.outputs[0].count == 0);
    WASMILL_CHECK(wasmill_flush() == WASMILL_OK && wasmill_test.outputs[0].records[0].timestamp == 30);
    WASMILL_CHECK(all() == 2);
    WASMILL_CHECK(all() == 0);

    add(7, 1, "kept"), add(7, 2, "dropped"), add(7, 2, "-"), add(7, 2, " too");
    want[7] = "kept too";
    WASMILL_CHECK(all() == 1);
    add(9, 1, "dropped"), add(9, 1, "-");
    want.clear();
    WASMILL_CHECK(all() == 0);

    uint64_t random = 1;
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 60000; i++) { // more than is held back: keys and bytes
            random = random * 6364136223846793005u + 1442695040888963407u;
            uint64_t key = random >> 63 ? 100 : (random >> 40) % 7000;
            add(key, i, std::string((random >> 20) % 200 + 1, char('a' + i % 26)));
            if (i % 64 == 0) take();
        }
        WASMILL_CHECK(all() > 0);
    }

    add(1, 0, std::string(16 << 10, 'w'));
    WASMILL_CHECK(all() == 1);
    return wasmill_test_result();
}
