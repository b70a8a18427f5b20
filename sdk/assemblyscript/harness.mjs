// Runs an operator's module in Node, for unit tests: it plays the engine as sdk/abi.md
// says, with time that the test moves. Start with open.
import { State } from "./harness-state.mjs";

const NO_TIMESTAMP = -(1n << 63n);

/**
 * Opens the module in wasm bytes. What it gives out is in outputs, by index, as { batch, partition }. State, with tables, timers
 * and the watermark, may be that of an instance before: then the module finds it again.
 */
export async function open(wasm, { config = {}, now = 0n, state = new State(), restored = false } = {}) {
  const harness = { outputs: [], rejected: [], logs: [], metrics: {}, failure: "", now, state, reply: Buffer.alloc(0) };
  const { instance } = await WebAssembly.instantiate(wasm, { wasmill: imports(harness, () => instance.exports.memory) });
  const { exports } = instance;
  const text = (ptr, len) => Buffer.from(exports.memory.buffer, ptr, len).toString();

  /** Calls an export with input written where the module wants it. */
  const call = (name, before, bytes) => {
    const ptr = bytes.length ? exports.wasmill_alloc(bytes.length) : 0;
    Buffer.from(exports.memory.buffer).set(bytes, ptr);
    return check(exports[name](...before, ptr, bytes.length));
  };
  const check = (status) => {
    if (status < 0) throw new Error(harness.failure);
    return status;
  };
  const fire = (domain, upTo) => {
    for (let due; (due = state.due(domain, upTo)); ) {
      call("wasmill_timers", [], record({ change: domain, timestamp: due.at, key: due.key, value: due.tag }));
    }
  };
  const ask = (name, groups) => {
    harness.reply = Buffer.alloc(0);
    call(name, [], groups);
    return accumulators(harness.reply);
  };

  harness.describe = () => {
    const at = BigInt.asUintN(64, exports.wasmill_describe());
    return JSON.parse(text(Number(at >> 32n), Number(at & 0xffffffffn)));
  };
  harness.process = (input, batch) => call("wasmill_process", [input], batch);
  harness.poll = (max) => check(exports.wasmill_poll(max));
  harness.flush = () => check(exports.wasmill_flush?.() ?? 0);
  harness.end = () => check(exports.wasmill_end?.() ?? 0);
  /** Advances event time: timers that are due fire first. */
  harness.watermark = (ts) => {
    state.watermark = ts;
    fire(0, ts);
    check(exports.wasmill_watermark?.(ts) ?? 0);
    harness.flush();
  };
  /** Sets the clock: timers that are due fire. */
  harness.clock = (ms) => {
    harness.now = ms;
    fire(1, ms);
  };
  harness.barrier = (checkpoint) => check(exports.wasmill_barrier?.(checkpoint) ?? 0);
  harness.accumulate = (groups) => ask("wasmill_accumulate", groups);
  harness.merge = (groups) => ask("wasmill_merge", groups);
  harness.finish = (groups) => call("wasmill_finish", [], groups);
  harness.apply = (groups) => call("wasmill_apply", [], groups);
  /** What an output was given, as records. */
  harness.records = (output = 0) => (harness.outputs[output] ?? []).flatMap((e) => records(e.batch));
  state.version = harness.describe().stateVersion ?? 0;
  const request = { operator: "operator", config, subtask: 0, parallelism: 1, maxParallelism: 128, restored };
  call("wasmill_open", [], Buffer.from(JSON.stringify(request)));
  return harness;
}

/** A record, as it travels; key and value may be text, null is absent. */
export function record({ change = 0, timestamp = NO_TIMESTAMP, key = null, value = null }) {
  const [k, v] = [key ?? "", value ?? ""].map((b) => Buffer.from(b));
  const head = Buffer.alloc(16);
  head.writeUInt32LE((k.length | ((change | (key === null ? 4 : 0) | (value === null ? 8 : 0)) << 24)) >>> 0);
  head.writeUInt32LE(v.length, 4);
  head.writeBigInt64LE(BigInt(timestamp), 8);
  return Buffer.concat([head, k, v]);
}

/** The records of a batch, without extensions; key and value as text. */
export function records(batch) {
  const all = [];
  for (let at = 0; at < batch.length; ) {
    const head = batch.readUInt32LE(at), key = head & 0xffffff, kind = head >>> 24, end = at + 16 + key + batch.readUInt32LE(at + 4);
    all.push({
      change: kind & 3,
      timestamp: batch.readBigInt64LE(at + 8),
      key: kind & 4 ? null : batch.toString("utf8", at + 16, at + 16 + key),
      value: kind & 8 ? null : batch.toString("utf8", at + 16 + key, end),
    });
    at = end;
  }
  return all;
}

/** A group of a window; acc null: none. */
export function group({ key, acc = null, body = Buffer.alloc(0), more = false, input = 0, firing = 0, start = 0n, end = 0n }) {
  const head = Buffer.alloc(32), k = Buffer.from(key);
  head.writeUInt32LE(k.length);
  head.writeUInt32LE(acc ? acc.length : 0xffffffff, 4);
  head.writeUInt32LE(body.length, 8);
  head.set([more ? 1 : 0, input, firing], 12);
  head.writeBigInt64LE(start, 16);
  head.writeBigInt64LE(end, 24);
  return Buffer.concat([head, k, acc ?? Buffer.alloc(0), body]);
}

/** The body of a group for merge. */
export function parts(accs) {
  return Buffer.concat(accs.flatMap((acc) => {
    const len = Buffer.alloc(4);
    len.writeUInt32LE(acc.length);
    return [len, acc];
  }));
}

function accumulators(reply) {
  const all = [];
  for (let at = 0; at < reply.length; at += 4 + all.at(-1).length) all.push(reply.subarray(at + 4, at + 4 + reply.readUInt32LE(at)));
  return all;
}

function imports(harness, memory) {
  const bytes = (ptr, len) => Buffer.from(Buffer.from(memory().buffer, ptr, len));
  const emit = (output, partition, batch) => (harness.outputs[output] ??= []).push({ batch, partition });
  return {
    emit: (output, ptr, len) => emit(output, -1, bytes(ptr, len)),
    emit_to: (output, partition, ptr, len) => emit(output, partition, bytes(ptr, len)),
    reject: (index, ptr, len) => harness.rejected.push({ index, reason: bytes(ptr, len).toString() }),
    now: () => harness.now,
    watermark: () => harness.state.watermark,
    state: (req, len, out, cap) => harness.state.apply(bytes(req, len), Buffer.from(memory().buffer, out, cap)),
    timer_set: (domain, at, key, keyLen, tag, tagLen) => harness.state.setTimer(domain, at, bytes(key, keyLen), bytes(tag, tagLen)),
    timer_delete: (domain, at, key, keyLen, tag, tagLen) => harness.state.deleteTimer(domain, at, bytes(key, keyLen), bytes(tag, tagLen)),
    reply: (ptr, len) => { harness.reply = Buffer.concat([harness.reply, bytes(ptr, len)]); },
    log: (level, ptr, len) => harness.logs.push({ level, line: bytes(ptr, len).toString() }),
    metric: (kind, ptr, len, value) => {
      const name = bytes(ptr, len).toString();
      harness.metrics[name] = kind === 0 ? (harness.metrics[name] ?? 0) + value : value;
    },
    fail: (ptr, len) => { harness.failure = bytes(ptr, len).toString(); },
  };
}
