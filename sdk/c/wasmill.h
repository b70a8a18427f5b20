/* wasmill.h: operators of wasmill dataflows in C and C++. One header, no libc needed.
 *
 *     #include "wasmill.h"
 *
 *     static int pass(wasmill_context *c, const wasmill_record *r) {
 *         return wasmill_emit(c, r);
 *     }
 *
 *     WASMILL_OPERATOR(.name = "pass", .process = pass)
 *
 * Built for wasm, the last line makes the exports of sdk/abi.md; built natively, with
 * wasmill_test.h beside it, the same file runs in a unit test. Functions that return
 * int return WASMILL_OK or, having said why with wasmill_fail, WASMILL_FAILED.
 * Start with wasmill_record, wasmill_operator and wasmill_emit.
 */
#ifndef WASMILL_H
#define WASMILL_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
#if __has_include(<string_view>)
#include <string_view>
#define WASMILL_STRING_VIEW 1
#endif
#define WASMILL_EXTERN extern "C"
#else
#include <stdbool.h>
#define WASMILL_EXTERN extern
#endif

enum { WASMILL_OK = 0, WASMILL_FAILED = -1 };

/* What a source answers to a poll. */
enum { WASMILL_MORE = 0, WASMILL_IDLE = 1, WASMILL_END = 2 };

/* Changes, as in a changelog; a stream that only grows has only inserts. */
enum { WASMILL_INSERT = 0, WASMILL_DELETE = 1, WASMILL_UPDATE_BEFORE = 2, WASMILL_UPDATE_AFTER = 3 };

enum { WASMILL_DEBUG = 0, WASMILL_INFO = 1, WASMILL_WARN = 2, WASMILL_ERROR = 3 };

/* The timestamp of a record that has none. */
#define WASMILL_NO_TIMESTAMP INT64_MIN

/* Bytes that belong to somebody else. ptr == NULL: absent, which is not empty. */
typedef struct wasmill_bytes {
    const char *ptr;
    uint32_t len;
#ifdef __cplusplus
    constexpr wasmill_bytes() : ptr(nullptr), len(0) {}
    constexpr wasmill_bytes(const char *p, uint32_t n) : ptr(p), len(n) {}
    constexpr wasmill_bytes(const char *text) : ptr(text), len(uint32_t(__builtin_strlen(text))) {}
    constexpr const char *data() const { return ptr; }
    constexpr uint32_t size() const { return len; }
    constexpr bool empty() const { return len == 0; }
    constexpr const char *begin() const { return ptr; }
    constexpr const char *end() const { return ptr + len; }
    constexpr char operator[](uint32_t i) const { return ptr[i]; }
    constexpr explicit operator bool() const { return ptr != nullptr; }
#ifdef WASMILL_STRING_VIEW
    template <class S> requires requires(const S &s) { s.data(); std::string_view(s); }
    constexpr wasmill_bytes(const S &s) : ptr(s.data() ? s.data() : ""), len(uint32_t(s.size())) {}
    constexpr operator std::string_view() const { return {ptr, len}; }
#endif
#endif
} wasmill_bytes;

/* One record. Its bytes are readable until the function that got it returns. */
typedef struct wasmill_record {
    int64_t timestamp; /* event time in ms since 1970, or WASMILL_NO_TIMESTAMP */
    wasmill_bytes key; /* at most 16 MiB - 1 */
    wasmill_bytes value;
    wasmill_bytes extension; /* headers and trace, passed on unseen */
    uint32_t change;
} wasmill_record;

/* One batch under way, of an output or of one partition of it. */
typedef struct wasmill_batch {
    char *ptr;
    uint32_t len, cap;
    int32_t output, partition; /* partition -1: as the job's edge says */
    struct wasmill_batch *next;
} wasmill_batch;

#define WASMILL_MAX_PORTS 16
#define WASMILL_MAX_TABLES 16

typedef struct wasmill_context {
    wasmill_bytes operator_name; /* in the job file */
    wasmill_bytes config;        /* a JSON object; see wasmill_config_… */
    int32_t subtask;             /* which of the parallel instances this is, from 0 */
    int32_t parallelism;         /* how many there are */
    int32_t max_parallelism;     /* number of key groups */
    bool restored;               /* the job continues from a snapshot */
    int32_t input;               /* index of the input that the current record came from */
    int32_t index;               /* of the current record in its batch; -1 outside of batches */
    wasmill_bytes key;           /* of the record, timer or window at hand; ptr NULL: none */
    int64_t timer;               /* the time that the current timer was set for */
    const struct wasmill_operator *op;
    struct wasmill_state *state;
    bool failed;
    wasmill_batch outputs[WASMILL_MAX_PORTS];
    wasmill_batch *partitions;
#ifdef __cplusplus
    int emit(const wasmill_record &r);
    int emit(int output, const wasmill_record &r);
    int emit_to(int output, int partition, const wasmill_record &r);
    int reject(wasmill_bytes reason);
    int fail(wasmill_bytes message);
    void log(int level, wasmill_bytes line);
#endif
} wasmill_context;

/* What a table belongs to. */
enum { WASMILL_KEYED = 0, WASMILL_SPLIT = 1, WASMILL_UNION = 2, WASMILL_BROADCAST = 3 };

/* How a table is used: values are fetched ahead, for all records of a batch. */
enum { WASMILL_VALUES = 0, WASMILL_MAPS = 1, WASMILL_LISTS = 2 };

