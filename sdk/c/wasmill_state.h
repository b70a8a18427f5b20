/* wasmill_state.h: tables and timers of operators; wasmill.h includes it.
 *
 *     static int count(wasmill_context *c, const wasmill_record *r) {
 *         int64_t *n = (int64_t *)wasmill_value(c, 0, sizeof *n);
 *         if (!n) return WASMILL_FAILED;
 *         ++*n;
 *         ...
 *     }
 *     WASMILL_OPERATOR(.name = "count", .process = count, .tables = {{"counts"}})
 *
 * A table is known by its index. Values belong to the current key: that of the record,
 * timer or group at hand; those of tables that are not keyed, to the subtask. They are
 * fetched for a whole batch at once, kept here while it is processed, and written back
 * at its end. What a function here returns is readable until the call of the operator
 * ends.
 */
#ifndef WASMILL_STATE_H
#define WASMILL_STATE_H

typedef struct wasmill_entry {
    wasmill_bytes key, sub;
    char *value; /* NULL: there is none */
    uint32_t len, hash, version;
    uint16_t table;
    bool known, dirty;
} wasmill_entry;

/* Its size is a multiple of 8, so that what lies behind it is aligned, and cap is one, too. */
typedef struct __attribute__((aligned(16))) wasmill_chunk {
    struct wasmill_chunk *next;
    uint32_t cap, unused;
} wasmill_chunk;

/* What is kept of tables during a call. */
typedef struct wasmill_state {
    wasmill_entry *entries;
    uint32_t count, cap, fetched; /* entries from fetched on are wanted and not known yet */
    uint32_t *slots, slot_mask;  /* entry + 1; open addressing */
    wasmill_chunk *first, *chunk; /* values */
    uint32_t used;
    wasmill_batch log;  /* operations to be done, before anything else is read */
    uint32_t *places, places_cap; /* entries of the batch's records, table by table */
    int32_t prefetched[WASMILL_MAX_TABLES], tables; /* place of a table, or -1; how many have one */
    bool placed;
} wasmill_state;

WASMILL_EXTERN WASMILL_IMPORT(state) int64_t wasmill_host_state(const void *request, uint32_t n, void *out, uint32_t cap);
WASMILL_EXTERN WASMILL_IMPORT(timer_set) void wasmill_host_timer_set(int32_t domain, int64_t at, const void *key, uint32_t key_len, const void *tag, uint32_t tag_len);
WASMILL_EXTERN WASMILL_IMPORT(timer_delete) void wasmill_host_timer_delete(int32_t domain, int64_t at, const void *key, uint32_t key_len, const void *tag, uint32_t tag_len);
WASMILL_EXTERN WASMILL_IMPORT(watermark) int64_t wasmill_host_watermark(void);
WASMILL_EXTERN WASMILL_IMPORT(reply) void wasmill_host_reply(const void *p, uint32_t n);

enum { WASMILL_GET, WASMILL_PUT, WASMILL_REMOVE, WASMILL_APPEND, WASMILL_SCAN, WASMILL_SCAN_KEYS, WASMILL_REMOVE_RANGE };
enum { WASMILL_OP_HEAD = 16, WASMILL_ANSWER_HEAD = 8, WASMILL_SCAN_HEAD = 12, WASMILL_CHUNK = 256 << 10, WASMILL_LOG = 1 << 20 };

static inline wasmill_state *wasmill_state_of(wasmill_context *c) { return c->state; }

static inline int wasmill_no_memory(wasmill_context *c) { return wasmill_fail(c, "memory for state is not to be had"); }

/* Memory until the call ends, 8-aligned. */
static inline char *wasmill_keep(wasmill_context *c, uint32_t size) {
    wasmill_state *s = wasmill_state_of(c);
    size = (size + 7) & ~7u;
    while (!s->chunk || s->chunk->cap - s->used < size) {
        wasmill_chunk *next = s->chunk ? s->chunk->next : s->first;
        if (!next) {
            uint32_t cap = size + sizeof *next <= WASMILL_CHUNK ? (uint32_t)WASMILL_CHUNK : size + (uint32_t)sizeof *next;
            next = (wasmill_chunk *)wasmill_grow(cap);
            if (!next) return wasmill_no_memory(c), (char *)NULL;
            next->next = NULL, next->cap = cap - (uint32_t)sizeof *next;
            if (s->chunk) s->chunk->next = next;
            else s->first = next;
        }
        s->chunk = next, s->used = 0;
    }
    char *at = (char *)(s->chunk + 1) + s->used;
    s->used += size;
    return at;
}

