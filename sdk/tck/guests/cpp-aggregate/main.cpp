// The aggregate guest of sdk/tck in C++, with the standard library.
#include "wasmill.h"

#include <algorithm>
#include <string>
#include <string_view>

WASMILL_EXTERN WASMILL_IMPORT(get) int64_t host_get(int32_t table, const void *key, uint32_t key_len, const void *sub, uint32_t sub_len, void *out, uint32_t cap);

namespace {

struct stats {
    int64_t count, sum, min, max;
    void add(const stats &o) {
        if (!o.count) return;
        min = count ? std::min(min, o.min) : o.min, max = count ? std::max(max, o.max) : o.max;
        count += o.count, sum += o.sum;
    }
};

int merge(wasmill::context *, void *acc, const void *other) {
    static_cast<stats *>(acc)->add(*static_cast<const stats *>(other));
    return WASMILL_OK;
}

int accumulate(wasmill::context *c, void *acc, const wasmill::record *r) {
    std::string_view first = r->value;
    first = first.substr(0, first.find(' '));
    if (first == "reject") return c->reject(std::string_view("no number"));
    if (first == "fail") return c->fail(std::string_view("as asked"));
    if (first == "emit") return c->emit(*r);
    if (first == "state") return host_get(0, nullptr, 0, nullptr, 0, nullptr, 0), WASMILL_OK;
    int64_t n = int64_t(wasmill_json_number(first, 0));
    static_cast<stats *>(acc)->add({1, n, n, n});
    return WASMILL_OK;
}

int finish(wasmill::context *c, const wasmill_window *w, const void *acc) {
    auto s = static_cast<const stats *>(acc);
    std::string text;
    for (int64_t n : {w->start, w->end, int64_t(w->firing), s->count, s->sum, s->min, s->max}) text += (text.empty() ? "" : " ") + std::to_string(n);
    return c->emit(wasmill::record{.timestamp = WASMILL_NO_TIMESTAMP, .key = w->key, .value = text});
}

} // namespace

WASMILL_OPERATOR(.name = "tck-aggregate", .acc_size = sizeof(stats), .accumulate = accumulate, .merge = merge, .finish = finish);
