// Tests natively what is held back until a flush (held.hpp), days (rank.hpp) and distinct
// counts (distinct.hpp): an operator counts bids as q16 does, at both ends at once.
#include "distinct.hpp"

using namespace nexmark;

static local_distinct local;
static total_distinct total;

// Input 0 has bids, whose channel is the name; input 1 what the local side gave out.
static int process(context *c, const record *r) {
    if (c->input == 1) return total.add(c, r);
    bid b(r);
    return local.add(c, b.channel(), b);
}

static totals rows[64];
static int put_row(context *c, bytes name, const totals &t, int64_t timestamp) {
    rows[uint8_t(name[0])] = t;
    record out{.timestamp = timestamp, .key = name};
    return c->emit(out);
}

static int flush(context *c) { return local.flush(c) || total.flush(c, put_row); }

WASMILL_OPERATOR(.name = "distinct", .inputs = {"bids", "parts"}, .process = process, .flush = flush,
    .tables = {{"totals", WASMILL_KEYED, WASMILL_MAPS}, {"ids", WASMILL_KEYED, WASMILL_MAPS}});

#include "wasmill_test.h"

#include <ctime>
#include <map>
#include <set>
#include <string>
#include <vector>

static uint64_t seed = 1;
static uint64_t below(uint64_t n) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (seed >> 33) % n;
}

static void test_held(context *c) {
    held<uint64_t> h;
    for (int round = 0; round < 3; round++) {
        std::map<std::pair<uint64_t, uint64_t>, uint64_t> want;
        for (int i = 0; i < 20000; i++) {
            uint64_t a = below(100), b = below(100) * 2000;
            h.at(c, a, b)->value++, want[{a, b}]++;
        }
        WASMILL_CHECK(h.size() == want.size());
        for (auto &e : h) WASMILL_CHECK((want[{e.a, e.b}] == e.value));
        h.clear();
        WASMILL_CHECK(h.size() == 0 && h.begin() == h.end());
    }
}

static void test_held_by_name(context *c) {
    held_by_name<uint64_t> h;
    for (int round = 0; round < 3; round++) {
        std::map<std::string, uint64_t> want;
        for (int i = 0; i < 50000; i++) {
            std::string name(below(3), 'x'); // "" is a name, too
            name += std::to_string(below(5000));
            h.at(c, {name.data(), uint32_t(name.size())})->value++, want[name]++;
        }
        size_t count = 0;
        for (auto &e : h) {
            WASMILL_CHECK(want[std::string(e.name.ptr, e.name.len)] == e.value && h.index(&e) == count);
            count++;
        }
        WASMILL_CHECK(count == want.size());
        h.clear();
    }
}

static void test_arena(context *c) {
    arena a;
    for (int round = 0; round < 3; round++) {
        std::vector<std::pair<char *, std::string>> kept;
        for (int i = 0; i < 2000; i++) {
            std::string text(i == 1000 ? 1 << 20 : below(400), char('a' + i % 26));
            kept.push_back({a.copy(c, {text.data(), uint32_t(text.size())}), text});
            WASMILL_CHECK(uintptr_t(kept.back().first) % 8 == 0);
        }
        for (auto &[at, text] : kept) WASMILL_CHECK(!memcmp(at, text.data(), text.size()));
        a.clear();
        WASMILL_CHECK(a.size() == 0);
    }
}

static void test_days() {
    for (uint64_t day = 0; day < 200 * 366; day++) {
        char got[16], want[16];
        time_t t = time_t(day * 86400);
        strftime(want, sizeof want, "%Y-%m-%d", gmtime(&t));
        WASMILL_CHECK(put_day(got, day * DAY + DAY - 1) - got == 10 && !memcmp(got, want, 10));
    }
}

static void test_prices() {
    prices sum = {}, some = {{0, 1, 0}, 20000, 20000, 20000}, more = {{1, 0, 1}, 5, 3000000, 3000005};
    sum.add(some), sum.add(more);
    WASMILL_CHECK(sum.count() == 3 && sum.min == 5 && sum.max == 3000000 && sum.sum == 3020005);
    WASMILL_CHECK(band_of(9999) == 0 && band_of(10000) == 1 && band_of(999999) == 1 && band_of(1000000) == 2);
}

// What is distinct of a name, as sets have it: in all, then by band.
struct model {
    uint64_t bids[4] = {}, minute = 0;
    std::set<uint64_t> bidders[4], auctions[4];
};

static void test_distinct() {
    std::map<char, model> want;
    for (int round = 0; round < 12; round++) {
        for (int i = 0; i < 3000; i++) {
            char value[47] = {BID}, name = char(below(3) ? 1 : 1 + below(40)); // one has most, and its sets become dense
            uint64_t auction = 1000 + below(2) * below(9000), bidder = below(5) ? 7 : below(1ull << 33), time = below(DAY);
            uint64_t price = below(3) == 0 ? 9999 : below(2) ? 10000 : 1000000;
            store64(value + 1, auction), store64(value + 9, bidder), store64(value + 17, price), store64(value + 25, time);
            value[41] = 1, value[43] = name; // channel
            record r{.timestamp = int64_t(time), .value = bytes(value, sizeof value)};
            WASMILL_CHECK(wasmill_test_batch(0, &r, 1) == WASMILL_OK);
            model &m = want[name];
            uint32_t band = 1 + band_of(price);
            m.bids[0]++, m.bids[band]++;
            m.bidders[0].insert(bidder), m.bidders[band].insert(bidder);
            m.auctions[0].insert(auction), m.auctions[band].insert(auction);
            if (time / 60000 > m.minute) m.minute = time / 60000;
        }
        wasmill_test_clear();
        WASMILL_CHECK(wasmill_flush() == 0);
        static record parts[64];
        int count = wasmill_test.outputs[0].count;
        WASMILL_CHECK(count > 0 && count <= 64);
        for (int i = 0; i < count; i++) parts[i] = wasmill_test.outputs[0].records[i];
        WASMILL_CHECK(wasmill_test_batch(1, parts, count) == WASMILL_OK && wasmill_flush() == 0);
    }
    for (auto &[name, m] : want) {
        const totals &t = rows[uint8_t(name)];
        WASMILL_CHECK(t.minute == m.minute);
        for (int i = 0; i < 4; i++)
            WASMILL_CHECK(t.bids[i] == m.bids[i] && t.bidders[i] == m.bidders[i].size() && t.auctions[i] == m.auctions[i].size());
    }
}

int main() {
    wasmill_test_open("{}");
    test_held(&wasmill_ctx);
    test_held_by_name(&wasmill_ctx);
    test_arena(&wasmill_ctx);
    test_days();
    test_prices();
    test_distinct();
    record bad{.key = "x", .value = "short"};
    WASMILL_CHECK(wasmill_test_batch(1, &bad, 1) == WASMILL_FAILED);
    return wasmill_test_result();
}
