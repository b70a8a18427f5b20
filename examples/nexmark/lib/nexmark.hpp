// nexmark.hpp: what the queries share. Events are read where they lie, by offset; rows of
// JSON are written where they leave, into the batch of the output. Freestanding: no libc,
// no heap. Start with bid and row.
#ifndef NEXMARK_HPP
#define NEXMARK_HPP

#include "wasmill.h"

#ifdef __wasm__
// There is no libc, and bytes made of text that is not a literal ask for its length.
extern "C" __attribute__((weak, no_builtin("strlen"))) size_t strlen(const char *text) {
    const char *p = text;
    while (*p) p++;
    return size_t(p - text);
}
#endif

namespace nexmark {

using wasmill::bytes;
using wasmill::context;
using wasmill::record;

// "text"_b has its length from the compiler, wherever it goes from there.
consteval bytes operator""_b(const char *text, size_t n) { return {text, uint32_t(n)}; }

// Events: the value of a record, as the source nexmark encodes it (docs/formats.md).

enum kind : uint8_t { PERSON = 0, AUCTION = 1, BID = 2 };

inline uint64_t load64(const char *p) { return *(const wasmill_u64 *)p; }
inline void store64(char *p, uint64_t n) { *(wasmill_u64 *)p = n; }

// The string at p, and where the next one begins.
inline bytes string_at(const char *p) { return {p + 2, *(const wasmill_u16 *)p}; }
inline const char *after_string(const char *p) { return p + 2 + *(const wasmill_u16 *)p; }

// What the event is. The lengths of strings are the source's word; everything else fits.
inline bool is_person(const record *r) { return r->value.len >= 37 && r->value.ptr[0] == PERSON; }
inline bool is_auction(const record *r) { return r->value.len >= 71 && r->value.ptr[0] == AUCTION; }
inline bool is_bid(const record *r) { return r->value.len >= 47 && r->value.ptr[0] == BID; }

// When an event came: the order of a stream, whichever subtasks its events pass through.
struct arrival {
    wasmill_u64 time, number;
    bool operator<(const arrival &o) const { return time != o.time ? time < o.time : number < o.number; }
};

struct person {
    const char *p;
    explicit person(const record *r) : p(r->value.ptr) {}
    explicit person(bytes value) : p(value.ptr) {}
    uint64_t id() const { return load64(p + 1); }
    uint64_t date_time() const { return load64(p + 9); }
    uint64_t number() const { return load64(p + 17); } // of the event in the stream
    bytes name() const { return string_at(p + 25); }
    bytes email_address() const { return string_at(after_string(p + 25)); }
    bytes credit_card() const { return string_at(after_string(after_string(p + 25))); }
    bytes city() const { return string_at(city_at()); }
    bytes state() const { return string_at(after_string(city_at())); }
    bytes extra() const { return string_at(after_string(after_string(city_at()))); }

private:
    const char *city_at() const { return after_string(after_string(after_string(p + 25))); }
};

struct auction {
    const char *p;
    explicit auction(const record *r) : p(r->value.ptr) {}
    explicit auction(bytes value) : p(value.ptr) {}
    uint64_t id() const { return load64(p + 1); }
    uint64_t seller() const { return load64(p + 9); }
    uint64_t category() const { return load64(p + 17); }
    uint64_t initial_bid() const { return load64(p + 25); }
    uint64_t reserve() const { return load64(p + 33); }
    uint64_t date_time() const { return load64(p + 41); }
    uint64_t number() const { return load64(p + 49); }
    uint64_t expires() const { return load64(p + 57); }
    bytes item_name() const { return string_at(p + 65); }
    bytes description() const { return string_at(after_string(p + 65)); }
    bytes extra() const { return string_at(after_string(after_string(p + 65))); }
};

struct bid {
    const char *p;
    explicit bid(const record *r) : p(r->value.ptr) {}
    explicit bid(bytes value) : p(value.ptr) {}
    uint64_t auction() const { return load64(p + 1); }
    uint64_t bidder() const { return load64(p + 9); }
    uint64_t price() const { return load64(p + 17); }
    uint64_t date_time() const { return load64(p + 25); }
    uint64_t number() const { return load64(p + 33); }
    arrival arrived() const { return {date_time(), number()}; }
    bytes channel() const { return string_at(p + 41); }
    bytes url() const { return string_at(after_string(p + 41)); }
    bytes extra() const { return string_at(after_string(after_string(p + 41))); }
};

inline bool same(bytes a, bytes b) { return a.len == b.len && wasmill_same(a.ptr, b.ptr, a.len); }

// Text, sixteen bytes at a time.

typedef uint8_t block __attribute__((vector_size(16), aligned(1), may_alias));
typedef decltype(block{} == block{}) matches;

// A bit for each byte that matches.
inline uint32_t bits(matches m) {
#ifdef __wasm__
    return uint32_t(__builtin_wasm_bitmask_i8x16(m));
#else
    uint32_t n = 0;
    for (int i = 0; i < 16; i++) n |= uint32_t(m[i] != 0) << i;
    return n;
#endif
}

// Where c is in text first; its length if it is nowhere.
inline uint32_t find(bytes text, char c) {
    uint32_t at = 0;
    for (; text.len - at >= 16; at += 16) {
        uint32_t found = bits(*(const block *)(text.ptr + at) == uint8_t(c));
        if (found) return at + uint32_t(__builtin_ctz(found));
    }
    while (at < text.len && text.ptr[at] != c) at++;
    return at;
}

// How often c is in text.
inline uint32_t count(bytes text, char c) {
    uint32_t n = 0, at = 0;
    for (; text.len - at >= 16; at += 16) n += uint32_t(__builtin_popcount(bits(*(const block *)(text.ptr + at) == uint8_t(c))));
    for (; at < text.len; at++) n += text.ptr[at] == c;
    return n;
}

inline bool starts_with(bytes text, bytes prefix) { return text.len >= prefix.len && wasmill_same(text.ptr, prefix.ptr, prefix.len); }

// Letters of text are compared with those of lower, which are lower case.
inline bool same_ignoring_case(bytes text, bytes lower) {
    if (text.len != lower.len) return false;
    for (uint32_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c >= 'A' && c <= 'Z') c = char(c | 0x20);
        if (c != lower.ptr[i]) return false;
    }
    return true;
}

