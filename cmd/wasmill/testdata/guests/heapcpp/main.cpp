// heapcpp folds the values of each key in an unordered_map, and counts them once more in a
// table: both are of one cut, or it fails. It gives out what it knows when the input ends.
#include "../row.h"

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace {

enum { COUNTS };

struct known {
    fold all = {};
    std::vector<std::unique_ptr<std::string>> recent; // freed and allocated again and again
};

std::unordered_map<std::string, known> keys;

int process(wasmill::context *c, const wasmill::record *r) {
    known &k = keys[std::string(std::string_view(r->key))];
    auto counted = static_cast<uint64_t *>(wasmill_value(c, COUNTS, sizeof(uint64_t)));
    if (!counted) return WASMILL_FAILED;
    if (*counted != k.all.count) return c->fail(std::string_view("the table and the heap are not of one cut"));
    ++*counted;
    fold_record(&k.all, r);
    if (k.recent.size() > 10) k.recent.clear();
    k.recent.push_back(std::make_unique<std::string>(std::string_view(r->value)));
    return WASMILL_OK;
}

int end(wasmill::context *c) {
    std::map<std::string, fold> ordered;
    for (const auto &[key, k] : keys) ordered[key] = k.all;
    for (const auto &[key, all] : ordered) {
        row r = {};
        put_bytes(&r, key), put_fold(&r, &all);
        if (emit_row(c, key, &r)) return WASMILL_FAILED;
    }
    return WASMILL_OK;
}

} // namespace

WASMILL_OPERATOR(.name = "heapcpp", .process = process, .end = end, .tables = {{.name = "counts"}});