/* A table; wasmill_state.h says how to use it. */
typedef struct wasmill_table {
    const char *name;
    int scope;       /* WASMILL_KEYED, … */
    int use;         /* WASMILL_VALUES, … */
    const char *ttl; /* since the last write, as "24h"; NULL: for ever */
} wasmill_table;

struct wasmill_window;

/* What an operator does. One of process, poll, accumulate and apply must be set. */
typedef struct wasmill_operator {
    const char *name, *version;
    const char *inputs[WASMILL_MAX_PORTS];  /* default {"in"}; a source has none */
    const char *outputs[WASMILL_MAX_PORTS]; /* default {"out"} */
    bool no_outputs;                        /* there are none */
    bool keeps_key;            /* every record goes out under the key it came in with */
    const char *config_schema; /* a JSON Schema of the config; NULL allows any object */
    int (*open)(wasmill_context *);
    int (*process)(wasmill_context *, const wasmill_record *);
    int (*poll)(wasmill_context *, int max); /* WASMILL_MORE, _IDLE, _END or _FAILED */
    int (*flush)(wasmill_context *);
    int (*end)(wasmill_context *);
    wasmill_table tables[WASMILL_MAX_TABLES];
    uint32_t state_version;    /* stored with each entry that is written */
    uint32_t broadcast_inputs; /* bit i: records of input i come to all subtasks, so that they have no keyed state */
    /* Turns a value of an older version into one of now: *value is replaced, ptr NULL
     * removes it. What it becomes may live in memory of the operator's until the next call. */
    int (*migrate)(wasmill_context *, int table, uint32_t version, wasmill_bytes *value);
    int (*timer)(wasmill_context *, int domain, wasmill_bytes tag); /* c->key, c->timer */
    int (*watermark)(wasmill_context *, int64_t ts);
    int (*barrier)(wasmill_context *, int64_t checkpoint); /* the last moment to write to tables what is kept elsewhere */
    /* Of windows: records are folded into accumulators of acc_size bytes, zero at first; … */
    uint32_t acc_size;
    int (*accumulate)(wasmill_context *, void *acc, const wasmill_record *);
    int (*merge)(wasmill_context *, void *acc, const void *other);
    int (*finish)(wasmill_context *, const struct wasmill_window *, const void *acc);
    /* … or taken whole when the window closes. See wasmill_window.h. */
    int (*apply)(wasmill_context *, struct wasmill_window *);
} wasmill_operator;

/* Imports: the engine, or wasmill_test.h. */
#ifdef __wasm__
#define WASMILL_IMPORT(name) __attribute__((import_module("wasmill"), import_name(#name)))
#define WASMILL_EXPORT(name) __attribute__((export_name(#name), visibility("default")))
#else
#define WASMILL_IMPORT(name)
#define WASMILL_EXPORT(name)
#endif

WASMILL_EXTERN WASMILL_IMPORT(emit) void wasmill_host_emit(int32_t output, const void *p, uint32_t n);
WASMILL_EXTERN WASMILL_IMPORT(emit_to) void wasmill_host_emit_to(int32_t output, int32_t partition, const void *p, uint32_t n);
WASMILL_EXTERN WASMILL_IMPORT(reject) void wasmill_host_reject(int32_t index, const void *p, uint32_t n);
WASMILL_EXTERN WASMILL_IMPORT(now) int64_t wasmill_host_now(void);
WASMILL_EXTERN WASMILL_IMPORT(log) void wasmill_host_log(int32_t level, const void *p, uint32_t n);
WASMILL_EXTERN WASMILL_IMPORT(metric) void wasmill_host_metric(int32_t kind, const void *p, uint32_t n, double value);
WASMILL_EXTERN WASMILL_IMPORT(fail) void wasmill_host_fail(const void *p, uint32_t n);

/* Memory that is never given back, 16-aligned; NULL when the limit is reached. For
 * operators without libc; with it, malloc works beside it. */
#ifdef __wasm__
static inline void *wasmill_grow(uint32_t size) {
    size_t pages = ((size_t)size + 65535) >> 16;
    size_t old = __builtin_wasm_memory_grow(0, pages);
    return old == (size_t)-1 ? NULL : (void *)(old << 16);
}
#else
WASMILL_EXTERN void *wasmill_grow(uint32_t size);
#endif

/* Copying is inlined: records are short, and a bulk memory instruction leaves the
 * compiled code. */
typedef uint64_t wasmill_u64 __attribute__((aligned(1), may_alias));
typedef uint32_t wasmill_u32 __attribute__((aligned(1), may_alias));
typedef uint16_t wasmill_u16 __attribute__((aligned(1), may_alias));
typedef uint64_t wasmill_v128 __attribute__((vector_size(16), aligned(1), may_alias));

