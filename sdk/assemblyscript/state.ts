// What is kept of tables while a call of the operator runs: the values of a batch's keys
// are fetched at once, changed here, and written back at its end. Tables are in tables.ts.
import { Arena } from "./arena";
import { Context } from "./context";
import { Operator } from "./operator";
import { Bytes, Record } from "./record";
import { Scope, Table } from "./tables";

@external("wasmill", "state") declare function hostState(request: usize, len: u32, out: usize, cap: u32): i64;

/** Operations of the state import; see sdk/abi.md. */
export enum Op { Get = 0, Put = 1, Delete = 2, Append = 3, Scan = 4, DeleteRange = 6 }

const OP_HEAD: u32 = 16;
export const ANSWER_HEAD: u32 = 8;
const ABSENT = u32.MAX_VALUE;
const LOG: u32 = 1 << 20;

export class Entry {
  table: i32 = 0;
  hash: u32 = 0;
  key: Bytes = new Bytes();
  sub: Bytes = new Bytes();
  value: Bytes = new Bytes();
  version: u32 = 0;
  dirty: bool = false;

  is(hash: u32, table: i32, key: Bytes, sub: Bytes): bool {
    return this.hash == hash && this.table == table && equal(this.key, key) && equal(this.sub, sub);
  }
}

function equal(a: Bytes, b: Bytes): bool { return a.len == b.len && memory.compare(a.ptr, b.ptr, a.len) == 0; }

function hashBytes(h: u64, b: Bytes): u64 {
  const k: u64 = 0x9e3779b97f4a7c15;
  h = (h ^ b.len) * k;
  let at = b.ptr;
  const end = b.ptr + b.len;
  for (; at + 8 <= end; at += 8) {
    h = (h ^ load<u64>(at)) * k;
    h ^= h >> 29;
  }
  let rest: u64 = 0;
  for (; at < end; at++) rest = (rest << 8) | load<u8>(at);
  h = (h ^ rest) * k;
  return h ^ (h >> 32);
}

/** The bytes of no subkey, and the key of tables that are not keyed. */
export const none = Bytes.of("");

export class State {
  operator: Operator | null = null;
  tables: Table[] = [];
  ahead: Table[] = []; // whose values are fetched ahead
  private entries: Entry[] = [];
  private count: i32 = 0;
  private slots: StaticArray<i32> = new StaticArray<i32>(2048); // index of an entry + 1; open addressing
  private places: i32[] = []; // of the batch's records: their entries, table by table
  private placed: bool = false;
  private log: ArrayBuffer = new ArrayBuffer(4096); // operations to be done before anything else is read
  private logged: u32 = 0;
  private arena: Arena = new Arena();
  private peek: Record = new Record();
  private nothing: Entry = new Entry();

  /** A copy that lasts until the call ends. */
  copy(ptr: usize, len: u32): usize { return this.arena.copy(ptr, len); }

  /** The index of an entry, which is made if there is none. The key is kept as it is. */
  private find(table: i32, key: Bytes, sub: Bytes): i32 {
    if (this.count * 2 >= this.slots.length) this.grow();
    let wide = hashBytes(table, key);
    if (sub.len) wide = hashBytes(wide, sub);
    const hash = <u32>wide, mask = this.slots.length - 1;
    let at = <i32>hash & mask;
    for (; this.slots[at]; at = (at + 1) & mask) {
      if (this.entries[this.slots[at] - 1].is(hash, table, key, sub)) return this.slots[at] - 1;
    }
    const index = this.add(table, key);
    const e = this.entries[index];
    e.hash = hash;
    if (sub.len) e.sub.point(this.copy(sub.ptr, sub.len), sub.len);
    this.slots[at] = index + 1;
    return index;
  }

  private add(table: i32, key: Bytes): i32 {
    if (this.count == this.entries.length) this.entries.push(new Entry());
    const e = this.entries[this.count];
    e.table = table;
    e.key.point(key.ptr, key.len);
    e.sub.point(none.ptr, 0);
    e.value.point(0, 0);
    e.version = 0;
    e.dirty = false;
    return this.count++;
  }

  private grow(): void {
    this.slots = new StaticArray<i32>(2 * this.slots.length);
    const mask = this.slots.length - 1;
    for (let i = 0; i < this.count; i++) {
      let at = <i32>this.entries[i].hash & mask;
      while (this.slots[at]) at = (at + 1) & mask;
      this.slots[at] = i + 1;
    }
  }

  /** Adds an operation to the log; a head is the length of the value before it. */
  note(op: Op, table: i32, key: Bytes, sub: Bytes, value: Bytes, head: bool = false): void {
    const len = value.len + (head ? 4 : 0), size = OP_HEAD + key.len + sub.len + len;
    if (this.logged && this.logged + size > LOG) this.flush();
    if (this.logged + size > <u32>this.log.byteLength) {
      const grown = new ArrayBuffer(max(this.logged + size, min(2 * this.log.byteLength, LOG)));
      memory.copy(changetype<usize>(grown), changetype<usize>(this.log), this.logged);
      this.log = grown;
    }
    let at = changetype<usize>(this.log) + this.logged;
    this.logged += size;
    store<u32>(at, <u32>op | (table << 16));
    store<u32>(at + 4, key.len);
    store<u32>(at + 8, sub.len);
    store<u32>(at + 12, len);
    at += OP_HEAD;
    memory.copy(at, key.ptr, key.len);
    at += key.len;
    memory.copy(at, sub.ptr, sub.len);
    at += sub.len;
    if (head) {
      store<u32>(at, value.len);
      at += 4;
    }
    memory.copy(at, value.ptr, value.len);
  }

