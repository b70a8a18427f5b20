// The state guest of sdk/tck in C++, with the standard library.
#include "wasmill.h"

#include <array>
#include <string>
#include <string_view>

using namespace std::literals;
using wasmill::bytes, wasmill::context;

// The imports as sdk/abi.md has them, beside those that wasmill.h has declared.
WASMILL_EXTERN WASMILL_IMPORT(get) int64_t host_get(int32_t table, const void *key, uint32_t key_len, const void *sub, uint32_t sub_len, void *out, uint32_t cap);
WASMILL_EXTERN WASMILL_IMPORT(put) void host_put(int32_t table, const void *key, uint32_t key_len, const void *sub, uint32_t sub_len, const void *value, uint32_t len);
WASMILL_EXTERN WASMILL_IMPORT(append) void host_append(int32_t table, const void *key, uint32_t key_len, const void *sub, uint32_t sub_len, const void *value, uint32_t len);
WASMILL_EXTERN WASMILL_IMPORT(delete) void host_delete(int32_t table, const void *key, uint32_t key_len, const void *sub, uint32_t sub_len);
WASMILL_EXTERN WASMILL_IMPORT(scan) int64_t host_scan(int32_t table, const void *key, uint32_t key_len, const void *from, uint32_t from_len, const void *to, uint32_t to_len, void *out, uint32_t cap);