static inline __attribute__((always_inline)) void wasmill_copy(char *to, const char *from, uint32_t n) {
    if (n >= 16) {
        if (n > 512) {
            __builtin_memcpy(to, from, n);
            return;
        }
        const char *last = from + n - 16;
        char *last_to = to + n - 16;
        while (n > 64) {
            wasmill_v128 a = *(const wasmill_v128 *)from, b = *(const wasmill_v128 *)(from + 16);
            wasmill_v128 c = *(const wasmill_v128 *)(from + 32), d = *(const wasmill_v128 *)(from + 48);
            *(wasmill_v128 *)to = a;
            *(wasmill_v128 *)(to + 16) = b;
            *(wasmill_v128 *)(to + 32) = c;
            *(wasmill_v128 *)(to + 48) = d;
            from += 64, to += 64, n -= 64;
        }
        if (n > 16) *(wasmill_v128 *)to = *(const wasmill_v128 *)from;
        if (n > 32) *(wasmill_v128 *)(to + 16) = *(const wasmill_v128 *)(from + 16);
        if (n > 48) *(wasmill_v128 *)(to + 32) = *(const wasmill_v128 *)(from + 32);
        *(wasmill_v128 *)last_to = *(const wasmill_v128 *)last;
        return;
    }
    if (n >= 8) {
        wasmill_u64 a = *(const wasmill_u64 *)from, b = *(const wasmill_u64 *)(from + n - 8);
        *(wasmill_u64 *)to = a;
        *(wasmill_u64 *)(to + n - 8) = b;
    } else if (n >= 4) {
        wasmill_u32 a = *(const wasmill_u32 *)from, b = *(const wasmill_u32 *)(from + n - 4);
        *(wasmill_u32 *)to = a;
        *(wasmill_u32 *)(to + n - 4) = b;
    } else if (n) {
        char a = from[0], b = from[n >> 1], c = from[n - 1];
        to[0] = a;
        to[n >> 1] = b;
        to[n - 1] = c;
    }
}

/* Saying things. */

static inline uint32_t wasmill_strlen(const char *text) {
    const char *p = text;
    while (*p) p++;
    return (uint32_t)(p - text);
}

static inline wasmill_bytes wasmill_string(const char *text) {
    wasmill_bytes b = {text, wasmill_strlen(text)};
    return b;
}

static inline bool wasmill_same(const char *a, const char *b, uint32_t n) {
    for (; n && *a == *b; n--) a++, b++;
    return n == 0;
}

/* The message of the failure; the caller returns what this returns. */
static inline int wasmill_fail_bytes(wasmill_context *c, wasmill_bytes message) {
    if (!c->failed) wasmill_host_fail(message.ptr, message.len);
    c->failed = true;
    return WASMILL_FAILED;
}

static inline int wasmill_fail(wasmill_context *c, const char *message) {
    return wasmill_fail_bytes(c, wasmill_string(message));
}

/* Gives the current record up as bad; the job file says what becomes of it. */
static inline int wasmill_reject_bytes(wasmill_context *c, wasmill_bytes reason) {
    if (c->index < 0) return wasmill_fail(c, "there is no record to reject outside of process");
    wasmill_host_reject(c->index, reason.ptr, reason.len);
    return WASMILL_OK;
}

static inline int wasmill_reject(wasmill_context *c, const char *reason) {
    return wasmill_reject_bytes(c, wasmill_string(reason));
}

static inline void wasmill_log_bytes(int level, wasmill_bytes line) { wasmill_host_log(level, line.ptr, line.len); }
static inline void wasmill_log(int level, const char *line) { wasmill_log_bytes(level, wasmill_string(line)); }

/* Metrics. Names are a-z, 0-9, _ and . from a letter on; values are finite. */
static inline void wasmill_count(const char *name, double n) { wasmill_host_metric(0, name, wasmill_strlen(name), n); }
static inline void wasmill_gauge(const char *name, double v) { wasmill_host_metric(1, name, wasmill_strlen(name), v); }
static inline void wasmill_observe(const char *name, double v) { wasmill_host_metric(2, name, wasmill_strlen(name), v); }

/* The time in ms since 1970. It stands still within a batch. */
static inline int64_t wasmill_now(void) { return wasmill_host_now(); }

/* Emitting: a copy of the record goes into a batch, which leaves when it is full and
 * when the call of the operator ends. */

enum { WASMILL_FULL_BATCH = 64 << 10, WASMILL_MAX_KEY = (1 << 24) - 1, WASMILL_MAX_RECORD = 1 << 30 };

static inline void wasmill_hand_out(wasmill_batch *b) {
    if (!b->len) return;
    if (b->partition < 0) wasmill_host_emit(b->output, b->ptr, b->len);
    else wasmill_host_emit_to(b->output, b->partition, b->ptr, b->len);
    b->len = 0;
}

static inline uint64_t wasmill_size(const wasmill_record *r) {
    return 16 + (uint64_t)r->key.len + r->value.len + (r->extension.ptr ? 4 + (uint64_t)r->extension.len : 0);
}

/* Makes room for size bytes: hands out, then grows if one record needs it. */
static inline int wasmill_make_room(wasmill_context *c, wasmill_batch *b, uint32_t size) {
    wasmill_hand_out(b);
    if (size <= b->cap) return WASMILL_OK;
    uint32_t cap = size <= WASMILL_FULL_BATCH ? (uint32_t)WASMILL_FULL_BATCH : (size + 65535) & ~65535u;
    b->ptr = (char *)wasmill_grow(cap);
    b->cap = b->ptr ? cap : 0;
    return b->ptr ? WASMILL_OK : wasmill_fail(c, "memory for the output is not to be had");
}

static inline uint64_t wasmill_head(uint32_t keyed, uint32_t valued, uint32_t kind) {
    return keyed | (uint64_t)kind << 24 | (uint64_t)valued << 32;
}