static inline uint32_t wasmill_hash(const char *p, uint32_t n, uint64_t h) {
    h = (h ^ n) * 0x9e3779b97f4a7c15u;
    for (; n >= 8; p += 8, n -= 8) h = ((h ^ *(const wasmill_u64 *)p) * 0x9e3779b97f4a7c15u), h ^= h >> 29;
    uint64_t rest = 0;
    for (uint32_t i = 0; i < n; i++) rest = rest << 8 | (uint8_t)p[i];
    h = (h ^ rest) * 0x9e3779b97f4a7c15u;
    return (uint32_t)(h >> 32) ^ (uint32_t)h;
}

static inline bool wasmill_equal(wasmill_bytes a, wasmill_bytes b) {
    if (a.len != b.len) return false;
    const char *p = a.ptr, *q = b.ptr;
    uint32_t n = a.len;
    for (; n >= 8; p += 8, q += 8, n -= 8)
        if (*(const wasmill_u64 *)p != *(const wasmill_u64 *)q) return false;
    return wasmill_same(p, q, n);
}

static __attribute__((noinline)) int wasmill_more_entries(wasmill_context *c, wasmill_state *s) {
    uint32_t cap = s->cap ? 2 * s->cap : 1024;
    wasmill_entry *entries = (wasmill_entry *)wasmill_grow(cap * (uint32_t)sizeof *entries);
    uint32_t *slots = (uint32_t *)wasmill_grow(cap * 2 * (uint32_t)sizeof *slots);
    if (!entries || !slots) return wasmill_no_memory(c);
    if (s->count) __builtin_memcpy((void *)entries, (const void *)s->entries, s->count * sizeof *entries);
    __builtin_memset(slots, 0, cap * 2 * sizeof *slots);
    s->entries = entries, s->cap = cap, s->slots = slots, s->slot_mask = cap * 2 - 1;
    for (uint32_t i = 0; i < s->count; i++) {
        uint32_t at = entries[i].hash & s->slot_mask;
        while (slots[at]) at = (at + 1) & s->slot_mask;
        slots[at] = i + 1;
    }
    return WASMILL_OK;
}

/* The index of an entry, made if there is none; -1: failed. Key and sub are kept. */
static inline int32_t wasmill_find(wasmill_context *c, wasmill_state *s, int table, wasmill_bytes key, wasmill_bytes sub) {
    if (s->count == s->cap && wasmill_more_entries(c, s)) return -1;
    uint32_t hash = wasmill_hash(key.ptr, key.len, (uint64_t)table);
    if (sub.len) hash = wasmill_hash(sub.ptr, sub.len, hash);
    uint32_t at = hash & s->slot_mask;
    for (; s->slots[at]; at = (at + 1) & s->slot_mask) {
        const wasmill_entry *e = &s->entries[s->slots[at] - 1];
        if (e->hash == hash && e->table == table && wasmill_equal(e->key, key) && wasmill_equal(e->sub, sub)) return (int32_t)s->slots[at] - 1;
    }
    if (sub.len) {
        char *kept = wasmill_keep(c, sub.len);
        if (!kept) return -1;
        wasmill_copy(kept, sub.ptr, sub.len);
        sub.ptr = kept;
    }
    wasmill_entry *e = &s->entries[s->count];
    e->key = key, e->sub = sub, e->table = (uint16_t)table, e->hash = hash;
    e->value = NULL, e->len = 0, e->version = 0, e->known = e->dirty = false;
    s->slots[at] = ++s->count;
    return (int32_t)s->count - 1;
}

