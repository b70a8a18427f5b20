// groups.hpp: what an operator holds back until it is flushed. The values that come of a key
// meanwhile leave as one record, so that a hot key costs whoever receives it a record a
// flush, and not one for each event.
#ifndef NEXMARK_GROUPS_HPP
#define NEXMARK_GROUPS_HPP

#include "nexmark.hpp"

namespace nexmark {

// Emits a record under a key of eight bytes.
inline int emit_under(context *c, uint64_t key, int64_t timestamp, bytes value) {
    char at[8];
    store64(at, key);
    record r;
    r.timestamp = timestamp, r.key = bytes(at, sizeof at), r.value = value, r.change = WASMILL_INSERT;
    return wasmill_emit(c, &r);
}

// Values by key. A record of them is the tag and, one behind the other, the values of the
// key in the order in which they came; its timestamp is the newest of theirs.
template <uint8_t Tag> class groups {
public:
    struct group {
        uint64_t key;
        int64_t timestamp;
        uint32_t first, last, len; // of its items, by their place in the arena; their bytes
    };

    // The group of a key, with room for one more value; null: failed.
    group *of(context *c, uint64_t key, uint32_t len) {
        if (count == KEYS || used + sizeof(item) + len > ARENA) {
            if (flush(c)) return nullptr;
            if (sizeof(item) + len > ARENA) return c->fail("a value is longer than what can be held back"), nullptr;
        }
        uint32_t at = uint32_t((key * 0x9e3779b97f4a7c15u) >> (64 - SLOT_BITS));
        for (; slots[at]; at = (at + 1) & (SLOTS - 1))
            if (all[slots[at] - 1].key == key) return with_room(c, &all[slots[at] - 1], len);
        group *g = &all[count++];
        slots[at] = uint16_t(count);
        *g = {key, INT64_MIN, NONE, NONE, 0};
        return g;
    }

    // The newest value of a group; ptr null: it has none.
    bytes newest(const group *g) const {
        if (g->last == NONE) return {};
        return {arena + g->last + sizeof(item), item_at(g->last)->len};
    }

    // Takes the newest value back.
    void drop_newest(group *g) {
        g->len -= item_at(g->last)->len;
        item_at(g->last)->len = 0;
    }

    // A new value, to be written to.
    char *add(group *g, int64_t timestamp, uint32_t len) {
        uint32_t at = used;
        used += uint32_t(sizeof(item)) + len;
        *item_at(at) = {NONE, len};
        if (g->last == NONE) g->first = at;
        else item_at(g->last)->next = at;
        g->last = at, g->len += len;
        if (timestamp > g->timestamp) g->timestamp = timestamp;
        return arena + at + sizeof(item);
    }

    int flush(context *c) {
        for (uint32_t i = 0; i < count; i++)
            if (emit(c, &all[i])) return WASMILL_FAILED;
        if (count) __builtin_memset(slots, 0, sizeof slots);
        count = used = 0;
        return WASMILL_OK;
    }

private:
    struct __attribute__((packed)) item {
        uint32_t next, len;
    };
    enum : uint32_t { SLOT_BITS = 13, SLOTS = 1 << SLOT_BITS, KEYS = SLOTS / 2, ARENA = 1 << 20, FULL = 16 << 10, NONE = ~0u };

    item *item_at(uint32_t at) { return (item *)(arena + at); }
    const item *item_at(uint32_t at) const { return (const item *)(arena + at); }

    // A group that would become large leaves at once: records fit into a frame.
    group *with_room(context *c, group *g, uint32_t len) {
        if (__builtin_expect(g->len + len <= FULL, 1)) return g;
        if (emit(c, g)) return nullptr;
        *g = {g->key, INT64_MIN, NONE, NONE, 0};
        return g;
    }

    int emit(context *c, const group *g) {
        if (!g->len) return WASMILL_OK;
        wasmill_batch *b = &c->outputs[0];
        uint32_t size = 16 + 8 + 1 + g->len;
        if (b->len + size > b->cap && wasmill_make_room(c, b, size)) return WASMILL_FAILED;
        char *to = b->ptr + b->len;
        store64(to, wasmill_head(8, 1 + g->len, WASMILL_INSERT));
        store64(to + 8, uint64_t(g->timestamp));
        store64(to + 16, g->key);
        to[24] = char(Tag), to += 25;
        for (uint32_t at = g->first; at != NONE; at = item_at(at)->next) {
            wasmill_copy(to, arena + at + sizeof(item), item_at(at)->len);
            to += item_at(at)->len;
        }
        b->len += size;
        return WASMILL_OK;
    }

    group all[KEYS];
    uint16_t slots[SLOTS]; // a group's number, from 1; open addressing
    char arena[ARENA];
    uint32_t count = 0, used = 0;
};

} // namespace nexmark

#endif
