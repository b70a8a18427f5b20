// The process guest of sdk/tck in C++, with the standard library.
#include "wasmill.h"

#include <string>
#include <string_view>
#include <vector>

namespace {

int64_t processed, sum;
std::vector<std::string> held;
std::string prefix;

int emit(wasmill::context *c, wasmill::record r, std::string_view value) {
    r.value = value;
    return c->emit(r);
}

int open(wasmill::context *c) {
    wasmill::bytes text = wasmill_json_get(c->config, "prefix");
    std::string buffer(text.len, ' ');
    if (wasmill::bytes got = wasmill_json_text(text, buffer.data())) prefix = std::string_view(got);
    return WASMILL_OK;
}

std::string settings(const wasmill::context *c) {
    return std::string(std::string_view(c->operator_name)) + ' ' + std::to_string(c->subtask) + ' ' +
           std::to_string(c->parallelism) + ' ' + std::to_string(c->max_parallelism) + (c->restored ? " true" : " false");
}

int many(wasmill::context *c, const wasmill::record &r, int64_t n) {
    for (int64_t i = 0; i < n; i++)
        if (emit(c, r, std::to_string(i))) return WASMILL_FAILED;
    return WASMILL_OK;
}

int metric() {
    wasmill_count("tck.count", 1);
    wasmill_gauge("tck.gauge", 2.5);
    wasmill_observe("tck.histogram", 3);
    return WASMILL_OK;
}

int process(wasmill::context *c, const wasmill::record *r) {
    processed++;
    std::string_view key = r->key ? std::string_view(r->key) : std::string_view();
    auto number = [r] { return int64_t(wasmill_json_number(r->value, 0)); };
    if (key == "side") return c->emit(1, *r);
    if (key == "both") return c->emit(*r) || c->emit(1, *r) ? WASMILL_FAILED : WASMILL_OK;
    if (key == "none") return WASMILL_OK;
    if (key == "input") return emit(c, *r, std::to_string(c->input));
    if (key == "partition") return c->emit_to(0, int(number()), *r);
    if (key == "reject") return c->reject(r->value);
    if (key == "fail") return c->fail(r->value);
    if (key == "trap") __builtin_trap();
    if (key == "log") return c->log(WASMILL_WARN, r->value), WASMILL_OK;
    if (key == "metric") return metric();
    if (key == "now") return emit(c, *r, std::to_string(wasmill_now()));
    if (key == "config") return emit(c, *r, prefix);
    if (key == "settings") return emit(c, *r, settings(c));
    if (key == "large") return emit(c, *r, std::string(size_t(number()), 'x'));
    if (key == "many") return many(c, *r, number());
    if (key == "sum") return emit(c, *r, std::to_string(sum += number()));
    if (key == "hold") return held.emplace_back(std::string_view(r->value)), WASMILL_OK;
    return c->emit(*r);
}

int flush(wasmill::context *c) {
    for (const std::string &value : held)
        if (c->emit({.timestamp = WASMILL_NO_TIMESTAMP, .key = "held", .value = value})) return WASMILL_FAILED;
    held.clear();
    return WASMILL_OK;
}

int end(wasmill::context *c) {
    std::string n = std::to_string(processed);
    return c->emit({.timestamp = WASMILL_NO_TIMESTAMP, .key = "ended", .value = n});
}

}  // namespace

WASMILL_OPERATOR(
    .name = "tck", .version = "1", .inputs = {"left", "right"}, .outputs = {"out", "side"}, .keeps_key = true,
    .config_schema = R"({"type":"object","properties":{"prefix":{"type":"string"}},"additionalProperties":false})",
    .open = open, .process = process, .flush = flush, .end = end);
