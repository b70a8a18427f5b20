// Operators of wasmill dataflows in AssemblyScript. A program imports this file, exports
// it again (export * from "…/index"), and defines how it works on init:
//
//   import { Operator, Context, Record, register } from "…/index";
//   export { wasmill_describe, … } from "…/index";
//
// Start with Operator, Context and Record; README.md shows a whole program.

@external("wasmill", "emit") declare function hostEmit(output: i32, ptr: usize, len: u32): void;
@external("wasmill", "emit_to") declare function hostEmitTo(output: i32, partition: i32, ptr: usize, len: u32): void;
@external("wasmill", "reject") declare function hostReject(index: i32, ptr: usize, len: u32): void;
@external("wasmill", "now") declare function hostNow(): i64;
@external("wasmill", "log") declare function hostLog(level: i32, ptr: usize, len: u32): void;
@external("wasmill", "metric") declare function hostMetric(kind: i32, ptr: usize, len: u32, value: f64): void;
@external("wasmill", "fail") declare function hostFail(ptr: usize, len: u32): void;

/** The timestamp of a record that has none. */
export const NO_TIMESTAMP: i64 = i64.MIN_VALUE;

/** What a source answers to a poll. */
export enum Status { More = 0, Idle = 1, End = 2 }

export enum Level { Debug = 0, Info = 1, Warn = 2, Error = 3 }

/** Bytes of a record, where they lie. Null: absent, which is not empty. Copied by toString and toBuffer only. */
export class Bytes {
  constructor(public ptr: usize = 0, public len: u32 = 0) {}

  get isNull(): bool { return this.ptr == 0; }

  toString(): string { return String.UTF8.decodeUnsafe(this.ptr, this.len); }

  toBuffer(): ArrayBuffer {
    const copy = new ArrayBuffer(this.len);
    memory.copy(changetype<usize>(copy), this.ptr, this.len);
    return copy;
  }

  /** Compares with text without allocating, if that is ASCII. */
  is(text: string): bool {
    if (<u32>text.length != this.len) return false;
    for (let i: u32 = 0; i < this.len; i++) {
      if (<i32>load<u8>(this.ptr + i) != text.charCodeAt(i)) return false;
    }
    return true;
  }

  /** Makes these bytes those of a buffer; keep the buffer until the record is emitted. */
  set(buffer: ArrayBuffer): void {
    this.ptr = changetype<usize>(buffer);
    this.len = buffer.byteLength;
  }
}

/** One record. It and its bytes are valid until the function that got it returns. */
export class Record {
  timestamp: i64 = NO_TIMESTAMP;
  change: u32 = 0;
  key: Bytes = new Bytes();
  value: Bytes = new Bytes();
  extension: Bytes = new Bytes();

  /** Reads the record at ptr; returns the bytes it takes, 0 if it is malformed. */
  read(ptr: usize, left: u32): u32 {
    if (left < 16) return 0;
    const head = load<u64>(ptr);
    const kind = <u32>(head >> 24) & 255;
    const keyLen = <u32>head & 0xffffff, valueLen = <u32>(head >> 32);
    if ((kind & 0x70) || ((kind & 4) && keyLen) || ((kind & 8) && valueLen)) return 0;
    let at: u64 = 16;
    this.extension.ptr = 0;
    this.extension.len = 0;
    if (kind & 128) {
      if (left < 20) return 0;
      this.extension.ptr = ptr + 20;
      this.extension.len = load<u32>(ptr + 16);
      at = 20 + <u64>this.extension.len;
    }
    const end = at + keyLen + valueLen;
    if (end > left) return 0;
    this.timestamp = load<i64>(ptr + 8);
    this.change = kind & 3;
    this.key.ptr = kind & 4 ? 0 : ptr + <usize>at;
    this.key.len = keyLen;
    this.value.ptr = kind & 8 ? 0 : ptr + <usize>at + keyLen;
    this.value.len = valueLen;
    return <u32>end;
  }

  get size(): u64 {
    return 16 + <u64>this.key.len + this.value.len + (this.extension.ptr ? 4 + <u64>this.extension.len : 0);
  }

