// The way out of an operator: what it emits, and what it asks the engine for.
import { Bytes, Record } from "./record";
import { state } from "./state";

@external("wasmill", "emit") declare function hostEmit(output: i32, ptr: usize, len: u32): void;
@external("wasmill", "emit_to") declare function hostEmitTo(output: i32, partition: i32, ptr: usize, len: u32): void;
@external("wasmill", "reject") declare function hostReject(index: i32, ptr: usize, len: u32): void;
@external("wasmill", "now") declare function hostNow(): i64;
@external("wasmill", "watermark") declare function hostWatermark(): i64;
@external("wasmill", "timer_set") declare function hostTimerSet(domain: i32, at: i64, key: usize, keyLen: u32, tag: usize, tagLen: u32): void;
@external("wasmill", "timer_delete") declare function hostTimerDelete(domain: i32, at: i64, key: usize, keyLen: u32, tag: usize, tagLen: u32): void;
@external("wasmill", "log") declare function hostLog(level: i32, ptr: usize, len: u32): void;
@external("wasmill", "metric") declare function hostMetric(kind: i32, ptr: usize, len: u32, value: f64): void;
@external("wasmill", "fail") declare function hostFail(ptr: usize, len: u32): void;

export enum Level { Debug = 0, Info = 1, Warn = 2, Error = 3 }

/** What a timer waits for: the watermark, or the clock. */
export enum Domain { EventTime = 0, ProcessingTime = 1 }

export const FULL_BATCH: u32 = 64 << 10;

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
  /** The key of the record, timer or window at hand; null: there is none. */
  key: Bytes = new Bytes();
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

  /** How far event time is, in ms since 1970; NO_TIMESTAMP before the first watermark. */
  watermark(): i64 { return hostWatermark(); }

  /**
   * Sets a timer of the key at hand; Operator.timer is called when it is due, at once if
   * it is already. The same domain, time and tag twice is one timer.
   */
  setTimer(domain: Domain, at: i64, tag: Bytes): void {
    if (this.key.isNull) return this.fail("there is no key at hand for a timer");
    hostTimerSet(domain, at, this.key.ptr, this.key.len, tag.ptr, tag.len);
  }

  /** Removes a timer of the key at hand, if it is set. */
  deleteTimer(domain: Domain, at: i64, tag: Bytes): void {
    if (this.key.isNull) return this.fail("there is no key at hand for a timer");
    hostTimerDelete(domain, at, this.key.ptr, this.key.len, tag.ptr, tag.len);
  }

  log(level: Level, line: string): void {
    const text = String.UTF8.encode(line);
    hostLog(level, changetype<usize>(text), text.byteLength);
  }

  count(name: string, n: f64 = 1): void { metric(0, name, n); }
  gauge(name: string, value: f64): void { metric(1, name, value); }
  observe(name: string, value: f64): void { metric(2, name, value); }

  /** Ends a call: writes state back and hands out what was emitted. */
  finish(status: i32): i32 {
    this.index = -1;
    this.key.point(0, 0);
    if (!this.failed) state.finish();
    if (this.failed) return -1;
    for (let i = 0; i < this.outputs.length; i++) this.outputs[i].hand();
    return status;
  }
}

function metric(kind: i32, name: string, value: f64): void {
  const text = String.UTF8.encode(name);
  hostMetric(kind, changetype<usize>(text), text.byteLength, value);
}
