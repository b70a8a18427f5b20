/* stats counts the earthquakes of a window of a network, and finds the strongest. */
#include "wasmill.h"

enum { LONGEST_NET = 64, LONGEST_MAG = 28, DAY_MS = 24 * 60 * 60 * 1000 };

typedef struct {
    int64_t count;
    double max;
    uint32_t len; /* of text; 0: no quake has a magnitude yet */
    char text[LONGEST_MAG]; /* max as it stands in the data: no digit changes */
} stats;

static void stronger(stats *s, double max, const char *text, uint32_t len) {
    if (!len || (s->len && max <= s->max)) return;
    s->max = max, s->len = len;
    wasmill_copy(s->text, text, len);
}

static int add(wasmill_context *c, void *acc, const wasmill_record *quake) {
    stats *s = (stats *)acc;
    wasmill_bytes mag = wasmill_json_get(quake->value, "mag");
    if (c->key.len > LONGEST_NET) return wasmill_reject(c, "the network's name is too long");
    if (mag.ptr && !(mag.len == 4 && wasmill_same(mag.ptr, "null", 4))) {
        double max = wasmill_json_number(mag, __builtin_nan(""));
        if (max != max || mag.len > LONGEST_MAG) return wasmill_reject(c, "the magnitude is not a number");
        stronger(s, max, mag.ptr, mag.len);
    }
    s->count++;
    return WASMILL_OK;
}

static int merge(wasmill_context *c, void *acc, const void *other) {
    (void)c;
    stats *s = (stats *)acc;
    const stats *o = (const stats *)other;
    s->count += o->count;
    stronger(s, o->max, o->text, o->len);
    return WASMILL_OK;
}

typedef struct {
    char text[6 * LONGEST_NET + 128];
    uint32_t len;
} row;

static void put(row *r, const char *text, uint32_t len) {
    wasmill_copy(r->text + r->len, text, len);
    r->len += len;
}

static void put_text(row *r, const char *text) { put(r, text, wasmill_strlen(text)); }

/* At least so many digits. */
static void put_number(row *r, uint64_t n, int digits) {
    char text[20], *last = text + sizeof text, *at = last;
    do *--at = (char)('0' + n % 10), digits--;
    while (n /= 10, n || digits > 0);
    put(r, at, (uint32_t)(last - at));
}

static void put_quoted(row *r, wasmill_bytes text) {
    put_text(r, "\"");
    for (uint32_t i = 0; i < text.len; i++) {
        uint8_t b = (uint8_t)text.ptr[i];
        char escaped[] = {'\\', 'u', '0', '0', (char)('0' + (b >> 4)), "0123456789abcdef"[b & 15]};
        if (b < ' ') put(r, escaped, sizeof escaped);
        else if (b == '"' || b == '\\') put(r, "\\", 1), put(r, text.ptr + i, 1);
        else put(r, text.ptr + i, 1);
    }
    put_text(r, "\"");
}

/* The date of a day since 1970, after Howard Hinnant's civil_from_days. */
static void put_date(row *r, int64_t day) {
    day += 719468;
    int64_t era = (day >= 0 ? day : day - 146096) / 146097, of_era = day - era * 146097;
    int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * year + year / 4 - year / 100), month = (5 * of_year + 2) / 153;
    int64_t date = of_year - (153 * month + 2) / 5 + 1;
    month = month < 10 ? month + 3 : month - 9;
    year += era * 400 + (month <= 2);
    if (year < 0) put_text(r, "-"), year = -year;
    put_number(r, (uint64_t)year, 4), put_text(r, "-");
    put_number(r, (uint64_t)month, 2), put_text(r, "-");
    put_number(r, (uint64_t)date, 2);
}

static int finish(wasmill_context *c, const wasmill_window *w, const void *acc) {
    const stats *s = (const stats *)acc;
    row r;
    r.len = 0;
    put_text(&r, "{\"net\":"), put_quoted(&r, w->key);
    put_text(&r, ",\"day\":\""), put_date(&r, (w->start - (w->start % DAY_MS + DAY_MS) % DAY_MS) / DAY_MS);
    put_text(&r, "\",\"count\":"), put_number(&r, (uint64_t)s->count, 1);
    put_text(&r, ",\"max_mag\":"), put(&r, s->len ? s->text : "null", s->len ? s->len : 4);
    put_text(&r, "}");
    wasmill_record out = {.timestamp = WASMILL_NO_TIMESTAMP, .key = w->key, .value = {r.text, r.len}};
    return wasmill_emit(c, &out);
}

WASMILL_OPERATOR(
    .name = "stats", .version = "1.0.0", .inputs = {"quakes"}, .keeps_key = true,
    .acc_size = sizeof(stats), .accumulate = add, .merge = merge, .finish = finish);