/* wasmill_append for a record that is extended or bad, or does not fit. */
static __attribute__((noinline)) int wasmill_append_slowly(wasmill_context *c, wasmill_batch *b, const wasmill_record *r) {
    uint64_t size = wasmill_size(r);
    if (r->timestamp == INT64_MAX) return wasmill_fail(c, "timestamp is int64 max, which is no event time");
    if (r->key.len > WASMILL_MAX_KEY) return wasmill_fail(c, "key is longer than 16777215 bytes");
    if (size > WASMILL_MAX_RECORD) return wasmill_fail(c, "record is longer than 1073741824 bytes");
    if (b->len + size > b->cap && wasmill_make_room(c, b, (uint32_t)size)) return WASMILL_FAILED;
    uint32_t kind = (r->change & 3) | (r->key.ptr ? 0u : 4u) | (r->value.ptr ? 0u : 8u) | (r->extension.ptr ? 128u : 0u);
    char *at = b->ptr + b->len;
    *(wasmill_u64 *)at = wasmill_head(r->key.len, r->value.len, kind);
    *(wasmill_u64 *)(at + 8) = (uint64_t)r->timestamp;
    at += 16;
    if (r->extension.ptr) {
        *(wasmill_u32 *)at = r->extension.len;
        if (r->extension.len) __builtin_memcpy(at + 4, r->extension.ptr, r->extension.len);
        at += 4 + r->extension.len;
    }
    if (r->key.len) __builtin_memcpy(at, r->key.ptr, r->key.len);
    if (r->value.len) __builtin_memcpy(at + r->key.len, r->value.ptr, r->value.len);
    b->len += (uint32_t)size;
    return WASMILL_OK;
}

static inline __attribute__((always_inline)) int wasmill_append(wasmill_context *c, wasmill_batch *b, const wasmill_record *r) {
    const char *key = r->key.ptr, *value = r->value.ptr;
    uint32_t keyed = r->key.len, valued = r->value.len, len = b->len;
    uint64_t timestamp = (uint64_t)r->timestamp, end = 16 + (uint64_t)keyed + valued + len;
    if (__builtin_expect(end > b->cap || keyed > WASMILL_MAX_KEY || r->extension.ptr || timestamp == INT64_MAX, 0))
        return wasmill_append_slowly(c, b, r);
    char *at = b->ptr + len;
    b->len = (uint32_t)end;
    *(wasmill_u64 *)at = wasmill_head(keyed, valued, (r->change & 3) | (key ? 0u : 4u) | (value ? 0u : 8u));
    *(wasmill_u64 *)(at + 8) = timestamp;
    wasmill_copy(at + 16, key, keyed);
    wasmill_copy(at + 16 + keyed, value, valued);
    return WASMILL_OK;
}

/* Emits to an output, by its index in wasmill_operator.outputs. */
static inline int wasmill_emit_out(wasmill_context *c, int output, const wasmill_record *r) {
    if ((unsigned)output >= WASMILL_MAX_PORTS || c->outputs[output].output != output)
        return wasmill_fail(c, "there is no such output");
    return wasmill_append(c, &c->outputs[output], r);
}

/* Emits to the first output. */
static inline __attribute__((always_inline)) int wasmill_emit(wasmill_context *c, const wasmill_record *r) {
    return wasmill_append(c, &c->outputs[0], r);
}

/* Emits to one subtask of the receiving operator; the job's edge says by: partition. */
static inline int wasmill_emit_to(wasmill_context *c, int output, int partition, const wasmill_record *r) {
    if ((unsigned)output >= WASMILL_MAX_PORTS || c->outputs[output].output != output)
        return wasmill_fail(c, "there is no such output");
    if (partition < 0) return wasmill_fail(c, "partition is negative");
    wasmill_batch *b = c->partitions;
    while (b && (b->output != output || b->partition != partition)) b = b->next;
    if (!b) {
        b = (wasmill_batch *)wasmill_grow(WASMILL_FULL_BATCH);
        if (!b) return wasmill_fail(c, "memory for the output is not to be had");
        b->ptr = (char *)(b + 1);
        b->len = 0, b->cap = WASMILL_FULL_BATCH - sizeof *b;
        b->output = output, b->partition = partition;
        b->next = c->partitions;
        c->partitions = b;
    }
    return wasmill_append(c, b, r);
}

/* Reading a batch. Returns the bytes that the record takes; 0: malformed. */

static __attribute__((noinline)) uint32_t wasmill_read_flagged(wasmill_record *r, const char *p, uint32_t left) {
    uint64_t head = *(const wasmill_u64 *)p;
    uint32_t kind = (uint32_t)(head >> 24) & 255, key = (uint32_t)head & WASMILL_MAX_KEY, value = (uint32_t)(head >> 32);
    if (kind & ~(3u | 4u | 8u | 128u) || ((kind & 4) && key) || ((kind & 8) && value)) return 0;
    uint64_t at = 16;
    r->extension.ptr = NULL, r->extension.len = 0;
    if (kind & 128) {
        if (left < 20) return 0;
        r->extension.ptr = p + 20, r->extension.len = *(const wasmill_u32 *)(p + 16);
        at = 20 + (uint64_t)r->extension.len;
    }
    uint64_t end = at + key + value;
    if (end > left) return 0;
    r->key.ptr = kind & 4 ? NULL : p + at, r->key.len = key;
    r->value.ptr = kind & 8 ? NULL : p + at + key, r->value.len = value;
    return (uint32_t)end;
}

