// The state guest of sdk/tck in AssemblyScript.
import {
  Bytes, Context, Domain, ListTable, MapTable, NO_TIMESTAMP, Operator, Record, Scope, Table, Timer, ValueTable, jsonField, jsonString, register,
} from "../../../assemblyscript/index";
import { raw } from "./raw";
export {
  wasmill_describe, wasmill_alloc, wasmill_open, wasmill_process, wasmill_timers, wasmill_watermark, wasmill_barrier, wasmill_flush, wasmill_end,
} from "../../../assemblyscript/index";

const value = new ValueTable("value");
const map = new MapTable("map");
const list = new ListTable("list");
const brief = new ValueTable("brief", Scope.Key, "1h");
const split = new MapTable("split", Scope.Split);
const union = new MapTable("union", Scope.Union);
const shared = new MapTable("shared", Scope.Broadcast);

export function say(c: Context, text: Bytes): void {
  const r = new Record();
  r.timestamp = NO_TIMESTAMP;
  r.key = c.key;
  r.value = text;
  c.emit(r);
}

function sayIf(c: Context, value: Bytes): void { say(c, value.isNull ? Bytes.of("-") : value); }

class Guest extends Operator {
  stateVersion: u32 = 2;
  private cached: string = "";

  describe(): string {
    return '{"abi":1,"name":"tck-state","shape":"process","inputs":["in","rules"],"outputs":["out"],' +
      '"config":{"type":"object","properties":{"open":{"type":"string"}},"additionalProperties":false}}';
  }

  broadcast(input: i32): bool { return input == 1; }

  open(c: Context): void { this.run(c, Bytes.of(jsonString(jsonField(c.config, "open")))); }

  process(c: Context, r: Record): void { this.run(c, r.value); }

  timer(c: Context, t: Timer): void {
    say(c, Bytes.of(`timer ${t.domain} ${t.at} ${t.tag.toString()}`));
    this.run(c, t.tag);
  }

  watermark(c: Context, ts: i64): void { say(c, Bytes.of(`watermark ${ts}`)); }

  barrier(c: Context, checkpoint: i64): void {
    if (this.cached.length) split.set(c, Bytes.of("cached"), Bytes.of(this.cached));
    say(c, Bytes.of(`barrier ${checkpoint}`));
  }

  flush(c: Context): void { say(c, Bytes.of("flush")); }
  end(c: Context): void { say(c, Bytes.of("end")); }

  migrate(c: Context, table: Table, version: u32, value: Bytes): Bytes {
    return table === list ? value : Bytes.of(`v${version}:${value.toString()}`);
  }

  /** Does one command. */
  private run(c: Context, command: Bytes): void {
    const word = words(command, 5), what = word[0].toString();
    if (what == "watermark") say(c, Bytes.of(c.watermark().toString()));
    else if (what == "cache") this.cached = word[1].toString();
    else if (what == "timer") onTimer(c, word);
    else if (what == "value") onValue(c, value, word);
    else if (what == "brief") onValue(c, brief, word);
    else if (what == "map") onMap(c, map, word);
    else if (what == "split") onMap(c, split, word);
    else if (what == "union") onMap(c, union, word);
    else if (what == "shared") onMap(c, shared, word);
    else if (what == "list") onList(c, word);
    else if (what == "raw") raw(c, command);
  }
}

/** The words of a text, n of them; the last is the rest. */
export function words(text: Bytes, n: i32): Bytes[] {
  const all: Bytes[] = [];
  let from = text.ptr;
  const end = text.ptr + text.len;
  while (all.length < n) {
    let at = from;
    while (at < end && (all.length == n - 1 || load<u8>(at) != 32)) at++;
    all.push(new Bytes(from, <u32>(at - from)));
    from = min(at + 1, end);
  }
  return all;
}

export function number(b: Bytes): i64 { return b.len ? i64.parse(b.toString()) : 0; }

function onTimer(c: Context, word: Bytes[]): void {
  const domain = <Domain>number(word[2]);
  if (word[1].is("set")) c.setTimer(domain, number(word[3]), word[4]);
  else if (word[1].is("delete")) c.deleteTimer(domain, number(word[3]), word[4]);
}

function onValue(c: Context, t: ValueTable, word: Bytes[]): void {
  if (word[1].is("get")) sayIf(c, t.get(c));
  else if (word[1].is("set")) t.set(c, word[2]);
  else if (word[1].is("clear")) t.clear(c);
}

function onMap(c: Context, t: MapTable, word: Bytes[]): void {
  const what = word[1].toString();
  if (what == "get") sayIf(c, t.get(c, word[2]));
  else if (what == "set") t.set(c, word[2], word[3]);
  else if (what == "remove") t.remove(c, word[2]);
  else if (what == "clear") t.clear(c);
  else if (what == "all") {
    for (const e = t.entries(c); e.next();) say(c, Bytes.of(e.sub.toString() + "=" + e.value.toString()));
  } else if (what == "fill") {
    const n = number(word[2]), x = Bytes.of("x".repeat(<i32>number(word[3])));
    for (let i: i64 = 0; i < n; i++) t.set(c, Bytes.of((100000 + i).toString()), x);
  } else if (what == "size") {
    let entries = 0, size = 0;
    for (const e = t.entries(c); e.next(); entries++) size += e.value.len;
    say(c, Bytes.of(`${entries} ${size}`));
  }
}

function onList(c: Context, word: Bytes[]): void {
  if (word[1].is("add")) list.add(c, word[2]);
  else if (word[1].is("clear")) list.clear(c);
  else if (word[1].is("all")) for (const e = list.elements(c); e.next();) say(c, e.value);
}

register(new Guest());
