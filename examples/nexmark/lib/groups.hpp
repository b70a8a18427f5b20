// groups.hpp: what an operator holds back until it is flushed. The values that come of a key
// meanwhile leave as one record, so that a hot key costs whoever receives it a record a
// flush, and not one for each event.
#ifndef NEXMARK_GROUPS_HPP
#define NEXMARK_GROUPS_HPP

#include "held.hpp"

namespace nexmark {

// Values by key. A record of them is the tag and, one behind the other, the values of the
// key in the order in which they came; its timestamp is the newest of theirs.
template <uint8_t Tag> class groups {
    struct item { // before a value
        item *next;
        uint32_t len;
    };
    struct items {
        item *first, *last;
        uint32_t len; // of all values
        int64_t timestamp;
    };

public:
    using group = typename held<items>::entry;

    // The group of a key, with room for one more value; null: failed.
    group *of(context *c, uint64_t key, uint32_t len) {
        group *g = all.at(c, key, 0);
        // One that would become large leaves at once: records fit into a frame.
        if (g && __builtin_expect(g->value.len + len > 16 << 10, 0)) {
            if (emit(c, *g)) return nullptr;
            g->value = {};
        }
        return g;
    }

    // The newest value of a group; ptr null: it has none.
    bytes newest(const group *g) const {
        const item *last = g->value.last;
        return last ? bytes((const char *)(last + 1), last->len) : bytes();
    }

    // Takes the newest value back.
    void drop_newest(group *g) {
        g->value.len -= g->value.last->len;
        g->value.last->len = 0;
    }

    // A new value, to be written to; null: failed.
    char *add(context *c, group *g, int64_t timestamp, uint32_t len) {
        item *i = (item *)values.add(c, uint32_t(sizeof(item)) + len);
        if (!i) return nullptr;
        *i = {nullptr, len};
        items &of = g->value;
        if (!of.last || timestamp > of.timestamp) of.timestamp = timestamp;
        (of.last ? of.last->next : of.first) = i;
        of.last = i, of.len += len;
        return (char *)(i + 1);
    }

    // There is so much that it should not wait for the flush.
    bool full() const { return all.full() || values.size() >= 1 << 20; }

    int flush(context *c) {
        for (const group &g : all)
            if (emit(c, g)) return WASMILL_FAILED;
        all.clear(), values.clear();
        return WASMILL_OK;
    }

private:
    int emit(context *c, const group &g) {
        const items &of = g.value;
        if (!of.len) return WASMILL_OK;
        wasmill_batch *b = &c->outputs[0];
        uint32_t size = 16 + 8 + 1 + of.len;
        if (b->len + size > b->cap && wasmill_make_room(c, b, size)) return WASMILL_FAILED;
        char *to = b->ptr + b->len;
        store64(to, wasmill_head(8, 1 + of.len, WASMILL_INSERT));
        store64(to + 8, uint64_t(of.timestamp));
        store64(to + 16, g.a);
        to[24] = char(Tag), to += 25;
        for (const item *i = of.first; i; i = i->next) {
            wasmill_copy(to, (const char *)(i + 1), i->len);
            to += i->len;
        }
        b->len += size;
        return WASMILL_OK;
    }

    held<items> all;
    arena values;
};

} // namespace nexmark

#endif