/* Does what is in the log. */
static inline int wasmill_flush_log(wasmill_context *c, wasmill_state *s) {
    (void)c;
    if (s->log.len) wasmill_host_state(s->log.ptr, s->log.len, NULL, 0);
    s->log.len = 0;
    return WASMILL_OK;
}

/* Adds an operation to the log. */
static inline int wasmill_note(wasmill_context *c, wasmill_state *s, int code, int table, wasmill_bytes key, wasmill_bytes sub, uint32_t head, const char *value, uint32_t len) {
    uint64_t size = WASMILL_OP_HEAD + (uint64_t)key.len + sub.len + (head ? 4 : 0) + len;
    if (__builtin_expect(s->log.len + size > s->log.cap, 0)) {
        wasmill_flush_log(c, s);
        if (size > WASMILL_MAX_RECORD) return wasmill_fail(c, "a value is longer than 1073741824 bytes");
        if (size > s->log.cap) {
            uint32_t cap = size < WASMILL_LOG ? (uint32_t)WASMILL_LOG : (uint32_t)size;
            s->log.ptr = (char *)wasmill_grow(cap);
            s->log.cap = s->log.ptr ? cap : 0;
            if (!s->log.ptr) return wasmill_no_memory(c);
        }
    }
    char *at = s->log.ptr + s->log.len;
    *(wasmill_u64 *)at = (uint64_t)(uint32_t)code | (uint64_t)(uint32_t)table << 16 | (uint64_t)key.len << 32;
    *(wasmill_u64 *)(at + 8) = sub.len | (uint64_t)(len + (head ? 4 : 0)) << 32;
    at += WASMILL_OP_HEAD;
    wasmill_copy(at, key.ptr, key.len);
    at += key.len;
    wasmill_copy(at, sub.ptr, sub.len);
    at += sub.len;
    if (head) *(wasmill_u32 *)at = len, at += 4;
    wasmill_copy(at, value, len);
    s->log.len += (uint32_t)size;
    return WASMILL_OK;
}

/* Fetches entries from first on, all unknown, in one call of the engine. */
static inline int wasmill_fetch(wasmill_context *c, wasmill_state *s, uint32_t first) {
    wasmill_flush_log(c, s);
    while (first < s->count) {
        uint32_t asked = first;
        for (; asked < s->count && s->log.len < WASMILL_LOG / 2; asked++) {
            const wasmill_entry *e = &s->entries[asked];
            if (wasmill_note(c, s, WASMILL_GET, e->table, e->key, e->sub, 0, NULL, 0)) return WASMILL_FAILED;
        }
        const char *request = s->log.ptr;
        uint32_t left = s->log.len, least = (asked - first) * 16;
        s->log.len = 0;
        while (first < asked) {
            char *out = wasmill_keep(c, least);
            if (!out) return WASMILL_FAILED;
            s->used = (uint32_t)(out - (char *)(s->chunk + 1));
            int64_t said = wasmill_host_state(request, left, out, s->chunk->cap - s->used);
            uint32_t done = (uint32_t)(said >> 32);
            if (!done) least = (s->chunk->cap - s->used) * 2;
            s->used += ((uint32_t)said + 7) & ~7u;
            for (; done; done--, first++) {
                wasmill_entry *e = &s->entries[first];
                uint32_t len = *(const wasmill_u32 *)(out + 4);
                e->known = true;
                e->version = *(const wasmill_u32 *)out;
                out += WASMILL_ANSWER_HEAD;
                if (len != ~0u) e->value = out, e->len = len, out += len;
                uint32_t size = WASMILL_OP_HEAD + e->key.len + e->sub.len;
                request += size, left -= size;
            }
        }
    }
    s->fetched = s->count;
    return WASMILL_OK;
}

