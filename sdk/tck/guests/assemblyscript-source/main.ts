// The source guest of sdk/tck in AssemblyScript.
import { Context, Operator, Record, Status, jsonField, register } from "../../../assemblyscript/index";
export { wasmill_describe, wasmill_alloc, wasmill_open, wasmill_poll } from "../../../assemblyscript/index";

class Source extends Operator {
  records: i64 = 0;
  next: i64 = 0;
  polled: bool = false;

  describe(): string {
    return '{"abi":1,"name":"tck-source","shape":"source","inputs":[],"outputs":["out"],"config":{"type":"object",' +
      '"properties":{"records":{"type":"integer","minimum":0}},"required":["records"],"additionalProperties":false}}';
  }

  open(c: Context): void { this.records = i64.parse(jsonField(c.config, "records")); }

  poll(c: Context, max: i32): Status {
    if (!this.polled) {
      this.polled = true;
      return Status.Idle;
    }
    const r = new Record();
    for (; max > 0 && this.next < this.records; max--, this.next++) {
      const key = String.UTF8.encode(this.next.toString());
      const value = String.UTF8.encode("record " + this.next.toString());
      r.timestamp = this.next;
      r.key.set(key);
      r.value.set(value);
      c.emit(r);
    }
    return this.next == this.records ? Status.End : Status.More;
  }
}

register(new Source());