// The parts of a text, one after another; ptr NULL when there are no more.
class splitter {
public:
    splitter(bytes text, char separator) : left(text), by(separator) {}
    bytes next() {
        if (!left.ptr) return {};
        uint32_t n = find(left, by);
        bytes part(left.ptr, n);
        left = n < left.len ? bytes(left.ptr + n + 1, left.len - n - 1) : bytes();
        return part;
    }

private:
    bytes left;
    char by;
};

// The number that text is in decimal, of 18 digits at most; false: it is none.
inline bool number_of(bytes text, uint64_t *n) {
    *n = 0;
    for (char c : text) {
        if (c < '0' || c > '9') return false;
        *n = *n * 10 + uint64_t(c - '0');
    }
    return text.len > 0 && text.len <= 18;
}

// Numbers as text. All of them write beyond what they return, 16 bytes from to at most.

// Eight decimal digits of n < 10^8, the first in the lowest byte: 0 to 9, not yet text.
inline uint64_t eight_digits(uint32_t n) {
    uint64_t high = (uint64_t(n) * 3518437209) >> 45, low = n - high * 10000;
    uint64_t fours = high | low << 32;
    uint64_t hundreds = ((fours * 10486) >> 20) & 0x7f0000007f;
    uint64_t twos = hundreds | (fours - hundreds * 100) << 16;
    uint64_t tens = ((twos * 103) >> 10) & 0x000f000f000f000f;
    return tens | (twos - tens * 10) << 8;
}

inline char *put_short(char *to, uint32_t n) {
    uint64_t digits = eight_digits(n);
    uint32_t zeros = uint32_t(__builtin_ctzll(digits | 1ull << 56)) & ~7u;
    store64(to, (digits | 0x3030303030303030) >> zeros);
    return to + 8 - zeros / 8;
}

inline char *put_padded(char *to, uint32_t n) {
    store64(to, eight_digits(n) | 0x3030303030303030);
    return to + 8;
}

// n as decimal text, up to 20 digits.
inline char *put_number(char *to, uint64_t n) {
    if (n < 100000000) return put_short(to, uint32_t(n));
    uint64_t high = n / 100000000;
    if (high < 100000000) to = put_short(to, uint32_t(high));
    else to = put_padded(put_short(to, uint32_t(high / 100000000)), uint32_t(high % 100000000));
    return put_padded(to, uint32_t(n - high * 100000000));
}

// n times so many thousandths, 1000 at most, as a decimal: 12345 times 1 is 12.345. The
// product may be more than 64 bits.
inline char *put_thousandths(char *to, uint64_t n, uint32_t times = 1) {
    uint64_t thousands = n / 1000;
    uint32_t rest = uint32_t(n - thousands * 1000) * times;
    to = put_number(to, thousands * times + rest / 1000);
    rest %= 1000;
    uint32_t tens = rest / 10;
    to[0] = '.';
    to[1] = char('0' + tens / 10);
    to[2] = char('0' + tens % 10);
    to[3] = char('0' + rest % 10);
    return to + 4;
}

// Text within a JSON string.

// A bit for each byte that such a string may not have as it stands.
inline uint32_t to_escape(block b) {
    return bits((b == uint8_t('"')) | (b == uint8_t('\\')) | (b < uint8_t(' ')));
}