  /** Writes the record to ptr, where there is room for its size. */
  write(ptr: usize): void {
    let kind = (this.change & 3) | (this.key.ptr ? 0 : 4) | (this.value.ptr ? 0 : 8);
    let at = ptr + 16;
    if (this.extension.ptr) {
      kind |= 128;
      store<u32>(at, this.extension.len);
      memory.copy(at + 4, this.extension.ptr, this.extension.len);
      at += 4 + this.extension.len;
    }
    store<u64>(ptr, <u64>this.key.len | (<u64>kind << 24) | (<u64>this.value.len << 32));
    store<i64>(ptr + 8, this.timestamp);
    memory.copy(at, this.key.ptr, this.key.len);
    memory.copy(at + this.key.len, this.value.ptr, this.value.len);
  }
}

const FULL_BATCH: u32 = 64 << 10;

/** A batch under way, of an output or of one partition of it. */
class Output {
  buffer: ArrayBuffer = new ArrayBuffer(FULL_BATCH);
  used: u32 = 0;
  constructor(public output: i32, public partition: i32) {}

  add(r: Record): void {
    const size = r.size;
    if (<u64>this.used + size > <u64>this.buffer.byteLength) this.hand();
    if (size > <u64>this.buffer.byteLength) this.buffer = new ArrayBuffer(<i32>size);
    r.write(changetype<usize>(this.buffer) + this.used);
    this.used += <u32>size;
  }

  hand(): void {
    if (!this.used) return;
    if (this.partition < 0) hostEmit(this.output, changetype<usize>(this.buffer), this.used);
    else hostEmitTo(this.output, this.partition, changetype<usize>(this.buffer), this.used);
    this.used = 0;
    if (<u32>this.buffer.byteLength > FULL_BATCH) this.buffer = new ArrayBuffer(FULL_BATCH);
  }
}

/** An operator's way out, and what it was told when it was opened. */
export class Context {
  operator: string = "";
  /** The config of the job file, JSON text. */
  config: string = "{}";
  subtask: i32 = 0;
  parallelism: i32 = 1;
  maxParallelism: i32 = 1;
  restored: bool = false;
  /** Index of the input that the current record came from. */
  input: i32 = 0;
  index: i32 = -1;
  failed: bool = false;
  private outputs: Output[] = [];

  /** Gives a copy of a record to an output, or to one partition of it. */
  emit(r: Record, output: i32 = 0, partition: i32 = -1): void {
    if (r.key.len > 0xffffff) return this.fail("key is longer than 16777215 bytes");
    if (r.size > 1 << 30) return this.fail("record is longer than 1073741824 bytes");
    if (r.timestamp == i64.MAX_VALUE) return this.fail("timestamp is int64 max, which is no event time");
    for (let i = 0; i < this.outputs.length; i++) {
      const o = this.outputs[i];
      if (o.output == output && o.partition == partition) return o.add(r);
    }
    const o = new Output(output, partition);
    this.outputs.push(o);
    o.add(r);
  }

  /** Gives the current record up as bad; the job file says what becomes of it. */
  reject(reason: string): void {
    const text = String.UTF8.encode(reason);
    hostReject(this.index, changetype<usize>(text), text.byteLength);
  }

  /** Ends the call as failed. */
  fail(message: string): void {
    if (this.failed) return;
    this.failed = true;
    const text = String.UTF8.encode(message);
    hostFail(changetype<usize>(text), text.byteLength);
  }

  /** The time in ms since 1970. It stands still within a batch. */
  now(): i64 { return hostNow(); }

  log(level: Level, line: string): void {
    const text = String.UTF8.encode(line);
    hostLog(level, changetype<usize>(text), text.byteLength);
  }

  count(name: string, n: f64 = 1): void { metric(0, name, n); }
  gauge(name: string, value: f64): void { metric(1, name, value); }
  observe(name: string, value: f64): void { metric(2, name, value); }

  /** Ends a call: hands out what was emitted. */
  finish(status: i32): i32 {
    this.index = -1;
    if (this.failed) return -1;
    for (let i = 0; i < this.outputs.length; i++) this.outputs[i].hand();
    return status;
  }
}

function metric(kind: i32, name: string, value: f64): void {
  const text = String.UTF8.encode(name);
  hostMetric(kind, changetype<usize>(text), text.byteLength, value);
}