/* Looks at a batch before it is processed: the values of its keys come at once. */
static inline int wasmill_prefetch(wasmill_context *c, int input, const char *p, uint32_t left) {
    wasmill_state *s = wasmill_state_of(c);
    s->placed = false;
    if (!s->tables || (c->op->broadcast_inputs >> input & 1)) return WASMILL_OK;
    uint32_t placed = 0;
    for (wasmill_record r; left;) {
        uint32_t n = wasmill_read(&r, p, left);
        if (!n) return WASMILL_OK; /* the batch is malformed: processing says so */
        if (placed + (uint32_t)s->tables > s->places_cap) {
            uint32_t cap = s->places_cap ? 2 * s->places_cap : 16 << 10;
            uint32_t *places = (uint32_t *)wasmill_grow(cap * (uint32_t)sizeof *places);
            if (!places) return wasmill_no_memory(c);
            if (placed) __builtin_memcpy(places, s->places, placed * sizeof *places);
            s->places = places, s->places_cap = cap;
        }
        wasmill_bytes none = {NULL, 0};
        for (int t = 0; t < WASMILL_MAX_TABLES && c->op->tables[t].name; t++) {
            if (s->prefetched[t] < 0) continue;
            int32_t e = r.key.ptr ? wasmill_find(c, s, t, r.key, none) : 0;
            if (e < 0) return WASMILL_FAILED;
            s->places[placed++] = (uint32_t)e;
        }
        p += n, left -= n;
    }
    s->placed = true;
    return wasmill_fetch(c, s, 0);
}

/* Writes back what has changed and forgets everything. */
static inline int wasmill_write_back(wasmill_context *c, bool forget) {
    wasmill_state *s = wasmill_state_of(c);
    for (uint32_t i = 0; i < s->count; i++) {
        wasmill_entry *e = &s->entries[i];
        if (!e->dirty) continue;
        e->dirty = false;
        if (wasmill_note(c, s, e->value ? WASMILL_PUT : WASMILL_REMOVE, e->table, e->key, e->sub, 0, e->value, e->value ? e->len : 0)) return WASMILL_FAILED;
    }
    wasmill_flush_log(c, s);
    if (!forget) return WASMILL_OK;
    if (s->count * 8 > s->slot_mask) {
        __builtin_memset(s->slots, 0, (s->slot_mask + 1) * sizeof *s->slots);
    } else {
        for (uint32_t i = 0; i < s->count; i++) {
            uint32_t at = s->entries[i].hash & s->slot_mask;
            while (s->slots[at]) s->slots[at] = 0, at = (at + 1) & s->slot_mask;
        }
    }
    s->count = s->fetched = 0, s->placed = false, s->chunk = NULL, s->used = 0;
    return WASMILL_OK;
}

/* The entry of the current key and a subkey, as it is now; NULL: failed. */
static inline wasmill_entry *wasmill_entry_of(wasmill_context *c, int table, wasmill_bytes sub) {
    wasmill_state *s = wasmill_state_of(c);
    if ((unsigned)table >= WASMILL_MAX_TABLES || !c->op->tables[table].name) return wasmill_fail(c, "there is no such table"), (wasmill_entry *)NULL;
    bool keyed = c->op->tables[table].scope == WASMILL_KEYED;
    if (keyed && !c->key.ptr) return wasmill_fail(c, "there is no key at hand for a keyed table"), (wasmill_entry *)NULL;
    int32_t at;
    if (s->placed && c->index >= 0 && s->prefetched[table] >= 0 && !sub.len) {
        at = (int32_t)s->places[(uint32_t)c->index * (uint32_t)s->tables + (uint32_t)s->prefetched[table]];
    } else {
        wasmill_bytes none = {"", 0};
        at = wasmill_find(c, s, table, keyed ? c->key : none, sub);
        if (at < 0 || ((uint32_t)at >= s->fetched && wasmill_fetch(c, s, s->fetched))) return NULL;
    }
    wasmill_entry *e = &s->entries[at];
    if (__builtin_expect(e->value && e->version != c->op->state_version, 0) && c->op->migrate) {
        wasmill_bytes now = {e->value, e->len};
        if (c->op->migrate(c, table, e->version, &now)) return wasmill_fail(c, "an entry of an older version can't be migrated"), (wasmill_entry *)NULL;
        e = &s->entries[at];
        e->value = NULL;
        if (now.ptr) {
            if (!(e->value = wasmill_keep(c, now.len))) return NULL;
            wasmill_copy(e->value, now.ptr, now.len);
        }
        e->len = now.len, e->version = c->op->state_version, e->dirty = true;
    }
    return e;
}

