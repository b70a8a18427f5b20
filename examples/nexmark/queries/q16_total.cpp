// q16: by channel and day: SELECT MAX(HH:mm), COUNT(*), COUNT(DISTINCT bidder),
// COUNT(DISTINCT auction), in all and by band of the price. State by day and channel: the
// counts, and sets of ids. What changed gives its row, key "day channel", at most once
// between two flushes.
#include "distinct.hpp"

using namespace nexmark;

static total_distinct channels;
static char key[16 + 65536];

static int put_row(context *c, bytes name, const totals &t, int64_t timestamp) {
    bytes channel = {name.ptr + 8, name.len - 8};
    bytes day = {key, uint32_t(put_day(key, load64(name.ptr)) - key)};
    key[day.len] = ' ';
    wasmill_copy(key + day.len + 1, channel.ptr, channel.len);
    char minute[5] = {0, 0, ':'};
    put_two(minute, uint32_t(t.minute / 60)), put_two(minute + 3, uint32_t(t.minute % 60));
    return put_totals(row(c, timestamp, {key, day.len + 1 + channel.len}, channel.len + 32)
        .text<"channel">(channel)
        .plain<"day">(day)
        .plain<"minute">({minute, sizeof minute}), t).emit(WASMILL_UPDATE_AFTER);
}

static int flush(context *c) { return channels.flush(c, put_row); }

static int process(context *c, const record *r) {
    if (channels.add(c, r)) return WASMILL_FAILED;
    return channels.full() ? flush(c) : WASMILL_OK;
}

WASMILL_OPERATOR(.name = "q16-total", .version = "1.0.0", .process = process, .flush = flush,
    .tables = {{"totals", WASMILL_KEYED, WASMILL_MAPS}, {"ids", WASMILL_KEYED, WASMILL_MAPS}});
