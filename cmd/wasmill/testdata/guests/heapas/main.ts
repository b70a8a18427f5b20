// heapas folds the values of each key in a Map under an incremental garbage collector, and
// gives out what it knows when the input ends.
import { Bytes, Context, NO_TIMESTAMP, Operator, Record, register } from "../../../../../sdk/assemblyscript/index";
export { wasmill_describe, wasmill_alloc, wasmill_open, wasmill_process, wasmill_end } from "../../../../../sdk/assemblyscript/index";

class Known {
  count: u64 = 0;
  sum: u64 = 0;
  recent: string[] = [];
}

const keys = new Map<string, Known>();

class Fold extends Operator {
  describe(): string { return '{"abi":1,"name":"heapas","shape":"process","inputs":["in"],"outputs":["out"]}'; }

  process(c: Context, r: Record): void {
    const key = r.key.toString();
    if (!keys.has(key)) keys.set(key, new Known());
    const k = keys.get(key);
    let hash: u64 = 14695981039346656037;
    for (let i: u32 = 0; i < r.value.len; i++) hash = (hash ^ <u64>load<u8>(r.value.ptr + i)) * 1099511628211;
    k.count++;
    k.sum += hash * (<u64>r.timestamp | 1);
    if (k.recent.length > 10) k.recent = [];
    k.recent.push(r.value.toString());
  }

  end(c: Context): void {
    const names = keys.keys();
    names.sort();
    for (let i = 0; i < names.length; i++) {
      const k = keys.get(names[i]);
      const r = new Record();
      r.timestamp = NO_TIMESTAMP;
      r.key = Bytes.of(names[i]);
      r.value = Bytes.of(`${names[i]} ${k.count} ${k.sum}`);
      c.emit(r);
    }
  }
}

register(new Fold());
