/* Reads runtime/record/testdata/golden.json (its path is the argument), which has one
 * case on each line, and checks that every valid batch is read and built again as it
 * says, and that every malformed one is refused. */
#include "../wasmill.h"

static int process(wasmill_context *c, const wasmill_record *r) { return wasmill_emit(c, r); }

WASMILL_OPERATOR(.name = "golden", .process = process);

#include "../wasmill_test.h"

static char line[1 << 20], batch[1 << 18], built[1 << 18], bytes[1 << 18];

static int nibble(char c) { return c <= '9' ? c - '0' : c - 'a' + 10; }

/* Takes the hex of a JSON string; -1: it is null. */
static int unhex(wasmill_bytes text, char *to) {
    if (text.len < 2 || text.ptr[0] != '"') return -1;
    int n = 0;
    for (const char *p = text.ptr + 1; p + 2 < text.ptr + text.len; p += 2) to[n++] = (char)(nibble(p[0]) << 4 | nibble(p[1]));
    return n;
}

static bool same(wasmill_bytes got, wasmill_bytes want) {
    int n = unhex(want, bytes);
    return n < 0 ? !got.ptr : got.ptr && got.len == (uint32_t)n && wasmill_same(got.ptr, bytes, got.len);
}

static void check_record(const wasmill_record *r, wasmill_bytes want) {
    wasmill_bytes time = wasmill_json_get(want, "timestamp");
    WASMILL_CHECK(r->timestamp == strtoll(time.ptr + 1, NULL, 10));
    WASMILL_CHECK(r->change == (uint32_t)wasmill_json_number(wasmill_json_get(want, "change"), 9));
    WASMILL_CHECK(same(r->key, wasmill_json_get(want, "key")));
    WASMILL_CHECK(same(r->value, wasmill_json_get(want, "value")));
    WASMILL_CHECK(same(r->extension, wasmill_json_get(want, "extension")));
}

static void check_valid(wasmill_bytes list, uint32_t size) {
    wasmill_context c;
    wasmill_batch b = {.ptr = built, .cap = sizeof built};
    memset(&c, 0, sizeof c);
    const char *end = list.ptr + list.len, *p = list.ptr + 1;
    uint32_t at = 0;
    while (p < end && *p != ']') {
        const char *stop = wasmill_json_skip(p, end);
        wasmill_bytes want = {p, (uint32_t)(stop - p)};
        wasmill_record r;
        uint32_t n = wasmill_read(&r, batch + at, size - at);
        WASMILL_CHECK(n > 0);
        if (!n) return;
        check_record(&r, want);
        WASMILL_CHECK(wasmill_append(&c, &b, &r) == WASMILL_OK);
        at += n;
        p = *stop == ',' ? stop + 1 : stop;
    }
    WASMILL_CHECK(at == size && b.len == size && wasmill_same(built, batch, size));
}

/* Keys, records and times that can't travel, into a batch that has room and one that has not. */
static void check_refusals(void) {
    for (uint32_t room = 0; room <= sizeof built; room += sizeof built) {
        wasmill_record r = {.timestamp = 1, .key = {bytes, WASMILL_MAX_KEY + 1}};
        for (int i = 0; i < 3; i++) {
            wasmill_context c;
            wasmill_batch b = {.ptr = built, .cap = room};
            memset(&c, 0, sizeof c);
            if (i == 1) r.key.len = 1, r.value.ptr = bytes, r.value.len = WASMILL_MAX_RECORD;
            if (i == 2) r.value.len = 1, r.timestamp = INT64_MAX;
            WASMILL_CHECK(wasmill_append(&c, &b, &r) == WASMILL_FAILED && b.len == 0);
        }
    }
}

int main(int argc, char **argv) {
    FILE *f = argc > 1 ? fopen(argv[1], "r") : NULL;
    if (!f) wasmill_test_stop("give the path of golden.json");
    wasmill_test_open("{}");
    check_refusals();
    int valid = 0, malformed = 0;
    while (fgets(line, sizeof line, f)) {
        wasmill_bytes text = wasmill_string(line);
        wasmill_bytes hex = wasmill_json_get(text, "hex");
        if (strncmp(line, "{\"name\"", 7) || !hex.ptr) continue;
        int before = wasmill_test.failures;
        uint32_t size = (uint32_t)unhex(hex, batch);
        wasmill_bytes list = wasmill_json_get(text, "records");
        if (list.ptr) {
            valid++;
            check_valid(list, size);
        } else {
            malformed++;
            WASMILL_CHECK(wasmill_process(0, batch, size) == WASMILL_FAILED);
            wasmill_ctx.failed = false, wasmill_ctx.outputs[0].len = 0;
        }
        if (wasmill_test.failures > before) fprintf(stderr, "in %.80s\n", line);
    }
    fclose(f);
    WASMILL_CHECK(valid >= 16 && malformed >= 18);
    return wasmill_test_result();
}
