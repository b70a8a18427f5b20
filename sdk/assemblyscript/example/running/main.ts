// Counts the records of each key in a table, and gives out each key's count so far.
import { Bytes, Context, Operator, Record, ValueTable, register } from "../../index";
export { wasmill_describe, wasmill_alloc, wasmill_open, wasmill_process } from "../../index";

const counts = new ValueTable("counts");

class Running extends Operator {
  describe(): string { return '{"abi":1,"name":"running","shape":"process","inputs":["in"],"outputs":["out"],"keepsKey":true}'; }

  process(c: Context, r: Record): void {
    if (r.key.isNull) return c.reject("no key");
    const n = counts.getI64(c) + 1;
    counts.setI64(c, n);
    r.value = Bytes.of(n.toString());
    c.emit(r);
  }
}

register(new Running());
