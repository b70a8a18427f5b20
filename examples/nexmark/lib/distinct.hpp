// distinct.hpp: how many bids, bidders and auctions there are of a name, in all and by band
// of the price, for q15 and q16. Ids lie beside their neighbours: what comes between two
// flushes goes out as bitmaps of 64 ids, and a state entry has what is known of 4096: of
// few, a list; of many, four bits for each. So an id that comes again costs nothing new.
#ifndef NEXMARK_DISTINCT_HPP
#define NEXMARK_DISTINCT_HPP

#include "held.hpp"
#include "rank.hpp"

namespace nexmark {

enum ids : uint64_t { BIDDERS = 0, AUCTIONS = 1 };

// What leaves under a name: a tally, and blocks behind it.
struct tally {
    uint64_t bids[3]; // by band
    uint64_t minute;  // of the day, the latest
};
struct id_block {
    uint64_t place;    // id / 64 * 2, and which ids
    uint64_t bands[3]; // a bit for each id
};

// Before the shuffle.
class local_distinct {
public:
    int add(context *c, bytes name, const bid &b) {
        auto e = tallies.at(c, name);
        if (!e) return WASMILL_FAILED;
        uint32_t band = band_of(b.price());
        uint64_t minute = b.date_time() % DAY / 60000;
        of_name &n = e->value;
        n.sums.bids[band]++;
        if (minute > n.sums.minute) n.sums.minute = minute;
        if (add(c, e, band, b.bidder(), BIDDERS) || add(c, e, band, b.auction(), AUCTIONS)) return WASMILL_FAILED;
        if (int64_t(b.date_time()) > n.newest) n.newest = int64_t(b.date_time());
        return tallies.full() || blocks.full() ? flush(c) : WASMILL_OK;
    }

    int flush(context *c) {
        for (auto &e : tallies) {
            const of_name &n = e.value;
            uint32_t len = uint32_t(sizeof(tally) + n.blocks * sizeof(id_block));
            char *value = records.add(c, len), *to = value;
            if (!value) return WASMILL_FAILED;
            *(tally *)to = n.sums;
            to += sizeof(tally);
            for (uint32_t i = n.last; i; i = blocks.begin()[i - 1].value.next) {
                const auto &b = blocks.begin()[i - 1];
                *(id_block *)to = {b.a, {b.value.bands[0], b.value.bands[1], b.value.bands[2]}};
                to += sizeof(id_block);
            }
            record r;
            r.timestamp = n.newest, r.key = e.name, r.value = bytes(value, len), r.change = WASMILL_INSERT;
            if (c->emit(r)) return WASMILL_FAILED;
        }
        tallies.clear(), blocks.clear(), records.clear();
        return WASMILL_OK;
    }

private:
    struct of_name {
        tally sums;
        int64_t newest;
        uint32_t last, blocks; // its blocks: a number, from 1, and how many
    };
    struct chained {
        uint64_t bands[3];
        uint32_t next; // of the same name, from 1
    };

    int add(context *c, held_by_name<of_name>::entry *e, uint32_t band, uint64_t id, ids which) {
        auto b = blocks.at(c, id >> 6 << 1 | which, tallies.index(e));
        if (!b) return WASMILL_FAILED;
        if (!(b->value.bands[0] | b->value.bands[1] | b->value.bands[2])) {
            b->value.next = e->value.last;
            e->value.last = blocks.size(), e->value.blocks++;
        }
        b->value.bands[band] |= uint64_t(1) << (id & 63);
        return WASMILL_OK;
    }

    held_by_name<of_name> tallies;
    held<chained> blocks; // by place and name
    arena records;
};

// A set of 4096 ids with their bands, as it lies in the state.
class id_set {
public:
    explicit id_set(bytes known) : len(known.len <= DENSE ? known.len : 0) { wasmill_copy(room, known.ptr, len); }
    bytes all() const { return {room, len}; }

    // Adds bands to an id; of what is new, bit 0 to 2 are the bands, and 3 is the id.
    uint32_t add(uint32_t id, uint32_t bands) {
        uint32_t known = 0;
        if (len < DENSE) {
            for (uint32_t i = 0; i < len; i += 2) {
                wasmill_u16 *item = (wasmill_u16 *)(room + i);
                if (*item >> 4 != id) continue;
                known = *item & 7;
                *item |= uint16_t(bands);
                return news(known, bands);
            }
            if (len < LISTED) {
                *(wasmill_u16 *)(room + len) = uint16_t(id << 4 | bands);
                len += 2;
                return news(0, bands);
            }
            spread();
        }
        uint8_t *two = (uint8_t *)room + (id >> 1);
        known = *two >> (id & 1) * 4 & 7;
        *two |= uint8_t(bands << (id & 1) * 4);
        return news(known, bands);
    }

private:
    enum : uint32_t { DENSE = 2048, LISTED = 128 };

    static uint32_t news(uint32_t known, uint32_t bands) { return (bands & ~known) | (known ? 0 : 8); }

    void spread() {
        uint16_t listed[LISTED / 2];
        __builtin_memcpy(listed, room, sizeof listed);
        __builtin_memset(room, 0, DENSE);
        len = DENSE;
        for (uint16_t item : listed) room[item >> 5] |= char((item & 7) << (item >> 4 & 1) * 4);
    }