static inline __attribute__((always_inline)) uint32_t wasmill_read(wasmill_record *r, const char *p, uint32_t left) {
    if (left < 16) return 0;
    uint64_t head = *(const wasmill_u64 *)p;
    uint32_t kind = (uint32_t)(head >> 24) & 255, key = (uint32_t)head & WASMILL_MAX_KEY, value = (uint32_t)(head >> 32);
    r->timestamp = (int64_t)*(const wasmill_u64 *)(p + 8);
    r->change = kind & 3;
    if (__builtin_expect(kind & ~3u, 0)) return wasmill_read_flagged(r, p, left);
    uint64_t end = 16 + (uint64_t)key + value;
    if (end > left) return 0;
    r->key.ptr = p + 16, r->key.len = key;
    r->value.ptr = p + 16 + key, r->value.len = value;
    r->extension.ptr = NULL, r->extension.len = 0;
    return (uint32_t)end;
}

#include "wasmill_state.h"

/* The calls of the engine, for one operator and context. */

static inline int wasmill_done(wasmill_context *c, int status) {
    c->index = -1;
    c->key = wasmill_no_sub;
    if (c->op->tables[0].name && status >= 0 && !c->failed) wasmill_write_back(c, true);
    if (status < 0 || c->failed) {
        if (!c->failed) wasmill_fail(c, "the operator failed without saying why");
        return WASMILL_FAILED;
    }
    for (int i = 0; i < WASMILL_MAX_PORTS; i++) wasmill_hand_out(&c->outputs[i]);
    for (wasmill_batch *b = c->partitions; b; b = b->next) wasmill_hand_out(b);
    return status;
}

static inline __attribute__((always_inline)) int wasmill_run_process(const wasmill_operator *op, wasmill_context *c, int input, const char *p, uint32_t left) {
    wasmill_record r;
    c->input = input;
    c->index = -1;
    if (op->tables[0].name && wasmill_prefetch(c, input, p, left)) return wasmill_done(c, WASMILL_FAILED);
    while (left) {
        uint32_t n = wasmill_read(&r, p, left);
        if (!n) return wasmill_done(c, wasmill_fail(c, "the batch is malformed"));
        c->index++;
        if (op->tables[0].name || op->timer) c->key = r.key;
        if (__builtin_expect(op->process(c, &r) < 0, 0)) return wasmill_done(c, WASMILL_FAILED);
        p += n, left -= n;
    }
    return wasmill_done(c, WASMILL_OK);
}

static inline int wasmill_run_timers(const wasmill_operator *op, wasmill_context *c, const char *p, uint32_t left) {
    wasmill_record r;
    if (!op->timer) return wasmill_done(c, wasmill_fail(c, "there are timers, and the operator takes none"));
    c->index = -1;
    for (uint32_t n; left; p += n, left -= n) {
        /* The kind of a timer is its domain; it reads like a change. */
        if (!(n = wasmill_read(&r, p, left))) return wasmill_done(c, wasmill_fail(c, "timers are malformed"));
        c->key = r.key, c->timer = r.timestamp;
        if (op->timer(c, (int)r.change, r.value) < 0) return wasmill_done(c, WASMILL_FAILED);
    }
    return wasmill_done(c, WASMILL_OK);
}

/* A JSON writer, for what the operator says of itself. */

typedef struct wasmill_writer {
    char *ptr;
    uint32_t len, cap;
} wasmill_writer;

static inline void wasmill_put(wasmill_writer *t, const char *s) {
    for (; *s; s++)
        if (t->len < t->cap) t->ptr[t->len++] = *s;
}

static inline void wasmill_put_string(wasmill_writer *t, const char *s) {
    wasmill_put(t, "\"");
    for (; *s; s++) {
        char one[2] = {*s, 0};
        if (*s == '"' || *s == '\\') wasmill_put(t, "\\");
        wasmill_put(t, (unsigned char)*s < ' ' ? " " : one);
    }
    wasmill_put(t, "\"");
}

static inline void wasmill_put_ports(wasmill_writer *t, const char *const *names, const char *otherwise) {
    wasmill_put(t, "[");
    if (!names[0] && otherwise) wasmill_put_string(t, otherwise);
    for (int i = 0; i < WASMILL_MAX_PORTS && names[i]; i++) {
        if (i) wasmill_put(t, ",");
        wasmill_put_string(t, names[i]);
    }
    wasmill_put(t, "]");
}

static inline int wasmill_outputs(const wasmill_operator *op) {
    int n = 0;
    while (n < WASMILL_MAX_PORTS && op->outputs[n]) n++;
    return n || op->no_outputs ? n : 1;
}

