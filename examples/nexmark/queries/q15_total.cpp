// q15: by day: SELECT COUNT(*), COUNT(DISTINCT bidder), COUNT(DISTINCT auction), in all and
// by band of the price. State by day: the counts, and sets of ids. A day that changed gives
// its row, key "day", at most once between two flushes.
#include "distinct.hpp"

using namespace nexmark;

static total_distinct days;

static int put_row(context *c, bytes name, const totals &t, int64_t timestamp) {
    char text[16];
    bytes day = {text, uint32_t(put_day(text, load64(name.ptr)) - text)};
    return put_totals(row(c, timestamp, day, day.len).plain<"day">(day), t).emit(WASMILL_UPDATE_AFTER);
}

static int flush(context *c) { return days.flush(c, put_row); }

static int process(context *c, const record *r) {
    if (days.add(c, r)) return WASMILL_FAILED;
    return days.full() ? flush(c) : WASMILL_OK;
}

WASMILL_OPERATOR(.name = "q15-total", .version = "1.0.0", .process = process, .flush = flush,
    .tables = {{"totals", WASMILL_KEYED, WASMILL_MAPS}, {"ids", WASMILL_KEYED, WASMILL_MAPS}});