static inline int wasmill_entry_set(wasmill_context *c, wasmill_entry *e, wasmill_bytes value) {
    if (!e) return WASMILL_FAILED;
    if (!e->value || e->len < value.len) {
        if (!(e->value = wasmill_keep(c, value.len ? value.len : 1))) return WASMILL_FAILED;
    }
    __builtin_memmove(e->value, value.ptr ? value.ptr : "", value.len);
    e->len = value.len, e->version = c->op->state_version, e->dirty = true;
    return WASMILL_OK;
}

static inline int wasmill_entry_clear(wasmill_entry *e) {
    if (!e) return WASMILL_FAILED;
    e->value = NULL, e->dirty = true;
    return WASMILL_OK;
}

static inline wasmill_bytes wasmill_entry_get(wasmill_entry *e) {
    wasmill_bytes b = {NULL, 0};
    if (e && e->value) b.ptr = e->value, b.len = e->len;
    return b;
}

static const wasmill_bytes wasmill_no_sub = {NULL, 0};

/* Makes a copy of a key the one at hand, in flush, watermark and barrier, which have none.
 * It is one of this subtask. */
static inline int wasmill_at_key(wasmill_context *c, wasmill_bytes key) {
    char *kept = wasmill_keep(c, key.len ? key.len : 1);
    if (!kept) return WASMILL_FAILED;
    wasmill_copy(kept, key.ptr, key.len);
    c->key.ptr = kept, c->key.len = key.len;
    return WASMILL_OK;
}

/* Says that an entry of the key at hand will be asked for: all that are wanted come with
 * the first that is asked for, in one call of the engine. sub is that of a map. */
static inline int wasmill_want(wasmill_context *c, int table, wasmill_bytes sub) {
    if ((unsigned)table >= WASMILL_MAX_TABLES || !c->op->tables[table].name) return wasmill_fail(c, "there is no such table");
    bool keyed = c->op->tables[table].scope == WASMILL_KEYED;
    if (keyed && !c->key.ptr) return wasmill_fail(c, "there is no key at hand for a keyed table");
    wasmill_bytes none = {"", 0};
    return wasmill_find(c, wasmill_state_of(c), table, keyed ? c->key : none, sub) < 0 ? WASMILL_FAILED : WASMILL_OK;
}

/* Values: one for each key. */

/* The value; ptr NULL: there is none, or it failed. */
static inline wasmill_bytes wasmill_value_get(wasmill_context *c, int table) { return wasmill_entry_get(wasmill_entry_of(c, table, wasmill_no_sub)); }
static inline int wasmill_value_set(wasmill_context *c, int table, wasmill_bytes value) { return wasmill_entry_set(c, wasmill_entry_of(c, table, wasmill_no_sub), value); }
static inline int wasmill_value_clear(wasmill_context *c, int table) { return wasmill_entry_clear(wasmill_entry_of(c, table, wasmill_no_sub)); }

/* Adds bytes behind the value, which is made of them if there is none. */
static inline int wasmill_value_add(wasmill_context *c, int table, wasmill_bytes more) {
    wasmill_entry *e = wasmill_entry_of(c, table, wasmill_no_sub);
    if (!e || !e->value) return wasmill_entry_set(c, e, more);
    char *both = wasmill_keep(c, e->len + more.len);
    if (!both) return WASMILL_FAILED;
    wasmill_copy(both, e->value, e->len);
    wasmill_copy(both + e->len, more.ptr, more.len);
    e->value = both, e->len += more.len, e->version = c->op->state_version, e->dirty = true;
    return WASMILL_OK;
}

/* A value of that size, to be read and changed in place; zero if there was none. NULL:
 * it failed. It is 8-aligned. */
