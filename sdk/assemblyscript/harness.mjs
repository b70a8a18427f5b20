// Runs an operator's module in Node, for unit tests: it plays the engine as sdk/abi.md
// says. Start with open.

/** Opens the module in wasm bytes. What it gives out is in outputs, by index, as { batch, partition }. */
export async function open(wasm, { config = {}, now = 0n } = {}) {
  const harness = { outputs: [], rejected: [], logs: [], metrics: {}, failure: "", now };
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

  harness.describe = () => {
    const at = BigInt.asUintN(64, exports.wasmill_describe());
    return JSON.parse(text(Number(at >> 32n), Number(at & 0xffffffffn)));
  };
  harness.process = (input, batch) => call("wasmill_process", [input], batch);
  harness.poll = (max) => check(exports.wasmill_poll(max));
  harness.flush = () => check(exports.wasmill_flush?.() ?? 0);
  harness.end = () => check(exports.wasmill_end?.() ?? 0);
  const request = { operator: "operator", config, subtask: 0, parallelism: 1, maxParallelism: 128, restored: false };
  call("wasmill_open", [], Buffer.from(JSON.stringify(request)));
  return harness;
}

function imports(harness, memory) {
  const bytes = (ptr, len) => Buffer.from(Buffer.from(memory().buffer, ptr, len));
  const emit = (output, partition, batch) => (harness.outputs[output] ??= []).push({ batch, partition });
  return {
    emit: (output, ptr, len) => emit(output, -1, bytes(ptr, len)),
    emit_to: (output, partition, ptr, len) => emit(output, partition, bytes(ptr, len)),
    reject: (index, ptr, len) => harness.rejected.push({ index, reason: bytes(ptr, len).toString() }),
    now: () => harness.now,
    log: (level, ptr, len) => harness.logs.push({ level, line: bytes(ptr, len).toString() }),
    metric: (kind, ptr, len, value) => {
      const name = bytes(ptr, len).toString();
      harness.metrics[name] = kind === 0 ? (harness.metrics[name] ?? 0) + value : value;
    },
    fail: (ptr, len) => { harness.failure = bytes(ptr, len).toString(); },
  };
}
