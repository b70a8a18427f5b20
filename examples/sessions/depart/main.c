/* depart reads flights, one JSON object a record, and gives each out under its origin as
 * key, with its date, read as UTC, as its time. */
#include "wasmill.h"

enum { LONGEST_ORIGIN = 256 };

/* The number that so many digits say; -1: they are none. */
static int number(const char *p, int digits) {
    int n = 0;
    for (; digits; digits--, p++) {
        if (*p < '0' || *p > '9') return -1;
        n = n * 10 + (*p - '0');
    }
    return n;
}

/* The days from 1970 to a date, after Howard Hinnant's days_from_civil. */
static int64_t days(int year, int month, int day) {
    int y = month <= 2 ? year - 1 : year, era = (y >= 0 ? y : y - 399) / 400, of_era = y - era * 400;
    int of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    return (int64_t)era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

/* The time in ms since 1970 of "2001/01/31 23:59"; WASMILL_NO_TIMESTAMP: it is no date. */
static int64_t parse(wasmill_bytes text) {
    const char *p = text.ptr;
    if (text.len != 16 || p[4] != '/' || p[7] != '/' || p[10] != ' ' || p[13] != ':') return WASMILL_NO_TIMESTAMP;
    int year = number(p, 4), month = number(p + 5, 2), day = number(p + 8, 2), hour = number(p + 11, 2), minute = number(p + 14, 2);
    if (year < 0 || month < 1 || month > 12 || hour < 0 || hour > 23 || minute < 0 || minute > 59) return WASMILL_NO_TIMESTAMP;
    int64_t first = days(year, month, 1), next = month < 12 ? days(year, month + 1, 1) : days(year + 1, 1, 1);
    if (day < 1 || day > next - first) return WASMILL_NO_TIMESTAMP;
    return (((first + day - 1) * 24 + hour) * 60 + minute) * 60000;
}

static int depart(wasmill_context *c, const wasmill_record *flight) {
    static char origin_text[LONGEST_ORIGIN], date_text[64];
    wasmill_bytes origin = wasmill_json_get(flight->value, "origin"), date = wasmill_json_get(flight->value, "date");
    if (origin.len > sizeof origin_text) return wasmill_reject(c, "the origin is too long");
    origin = wasmill_json_text(origin, origin_text);
    if (!origin.ptr) return wasmill_reject(c, "the flight has no origin");

    wasmill_record departed = *flight;
    departed.key = origin;
    departed.timestamp = date.len > sizeof date_text ? WASMILL_NO_TIMESTAMP : parse(wasmill_json_text(date, date_text));
    if (departed.timestamp == WASMILL_NO_TIMESTAMP) return wasmill_reject(c, "the flight's date is not like 2001/01/31 23:59");
    return wasmill_emit(c, &departed);
}

WASMILL_OPERATOR(.name = "depart", .version = "1.0.0", .process = depart);
