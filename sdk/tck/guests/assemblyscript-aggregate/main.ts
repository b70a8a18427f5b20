// The aggregate guest of sdk/tck in AssemblyScript.
import { Aggregate, Bytes, Context, NO_TIMESTAMP, Record, Window, register } from "../../../assemblyscript/index";
export { wasmill_describe, wasmill_alloc, wasmill_open, wasmill_accumulate, wasmill_merge, wasmill_finish } from "../../../assemblyscript/index";

@external("wasmill", "get") declare function hostGet(table: i32, key: usize, keyLen: u32, sub: usize, subLen: u32, out: usize, room: u32): i64;

class Stats {
  count: i64 = 0;
  sum: i64 = 0;
  min: i64 = i64.MAX_VALUE;
  max: i64 = i64.MIN_VALUE;
}

class Guest extends Aggregate<Stats> {
  describe(): string { return '{"abi":1,"name":"tck-aggregate","shape":"aggregate","inputs":["in"],"outputs":["out"]}'; }

  add(c: Context, s: Stats, r: Record): void {
    const first = r.value.toString().split(" ")[0];
    if (first == "reject") return c.reject("no number");
    if (first == "fail") return c.fail("as asked");
    if (first == "emit") return c.emit(r);
    if (first == "state") {
      hostGet(0, 0, 0, 0, 0, 0, 0);
      return;
    }
    const n = i64.parse(first);
    s.count++;
    s.sum += n;
    s.min = min(s.min, n);
    s.max = max(s.max, n);
  }

  merge(c: Context, s: Stats, other: Stats): void {
    s.count += other.count;
    s.sum += other.sum;
    s.min = min(s.min, other.min);
    s.max = max(s.max, other.max);
  }

  finish(c: Context, w: Window, s: Stats): void {
    const r = new Record();
    r.timestamp = NO_TIMESTAMP;
    r.key = w.key;
    r.value = Bytes.of(`${w.start} ${w.end} ${w.firing} ${s.count} ${s.sum} ${s.min} ${s.max}`);
    c.emit(r);
  }
}

register(new Guest());
