/* An operator that never comes back. */
#include "wasmill.h"

static volatile int turns;

static int loop(wasmill_context *c, const wasmill_record *r) {
    (void)c, (void)r;
    for (;;) turns++;
}

WASMILL_OPERATOR(.name = "loop", .process = loop);