  /** Does what is in the log. */
  flush(): void {
    if (this.logged) hostState(changetype<usize>(this.log), this.logged, 0, 0);
    this.logged = 0;
    if (<u32>this.log.byteLength > LOG) this.log = new ArrayBuffer(4096);
  }

  /** Does what is in the log, and one operation that answers. Returns where the answer is. */
  ask(op: Op, table: i32, key: Bytes, sub: Bytes): usize {
    this.flush();
    this.note(op, table, key, sub, none);
    for (let room: u32 = 64 << 10;; room = 2 * this.arena.left) {
      const out = this.arena.reserve(room);
      const said = hostState(changetype<usize>(this.log), this.logged, out, this.arena.left);
      if (!(said >> 32)) continue;
      this.logged = 0;
      this.arena.take(<u32>said);
      return out;
    }
  }

  /** Reads entries from first on, which are new. */
  private fetch(first: i32): void {
    this.flush();
    while (first < this.count) {
      let end = first;
      for (; end < this.count && this.logged < LOG / 2; end++) {
        const e = this.entries[end];
        this.note(Op.Get, e.table, e.key, e.sub, none);
      }
      let request = changetype<usize>(this.log), left = this.logged, room: u32 = (end - first) * 16;
      this.logged = 0;
      while (first < end) {
        let out = this.arena.reserve(room);
        const said = hostState(request, left, out, this.arena.left);
        let done = <i32>(said >> 32);
        if (!done) room = 2 * this.arena.left;
        this.arena.take(<u32>said);
        for (; done > 0; done--, first++) {
          const e = this.entries[first], len = load<u32>(out + 4);
          e.version = load<u32>(out);
          out += ANSWER_HEAD;
          if (len != ABSENT) {
            e.value.point(out, len);
            out += len;
          }
          const size = OP_HEAD + e.key.len + e.sub.len;
          request += size;
          left -= size;
        }
      }
    }
  }

  /** Looks at a batch before it is processed. */
  prefetch(ptr: usize, left: u32): void {
    if (!this.ahead.length) return;
    let used = 0;
    while (left) {
      const n = this.peek.read(ptr, left);
      if (!n) return; // processing says so
      for (let i = 0; i < this.ahead.length; i++, used++) {
        const index = this.peek.key.isNull ? -1 : this.find(this.ahead[i].index, this.peek.key, none);
        if (used < this.places.length) this.places[used] = index;
        else this.places.push(index);
      }
      ptr += n;
      left -= n;
    }
    this.placed = true;
    this.fetch(0);
  }

  /** The key under which a table has what is at hand; null: there is none, and the call has failed. */
  key(c: Context, table: Table): Bytes {
    if (table.scope != Scope.Key) return none;
    if (c.key.isNull) c.fail(`table ${table.name}: there is no key at hand`);
    return c.key;
  }

  /** The entry of the key at hand and a subkey, as it is now. */
  current(c: Context, table: Table, sub: Bytes): Entry {
    const key = this.key(c, table);
    if (key.isNull) {
      this.nothing.value.point(0, 0);
      return this.nothing;
    }
    let index: i32;
    if (this.placed && table.ahead >= 0 && !sub.len && c.index >= 0) {
      index = this.places[c.index * this.ahead.length + table.ahead];
    } else {
      const before = this.count;
      index = this.find(table.index, key, sub);
      if (index == before) this.fetch(before);
    }
    const e = this.entries[index];
    if (!e.value.isNull && e.version != this.operator!.stateVersion) this.migrate(c, table, e);
    return e;
  }

  private migrate(c: Context, table: Table, e: Entry): void {
    const now = this.operator!.migrate(c, table, e.version, e.value);
    if (now === e.value) return;
    this.put(e, now);
  }

  /** Replaces a value; null removes it. */
  put(e: Entry, value: Bytes): void {
    e.dirty = true;
    e.version = this.operator!.stateVersion;
    if (value.isNull) return e.value.point(0, 0);
    if (e.value.isNull || e.value.len < value.len) e.value.ptr = this.copy(value.ptr, value.len);
    else memory.copy(e.value.ptr, value.ptr, value.len);
    e.value.len = value.len;
  }

  /** Forgets the entries of a key: they are about to be removed. */
  forget(table: i32, key: Bytes): void {
    for (let i = 0; i < this.count; i++) {
      const e = this.entries[i];
      if (e.table != table || !equal(e.key, key)) continue;
      e.value.point(0, 0);
      e.dirty = false;
    }
  }

  /** Writes what has changed. */
  writeBack(): void {
    for (let i = 0; i < this.count; i++) {
      const e = this.entries[i];
      if (!e.dirty) continue;
      e.dirty = false;
      if (e.value.isNull) this.note(Op.Delete, e.table, e.key, e.sub, none);
      else this.note(Op.Put, e.table, e.key, e.sub, e.value);
    }
    this.flush();
  }

  private clearSlots(): void {
    const slots = this.slots, mask = slots.length - 1;
    if (this.count * 8 > slots.length) {
      memory.fill(changetype<usize>(slots), 0, slots.length * 4);
      return;
    }
    for (let i = 0; i < this.count; i++) {
      for (let at = <i32>this.entries[i].hash & mask; slots[at]; at = (at + 1) & mask) slots[at] = 0;
    }
  }

  /** Ends a call: everything is written back and forgotten. */
  finish(): void {
    this.writeBack();
    this.clearSlots();
    this.count = 0;
    this.placed = false;
    this.arena.reset();
  }
}

export const state = new State();
