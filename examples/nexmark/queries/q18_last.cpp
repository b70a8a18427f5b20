// q18: the last bid of each bidder for each auction, by dateTime, then in the order of the
// stream. State by bidder and auction: when it came, not its columns, since a row replaces
// the one before under its key, "bidder auction".
#include "nexmark.hpp"

using namespace nexmark;

enum { LAST };

static int process(context *c, const record *r) {
    bid b(r);
    arrival *last = (arrival *)wasmill_value(c, LAST, sizeof *last); // zero at first: before all bids
    if (!last) return WASMILL_FAILED;
    if (b.arrived() < *last) return WASMILL_OK;
    *last = b.arrived();
    char key[48], *at = put_number(key, b.bidder());
    *at++ = ' ';
    at = put_number(at, b.auction());
    return row(c, r->timestamp, {key, uint32_t(at - key)}, r->value.len).whole(b).emit(WASMILL_UPDATE_AFTER);
}

WASMILL_OPERATOR(.name = "q18-last", .version = "1.0.0", .process = process, .tables = {{"last"}});
