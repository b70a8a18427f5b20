// The apply guest of sdk/tck in AssemblyScript.
import { Bytes, Context, Domain, NO_TIMESTAMP, Operator, Record, ValueTable, Window, register } from "../../../assemblyscript/index";
export { wasmill_describe, wasmill_alloc, wasmill_open, wasmill_apply } from "../../../assemblyscript/index";

const applied = new ValueTable("applied");

class Guest extends Operator {
  describe(): string { return '{"abi":1,"name":"tck-apply","shape":"apply","inputs":["left","right"],"outputs":["out"]}'; }

  apply(c: Context, w: Window): void {
    const counts: i32[] = [0, 0];
    while (w.next()) {
      const value = w.record.value;
      counts[w.input]++;
      if (value.is("fail")) return c.fail("as asked");
      if (value.is("timer")) c.setTimer(Domain.EventTime, 1, Bytes.of(""));
      if (value.len <= 100) emit(c, w, `${w.input} ${value.toString()}`);
    }
    const n = applied.getI64(c) + 1;
    applied.setI64(c, n);
    emit(c, w, `${w.start} ${w.end} ${w.firing}: ${counts[0]} ${counts[1]} ${n}`);
  }
}

function emit(c: Context, w: Window, text: string): void {
  const r = new Record();
  r.timestamp = NO_TIMESTAMP;
  r.key = w.key;
  r.value = Bytes.of(text);
  c.emit(r);
}

register(new Guest());