/** What an operator does; override what it needs, and process or poll in any case. */
export abstract class Operator {
  /** JSON, as sdk/abi.md says. */
  abstract describe(): string;
  open(c: Context): void {}
  process(c: Context, r: Record): void {}
  poll(c: Context, max: i32): Status { return Status.End; }
  flush(c: Context): void {}
  end(c: Context): void {}
}

class Nothing extends Operator {
  describe(): string { return "{}"; }
}

let operator: Operator = new Nothing();
const context = new Context();
const record = new Record();
let input = new ArrayBuffer(FULL_BATCH);
let description = new ArrayBuffer(0);

/** Makes op the operator of this module. Call it at the top level of the program. */
export function register(op: Operator): void { operator = op; }

export function wasmill_describe(): i64 {
  description = String.UTF8.encode(operator.describe());
  return (<i64>changetype<usize>(description) << 32) | description.byteLength;
}

export function wasmill_alloc(size: i32): usize {
  if (input.byteLength < size) input = new ArrayBuffer(size);
  return changetype<usize>(input);
}

export function wasmill_open(ptr: usize, len: u32): i32 {
  const text = String.UTF8.decodeUnsafe(ptr, len);
  context.operator = jsonString(jsonField(text, "operator"));
  context.config = jsonField(text, "config");
  context.subtask = i32.parse(jsonField(text, "subtask"));
  context.parallelism = i32.parse(jsonField(text, "parallelism"));
  context.maxParallelism = i32.parse(jsonField(text, "maxParallelism"));
  context.restored = jsonField(text, "restored") == "true";
  operator.open(context);
  return context.finish(0);
}

export function wasmill_process(from: i32, ptr: usize, len: u32): i32 {
  context.input = from;
  while (len && !context.failed) {
    const n = record.read(ptr, len);
    if (!n) {
      context.fail("the batch is malformed");
      break;
    }
    context.index++;
    operator.process(context, record);
    ptr += n;
    len -= n;
  }
  return context.finish(0);
}

export function wasmill_poll(max: i32): i32 { return context.finish(operator.poll(context, max)); }

export function wasmill_flush(): i32 {
  operator.flush(context);
  return context.finish(0);
}

export function wasmill_end(): i32 {
  operator.end(context);
  return context.finish(0);
}

/** The field of a JSON object as it stands, strings with their quotes; "" if there is none. */
export function jsonField(text: string, name: string): string {
  let at = space(text, 0) + 1;
  while (at < text.length) {
    const start = space(text, at);
    at = skip(text, start);
    const found = text.substring(start + 1, at - 1) == name;
    const value = space(text, space(text, at) + 1);
    at = skip(text, value);
    if (found) return text.substring(value, at);
    at = space(text, at) + 1;
  }
  return "";
}

/** The text of a JSON string. */
export function jsonString(value: string): string {
  let text = "";
  for (let i = 1; i < value.length - 1; i++) {
    let c = value.charAt(i);
    if (c == "\\") {
      c = value.charAt(++i);
      if (c == "u") {
        c = String.fromCharCode(<i32>parseInt(value.substr(i + 1, 4), 16));
        i += 4;
      } else {
        const at = "bfnrt".indexOf(c);
        if (at >= 0) c = "\b\f\n\r\t".charAt(at);
      }
    }
    text += c;
  }
  return text;
}

function space(text: string, at: i32): i32 {
  while (at < text.length && text.charCodeAt(at) <= 32) at++;
  return at;
}

/** The end of the JSON value that starts at a place. */
function skip(text: string, at: i32): i32 {
  let depth = 0;
  for (; at < text.length; at++) {
    const c = text.charCodeAt(at);
    if (c == 34) {
      for (at++; at < text.length && text.charCodeAt(at) != 34; at++) if (text.charCodeAt(at) == 92) at++;
      if (depth == 0) return at + 1;
    } else if (c == 123 || c == 91) {
      depth++;
    } else if (c == 125 || c == 93) {
      if (depth == 0) return at;
      if (--depth == 0) return at + 1;
    } else if (depth == 0 && (c == 44 || c == 58 || c <= 32)) {
      return at;
    }
  }
  return at;
}
