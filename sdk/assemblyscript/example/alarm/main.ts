// Says when a key has been silent: no event for an hour of event time. What keys do is in a
// log of each, which an alarm gives out and empties.
import { Bytes, Context, Domain, ListTable, MapTable, Operator, Record, Scope, Table, Timer, ValueTable, register } from "../../index";
export { wasmill_describe, wasmill_alloc, wasmill_open, wasmill_process, wasmill_timers, wasmill_watermark, wasmill_barrier } from "../../index";

const HOUR: i64 = 3600_000;

const last = new ValueTable("last");
const log = new ListTable("log", Scope.Key, "48h");
const kinds = new MapTable("kinds");
const totals = new MapTable("totals", Scope.Split);

class Alarm extends Operator {
  stateVersion: u32 = 2;
  private seen: i64 = 0;

  describe(): string { return '{"abi":1,"name":"alarm","shape":"process","inputs":["in","kinds"],"outputs":["out"],"keepsKey":true}'; }

  process(c: Context, r: Record): void {
    this.seen++;
    if (!last.get(c).isNull) c.deleteTimer(Domain.EventTime, last.getI64(c) + HOUR, Bytes.of("silent"));
    last.setI64(c, r.timestamp);
    log.add(c, r.value);
    kinds.set(c, r.value, Bytes.of("seen"));
    c.setTimer(Domain.EventTime, r.timestamp + HOUR, Bytes.of("silent"));
  }

  timer(c: Context, t: Timer): void {
    const r = new Record();
    r.timestamp = t.at;
    r.key = t.key;
    let text = t.tag.toString() + " after";
    for (const e = log.elements(c); e.next();) text += " " + e.value.toString();
    text += " of";
    for (const e = kinds.entries(c); e.next();) text += " " + e.sub.toString();
    r.value = Bytes.of(text);
    c.emit(r);
    log.clear(c);
    last.clear(c);
  }

  // Version 1 kept the time as text.
  migrate(c: Context, table: Table, version: u32, value: Bytes): Bytes {
    if (table.name != "last" || version != 1) return value;
    const now = new ArrayBuffer(8);
    store<i64>(changetype<usize>(now), i64.parse(value.toString()));
    const b = new Bytes();
    b.set(now);
    return b;
  }

  barrier(c: Context, checkpoint: i64): void { totals.set(c, Bytes.of("seen"), Bytes.of(this.seen.toString())); }
}

register(new Alarm());