static inline void wasmill_put_tables(wasmill_writer *t, const wasmill_operator *op) {
    static const char *const scopes[] = {"key", "split", "union", "broadcast"};
    if (op->tables[0].name) wasmill_put(t, ",\"tables\":[");
    for (int i = 0; i < WASMILL_MAX_TABLES && op->tables[i].name; i++) {
        wasmill_put(t, i ? ",{\"name\":" : "{\"name\":"), wasmill_put_string(t, op->tables[i].name);
        wasmill_put(t, ",\"scope\":"), wasmill_put_string(t, scopes[op->tables[i].scope & 3]);
        if (op->tables[i].ttl) wasmill_put(t, ",\"ttl\":"), wasmill_put_string(t, op->tables[i].ttl);
        wasmill_put(t, "}");
    }
    if (op->tables[0].name) wasmill_put(t, "]");
    if (!op->state_version) return;
    char digits[12];
    int at = sizeof digits;
    digits[--at] = 0;
    for (uint32_t n = op->state_version; n; n /= 10) digits[--at] = (char)('0' + n % 10);
    wasmill_put(t, ",\"stateVersion\":"), wasmill_put(t, digits + at);
}

static inline wasmill_writer wasmill_describe_operator(const wasmill_operator *op) {
    uint32_t cap = 4096 + (op->config_schema ? wasmill_strlen(op->config_schema) : 0);
    wasmill_writer t = {(char *)wasmill_grow(cap), 0, cap};
    if (!t.ptr) return t;
    wasmill_put(&t, "{\"abi\":1,\"name\":");
    wasmill_put_string(&t, op->name ? op->name : "operator");
    if (op->version) wasmill_put(&t, ",\"version\":"), wasmill_put_string(&t, op->version);
    wasmill_put(&t, op->poll ? ",\"shape\":\"source\"" : op->accumulate ? ",\"shape\":\"aggregate\"" : op->apply ? ",\"shape\":\"apply\"" : ",\"shape\":\"process\"");
    wasmill_put(&t, ",\"inputs\":");
    wasmill_put_ports(&t, op->inputs, op->poll ? NULL : "in");
    wasmill_put(&t, ",\"outputs\":");
    wasmill_put_ports(&t, op->outputs, op->no_outputs ? NULL : "out");
    if (op->keeps_key) wasmill_put(&t, ",\"keepsKey\":true");
    wasmill_put_tables(&t, op);
    if (op->config_schema) wasmill_put(&t, ",\"config\":"), wasmill_put(&t, op->config_schema);
    wasmill_put(&t, "}");
    return t;
}

/* Reading JSON, as far as settings and flat records need it. A value is the bytes as
 * they stand; what is not there, or not JSON, has ptr NULL. Names are compared as they
 * stand, without escapes. */

static inline const char *wasmill_json_space(const char *p, const char *end) {
    while (p < end && (*p == ' ' || *p == '\n' || *p == '\t' || *p == '\r')) p++;
    return p;
}

/* The end of the value that starts at p; NULL if it does not end. */
static inline const char *wasmill_json_skip(const char *p, const char *end) {
    bool quoted = false;
    for (int depth = 0; p < end; p++) {
        if (quoted) {
            if (*p == '\\') p++;
            else if (*p == '"' && (quoted = false, depth == 0)) return p + 1;
        } else if (*p == '"') {
            quoted = true;
        } else if (*p == '{' || *p == '[') {
            depth++;
        } else if (*p == '}' || *p == ']') {
            if (depth == 0) return p;
            if (--depth == 0) return p + 1;
        } else if (depth == 0 && (*p == ',' || *p == ':' || *p == ' ' || *p == '\n' || *p == '\t' || *p == '\r')) {
            return p;
        }
    }
    return quoted ? NULL : p;
}

/* The field of an object, as it stands: strings with their quotes. */
static inline wasmill_bytes wasmill_json_get(wasmill_bytes object, const char *name) {
    wasmill_bytes none = {NULL, 0};
    uint32_t want = wasmill_strlen(name);
    const char *end = object.ptr + object.len, *p = wasmill_json_space(object.ptr, end);
    if (p == end || *p++ != '{') return none;
    for (;;) {
        const char *field = wasmill_json_space(p, end);
        if (field == end || *field != '"') return none;
        p = wasmill_json_skip(field, end);
        if (!p) return none;
        bool found = (uint32_t)(p - field) == want + 2 && wasmill_same(field + 1, name, want);
        p = wasmill_json_space(p, end);
        if (p == end || *p++ != ':') return none;
        const char *value = wasmill_json_space(p, end);
        p = wasmill_json_skip(value, end);
        if (!p || p == value) return none;
        if (found) {
            wasmill_bytes got = {value, (uint32_t)(p - value)};
            return got;
        }
        p = wasmill_json_space(p, end);
        if (p == end || *p++ != ',') return none;
    }
}

/* A number, or otherwise if the value is none. Exact for integers below 2^53. */
static inline double wasmill_json_number(wasmill_bytes value, double otherwise) {
    const char *p = value.ptr, *end = value.ptr + value.len;
    double n = 0, unit = 1;
    int digits = 0, exponent = 0, sign = 1;
    bool negative = p < end && *p == '-';
    if (negative) p++;
    for (; p < end && *p >= '0' && *p <= '9'; p++, digits++) n = n * 10 + (*p - '0');
    if (p < end && *p == '.')
        for (p++; p < end && *p >= '0' && *p <= '9'; p++, digits++) n = n * 10 + (*p - '0'), unit *= 10;
    if (p < end && (*p == 'e' || *p == 'E')) {
        if (++p < end && (*p == '-' || *p == '+')) sign = *p++ == '-' ? -1 : 1;
        for (; p < end && *p >= '0' && *p <= '9'; p++)
            if (exponent < 400) exponent = exponent * 10 + (*p - '0');
    }
    if (!digits || p != end) return otherwise;
    n /= unit;
    for (; exponent; exponent--) n = sign < 0 ? n / 10 : n * 10;
    return negative ? -n : n;
}

