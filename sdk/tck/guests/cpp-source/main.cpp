// The source guest of sdk/tck in C++, with the standard library.
#include "wasmill.h"

#include <string>

namespace {
int64_t records, next;
bool polled;
}  // namespace

WASMILL_OPERATOR(
    .name = "tck-source",
    .config_schema = R"({"type":"object","properties":{"records":{"type":"integer","minimum":0}},"required":["records"],"additionalProperties":false})",
    .open = [](wasmill::context *c) -> int {
        records = int64_t(wasmill_json_number(wasmill_json_get(c->config, "records"), 0));
        return WASMILL_OK;
    },
    .poll = [](wasmill::context *c, int max) -> int {
        if (!polled) {
            polled = true;
            return WASMILL_IDLE;
        }
        for (; max > 0 && next < records; max--, next++) {
            std::string n = std::to_string(next), value = "record " + n;
            if (c->emit({.timestamp = next, .key = n, .value = value})) return WASMILL_FAILED;
        }
        return next == records ? WASMILL_END : WASMILL_MORE;
    });
