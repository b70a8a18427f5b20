// held.hpp: what an operator adds up until it is flushed, so that a key that comes often
// costs whoever receives it one record a flush. Memory that was taken is used again.
#ifndef NEXMARK_HELD_HPP
#define NEXMARK_HELD_HPP

#include "nexmark.hpp"

namespace nexmark {

// A list that only grows, until it is cleared.
template <class T> class list {
public:
    // One more, not yet set; null: there is no memory, and c has failed.
    T *add(context *c) {
        if (count == cap && !grow(c)) return nullptr;
        return &all[count++];
    }
    T *begin() { return all; }
    T *end() { return all + count; }
    T &operator[](uint32_t i) { return all[i]; }
    uint32_t size() const { return count; }
    void clear() { count = 0; }

private:
    __attribute__((noinline)) bool grow(context *c) {
        uint32_t more = cap ? 2 * cap : 1024;
        T *bigger = (T *)wasmill_grow(more * uint32_t(sizeof(T)));
        if (!bigger) return c->fail("memory for what is held back is not to be had"), false;
        if (count) __builtin_memcpy((void *)bigger, (const void *)all, count * sizeof(T));
        all = bigger, cap = more;
        return true;
    }

    T *all = nullptr;
    uint32_t count = 0, cap = 0;
};

// Values by two numbers.
template <class Value> class held {
public:
    struct entry {
        uint64_t a, b;
        Value value;
    };

    // The entry of a and b, all zero if there was none; null: failed.
    entry *at(context *c, uint64_t a, uint64_t b) {
        if (__builtin_expect(2 * entries.size() >= room && !grow(c), 0)) return nullptr;
        uint32_t s = slot(a, b);
        for (; slots[s]; s = (s + 1) & (room - 1)) {
            entry *e = &entries[slots[s] - 1];
            if (e->a == a && e->b == b) return e;
        }
        entry *e = entries.add(c);
        if (!e) return nullptr;
        *e = entry{a, b, {}};
        slots[s] = entries.size();
        return e;
    }

    // Entries in the order in which they came.
    entry *begin() { return entries.begin(); }
    entry *end() { return entries.end(); }
    uint32_t size() const { return entries.size(); }
    // There is so much that it should not wait for the flush.
    bool full() const { return entries.size() >= 1 << 16; }

    void clear() {
        if (entries.size()) __builtin_memset(slots, 0, room * sizeof *slots);
        entries.clear();
    }

private:
    uint32_t slot(uint64_t a, uint64_t b) const {
        return uint32_t(((a ^ b * 0xff51afd7ed558ccdu) * 0x9e3779b97f4a7c15u) >> shift);
    }
    __attribute__((noinline)) bool grow(context *c) {
        uint32_t more = room ? 2 * room : 4096;
        slots = (uint32_t *)wasmill_grow(more * uint32_t(sizeof *slots));
        if (!slots) return c->fail("memory for what is held back is not to be had"), false;
        __builtin_memset(slots, 0, more * sizeof *slots);
        room = more, shift = uint32_t(__builtin_clzll(room) + 1);
        for (uint32_t i = 0; i < entries.size(); i++) {
            uint32_t s = slot(entries[i].a, entries[i].b);
            while (slots[s]) s = (s + 1) & (room - 1);
            slots[s] = i + 1;
        }
        return true;
    }

    list<entry> entries;
    uint32_t *slots = nullptr; // the number of an entry, from 1; open addressing
    uint32_t room = 0, shift = 0;
};

// Bytes that stay where they are until they are cleared.
class arena {
public:
    // Room for n bytes, 8-aligned; null: there is no memory, and c has failed.
    char *add(context *c, uint32_t n) {
        n = (n + 7) & ~7u;
        if (n > left && !next(c, n)) return nullptr;
        char *room = at;
        at += n, left -= n, used += n;
        return room;
    }
    char *copy(context *c, bytes b) {
        char *to = add(c, b.len);
        if (to) wasmill_copy(to, b.ptr, b.len);
        return to;
    }
    uint32_t size() const { return used; }
    void clear() { last = nullptr, left = used = 0; }

private:
    struct chunk {
        chunk *next;
        uint32_t cap;
    };
    __attribute__((noinline)) bool next(context *c, uint32_t n) {
        chunk *more = last ? last->next : first;
        if (!more || more->cap < n) {
            uint32_t cap = (n > 256 << 10 ? n : 256 << 10) + uint32_t(sizeof(chunk));
            chunk *made = (chunk *)wasmill_grow(cap);
            if (!made) return c->fail("memory for what is held back is not to be had"), false;
            *made = {more, cap - uint32_t(sizeof(chunk))};
            (last ? last->next : first) = made;
            more = made;
        }
        last = more, at = (char *)(more + 1), left = more->cap;
        return true;
    }

    chunk *first = nullptr, *last = nullptr;
    char *at = nullptr;
    uint32_t left = 0, used = 0;
};

// Values by bytes.
template <class Value> class held_by_name {
public:
    struct entry {
        bytes name;
        Value value;
    };

    // The entry of a name, its value all zero if there was none; null: failed.
    entry *at(context *c, bytes name) {
        for (uint64_t hash = wasmill_hash(name.ptr, name.len, 0);; hash++) {
            auto place = places.at(c, hash, name.len);
            if (!place) return nullptr;
            if (place->value && wasmill_equal(entries[place->value - 1].name, name)) return &entries[place->value - 1];
            if (place->value) continue; // another of that hash
            char *kept = names.copy(c, name);
            entry *e = kept ? entries.add(c) : nullptr;
            if (!e) return nullptr;
            *e = entry{{kept, name.len}, {}};
            place->value = entries.size();
            return e;
        }
    }
    entry *begin() { return entries.begin(); }
    entry *end() { return entries.end(); }
    entry &operator[](uint32_t i) { return entries[i]; }
    uint32_t index(const entry *e) { return uint32_t(e - entries.begin()); }
    bool full() const { return places.full(); }

    void clear() { places.clear(), entries.clear(), names.clear(); }

private:
    held<uint32_t> places; // an entry's number, from 1
    list<entry> entries;
    arena names;
};

// Emits bytes, or fixed fields, under a key of fixed fields.
template <class Key> inline int emit_as(context *c, const Key &key, int64_t timestamp, bytes value) {
    record r;
    r.timestamp = timestamp, r.change = WASMILL_INSERT;
    r.key = bytes((const char *)&key, sizeof key), r.value = value;
    return wasmill_emit(c, &r);
}
template <class Key, class Value> inline int emit_as(context *c, const Key &key, int64_t timestamp, const Value &value) {
    return emit_as(c, key, timestamp, bytes((const char *)&value, sizeof value));
}

// Where the span of that many ms begins that t is in. Events come in order, so that one
// division serves many of them.
template <uint64_t Span> inline uint64_t span_of(uint64_t t) {
    static uint64_t last;
    if (t - last >= Span) last = t / Span * Span;
    return last;
}

} // namespace nexmark

#endif
