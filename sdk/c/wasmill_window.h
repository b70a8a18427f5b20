/* wasmill_window.h: operators of windows; wasmill.h includes it. The job file says which
 * windows; an operator folds their records (accumulate) or gets them whole (apply).
 */
#ifndef WASMILL_WINDOW_H
#define WASMILL_WINDOW_H

enum { WASMILL_ON_TIME = 0, WASMILL_EARLY = 1, WASMILL_LATE = 2 };
enum { WASMILL_GROUP_HEAD = 32 };

/* A window of a key. */
typedef struct wasmill_window {
    wasmill_bytes key;
    int64_t start, end; /* ms since 1970, end not within */
    int firing;         /* why there is a result: WASMILL_ON_TIME, … */
    /* Of apply: its records; see wasmill_window_next. */
    wasmill_bytes parts[WASMILL_MAX_PORTS];
    int input;
} wasmill_window;

/* The next record of a window, input by input: r and, as the index of the input, w->input.
 * False: there is none. */
static inline bool wasmill_window_next(wasmill_window *w, wasmill_record *r) {
    for (; w->input < WASMILL_MAX_PORTS; w->input++) {
        wasmill_bytes *part = &w->parts[w->input];
        uint32_t n = part->len ? wasmill_read(r, part->ptr, part->len) : 0;
        if (!n) continue;
        part->ptr += n, part->len -= n;
        return true;
    }
    return false;
}

typedef struct wasmill_group {
    wasmill_window window;
    wasmill_bytes acc, body;
    bool more;
    uint8_t input;
} wasmill_group;

/* Reads a group. Returns the bytes that it takes; 0: malformed. */
static inline uint32_t wasmill_read_group(wasmill_group *g, const char *p, uint32_t left) {
    if (left < WASMILL_GROUP_HEAD) return 0;
    uint32_t key = *(const wasmill_u32 *)p, acc = *(const wasmill_u32 *)(p + 4), body = *(const wasmill_u32 *)(p + 8);
    uint32_t acc_len = acc == ~0u ? 0 : acc;
    uint64_t size = WASMILL_GROUP_HEAD + (uint64_t)key + acc_len + body;
    if (size > left) return 0;
    g->more = p[12] & 1, g->input = (uint8_t)p[13];
    g->window.firing = p[14], g->window.input = 0;
    g->window.start = (int64_t)*(const wasmill_u64 *)(p + 16), g->window.end = (int64_t)*(const wasmill_u64 *)(p + 24);
    p += WASMILL_GROUP_HEAD;
    g->window.key.ptr = p, g->window.key.len = key;
    g->acc.ptr = acc == ~0u ? NULL : p + key, g->acc.len = acc_len;
    g->body.ptr = p + key + acc_len, g->body.len = body;
    return (uint32_t)size;
}

/* Room for one more accumulator in the reply, 16-aligned as all are; its length stands
 * before it. */
static inline void *wasmill_reply_room(wasmill_context *c, wasmill_batch *replies) {
    uint32_t size = c->op->acc_size;
    if (replies->cap < size + 32) {
        uint32_t cap = size + 32 < WASMILL_FULL_BATCH ? (uint32_t)WASMILL_FULL_BATCH : size + 32;
        replies->ptr = (char *)wasmill_grow(cap);
        replies->cap = replies->ptr ? cap : 0;
        if (!replies->ptr) return wasmill_fail(c, "memory for accumulators is not to be had"), (void *)NULL;
    }
    *(wasmill_u32 *)(replies->ptr + 12) = size;
    return replies->ptr + 16;
}

/* Room for an accumulator that is only read, aligned. */
static inline void *wasmill_acc_aligned(wasmill_context *c) {
    static char *room;
    if (!room && !(room = (char *)wasmill_grow(c->op->acc_size + 16))) return wasmill_fail(c, "memory for accumulators is not to be had"), (void *)NULL;
    return room;
}

static inline void wasmill_reply(wasmill_context *c, const wasmill_batch *replies) {
    wasmill_host_reply(replies->ptr + 12, c->op->acc_size + 4);
}

static inline int wasmill_bad_groups(wasmill_context *c) { return wasmill_done(c, wasmill_fail(c, "groups are malformed, or accumulators are of another version")); }

static inline int wasmill_run_accumulate(wasmill_context *c, wasmill_batch *replies, const char *p, uint32_t left) {
    const wasmill_operator *op = c->op;
    wasmill_group g;
    wasmill_record r;
    c->index = -1;
    while (left) {
        uint32_t n = wasmill_read_group(&g, p, left);
        char *acc = (char *)wasmill_reply_room(c, replies);
        if (!n || !acc || (g.acc.ptr && g.acc.len != op->acc_size)) return wasmill_bad_groups(c);
        if (g.acc.ptr) wasmill_copy(acc, g.acc.ptr, op->acc_size);
        else __builtin_memset(acc, 0, op->acc_size);
        c->key = g.window.key;
        while (g.body.len) {
            uint32_t size = wasmill_read(&r, g.body.ptr, g.body.len);
            if (!size) return wasmill_bad_groups(c);
            c->index++;
            if (op->accumulate(c, acc, &r)) return wasmill_done(c, WASMILL_FAILED);
            g.body.ptr += size, g.body.len -= size;
        }
        wasmill_reply(c, replies);
        p += n, left -= n;
    }
    return wasmill_done(c, WASMILL_OK);
}

