// Windows as the engine gives them: groups of records or accumulators; see sdk/abi.md.
import { Context } from "./context";
import { Bytes, Record } from "./record";
import { operator } from "./operator";
import { state } from "./state";

@external("wasmill", "reply") declare function hostReply(ptr: usize, len: u32): void;

/** Why there is a result of a window. */
export enum Firing { OnTime = 0, Early = 1, Late = 2 }

/** A window of a key. The job file says which windows an operator has. */
export class Window {
  key: Bytes = new Bytes();
  /** In ms since 1970; the end is not within. */
  start: i64 = 0;
  end: i64 = 0;
  firing: Firing = Firing.OnTime;
  /** In apply: the record that next has moved to, and the index of its input. */
  record: Record = new Record();
  input: i32 = 0;
  parts: Bytes[] = [];

  /** Moves to the next record, input by input; false: there is none. */
  next(): bool {
    for (; this.input < this.parts.length; this.input++) {
      const part = this.parts[this.input];
      const n = part.len ? this.record.read(part.ptr, part.len) : 0;
      if (!n) continue;
      part.point(part.ptr + n, part.len - n);
      return true;
    }
    return false;
  }

  /** Has records of one input only, or, with no length, none. */
  only(input: i32, ptr: usize, len: u32): void {
    for (let i = 0; i < this.parts.length; i++) this.parts[i].point(0, 0);
    this.at(input).point(ptr, len);
    this.input = 0;
  }

  /** The records of an input. */
  at(input: i32): Bytes {
    while (this.parts.length <= input) this.parts.push(new Bytes());
    return this.parts[input];
  }
}

/** A group: what there is of one key and window. */
export class Group {
  window: Window = new Window();
  acc: usize = 0; // 0: none
  accLen: u32 = 0;
  body: usize = 0;
  bodyLen: u32 = 0;
  more: bool = false;
  input: i32 = 0;

  /** Reads the group at ptr; returns the bytes it takes, 0 if it is malformed. */
  read(ptr: usize, left: u32): u32 {
    if (left < 32) return 0;
    const keyLen = load<u32>(ptr), acc = load<u32>(ptr + 4), none = acc == u32.MAX_VALUE;
    this.accLen = none ? 0 : acc;
    this.bodyLen = load<u32>(ptr + 8);
    const size = 32 + <u64>keyLen + this.accLen + this.bodyLen;
    if (size > left) return 0;
    this.more = (load<u8>(ptr + 12) & 1) != 0;
    this.input = load<u8>(ptr + 13);
    const w = this.window;
    w.firing = <Firing>load<u8>(ptr + 14);
    w.start = load<i64>(ptr + 16);
    w.end = load<i64>(ptr + 24);
    w.key.point(ptr + 32, keyLen);
    this.acc = none ? 0 : ptr + 32 + keyLen;
    this.body = ptr + 32 + keyLen + this.accLen;
    return <u32>size;
  }
}

/** Answers of accumulate and merge. */
class Replies {
  private buffer: ArrayBuffer = new ArrayBuffer(64 << 10);
  private used: u32 = 0;

  add(ptr: usize, len: u32): void {
    if (this.used + 4 + len > <u32>this.buffer.byteLength) {
      this.hand(null);
      if (len + 4 > <u32>this.buffer.byteLength) this.buffer = new ArrayBuffer(len + 4);
    }
    const at = changetype<usize>(this.buffer) + this.used;
    store<u32>(at, len);
    memory.copy(at + 4, ptr, len);
    this.used += 4 + len;
  }

  hand(c: Context | null): void {
    if (this.used && (!c || !c.failed)) hostReply(changetype<usize>(this.buffer), this.used);
    this.used = 0;
  }
}

export const replies = new Replies();

/** What of a window has come in earlier groups, maybe of earlier calls. */
class Held {
  open: bool = false;
  window: Window = new Window();
  private key: ArrayBuffer = new ArrayBuffer(0);
  private parts: ArrayBuffer[] = [];
  private used: u32[] = [];

  begin(w: Window): void {
    this.open = true;
    this.key = w.key.toBuffer();
    this.window.start = w.start;
    this.window.end = w.end;
    this.window.firing = w.firing;
    this.window.only(0, 0, 0);
    for (let i = 0; i < this.used.length; i++) this.used[i] = 0;
  }

  add(g: Group): void {
    while (this.parts.length <= g.input) {
      this.parts.push(new ArrayBuffer(0));
      this.used.push(0);
    }
    const used = this.used[g.input], need = used + g.bodyLen;
    if (need > <u32>this.parts[g.input].byteLength) {
      const grown = new ArrayBuffer(2 * need);
      memory.copy(changetype<usize>(grown), changetype<usize>(this.parts[g.input]), used);
      this.parts[g.input] = grown;
    }
    memory.copy(changetype<usize>(this.parts[g.input]) + used, g.body, g.bodyLen);
    this.used[g.input] = need;
  }

  /** The window, whole. Tables may refer to its key until the call ends. */
  take(): Window {
    this.open = false;
    for (let i = 0; i < this.parts.length; i++) this.window.at(i).point(changetype<usize>(this.parts[i]), this.used[i]);
    this.window.input = 0;
    this.window.key.point(state.copy(changetype<usize>(this.key), this.key.byteLength), this.key.byteLength);
    return this.window;
  }
}

const held = new Held();
const group = new Group();

/** Hands windows to the operator, each when all of it is there. */
export function applyAll(c: Context, ptr: usize, len: u32): void {
  while (len && !c.failed) {
    const n = group.read(ptr, len);
    if (!n) return c.fail("groups are malformed");
    ptr += n;
    len -= n;
    if (!held.open && !group.more) { // the usual case: nothing is copied
      group.window.only(group.input, group.body, group.bodyLen);
      apply(c, group.window);
      continue;
    }
    if (!held.open) held.begin(group.window);
    held.add(group);
    if (!group.more) apply(c, held.take());
  }
}

function apply(c: Context, w: Window): void {
  c.key.point(w.key.ptr, w.key.len);
  operator.apply(c, w);
}
