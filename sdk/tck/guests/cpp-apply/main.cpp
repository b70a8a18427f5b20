// The apply guest of sdk/tck in C++, with the standard library.
#include "wasmill.h"

#include <string>
#include <string_view>

namespace {

enum { APPLIED };

int emit(wasmill::context *c, const wasmill_window *w, const std::string &text) {
    return c->emit(wasmill::record{.timestamp = WASMILL_NO_TIMESTAMP, .key = w->key, .value = text});
}

int apply(wasmill::context *c, wasmill_window *w) {
    int64_t counts[2] = {};
    for (wasmill::record r; wasmill_window_next(w, &r);) {
        std::string_view value = r.value;
        counts[w->input]++;
        if (value == "fail") return c->fail(std::string_view("as asked"));
        if (value == "timer" && wasmill_timer_set(c, WASMILL_EVENT_TIME, 1, std::string_view(""))) return WASMILL_FAILED;
        if (value.size() <= 100 && emit(c, w, std::to_string(w->input) + " " + std::string(value))) return WASMILL_FAILED;
    }
    auto n = static_cast<int64_t *>(wasmill_value(c, APPLIED, sizeof(int64_t)));
    if (!n) return WASMILL_FAILED;
    ++*n;
    std::string window = std::to_string(w->start) + " " + std::to_string(w->end) + " " + std::to_string(w->firing);
    return emit(c, w, window + ": " + std::to_string(counts[0]) + " " + std::to_string(counts[1]) + " " + std::to_string(*n));
}

} // namespace

WASMILL_OPERATOR(.name = "tck-apply", .inputs = {"left", "right"}, .tables = {{.name = "applied"}}, .apply = apply);