static inline void *wasmill_value(wasmill_context *c, int table, uint32_t size) {
    wasmill_entry *e = wasmill_entry_of(c, table, wasmill_no_sub);
    if (!e) return NULL;
    if (__builtin_expect(!e->value || ((uintptr_t)e->value & 7) || e->len != size, 0)) {
        if (e->value && e->len != size) return wasmill_fail(c, "a value has another size; give stateVersion another number and migrate it"), (void *)NULL;
        char *at = wasmill_keep(c, size);
        if (!at) return NULL;
        if (e->value) wasmill_copy(at, e->value, size);
        else __builtin_memset(at, 0, size);
        e->value = at, e->len = size;
    }
    e->dirty = true;
    e->version = c->op->state_version;
    return e->value;
}

/* Maps: a value for each key and subkey. The subkeys of a key are in order. */

static inline wasmill_bytes wasmill_map_get(wasmill_context *c, int table, wasmill_bytes sub) { return wasmill_entry_get(wasmill_entry_of(c, table, sub)); }
static inline int wasmill_map_set(wasmill_context *c, int table, wasmill_bytes sub, wasmill_bytes value) { return wasmill_entry_set(c, wasmill_entry_of(c, table, sub), value); }
static inline int wasmill_map_remove(wasmill_context *c, int table, wasmill_bytes sub) { return wasmill_entry_clear(wasmill_entry_of(c, table, sub)); }

static inline wasmill_bytes wasmill_current(wasmill_context *c, int table) {
    wasmill_bytes none = {"", 0};
    return c->op->tables[table].scope == WASMILL_KEYED ? c->key : none;
}

/* Removes all of the current key: a value, a map, a list. */
static inline int wasmill_clear(wasmill_context *c, int table) {
    wasmill_entry *value = wasmill_entry_of(c, table, wasmill_no_sub);
    if (!value) return WASMILL_FAILED;
    wasmill_state *s = wasmill_state_of(c);
    wasmill_bytes key = wasmill_current(c, table);
    for (uint32_t i = 0; i < s->count; i++)
        if (s->entries[i].table == table && wasmill_equal(s->entries[i].key, key)) s->entries[i].value = NULL, s->entries[i].dirty = false;
    return wasmill_note(c, s, WASMILL_REMOVE_RANGE, table, key, wasmill_no_sub, 0, NULL, 0);
}

/* Going through a map:
 *
 *     wasmill_cursor at = {0};
 *     while (wasmill_map_next(c, table, &at)) use(at.sub, at.value);
 *
 * It sees what was written before it started. Start behind a subkey by setting sub. */
typedef struct wasmill_cursor {
    wasmill_bytes sub, value;
    uint32_t version;
    const char *at, *end;
    bool started, more;
} wasmill_cursor;

static inline bool wasmill_map_page(wasmill_context *c, int table, wasmill_cursor *cursor) {
    wasmill_state *s = wasmill_state_of(c);
    if (!cursor->started && wasmill_write_back(c, false)) return false;
    wasmill_flush_log(c, s);
    wasmill_bytes from = cursor->sub;
    char *behind = NULL;
    if (from.ptr && (cursor->started || from.len)) {
        if (!(behind = wasmill_keep(c, from.len + 1))) return false;
        wasmill_copy(behind, from.ptr, from.len);
        behind[from.len] = 0;
        from.ptr = behind, from.len++;
    }
    if (wasmill_note(c, s, WASMILL_SCAN, table, wasmill_current(c, table), from, 0, NULL, 0)) return false;
    uint32_t asked = s->log.len;
    s->log.len = 0;
    for (uint32_t cap = 64 << 10;; cap *= 2) {
        char *out = wasmill_keep(c, cap);
        if (!out) return false;
        int64_t said = wasmill_host_state(s->log.ptr, asked, out, cap);
        if (said >> 32 == 0) continue;
        cursor->more = *(const wasmill_u32 *)out != 0;
        cursor->at = out + WASMILL_ANSWER_HEAD;
        cursor->end = cursor->at + *(const wasmill_u32 *)(out + 4);
        cursor->started = true;
        return true;
    }
}

