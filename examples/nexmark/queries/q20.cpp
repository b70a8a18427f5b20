// SELECT bid.*, auction.* FROM bid JOIN auction ON bid.auction = auction.id AND category = 10
// State, by auction: the auction as it is or, of another category, that it is known; until it
// comes, its bids.
#include "nexmark.hpp"

using namespace nexmark;

enum { AUCTIONS, WAITING };

// AUCTIONS begins with what is known: AUCTION, and it is the auction, or one of these.
static const char UNWANTED = 'u', BIDS_WAIT = 'b';

static int emit(context *c, int64_t timestamp, bid b, auction a) {
    uint32_t strings = b.channel().len + b.url().len + b.extra().len + a.item_name().len + a.description().len + a.extra().len;
    return row(c, timestamp, {}, strings)
        .number<"auction">(b.auction())
        .number<"bidder">(b.bidder())
        .number<"price">(b.price())
        .text<"channel">(b.channel())
        .text<"url">(b.url())
        .number<"bid_dateTime">(b.date_time())
        .text<"bid_extra">(b.extra())
        .text<"itemName">(a.item_name())
        .text<"description">(a.description())
        .number<"initialBid">(a.initial_bid())
        .number<"reserve">(a.reserve())
        .number<"auction_dateTime">(a.date_time())
        .number<"expires">(a.expires())
        .number<"seller">(a.seller())
        .number<"category">(a.category())
        .text<"auction_extra">(a.extra())
        .emit();
}

static int process_auction(context *c, const record *r, bytes known) {
    if (known && known[0] != BIDS_WAIT) return WASMILL_OK;
    auction a(r);
    bool wanted = a.category() == 10;
    if (wasmill_value_set(c, AUCTIONS, wanted ? r->value : bytes(&UNWANTED, 1))) return WASMILL_FAILED;
    if (!known) return WASMILL_OK;
    bytes waiting = wasmill_list_get(c, WAITING), b;
    while (wanted && wasmill_list_next(&waiting, &b))
        if (emit(c, int64_t(bid(b).date_time()), bid(b), a)) return WASMILL_FAILED;
    return wasmill_clear(c, WAITING);
}

static int process(context *c, const record *r) {
    bytes known = wasmill_value_get(c, AUCTIONS);
    if (is_auction(r)) return process_auction(c, r, known);
    if (!known && wasmill_value_set(c, AUCTIONS, {&BIDS_WAIT, 1})) return WASMILL_FAILED;
    if (!known || known[0] == BIDS_WAIT) return wasmill_list_add(c, WAITING, r->value);
    return known[0] == UNWANTED ? WASMILL_OK : emit(c, r->timestamp, bid(r), auction(known));
}

WASMILL_OPERATOR(.name = "q20", .version = "1.0.0", .process = process,
                 .tables = {{"auctions"}, {.name = "waiting", .use = WASMILL_LISTS}});
