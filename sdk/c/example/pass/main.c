/* The smallest operator: what comes in goes out. */
#include "wasmill.h"

static int pass(wasmill_context *c, const wasmill_record *r) {
    return wasmill_emit(c, r);
}

WASMILL_OPERATOR(.name = "pass", .process = pass);
