// Tables: values, maps and lists of a key. Make them at the top level of a program, or
// as fields of the operator; the engine knows them by their names.
import { Context } from "./context";
import { Bytes } from "./record";
import { ANSWER_HEAD, Op, none, state } from "./state";

/** What a table belongs to: the key at hand, the subtask, or all subtasks alike. */
export enum Scope { Key = 0, Split = 1, Union = 2, Broadcast = 3 }

export abstract class Table {
  /** Its number in the description. */
  index: i32 = state.tables.length;
  /** Its number among those whose values are fetched ahead; -1: it is none of them. */
  ahead: i32 = -1;

  /** ttl is since the last write, as "24h"; empty is for ever. */
  constructor(public name: string, public scope: Scope = Scope.Key, public ttl: string = "") { state.tables.push(this); }

  /** Removes all that the key at hand has. */
  clear(c: Context): void {
    const key = state.key(c, this);
    if (key.isNull) return;
    state.forget(this.index, key);
    state.note(Op.DeleteRange, this.index, key, none, none);
  }

  describe(): string {
    const scopes = ["key", "split", "union", "broadcast"];
    const ttl = this.ttl.length ? `,"ttl":"${this.ttl}"` : "";
    return `{"name":"${this.name}","scope":"${scopes[this.scope]}"${ttl}}`;
  }
}

/** A value for each key. */
export class ValueTable extends Table {
  constructor(name: string, scope: Scope = Scope.Key, ttl: string = "") {
    super(name, scope, ttl);
    if (scope == Scope.Key) {
      this.ahead = state.ahead.length;
      state.ahead.push(this);
    }
  }

  /** The value of the key at hand, to be read until the call ends; null: there is none. */
  get(c: Context): Bytes { return state.current(c, this, none).value; }
  set(c: Context, value: Bytes): void { state.put(state.current(c, this, none), value); }

  /** A value that is a number, eight bytes; 0: there is none. */
  getI64(c: Context): i64 {
    const b = this.get(c);
    if (b.isNull) return 0;
    if (b.len != 8) c.fail(`table ${this.name} holds no number; was it written by an older version?`);
    return b.len == 8 ? load<i64>(b.ptr) : 0;
  }

  setI64(c: Context, value: i64): void {
    store<i64>(word.ptr, value);
    this.set(c, word);
  }
}

const word = new Bytes();
word.set(new ArrayBuffer(8));

/** A value for each key and subkey; the subkeys of a key are in the order of their bytes. */
export class MapTable extends Table {
  get(c: Context, sub: Bytes): Bytes { return state.current(c, this, sub).value; }
  set(c: Context, sub: Bytes, value: Bytes): void { state.put(state.current(c, this, sub), value); }
  remove(c: Context, sub: Bytes): void { state.put(state.current(c, this, sub), absent); }

  /** Goes through what the key at hand has, in order, from a subkey on. */
  entries(c: Context, from: Bytes = none): Cursor { return new Cursor(c, this, from); }
}

const absent = new Bytes();

/** Goes through a map: while (at.next()) use(at.sub, at.value). It sees what was written before it started. */
export class Cursor {
  sub: Bytes = new Bytes();
  value: Bytes = new Bytes();
  private at: usize = 0;
  private end: usize = 0;
  private more: bool = true;
  private key: Bytes;
  private from: Bytes = new Bytes();

  constructor(private c: Context, private table: Table, from: Bytes) {
    this.key = new Bytes(state.key(c, table).ptr, state.key(c, table).len);
    this.from.point(state.copy(from.ptr, from.len), from.len);
    state.writeBack();
  }

  next(): bool {
    while (this.at == this.end) {
      if (!this.more || this.key.isNull) return false;
      this.page();
    }
    const sub = load<u32>(this.at), len = load<u32>(this.at + 4), version = load<u32>(this.at + 8);
    this.sub.point(this.at + 12, sub);
    const value = this.value;
    value.point(this.sub.ptr + sub, len);
    this.at = value.ptr + len;
    if (this.at == this.end && this.more) this.behind();
    if (version == state.operator!.stateVersion) return true;
    const now = state.operator!.migrate(this.c, this.table, version, value);
    if (now.isNull) return this.next();
    value.point(now.ptr, now.len);
    return true;
  }

  private page(): void {
    const answer = state.ask(Op.Scan, this.table.index, this.key, this.from);
    this.more = load<u32>(answer) != 0;
    this.at = answer + ANSWER_HEAD;
    this.end = this.at + load<u32>(answer + 4);
  }

  /** The next page starts behind the last subkey: at it and a zero byte. */
  private behind(): void {
    const len = this.sub.len + 1, ptr = state.copy(this.sub.ptr, len);
    store<u8>(ptr + len - 1, 0);
    this.from.point(ptr, len);
  }
}

/** A list for each key. Adding to it does not read it. */
export class ListTable extends Table {
  add(c: Context, element: Bytes): void {
    const key = state.key(c, this);
    if (!key.isNull) state.note(Op.Append, this.index, key, none, element, true);
  }

  elements(c: Context): Elements { return new Elements(c, this); }
}

/** Goes through a list as it is now: while (at.next()) use(at.value). */
export class Elements {
  value: Bytes = new Bytes();
  private at: usize = 0;
  private left: u32 = 0;
  private version: u32 = 0;

  constructor(private c: Context, private table: Table) {
    const key = state.key(c, table);
    if (!key.isNull) this.read(state.ask(Op.Get, table.index, key, none));
  }

  private read(answer: usize): void {
    const len = load<u32>(answer + 4);
    this.version = load<u32>(answer);
    this.at = answer + ANSWER_HEAD;
    this.left = len == u32.MAX_VALUE ? 0 : len;
  }

  next(): bool {
    if (this.left < 4 || load<u32>(this.at) > this.left - 4) return false;
    const len = load<u32>(this.at);
    this.value.point(this.at + 4, len);
    this.at += 4 + len;
    this.left -= 4 + len;
    if (this.version == state.operator!.stateVersion) return true;
    const now = state.operator!.migrate(this.c, this.table, this.version, this.value);
    if (now.isNull) return this.next();
    this.value.point(now.ptr, now.len);
    return true;
  }
}
