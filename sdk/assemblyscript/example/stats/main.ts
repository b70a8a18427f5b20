// The number, the sum and the largest of a window's values, which are numbers.
import { Aggregate, Bytes, Context, Record, Window, register } from "../../index";
export { wasmill_describe, wasmill_alloc, wasmill_open, wasmill_accumulate, wasmill_merge, wasmill_finish } from "../../index";

class Sum {
  count: i64 = 0;
  sum: i64 = 0;
  largest: i64 = i64.MIN_VALUE;
}

class Stats extends Aggregate<Sum> {
  describe(): string { return '{"abi":1,"name":"stats","shape":"aggregate","inputs":["in"],"outputs":["out"],"keepsKey":true}'; }

  add(c: Context, acc: Sum, r: Record): void {
    if (!r.value.len) return c.reject("no number");
    const v = i64.parse(r.value.toString());
    acc.count++;
    acc.sum += v;
    acc.largest = max(acc.largest, v);
  }

  merge(c: Context, acc: Sum, other: Sum): void {
    acc.count += other.count;
    acc.sum += other.sum;
    acc.largest = max(acc.largest, other.largest);
  }

  finish(c: Context, w: Window, acc: Sum): void {
    const r = new Record();
    r.key = w.key;
    r.value = Bytes.of(`${acc.count} ${acc.sum} ${acc.largest}`);
    c.emit(r);
  }
}

register(new Stats());