inline char *put_escape(char *to, uint8_t c) {
    static const char hex[] = "0123456789abcdef";
    *to++ = '\\';
    if (c >= ' ') {
        *to++ = char(c);
        return to;
    }
    const char code[] = {'u', '0', '0', hex[c >> 4], hex[c & 15]};
    for (char x : code) *to++ = x;
    return to;
}

// Whether a block can be read at p, whatever is in it: the memory goes on for a page.
inline bool readable(const char *p) {
#ifdef __wasm__
    return (uintptr_t(p) >> 16) + 1 < __builtin_wasm_memory_size(0);
#else
    return (void)p, false;
#endif
}

// Six bytes for each of text's at most, and 16 beyond.
inline char *put_escaped(char *to, bytes text) {
    const char *from = text.ptr;
    uint32_t left = text.len;
    char tail[16] = {};
    while (left) {
        if (left < 16 && from != tail && !readable(from)) {
            wasmill_copy(tail, from, left);
            from = tail;
        }
        block b = *(const block *)from;
        *(block *)to = b;
        uint32_t bad = to_escape(b), n = left < 16 ? left : 16;
        if (left < 16) bad &= (1u << left) - 1;
        if (!bad) {
            to += n, from += n, left -= n;
            continue;
        }
        n = uint32_t(__builtin_ctz(bad));
        to = put_escape(to + n, uint8_t(from[n]));
        from += n + 1, left -= n + 1;
    }
    return to;
}

// The name of a field, made ready when the query is compiled.
template <uint32_t N> struct field {
    char text[(N + 3 + 15) / 16 * 16] = {};
    consteval field(const char (&name)[N]) {
        text[0] = ',', text[1] = '"';
        for (uint32_t i = 0; i + 1 < N; i++) text[2 + i] = name[i];
        text[N + 1] = '"', text[N + 2] = ':';
    }
    char *put(char *to) const {
        for (uint32_t i = 0; i < sizeof text; i += 16) *(block *)(to + i) = *(const block *)(text + i);
        return to + N + 3;
    }
};

// One row: a record whose value is a JSON object, written into a batch as it is built.
//
//     return row(c, r->timestamp, r->key, b.extra().len)
//         .number<"auction">(b.auction())
//         .text<"extra">(b.extra())
//         .emit();
//
// Between the making of a row and emit, the operator emits nothing else on that output.
class row {
public:
    // strings: how long the values of text, string and raw are together, at most. Fields
    // have 1 KiB for names, numbers and punctuation.
    row(context *c, int64_t timestamp, bytes key, uint32_t strings, int output = 0) : b(&c->outputs[output]) {
        uint32_t room = 16 + key.len + 1024 + 6 * strings;
        if (b->len + room > b->cap && wasmill_make_room(c, b, room)) __builtin_trap();
        char *head = b->ptr + b->len;
        absent = key.ptr ? 0 : 4;
        keyed = key.len;
        store64(head + 8, uint64_t(timestamp));
        wasmill_copy(head + 16, key.ptr, key.len);
        value = at = head + 16 + key.len;
    }

    template <field F> row &number(uint64_t n) { return at = put_number(F.put(at), n), *this; }
    template <field F> row &thousandths(uint64_t n, uint32_t times = 1) { return at = put_thousandths(F.put(at), n, times), *this; }
    // A string, or null if there is none.
    template <field F> row &text(bytes s) {
        if (__builtin_expect(!s.ptr, 0)) return raw<F>("null"_b);
        at = F.put(at);
        *at++ = '"';
        at = put_escaped(at, s);
        *at++ = '"';
        return *this;
    }
    // A string that has nothing to escape.
    template <field F> row &plain(bytes s) {
        at = F.put(at);
        *at++ = '"';
        wasmill_copy(at, s.ptr, s.len);
        at += s.len;
        *at++ = '"';
        return *this;
    }
    // JSON as it stands.
    template <field F> row &raw(bytes json) {
        at = F.put(at);
        wasmill_copy(at, json.ptr, json.len);
        at += json.len;
        return *this;
    }

    // The columns of a bid: without its channel and url, or all.
    row &brief(bid b) {
        return number<"auction">(b.auction()).number<"bidder">(b.bidder()).number<"price">(b.price())
            .number<"dateTime">(b.date_time()).text<"extra">(b.extra());
    }
    row &whole(bid b) {
        return number<"auction">(b.auction()).number<"bidder">(b.bidder()).number<"price">(b.price())
            .text<"channel">(b.channel()).text<"url">(b.url()).number<"dateTime">(b.date_time()).text<"extra">(b.extra());
    }

    int emit(uint32_t change = WASMILL_INSERT) {
        *value = '{';
        *at++ = '}';
        store64(b->ptr + b->len, wasmill_head(keyed, uint32_t(at - value), change | absent));
        b->len = uint32_t(at - b->ptr);
        return WASMILL_OK;
    }

private:
    wasmill_batch *b;
    char *value, *at;
    uint32_t keyed, absent;
};

} // namespace nexmark

#endif
