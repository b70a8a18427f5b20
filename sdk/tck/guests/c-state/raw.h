/* The imports as sdk/abi.md has them; main.c includes this. Those that wasmill.h has
 * declared are called by its names. */

WASMILL_EXTERN WASMILL_IMPORT(get) int64_t host_get(int32_t table, const void *key, uint32_t key_len, const void *sub, uint32_t sub_len, void *out, uint32_t cap);
WASMILL_EXTERN WASMILL_IMPORT(put) void host_put(int32_t table, const void *key, uint32_t key_len, const void *sub, uint32_t sub_len, const void *value, uint32_t len);
WASMILL_EXTERN WASMILL_IMPORT(append) void host_append(int32_t table, const void *key, uint32_t key_len, const void *sub, uint32_t sub_len, const void *value, uint32_t len);
WASMILL_EXTERN WASMILL_IMPORT(delete) void host_delete(int32_t table, const void *key, uint32_t key_len, const void *sub, uint32_t sub_len);
WASMILL_EXTERN WASMILL_IMPORT(scan) int64_t host_scan(int32_t table, const void *key, uint32_t key_len, const void *from, uint32_t from_len, const void *to, uint32_t to_len, void *out, uint32_t cap);

static char room[4096];

/* Room for an answer, filled with dots. */
static uint32_t dots(wasmill_bytes size) {
    uint32_t n = (uint32_t)number_of(size);
    if (n > sizeof room) __builtin_trap();
    __builtin_memset(room, '.', n);
    return n;
}

static int answer(wasmill_context *c, int64_t result, uint32_t n) {
    static text t;
    t.len = 0;
    put_number(&t, result), put_text(&t, " "), put(&t, (wasmill_bytes){room, n});
    return say_text(c, &t);
}

/* Calls an import whose last pointer is outside of memory. */
static void wild(wasmill_bytes name) {
    void *far = (void *)0xfffffff0;
    uint32_t n = 32;
    if (is(name, "get")) host_get(0, NULL, 0, NULL, 0, far, n);
    if (is(name, "put")) host_put(0, NULL, 0, NULL, 0, far, n);
    if (is(name, "append")) host_append(0, NULL, 0, NULL, 0, far, n);
    if (is(name, "delete")) host_delete(0, NULL, 0, far, n);
    if (is(name, "scan")) host_scan(0, NULL, 0, NULL, 0, NULL, 0, far, n);
    if (is(name, "state")) wasmill_host_state(NULL, 0, far, n);
    if (is(name, "timer_set")) wasmill_host_timer_set(0, 1, NULL, 0, far, n);
    if (is(name, "timer_delete")) wasmill_host_timer_delete(0, 1, NULL, 0, far, n);
    if (is(name, "reply")) wasmill_host_reply(far, n);
}

/* Calls an import, as the words behind raw say. */
static int raw(wasmill_context *c, wasmill_bytes command) {
    wasmill_bytes word[6], k = c->key;
    words_of(command, word, 6);
    int32_t table = (int32_t)number_of(word[2]);
    wasmill_bytes s = word[3], v = word[4];
    if (is(word[1], "get")) {
        uint32_t n = dots(v);
        return answer(c, host_get(table, k.ptr, k.len, s.ptr, s.len, room, n), n);
    }
    if (is(word[1], "scan")) {
        uint32_t n = dots(word[5]);
        return answer(c, host_scan(table, k.ptr, k.len, s.ptr, s.len, v.ptr, is(v, "*") ? ~0u : v.len, room, n), n);
    }
    if (is(word[1], "state")) {
        wasmill_bytes w[4];
        words_of(command, w, 4);
        uint32_t n = dots(w[2]);
        return answer(c, wasmill_host_state(w[3].ptr, w[3].len, room, n), n);
    }
    if (is(word[1], "put")) host_put(table, k.ptr, k.len, s.ptr, s.len, v.ptr, v.len);
    if (is(word[1], "append")) host_append(table, k.ptr, k.len, s.ptr, s.len, v.ptr, v.len);
    if (is(word[1], "delete")) host_delete(table, k.ptr, k.len, s.ptr, s.len);
    if (is(word[1], "overlap")) wasmill_host_state(room, 17, room + 16, 16);
    if (is(word[1], "reply")) wasmill_host_reply(s.ptr, s.len);
    if (is(word[1], "wild")) wild(word[2]);
    return WASMILL_OK;
}
