// What an author writes: an Operator, or an Aggregate of windows.
import { Context, Domain } from "./context";
import { Bytes, Record } from "./record";
import { state } from "./state";
import { Table } from "./tables";
import { Group, Window, replies } from "./window";

/** What a source answers to a poll. */
export enum Status { More = 0, Idle = 1, End = 2 }

/** A timer that is due. */
export class Timer {
  domain: Domain = Domain.EventTime;
  /** The time it was set for, in ms since 1970. */
  at: i64 = 0;
  key: Bytes = new Bytes();
  tag: Bytes = new Bytes();
}

/** What an operator does; override what it needs, and process, poll or apply in any case. */
export abstract class Operator {
  /** Stored with each entry that is written; raise it when the form of values changes. */
  stateVersion: u32 = 0;

  /** JSON, as sdk/abi.md says; tables and stateVersion are added to it. */
  abstract describe(): string;
  open(c: Context): void {}
  process(c: Context, r: Record): void {}
  poll(c: Context, max: i32): Status { return Status.End; }
  flush(c: Context): void {}
  end(c: Context): void {}
  timer(c: Context, t: Timer): void { c.fail("there are timers, and the operator takes none"); }
  /** Event time has advanced; timers that were due have fired. */
  watermark(c: Context, ts: i64): void {}
  /** A snapshot comes: the last moment to write to tables what is kept elsewhere. */
  barrier(c: Context, checkpoint: i64): void {}
  /** The records of a window that closes; or extend Aggregate to fold them. */
  apply(c: Context, w: Window): void {}

  /** Whether records of an input come to all subtasks, so that they have no keyed state. */
  broadcast(input: i32): bool { return false; }

  /**
   * Turns a value that was written under another stateVersion into one of now. Null removes it. The result is
   * copied. Without this, old values are read as they are.
   */
  migrate(c: Context, table: Table, version: u32, value: Bytes): Bytes { return value; }

  // What Aggregate does; see there.
  accumulateAll(c: Context, ptr: usize, len: u32): void { c.fail("the operator has no windows"); }
  mergeAll(c: Context, ptr: usize, len: u32): void { c.fail("the operator has no windows"); }
  finishAll(c: Context, ptr: usize, len: u32): void { c.fail("the operator has no windows"); }
}

/**
 * Folds the records of windows into accumulators: objects of a class A whose fields are
 * numbers. A new one is as its fields' initializers say. However records are cut into
 * calls, the result must be the same.
 */
export abstract class Aggregate<A> extends Operator {
  abstract add(c: Context, acc: A, r: Record): void;
  abstract merge(c: Context, acc: A, other: A): void;
  abstract finish(c: Context, w: Window, acc: A): void;

  private zero: A = instantiate<A>();
  private acc: A = instantiate<A>();
  private other: A = instantiate<A>();
  private group: Group = new Group();
  private record: Record = new Record();

  private read(to: A, ptr: usize, len: u32): bool {
    if (len != offsetof<A>()) return false;
    memory.copy(changetype<usize>(to), ptr, len);
    return true;
  }

  accumulateAll(c: Context, ptr: usize, len: u32): void {
    const g = this.group, r = this.record;
    while (len && !c.failed) {
      const n = g.read(ptr, len);
      if (!n || !this.read(this.acc, g.acc ? g.acc : changetype<usize>(this.zero), g.acc ? g.accLen : offsetof<A>())) return c.fail(MALFORMED);
      c.key.point(g.window.key.ptr, g.window.key.len);
      for (let at = g.body, left = g.bodyLen; left && !c.failed;) {
        const size = r.read(at, left);
        if (!size) return c.fail(MALFORMED);
        c.index++;
        this.add(c, this.acc, r);
        at += size;
        left -= size;
      }
      replies.add(changetype<usize>(this.acc), offsetof<A>());
      ptr += n;
      len -= n;
    }
    replies.hand(c);
  }

  mergeAll(c: Context, ptr: usize, len: u32): void {
    const g = this.group;
    while (len && !c.failed) {
      const n = g.read(ptr, len);
      if (!n) return c.fail(MALFORMED);
      c.key.point(g.window.key.ptr, g.window.key.len);
      for (let at = g.body, left = g.bodyLen, first = true; left; first = false) {
        const size: u32 = left < 4 ? 0 : load<u32>(at);
        if (left < 4 || size > left - 4 || !this.read(first ? this.acc : this.other, at + 4, size)) return c.fail(MALFORMED);
        if (!first) this.merge(c, this.acc, this.other);
        at += 4 + size;
        left -= 4 + size;
      }
      replies.add(changetype<usize>(this.acc), offsetof<A>());
      ptr += n;
      len -= n;
    }
    replies.hand(c);
  }

  finishAll(c: Context, ptr: usize, len: u32): void {
    const g = this.group;
    while (len && !c.failed) {
      const n = g.read(ptr, len);
      if (!n || !g.acc || !this.read(this.acc, g.acc, g.accLen)) return c.fail(MALFORMED);
      c.key.point(g.window.key.ptr, g.window.key.len);
      this.finish(c, g.window, this.acc);
      ptr += n;
      len -= n;
    }
  }
}

const MALFORMED = "groups are malformed, or accumulators are of another version";

class Nothing extends Operator {
  describe(): string { return "{}"; }
}

export let operator: Operator = new Nothing();

/** Makes op the operator of this module. Call it at the top level of the program. */
export function register(op: Operator): void {
  operator = op;
  state.operator = op;
}