static inline bool wasmill_json_bool(wasmill_bytes value, bool otherwise) {
    if (value.len == 4 && wasmill_same(value.ptr, "true", 4)) return true;
    if (value.len == 5 && wasmill_same(value.ptr, "false", 5)) return false;
    return otherwise;
}

static inline uint32_t wasmill_json_hex(const char *p) {
    uint32_t n = 0;
    for (int i = 0; i < 4; i++) n = n << 4 | (uint32_t)(p[i] <= '9' ? p[i] - '0' : (p[i] | 32) - 'a' + 10);
    return n & 0xffff;
}

/* The text of a string: within the value if it has no escapes, else in buffer, which
 * must be as long as the value. ptr is NULL if the value is no string. */
static inline wasmill_bytes wasmill_json_text(wasmill_bytes value, char *buffer) {
    wasmill_bytes text = {NULL, 0};
    if (value.len < 2 || value.ptr[0] != '"' || value.ptr[value.len - 1] != '"') return text;
    const char *p = value.ptr + 1, *end = value.ptr + value.len - 1;
    text.ptr = p, text.len = (uint32_t)(end - p);
    const char *escape = p;
    while (escape < end && *escape != '\\') escape++;
    if (escape == end) return text;
    char *to = buffer;
    while (p < end) {
        if (*p != '\\' || ++p == end) {
            *to++ = *p++;
            continue;
        }
        char c = *p++;
        if (c != 'u' || end - p < 4) {
            *to++ = c == 'n' ? '\n' : c == 't' ? '\t' : c == 'r' ? '\r' : c == 'b' ? '\b' : c == 'f' ? '\f' : c;
            continue;
        }
        uint32_t u = wasmill_json_hex(p);
        p += 4;
        if ((u & 0xfc00) == 0xd800 && end - p >= 6 && p[0] == '\\' && p[1] == 'u') {
            u = 0x10000 + ((u & 0x3ff) << 10) + (wasmill_json_hex(p + 2) & 0x3ff);
            p += 6;
        }
        if (u < 0x80) {
            *to++ = (char)u;
        } else if (u < 0x800) {
            *to++ = (char)(0xc0 | u >> 6), *to++ = (char)(0x80 | (u & 63));
        } else if (u < 0x10000) {
            *to++ = (char)(0xe0 | u >> 12), *to++ = (char)(0x80 | (u >> 6 & 63)), *to++ = (char)(0x80 | (u & 63));
        } else {
            *to++ = (char)(0xf0 | u >> 18), *to++ = (char)(0x80 | (u >> 12 & 63)), *to++ = (char)(0x80 | (u >> 6 & 63)), *to++ = (char)(0x80 | (u & 63));
        }
    }
    text.ptr = buffer, text.len = (uint32_t)(to - buffer);
    return text;
}

#include "wasmill_window.h"

/* Opening: settings are kept, outputs made ready. */
static inline int wasmill_run_open(const wasmill_operator *op, wasmill_context *c, const char *p, uint32_t n) {
    char *kept = (char *)wasmill_grow(n ? n : 1);
    if (!kept) return wasmill_fail(c, "memory for the settings is not to be had");
    __builtin_memcpy(kept, p, n);
    wasmill_bytes request = {kept, n};
    c->operator_name = wasmill_json_text(wasmill_json_get(request, "operator"), kept);
    c->config = wasmill_json_get(request, "config");
    c->subtask = (int32_t)wasmill_json_number(wasmill_json_get(request, "subtask"), 0);
    c->parallelism = (int32_t)wasmill_json_number(wasmill_json_get(request, "parallelism"), 1);
    c->max_parallelism = (int32_t)wasmill_json_number(wasmill_json_get(request, "maxParallelism"), 1);
    c->restored = wasmill_json_bool(wasmill_json_get(request, "restored"), false);
    for (int i = 0; i < WASMILL_MAX_PORTS; i++) {
        c->outputs[i].output = i < wasmill_outputs(op) ? i : -1;
        c->outputs[i].partition = -1;
    }
    for (int i = 0, next = 0; i < WASMILL_MAX_TABLES && op->tables[i].name; i++) {
        bool ahead = op->process && op->tables[i].scope == WASMILL_KEYED && op->tables[i].use == WASMILL_VALUES;
        c->state->prefetched[i] = ahead ? next++ : -1;
        c->state->tables = next;
    }
    c->index = -1;
    c->failed = false;
    return wasmill_done(c, op->open ? op->open(c) : WASMILL_OK);
}

#ifdef __cplusplus
inline int wasmill_context::emit(const wasmill_record &r) { return wasmill_emit(this, &r); }
inline int wasmill_context::emit(int output, const wasmill_record &r) { return wasmill_emit_out(this, output, &r); }
inline int wasmill_context::emit_to(int output, int partition, const wasmill_record &r) { return wasmill_emit_to(this, output, partition, &r); }
inline int wasmill_context::reject(wasmill_bytes reason) { return wasmill_reject_bytes(this, reason); }
inline int wasmill_context::fail(wasmill_bytes message) { return wasmill_fail_bytes(this, message); }
inline void wasmill_context::log(int level, wasmill_bytes line) { wasmill_log_bytes(level, line); }

