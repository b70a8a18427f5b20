// Operators of wasmill dataflows in AssemblyScript: what the engine calls. A program
// exports these again and registers its operator:
//
//   import { Context, Operator, Record, register } from "…/index";
//   export { wasmill_describe, wasmill_alloc, wasmill_open, wasmill_process } from "…/index";
//
// Start with operator.ts; README.md shows a whole program.
import { Context, FULL_BATCH } from "./context";
import { jsonField, jsonString } from "./json";
import { Timer, operator } from "./operator";
import { Record } from "./record";
import { state } from "./state";
import { applyAll } from "./window";

export { Bytes, NO_TIMESTAMP, Record } from "./record";
export { Context, Domain, Level } from "./context";
export { Aggregate, Operator, Status, Timer, register } from "./operator";
export { Cursor, Elements, ListTable, MapTable, Scope, Table, ValueTable } from "./tables";
export { Firing, Window } from "./window";
export { jsonField, jsonString } from "./json";

const context = new Context();
const record = new Record();
const timer = new Timer();
let input = new ArrayBuffer(FULL_BATCH);
let description = new ArrayBuffer(0);

export function wasmill_describe(): i64 {
  let text = operator.describe();
  let more = "";
  for (let i = 0; i < state.tables.length; i++) more += (i ? "," : '"tables":[') + state.tables[i].describe();
  if (state.tables.length) more += "],";
  if (operator.stateVersion) more += `"stateVersion":${operator.stateVersion},`;
  text = text.replace("{", "{" + more);
  description = String.UTF8.encode(text);
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
  if (!operator.broadcast(from)) state.prefetch(ptr, len);
  while (len && !context.failed) {
    const n = record.read(ptr, len);
    if (!n) {
      context.fail("the batch is malformed");
      break;
    }
    context.index++;
    context.key.point(record.key.ptr, record.key.len);
    operator.process(context, record);
    ptr += n;
    len -= n;
  }
  return context.finish(0);
}

export function wasmill_poll(max: i32): i32 { return context.finish(operator.poll(context, max)); }

export function wasmill_timers(ptr: usize, len: u32): i32 {
  while (len && !context.failed) {
    const n = record.read(ptr, len);
    if (!n) {
      context.fail("timers are malformed");
      break;
    }
    timer.domain = record.change; // the kind of a timer is its domain
    timer.at = record.timestamp;
    timer.key.point(record.key.ptr, record.key.len);
    timer.tag.point(record.value.ptr, record.value.len);
    context.key.point(record.key.ptr, record.key.len);
    operator.timer(context, timer);
    ptr += n;
    len -= n;
  }
  return context.finish(0);
}

export function wasmill_watermark(ts: i64): i32 {
  operator.watermark(context, ts);
  return context.finish(0);
}

export function wasmill_barrier(checkpoint: i64): i32 {
  operator.barrier(context, checkpoint);
  return context.finish(0);
}

export function wasmill_accumulate(ptr: usize, len: u32): i32 {
  operator.accumulateAll(context, ptr, len);
  return context.finish(0);
}

export function wasmill_merge(ptr: usize, len: u32): i32 {
  operator.mergeAll(context, ptr, len);
  return context.finish(0);
}

export function wasmill_finish(ptr: usize, len: u32): i32 {
  operator.finishAll(context, ptr, len);
  return context.finish(0);
}

export function wasmill_apply(ptr: usize, len: u32): i32 {
  applyAll(context, ptr, len);
  return context.finish(0);
}

export function wasmill_flush(): i32 {
  operator.flush(context);
  return context.finish(0);
}

export function wasmill_end(): i32 {
  operator.end(context);
  return context.finish(0);
}
