// Kernels that safepoints are measured on, one per input, and an empty guest (input 0).
// Build with zig (or clang), then strip:
//   zig cc --target=wasm32-freestanding -O2 -s -nostdlib -Wl,--no-entry -o kernels.wasm kernels.c
typedef unsigned int u32;
typedef unsigned long long u64;
typedef unsigned char u8;

#define EXPORT(name) __attribute__((export_name(name)))
__attribute__((import_module("wasmill"), import_name("emit"))) void emit(u32 output, const void *batch, u32 len);

static const char description[] =
    "{\"abi\":1,\"name\":\"kernels\",\"shape\":\"process\","
    "\"inputs\":[\"empty\",\"hash\",\"filter\",\"copy\",\"map\",\"recursion\",\"sum\"],\"outputs\":[\"out\"]}";

static u8 buffer[1 << 20] __attribute__((aligned(16)));
static u8 target[1 << 20] __attribute__((aligned(16)));

EXPORT("wasmill_describe") u64 describe(void) {
    return (u64)(u32)description << 32 | (sizeof description - 1);
}

EXPORT("wasmill_alloc") void *alloc(u32 size) { return size <= sizeof buffer ? buffer : 0; }

static u32 load(const u8 *p) { return *(const u32 *)p; }

// FNV-1a, byte by byte: the tightest of loops.
static u64 hash(const u8 *p, u32 len) {
    u64 h = 0xcbf29ce484222325ull;
    for (u32 i = 0; i < len; i++) h = (h ^ p[i]) * 0x100000001b3ull;
    return h;
}

// Counts the bytes above a threshold: a loop of five instructions.
static u32 filter(const u8 *p, u32 len) {
    u32 kept = 0;
    for (u32 i = 0; i < len; i++) kept += p[i] > 100;
    return kept;
}

// Copies records one by one, as a pass-through does.
static u32 copy(const u8 *p, u32 len) {
    u8 *out = target;
    for (const u8 *end = p + len; p < end;) {
        u32 size = 16 + (load(p) & 0xffffff) + load(p + 4);
        __builtin_memcpy(out, p, size);
        out += size;
        p += size;
    }
    return out - target;
}

// Counts keys in an open-addressing map.
#define SLOTS 4096
static struct { u64 hash; u64 count; } slots[SLOTS];
static u32 map(const u8 *p, u32 len) {
    u32 used = 0;
    for (const u8 *end = p + len; p < end;) {
        u32 key = load(p) & 0xffffff, value = load(p + 4);
        u64 h = hash(p + 16, key) | 1;
        u32 at = h >> 40 & (SLOTS - 1);
        while (slots[at].hash != 0 && slots[at].hash != h) at = (at + 1) & (SLOTS - 1);
        if (slots[at].hash == 0) { slots[at].hash = h; used++; }
        slots[at].count++;
        p += 16 + key + value;
    }
    return used;
}

__attribute__((noinline)) static u32 fib(u32 n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }

static volatile u64 result;
static u64 total;

// Emits the running total of all bytes seen: state in memory, for images.
static void sum(const u8 *p, u32 len) {
    static struct { u32 key, value; u64 timestamp, total; } record = {4 << 24, 8, 0, 0};
    for (u32 i = 0; i < len; i++) total = total * 31 + p[i];
    record.total = total;
    emit(0, &record, sizeof record);
}

EXPORT("wasmill_process") int process(u32 input, const u8 *p, u32 len) {
    switch (input) {
    case 1: result = hash(p, len); break;
    case 2: result = filter(p, len); break;
    case 3: result = copy(p, len); break;
    case 4: result = map(p, len); break;
    case 5: result = fib(20); break;
    case 6: sum(p, len); break;
    }
    return 0;
}

void *memcpy(void *to, const void *from, __SIZE_TYPE__ n) {
    u8 *t = to;
    const u8 *f = from;
    for (; n >= 8; n -= 8, t += 8, f += 8) *(u64 *)t = *(const u64 *)f;
    for (; n > 0; n--) *t++ = *f++;
    return to;
}