namespace wasmill {
using record = wasmill_record;
using context = wasmill_context;
using bytes = wasmill_bytes;
}
#endif

/* WASMILL_OPERATOR(.name = "…", .process = …) makes the exports. Once in a program;
 * fields in the order of wasmill_operator. */
#define WASMILL_OPERATOR(...)                                                                          \
    _Pragma("GCC diagnostic push") _Pragma("GCC diagnostic ignored \"-Wmissing-field-initializers\"") \
    static const wasmill_operator wasmill_op = {__VA_ARGS__};                                          \
    _Pragma("GCC diagnostic pop")                                                                      \
    static wasmill_state wasmill_kept;                                                                 \
    static wasmill_batch wasmill_replies;                                                              \
    static wasmill_held wasmill_windows;                                                               \
    static wasmill_context wasmill_ctx = {.op = &wasmill_op, .state = &wasmill_kept};                  \
    static struct { char *ptr; uint32_t cap; } wasmill_input;                                          \
    WASMILL_CALL(wasmill_describe) int64_t wasmill_describe(void) {                                    \
        wasmill_writer t = wasmill_describe_operator(&wasmill_op);                                       \
        return (int64_t)((uint64_t)(uintptr_t)t.ptr << 32 | t.len);                                    \
    }                                                                                                  \
    WASMILL_CALL(wasmill_alloc) void *wasmill_alloc(uint32_t size) {                                   \
        if (size > wasmill_input.cap || !wasmill_input.ptr) {                                          \
            uint32_t cap = size < WASMILL_FULL_BATCH ? (uint32_t)WASMILL_FULL_BATCH : size;            \
            wasmill_input.ptr = (char *)wasmill_grow(cap);                                             \
            wasmill_input.cap = wasmill_input.ptr ? cap : 0;                                           \
        }                                                                                              \
        return wasmill_input.ptr;                                                                      \
    }                                                                                                  \
    WASMILL_CALL(wasmill_open) int32_t wasmill_open(const char *p, uint32_t n) {                       \
        return wasmill_run_open(&wasmill_op, &wasmill_ctx, p, n);                                      \
    }                                                                                                  \
    WASMILL_CALL(wasmill_process) int32_t wasmill_process(int32_t input, const char *p, uint32_t n) {  \
        return wasmill_run_process(&wasmill_op, &wasmill_ctx, input, p, n);                            \
    }                                                                                                  \
    WASMILL_CALL(wasmill_poll) int32_t wasmill_poll(int32_t max) {                                     \
        return wasmill_done(&wasmill_ctx, wasmill_op.poll(&wasmill_ctx, max));                       \
    }                                                                                                  \
    WASMILL_CALL(wasmill_flush) int32_t wasmill_flush(void) {                                          \
        return wasmill_op.flush ? wasmill_done(&wasmill_ctx, wasmill_op.flush(&wasmill_ctx)) : 0;    \
    }                                                                                                  \
    WASMILL_CALL(wasmill_end) int32_t wasmill_end(void) {                                              \
        return wasmill_op.end ? wasmill_done(&wasmill_ctx, wasmill_op.end(&wasmill_ctx)) : 0;        \
    }                                                                                                  \
    WASMILL_CALL(wasmill_timers) int32_t wasmill_timers(const char *p, uint32_t n) {                   \
        return wasmill_run_timers(&wasmill_op, &wasmill_ctx, p, n);                                    \
    }                                                                                                  \
    WASMILL_CALL(wasmill_watermark) int32_t wasmill_watermark(int64_t ts) {                            \
        return wasmill_op.watermark ? wasmill_done(&wasmill_ctx, wasmill_op.watermark(&wasmill_ctx, ts)) : 0; \
    }                                                                                                  \
    WASMILL_CALL(wasmill_barrier) int32_t wasmill_barrier(int64_t checkpoint) {                        \
        return wasmill_op.barrier ? wasmill_done(&wasmill_ctx, wasmill_op.barrier(&wasmill_ctx, checkpoint)) : 0; \
    }                                                                                                  \
    WASMILL_CALL(wasmill_accumulate) int32_t wasmill_accumulate(const char *p, uint32_t n) {           \
        return wasmill_run_accumulate(&wasmill_ctx, &wasmill_replies, p, n);                           \
    }                                                                                                  \
    WASMILL_CALL(wasmill_merge) int32_t wasmill_merge(const char *p, uint32_t n) {                     \
        return wasmill_run_merge(&wasmill_ctx, &wasmill_replies, p, n);                                \
    }                                                                                                  \
    WASMILL_CALL(wasmill_finish) int32_t wasmill_finish(const char *p, uint32_t n) {     \
        return wasmill_run_finish(&wasmill_ctx, p, n);                                                 \
    }                                                                                                  \
    WASMILL_CALL(wasmill_apply) int32_t wasmill_apply(const char *p, uint32_t n) {                     \
        return wasmill_run_apply(&wasmill_ctx, &wasmill_windows, p, n);                                \
    }                                                                                                  \
    struct wasmill_end_of_operator

#define WASMILL_CALL(name) WASMILL_EXTERN_C WASMILL_EXPORT(name)
#ifdef __cplusplus
#define WASMILL_EXTERN_C extern "C"
#else
#define WASMILL_EXTERN_C
#endif

#endif
