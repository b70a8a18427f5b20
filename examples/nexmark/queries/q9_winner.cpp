// q9, by auction: the auction and, of the bids with dateTime BETWEEN auction.dateTime AND
// auction.expires, the first by price DESC, dateTime, then in the order of the stream.
// State: the auction as it is; beside it what bids are held against, its times and the best
// so far, or, until it comes, its bids.
#include "nexmark.hpp"

using namespace nexmark;

enum { AUCTIONS, BEST };

static const uint64_t NEVER = UINT64_MAX;

// A bid as q9_bids makes it.
struct offer {
    const char *p;
    uint64_t date_time() const { return load64(p); }
    arrival arrived() const { return {date_time(), load64(p + 8)}; }
    uint64_t price() const { return load64(p + 16); }
    uint64_t bidder() const { return load64(p + 24); }
    bytes extra() const { return string_at(p + 32); }
    offer next() const { return {after_string(p + 32)}; }
};

// What BEST holds once the auction is known.
struct __attribute__((packed)) best {
    uint8_t kind;
    uint64_t from, to, price;
    arrival arrived; // no bid yet: at the end of time

    bool improve(offer o) {
        bool better = o.price() > price || (o.price() == price && o.arrived() < arrived);
        if (o.date_time() < from || o.date_time() > to || !better) return false;
        price = o.price(), arrived = o.arrived();
        return true;
    }
    // The bid of a record or of BEST that is now the best; p null: none.
    offer improve(bytes bids) {
        offer found = {nullptr};
        for (offer o = {bids.ptr + 1}; o.p < bids.end(); o = o.next())
            if (improve(o)) found = o;
        return found;
    }
};

static int emit(context *c, auction a, offer o, bool first) {
    char key[32];
    uint32_t strings = a.item_name().len + a.description().len + a.extra().len + o.extra().len;
    return row(c, int64_t(o.date_time()), {key, uint32_t(put_number(key, a.id()) - key)}, strings)
        .number<"id">(a.id())
        .text<"itemName">(a.item_name())
        .text<"description">(a.description())
        .number<"initialBid">(a.initial_bid())
        .number<"reserve">(a.reserve())
        .number<"dateTime">(a.date_time())
        .number<"expires">(a.expires())
        .number<"seller">(a.seller())
        .number<"category">(a.category())
        .text<"extra">(a.extra())
        .number<"auction">(a.id())
        .number<"bidder">(o.bidder())
        .number<"price">(o.price())
        .number<"bid_dateTime">(o.date_time())
        .text<"bid_extra">(o.extra())
        .emit(first ? WASMILL_INSERT : WASMILL_UPDATE_AFTER);
}

static int process(context *c, const record *r) {
    bytes known = wasmill_value_get(c, BEST);
    best now;
    if (r->value[0] == AUCTION) {
        if (known && known[0] == AUCTION) return WASMILL_OK;
        auction a(r);
        now = {AUCTION, a.date_time(), a.expires(), 0, {NEVER, 0}};
        offer o = known ? now.improve(known) : offer{nullptr};
        if (o.p) emit(c, a, o, true); // ahead of BEST, in which the offer lies
        if (wasmill_value_set(c, AUCTIONS, r->value)) return WASMILL_FAILED;
        return wasmill_value_set(c, BEST, {(const char *)&now, sizeof now});
    }
    if (!known || known[0] == BID) return wasmill_value_add(c, BEST, known ? bytes(r->value.ptr + 1, r->value.len - 1) : r->value);
    __builtin_memcpy(&now, known.ptr, sizeof now);
    bool first = now.arrived.time == NEVER;
    offer o = now.improve(r->value);
    if (!o.p) return WASMILL_OK;
    if (wasmill_value_set(c, BEST, {(const char *)&now, sizeof now})) return WASMILL_FAILED;
    return emit(c, auction(wasmill_value_get(c, AUCTIONS)), o, first);
}

// AUCTIONS is read only when the best changes: it is not to be fetched with each batch.
WASMILL_OPERATOR(.name = "q9-winner", .version = "1.0.0", .process = process,
                 .tables = {{.name = "auctions", .use = WASMILL_MAPS}, {"best"}});