/* The next entry; false: there is none, or it failed. */
static inline bool wasmill_map_next(wasmill_context *c, int table, wasmill_cursor *cursor) {
    if ((unsigned)table >= WASMILL_MAX_TABLES || !c->op->tables[table].name) return wasmill_fail(c, "there is no such table"), false;
    while (cursor->at == cursor->end) {
        if (cursor->started && !cursor->more) return false;
        if (!wasmill_map_page(c, table, cursor)) return false;
    }
    uint32_t sub = *(const wasmill_u32 *)cursor->at, value = *(const wasmill_u32 *)(cursor->at + 4);
    cursor->version = *(const wasmill_u32 *)(cursor->at + 8);
    cursor->sub.ptr = cursor->at + WASMILL_SCAN_HEAD, cursor->sub.len = sub;
    cursor->value.ptr = cursor->sub.ptr + sub, cursor->value.len = value;
    cursor->at = cursor->value.ptr + value;
    return true;
}

/* Lists: adding to one does not read it. */

static inline int wasmill_list_add(wasmill_context *c, int table, wasmill_bytes element) {
    if ((unsigned)table >= WASMILL_MAX_TABLES || !c->op->tables[table].name) return wasmill_fail(c, "there is no such table");
    wasmill_bytes key = wasmill_current(c, table);
    if (!key.ptr) return wasmill_fail(c, "there is no key at hand for a keyed table");
    return wasmill_note(c, wasmill_state_of(c), WASMILL_APPEND, table, key, wasmill_no_sub, 1, element.ptr, element.len);
}

/* All elements, for wasmill_list_next. */
static inline wasmill_bytes wasmill_list_get(wasmill_context *c, int table) {
    wasmill_entry *e = wasmill_entry_of(c, table, wasmill_no_sub);
    wasmill_state *s = wasmill_state_of(c);
    if (!e) return wasmill_no_sub;
    if (e->dirty) { /* it was migrated: what is added from now on goes behind it */
        e->dirty = false;
        int code = e->value ? WASMILL_PUT : WASMILL_REMOVE;
        if (wasmill_note(c, s, code, table, e->key, e->sub, 0, e->value, e->value ? e->len : 0)) return wasmill_no_sub;
    }
    /* Elements may have been added since it was read. */
    uint32_t last = s->count, at = (uint32_t)(e - s->entries);
    if (last == s->cap && wasmill_more_entries(c, s)) return wasmill_no_sub;
    wasmill_entry *again = &s->entries[s->count++]; /* without a slot: it is not found */
    *again = s->entries[at];
    again->value = NULL, again->known = false;
    if (wasmill_fetch(c, s, last)) return wasmill_no_sub;
    s->count = s->fetched = last;
    e = &s->entries[at];
    e->value = s->entries[last].value, e->len = s->entries[last].len, e->version = s->entries[last].version;
    return wasmill_entry_get(e);
}

/* The first element of a list, which is then the rest; false: there is none. */
static inline bool wasmill_list_next(wasmill_bytes *list, wasmill_bytes *element) {
    if (list->len < 4) return false;
    uint32_t n = *(const wasmill_u32 *)list->ptr;
    if (n > list->len - 4) return false;
    element->ptr = list->ptr + 4, element->len = n;
    list->ptr += 4 + n, list->len -= 4 + n;
    return true;
}

/* Timers of the current key. The same time and tag twice is one timer. */

enum { WASMILL_EVENT_TIME = 0, WASMILL_PROCESSING_TIME = 1 };

static inline int wasmill_timer_set(wasmill_context *c, int domain, int64_t at, wasmill_bytes tag) {
    if (!c->key.ptr) return wasmill_fail(c, "there is no key at hand for a timer");
    wasmill_host_timer_set(domain, at, c->key.ptr, c->key.len, tag.ptr, tag.len);
    return WASMILL_OK;
}

static inline int wasmill_timer_delete(wasmill_context *c, int domain, int64_t at, wasmill_bytes tag) {
    if (!c->key.ptr) return wasmill_fail(c, "there is no key at hand for a timer");
    wasmill_host_timer_delete(domain, at, c->key.ptr, c->key.len, tag.ptr, tag.len);
    return WASMILL_OK;
}

/* The operator's watermark in ms since 1970; INT64_MIN before the first. */
static inline int64_t wasmill_watermark_now(void) { return wasmill_host_watermark(); }

#endif
