/* parse reads flights, one JSON object a record, and gives each out under its origin
 * as key, with its delay in minutes, as text, as value: all that the next operator needs. */
#include "wasmill.h"

enum { LONGEST_ORIGIN = 256 };

static bool is_integer(wasmill_bytes text) {
    uint32_t digits = 0, at = text.len && text.ptr[0] == '-';
    for (; at < text.len && text.ptr[at] >= '0' && text.ptr[at] <= '9'; at++) digits++;
    return digits > 0 && digits < 10 && at == text.len;
}

static int parse(wasmill_context *c, const wasmill_record *flight) {
    static char buffer[LONGEST_ORIGIN];
    wasmill_bytes origin = wasmill_json_get(flight->value, "origin");
    if (origin.len > sizeof buffer) return wasmill_reject(c, "the origin is too long");
    origin = wasmill_json_text(origin, buffer);
    if (!origin.ptr) return wasmill_reject(c, "the flight has no origin");

    wasmill_bytes delay = wasmill_json_get(flight->value, "delay");
    if (!is_integer(delay)) return wasmill_reject(c, "the flight's delay is not a number of minutes");

    wasmill_record keyed = *flight;
    keyed.key = origin;
    keyed.value = delay;
    return wasmill_emit(c, &keyed);
}

WASMILL_OPERATOR(.name = "parse", .version = "1.0.0", .process = parse);