    char room[DENSE];
    uint32_t len;
};

// What is known of a name: in all, then by band.
struct totals {
    uint64_t bids[4], bidders[4], auctions[4];
    uint64_t minute;
};

// Behind the shuffle. Tables: the totals of a name, and its sets of ids by their place.
class total_distinct {
public:
    enum { TOTALS, IDS };

    int add(context *c, const record *r) {
        uint32_t blocks = (r->value.len - uint32_t(sizeof(tally))) / uint32_t(sizeof(id_block));
        if (r->value.len != sizeof(tally) + blocks * sizeof(id_block)) return c->fail("no tally and blocks");
        auto e = names.at(c, r->key);
        part *p = (part *)parts.add(c, uint32_t(sizeof(part)) + r->value.len);
        if (!e || !p) return WASMILL_FAILED;
        *p = {e->value.parts, blocks};
        wasmill_copy((char *)(p + 1), r->value.ptr, r->value.len);
        if (!e->value.parts || r->timestamp > e->value.newest) e->value.newest = r->timestamp;
        e->value.parts = p;
        return WASMILL_OK;
    }
    bool full() const { return names.full() || parts.size() > 4 << 20; }

    // Adds up, and calls row(c, name, totals, timestamp) for each name that something came of.
    template <class Row> int flush(context *c, Row row) {
        for (auto &e : names)
            if (want(c, e.name, e.value.parts)) return WASMILL_FAILED;
        for (auto &e : names) {
            if (wasmill_at_key(c, e.name)) return WASMILL_FAILED;
            totals t = {};
            bytes known = wasmill_value_get(c, TOTALS);
            if (known.len == sizeof t) __builtin_memcpy(&t, known.ptr, sizeof t);
            for (const part *p = e.value.parts; p; p = p->next)
                if (add(c, t, p)) return WASMILL_FAILED;
            if (wasmill_value_set(c, TOTALS, {(const char *)&t, sizeof t})) return WASMILL_FAILED;
            if (row(c, e.name, t, e.value.newest)) return WASMILL_FAILED;
        }
        names.clear(), parts.clear();
        return WASMILL_OK;
    }

private:
    struct part { // before a tally and blocks
        const part *next;
        uint32_t blocks;
        const tally *sums() const { return (const tally *)(this + 1); }
        const id_block *block(uint32_t i) const { return (const id_block *)(sums() + 1) + i; }
    };
    struct of_name {
        const part *parts;
        int64_t newest;
    };

    // Where the set lies that a block is of: ids that follow each other are near each other.
    static uint64_t set_of(uint64_t place) { return __builtin_bswap64(place >> 7 << 1 | (place & 1)); }

    int want(context *c, bytes name, const part *p) {
        if (wasmill_at_key(c, name) || wasmill_want(c, TOTALS, wasmill_no_sub)) return WASMILL_FAILED;
        for (; p; p = p->next)
            for (uint32_t i = 0; i < p->blocks; i++) {
                uint64_t set = set_of(p->block(i)->place);
                if (wasmill_want(c, IDS, {(const char *)&set, sizeof set})) return WASMILL_FAILED;
            }
        return WASMILL_OK;
    }

    int add(context *c, totals &t, const part *p) {
        for (uint32_t band = 0; band < 3; band++) t.bids[0] += p->sums()->bids[band], t.bids[1 + band] += p->sums()->bids[band];
        if (p->sums()->minute > t.minute) t.minute = p->sums()->minute;
        for (uint32_t i = 0; i < p->blocks; i++)
            if (add(c, p->block(i)->place & 1 ? t.auctions : t.bidders, p->block(i))) return WASMILL_FAILED;
        return WASMILL_OK;
    }

    int add(context *c, uint64_t *counts, const id_block *b) {
        uint64_t place = set_of(b->place);
        bytes sub = {(const char *)&place, sizeof place};
        id_set set(wasmill_map_get(c, IDS, sub));
        for (uint64_t left = b->bands[0] | b->bands[1] | b->bands[2]; left; left &= left - 1) {
            uint32_t bit = uint32_t(__builtin_ctzll(left)), bands = 0;
            for (uint32_t band = 0; band < 3; band++) bands |= uint32_t(b->bands[band] >> bit & 1) << band;
            uint32_t news = set.add(uint32_t(b->place >> 1 & 63) * 64 + bit, bands);
            counts[0] += news >> 3;
            for (uint32_t band = 0; band < 3; band++) counts[1 + band] += news >> band & 1;
        }
        return wasmill_map_set(c, IDS, sub, set.all());
    }

    held_by_name<of_name> names;
    arena parts;
};

// The columns that q15 and q16 share.
inline row &put_totals(row &r, const totals &t) {
    return r.number<"total_bids">(t.bids[0]).number<"rank1_bids">(t.bids[1]).number<"rank2_bids">(t.bids[2]).number<"rank3_bids">(t.bids[3])
        .number<"total_bidders">(t.bidders[0]).number<"rank1_bidders">(t.bidders[1]).number<"rank2_bidders">(t.bidders[2]).number<"rank3_bidders">(t.bidders[3])
        .number<"total_auctions">(t.auctions[0]).number<"rank1_auctions">(t.auctions[1]).number<"rank2_auctions">(t.auctions[2]).number<"rank3_auctions">(t.auctions[3]);
}

} // namespace nexmark

#endif