namespace {

enum { VALUE, MAP, LIST, BRIEF, SPLIT, UNION, SHARED };

std::string cached;

int say(context *c, std::string_view text) {
    return c->emit(wasmill::record{.timestamp = WASMILL_NO_TIMESTAMP, .key = c->key, .value = text});
}

int say_if(context *c, bytes value) { return say(c, value ? std::string_view(value) : "-"sv); }

// The words of a text; the last is the rest.
template <size_t n> std::array<std::string_view, n> words_of(std::string_view text) {
    std::array<std::string_view, n> words;
    for (size_t i = 0; i < n; i++) {
        size_t end = i == n - 1 ? text.size() : std::min(text.find(' '), text.size());
        words[i] = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return words;
}

using words = std::array<std::string_view, 5>;

int64_t number(std::string_view text) { return text.empty() ? 0 : int64_t(wasmill_json_number(text, 0)); }

// What an older version wrote is read with that version before it.
std::string migrated(uint32_t version, std::string_view value) { return "v" + std::to_string(version) + ":" + std::string(value); }

int migrate(context *, int table, uint32_t version, bytes *value) {
    static std::string now;
    if (table == LIST) return WASMILL_OK;
    now = migrated(version, *value);
    *value = now;
    return WASMILL_OK;
}

int on_value(context *c, int table, const words &word) {
    if (word[1] == "get") return say_if(c, wasmill_value_get(c, table));
    if (word[1] == "set") return wasmill_value_set(c, table, word[2]);
    if (word[1] == "clear") return wasmill_value_clear(c, table);
    return WASMILL_OK;
}

int on_map(context *c, int table, const words &word) {
    if (word[1] == "get") return say_if(c, wasmill_map_get(c, table, word[2]));
    if (word[1] == "set") return wasmill_map_set(c, table, word[2], word[3]);
    if (word[1] == "remove") return wasmill_map_remove(c, table, word[2]);
    if (word[1] == "clear") return wasmill_clear(c, table);
    if (word[1] == "fill") {
        std::string x(size_t(number(word[3])), 'x');
        for (int64_t i = 0, n = number(word[2]); i < n; i++)
            if (wasmill_map_set(c, table, std::to_string(100000 + i), x)) return WASMILL_FAILED;
        return WASMILL_OK;
    }
    size_t entries = 0, size = 0;
    for (wasmill_cursor at = {}; wasmill_map_next(c, table, &at); entries++, size += at.value.len) {
        if (word[1] != "all") continue;
        std::string value(std::string_view(at.value));
        if (at.version != 2) value = migrated(at.version, value);
        if (say(c, std::string(std::string_view(at.sub)) + "=" + value)) return WASMILL_FAILED;
    }
    return word[1] == "size" ? say(c, std::to_string(entries) + " " + std::to_string(size)) : WASMILL_OK;
}

int on_list(context *c, const words &word) {
    if (word[1] == "add") return wasmill_list_add(c, LIST, word[2]);
    if (word[1] == "clear") return wasmill_clear(c, LIST);
    if (word[1] != "all") return WASMILL_OK;
    for (bytes list = wasmill_list_get(c, LIST), element; wasmill_list_next(&list, &element);)
        if (say(c, element)) return WASMILL_FAILED;
    return WASMILL_OK;
}

int on_timer(context *c, const words &word) {
    auto change = word[1] == "set" ? wasmill_timer_set : wasmill_timer_delete;
    return change(c, int(number(word[2])), number(word[3]), word[4]);
}

int answer(context *c, int64_t result, const std::string &room) { return say(c, std::to_string(result) + " " + room); }

std::string dots(std::string_view size) { return std::string(size_t(number(size)), '.'); }

// Calls an import whose last pointer is outside of memory.
void wild(std::string_view name) {
    void *far = reinterpret_cast<void *>(0xfffffff0);
    const uint32_t n = 32;
    if (name == "get") host_get(0, nullptr, 0, nullptr, 0, far, n);
    if (name == "put") host_put(0, nullptr, 0, nullptr, 0, far, n);
    if (name == "append") host_append(0, nullptr, 0, nullptr, 0, far, n);
    if (name == "delete") host_delete(0, nullptr, 0, far, n);
    if (name == "scan") host_scan(0, nullptr, 0, nullptr, 0, nullptr, 0, far, n);
    if (name == "state") wasmill_host_state(nullptr, 0, far, n);
    if (name == "timer_set") wasmill_host_timer_set(0, 1, nullptr, 0, far, n);
    if (name == "timer_delete") wasmill_host_timer_delete(0, 1, nullptr, 0, far, n);
    if (name == "reply") wasmill_host_reply(far, n);
}

// Calls an import, as the words behind raw say.
int raw(context *c, std::string_view text) {
    words word = words_of<5>(text);
    bytes k = c->key;
    int32_t table = int32_t(number(word[1]));
    std::string_view s = word[2], v = word[3];
    uint32_t sn = uint32_t(s.size()), vn = uint32_t(v.size());
    if (word[0] == "get") {
        std::string out = dots(v);
        return answer(c, host_get(table, k.ptr, k.len, s.data(), sn, out.data(), uint32_t(out.size())), out);
    }
    if (word[0] == "scan") {
        std::string out = dots(word[4]);
        return answer(c, host_scan(table, k.ptr, k.len, s.data(), sn, v.data(), v == "*" ? ~0u : vn, out.data(), uint32_t(out.size())), out);
    }
    if (word[0] == "state") {
        auto w = words_of<3>(text);
        std::string out = dots(w[1]);
        return answer(c, wasmill_host_state(w[2].data(), uint32_t(w[2].size()), out.data(), uint32_t(out.size())), out);
    }
    if (word[0] == "put") host_put(table, k.ptr, k.len, s.data(), sn, v.data(), vn);
    if (word[0] == "append") host_append(table, k.ptr, k.len, s.data(), sn, v.data(), vn);
    if (word[0] == "delete") host_delete(table, k.ptr, k.len, s.data(), sn);
    if (word[0] == "overlap") {
        std::string both(32, '\0');
        wasmill_host_state(both.data(), 17, both.data() + 16, 16);
    }
    if (word[0] == "reply") wasmill_host_reply(s.data(), sn);
    if (word[0] == "wild") wild(word[1]);
    return WASMILL_OK;
}

// Does one command.
int run(context *c, std::string_view command) {
    words word = words_of<5>(command);
    std::string_view what = word[0];
    if (what == "value") return on_value(c, VALUE, word);
    if (what == "brief") return on_value(c, BRIEF, word);
    if (what == "map") return on_map(c, MAP, word);
    if (what == "split") return on_map(c, SPLIT, word);
    if (what == "union") return on_map(c, UNION, word);
    if (what == "shared") return on_map(c, SHARED, word);
    if (what == "list") return on_list(c, word);
    if (what == "timer") return on_timer(c, word);
    if (what == "watermark") return say(c, std::to_string(wasmill_watermark_now()));
    if (what == "cache") cached = word[1];
    if (what == "raw") return raw(c, command.substr(std::min(command.size(), "raw "sv.size())));
    return WASMILL_OK;
}

int open(context *c) {
    bytes text = wasmill_json_get(c->config, "open");
    std::string buffer(text.len, ' ');
    bytes command = wasmill_json_text(text, buffer.data());
    return command ? run(c, command) : WASMILL_OK;
}

int process(context *c, const wasmill::record *r) { return run(c, r->value); }

int timer(context *c, int domain, bytes tag) {
    std::string text = "timer " + std::to_string(domain) + " " + std::to_string(c->timer) + " " + std::string(std::string_view(tag));
    return say(c, text) ? WASMILL_FAILED : run(c, tag);
}

int barrier(context *c, int64_t checkpoint) {
    if (!cached.empty() && wasmill_map_set(c, SPLIT, "cached"sv, cached)) return WASMILL_FAILED;
    return say(c, "barrier " + std::to_string(checkpoint));
}

} // namespace

WASMILL_OPERATOR(
    .name = "tck-state", .inputs = {"in", "rules"},
    .config_schema = R"({"type":"object","properties":{"open":{"type":"string"}},"additionalProperties":false})",
    .open = open, .process = process,
    .flush = [](context *c) { return say(c, "flush"); }, .end = [](context *c) { return say(c, "end"); },
    .tables = {{.name = "value"}, {.name = "map", .use = WASMILL_MAPS}, {.name = "list", .use = WASMILL_LISTS}, {.name = "brief", .ttl = "1h"},
        {.name = "split", .scope = WASMILL_SPLIT}, {.name = "union", .scope = WASMILL_UNION}, {.name = "shared", .scope = WASMILL_BROADCAST}},
    .state_version = 2, .broadcast_inputs = 2, .migrate = migrate, .timer = timer,
    .watermark = [](context *c, int64_t ts) { return say(c, "watermark " + std::to_string(ts)); }, .barrier = barrier);