static inline int wasmill_run_merge(wasmill_context *c, wasmill_batch *replies, const char *p, uint32_t left) {
    const wasmill_operator *op = c->op;
    wasmill_group g;
    while (left) {
        uint32_t n = wasmill_read_group(&g, p, left);
        char *acc = (char *)wasmill_reply_room(c, replies), *other = (char *)wasmill_acc_aligned(c);
        if (!n || !acc || !other || g.body.len % (op->acc_size + 4)) return wasmill_bad_groups(c);
        c->key = g.window.key;
        for (bool first = true; g.body.len; first = false) {
            if (*(const wasmill_u32 *)g.body.ptr != op->acc_size) return wasmill_bad_groups(c);
            wasmill_copy(first ? acc : other, g.body.ptr + 4, op->acc_size);
            if (!first && op->merge(c, acc, other)) return wasmill_done(c, WASMILL_FAILED);
            g.body.ptr += op->acc_size + 4, g.body.len -= op->acc_size + 4;
        }
        wasmill_reply(c, replies);
        p += n, left -= n;
    }
    return wasmill_done(c, WASMILL_OK);
}

static inline int wasmill_run_finish(wasmill_context *c, const char *p, uint32_t left) {
    wasmill_group g;
    while (left) {
        uint32_t n = wasmill_read_group(&g, p, left);
        char *acc = (char *)wasmill_acc_aligned(c);
        if (!n || !acc || !g.acc.ptr || g.acc.len != c->op->acc_size) return wasmill_bad_groups(c);
        wasmill_copy(acc, g.acc.ptr, g.acc.len);
        c->key = g.window.key;
        if (c->op->finish(c, &g.window, acc)) return wasmill_done(c, WASMILL_FAILED);
        p += n, left -= n;
    }
    return wasmill_done(c, WASMILL_OK);
}

/* What of a window came in earlier groups: the window, its key and records. */
typedef struct wasmill_held {
    wasmill_window window;
    struct {
        char *ptr;
        uint32_t len, cap;
    } key, parts[WASMILL_MAX_PORTS];
    bool open;
} wasmill_held;

static inline int wasmill_hold(wasmill_context *c, char **ptr, uint32_t *len, uint32_t *cap, wasmill_bytes more) {
    if ((uint64_t)*len + more.len > WASMILL_MAX_RECORD) return wasmill_fail(c, "a window is longer than 1073741824 bytes");
    if (*len + more.len > *cap) {
        uint32_t size = 2 * (*len + more.len) + 1024;
        char *grown = (char *)wasmill_grow(size);
        if (!grown) return wasmill_fail(c, "memory for a window is not to be had");
        if (*len) __builtin_memcpy(grown, *ptr, *len);
        *ptr = grown, *cap = size;
    }
    if (more.len) __builtin_memcpy(*ptr + *len, more.ptr, more.len);
    *len += more.len;
    return WASMILL_OK;
}

static inline int wasmill_run_apply(wasmill_context *c, wasmill_held *h, const char *p, uint32_t left) {
    wasmill_group g;
    __builtin_memset((void *)&g, 0, sizeof g);
    while (left) {
        uint32_t n = wasmill_read_group(&g, p, left);
        if (!n || g.input >= WASMILL_MAX_PORTS) return wasmill_bad_groups(c);
        p += n, left -= n;
        if (!h->open && !g.more) { /* the usual case: nothing is copied */
            for (int i = 0; i < WASMILL_MAX_PORTS; i++) g.window.parts[i] = wasmill_no_sub;
            g.window.parts[g.input] = g.body;
            c->key = g.window.key;
            if (c->op->apply(c, &g.window)) return wasmill_done(c, WASMILL_FAILED);
            continue;
        }
        if (!h->open) {
            h->open = true, h->window = g.window, h->key.len = 0;
            for (int i = 0; i < WASMILL_MAX_PORTS; i++) h->parts[i].len = 0;
            if (wasmill_hold(c, &h->key.ptr, &h->key.len, &h->key.cap, g.window.key)) return wasmill_done(c, WASMILL_FAILED);
        }
        if (wasmill_hold(c, &h->parts[g.input].ptr, &h->parts[g.input].len, &h->parts[g.input].cap, g.body)) return wasmill_done(c, WASMILL_FAILED);
        if (g.more) continue;
        h->open = false;
        h->window.key.ptr = h->key.ptr ? h->key.ptr : "", h->window.key.len = h->key.len, h->window.input = 0;
        if (c->op->tables[0].name && h->key.len) { /* tables refer to the key until the call ends, and it may bring other windows */
            char *key = wasmill_keep(c, h->key.len);
            if (!key) return wasmill_done(c, WASMILL_FAILED);
            wasmill_copy(key, h->key.ptr, h->key.len);
            h->window.key.ptr = key;
        }
        for (int i = 0; i < WASMILL_MAX_PORTS; i++) h->window.parts[i].ptr = h->parts[i].ptr, h->window.parts[i].len = h->parts[i].len;
        c->key = h->window.key;
        if (c->op->apply(c, &h->window)) return wasmill_done(c, WASMILL_FAILED);
    }
    return wasmill_done(c, WASMILL_OK);
}

#endif
