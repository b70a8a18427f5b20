/* slow takes its time over every record, and passes it on. */
#include "wasmill.h"

enum { TURNS = 100000 };

static int pass(wasmill_context *c, const wasmill_record *in) {
    for (volatile uint32_t i = 0; i < TURNS; i++) {}
    return wasmill_emit(c, in);
}

WASMILL_OPERATOR(.name = "slow", .keeps_key = true, .process = pass);
