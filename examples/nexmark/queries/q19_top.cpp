// q19: the ten dearest bids of each auction, with their rank; of equal prices the bid that
// came earlier is first. State by auction: these bids, in order. A rank that another bid has got gives
// its row, key "auction rank", at most once between two flushes.
#include "held.hpp"

using namespace nexmark;

enum { TOP, MOST = 10 };

// A bid that came since the last flush, before its bytes.
struct fresh {
    fresh *before;
    uint32_t len;
    bytes value() const { return {(const char *)(this + 1), len}; }
};

static held<fresh *> news; // by auction, the newest
static arena bids;

struct ranked {
    bytes value;
    uint32_t was; // its rank before, from 0; MOST: none
};

static bool outbids(bid a, bid b) { return a.price() != b.price() ? a.price() > b.price() : a.arrived() < b.arrived(); }

static uint32_t insert(ranked *top, uint32_t count, bytes value) {
    uint32_t at = count;
    while (at > 0 && outbids(bid(value), bid(top[at - 1].value))) at--;
    if (at == MOST) return count;
    if (count < MOST) count++;
    for (uint32_t i = count - 1; i > at; i--) top[i] = top[i - 1];
    top[at] = {value, MOST};
    return count;
}

// State: u32 len, bid, for each.
static uint32_t read(ranked *top, bytes known) {
    uint32_t count = 0;
    for (const char *at = known.ptr; at < known.end() && count < MOST; count++) {
        uint32_t len = *(const wasmill_u32 *)at;
        top[count] = {{at + 4, len}, count};
        at += 4 + len;
    }
    return count;
}

static int write(context *c, const ranked *top, uint32_t count) {
    uint32_t len = 0;
    for (uint32_t i = 0; i < count; i++) len += 4 + top[i].value.len;
    char *all = bids.add(c, len), *to = all;
    if (!all) return WASMILL_FAILED;
    for (uint32_t i = 0; i < count; i++) {
        *(wasmill_u32 *)to = top[i].value.len;
        wasmill_copy(to + 4, top[i].value.ptr, top[i].value.len);
        to += 4 + top[i].value.len;
    }
    return wasmill_value_set(c, TOP, {all, len});
}

static int put_row(context *c, bytes value, uint64_t rank) {
    bid b(value);
    char key[48], *at = put_number(key, b.auction());
    *at++ = ' ';
    at = put_number(at, rank);
    return row(c, int64_t(b.date_time()), {key, uint32_t(at - key)}, value.len)
        .whole(b)
        .number<"rank_number">(rank)
        .emit(WASMILL_UPDATE_AFTER);
}

static bytes key_of(const held<fresh *>::entry &e) { return {(const char *)&e.a, 8}; }

static int flush(context *c) {
    for (auto &e : news) {
        if (wasmill_at_key(c, key_of(e)) || wasmill_want(c, TOP, wasmill_no_sub)) return WASMILL_FAILED;
    }
    for (auto &e : news) {
        ranked top[MOST];
        if (wasmill_at_key(c, key_of(e))) return WASMILL_FAILED;
        uint32_t count = read(top, wasmill_value_get(c, TOP));
        for (const fresh *f = e.value; f; f = f->before) count = insert(top, count, f->value());
        bool changed = false;
        for (uint32_t i = 0; i < count; i++) {
            if (top[i].was == i) continue;
            changed = true;
            if (put_row(c, top[i].value, i + 1)) return WASMILL_FAILED;
        }
        if (changed && write(c, top, count)) return WASMILL_FAILED;
    }
    news.clear(), bids.clear();
    return WASMILL_OK;
}

static int process(context *c, const record *r) {
    auto e = news.at(c, load64(r->key.ptr), 0);
    fresh *f = (fresh *)bids.add(c, uint32_t(sizeof(fresh)) + r->value.len);
    if (!e || !f) return WASMILL_FAILED;
    *f = {e->value, r->value.len};
    wasmill_copy((char *)(f + 1), r->value.ptr, r->value.len);
    e->value = f;
    return news.full() || bids.size() > 512 << 10 ? flush(c) : WASMILL_OK; // each auction may have ten rows to write
}

WASMILL_OPERATOR(.name = "q19-top", .version = "1.0.0", .process = process, .flush = flush,
    .tables = {{"top", WASMILL_KEYED, WASMILL_MAPS}});
