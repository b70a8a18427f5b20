// The process guest of sdk/tck in AssemblyScript.
import { Context, Level, NO_TIMESTAMP, Operator, Record, jsonField, jsonString, register } from "../../../assemblyscript/index";
export { wasmill_describe, wasmill_alloc, wasmill_open, wasmill_process, wasmill_flush, wasmill_end } from "../../../assemblyscript/index";

function numberOf(r: Record): i64 { return i64.parse(r.value.toString()); }

function emit(c: Context, r: Record, value: string): void { emitBytes(c, r, String.UTF8.encode(value)); }

function emitBytes(c: Context, r: Record, value: ArrayBuffer): void {
  r.value.set(value);
  c.emit(r);
}

class Guest extends Operator {
  processed: i64 = 0;
  sum: i64 = 0;
  prefix: string = "";
  held: ArrayBuffer[] = [];

  describe(): string {
    return '{"abi":1,"name":"tck","version":"1","shape":"process","inputs":["left","right"],"outputs":["out","side"],"keepsKey":true,' +
      '"config":{"type":"object","properties":{"prefix":{"type":"string"}},"additionalProperties":false}}';
  }

  open(c: Context): void { this.prefix = jsonString(jsonField(c.config, "prefix")); }

  process(c: Context, r: Record): void {
    this.processed++;
    const k = r.key;
    if (k.is("side")) c.emit(r, 1);
    else if (k.is("both")) {
      c.emit(r);
      c.emit(r, 1);
    } else if (k.is("none")) return;
    else if (k.is("input")) emit(c, r, c.input.toString());
    else if (k.is("partition")) c.emit(r, 0, <i32>numberOf(r));
    else if (k.is("reject")) c.reject(r.value.toString());
    else if (k.is("fail")) c.fail(r.value.toString());
    else if (k.is("trap")) unreachable();
    else if (k.is("log")) c.log(Level.Warn, r.value.toString());
    else if (k.is("metric")) {
      c.count("tck.count");
      c.gauge("tck.gauge", 2.5);
      c.observe("tck.histogram", 3);
    } else if (k.is("now")) emit(c, r, c.now().toString());
    else if (k.is("config")) emit(c, r, this.prefix);
    else if (k.is("settings")) {
      emit(c, r, `${c.operator} ${c.subtask} ${c.parallelism} ${c.maxParallelism} ${c.restored}`);
    } else if (k.is("large")) {
      const x = new ArrayBuffer(<i32>numberOf(r));
      memory.fill(changetype<usize>(x), 0x78, x.byteLength);
      emitBytes(c, r, x);
    } else if (k.is("many")) {
      const n = numberOf(r);
      for (let i: i64 = 0; i < n; i++) emit(c, r, i.toString());
    } else if (k.is("sum")) emit(c, r, (this.sum += numberOf(r)).toString());
    else if (k.is("hold")) this.held.push(r.value.toBuffer());
    else c.emit(r);
  }

  flush(c: Context): void {
    const r = new Record();
    const key = String.UTF8.encode("held");
    r.key.set(key);
    for (let i = 0; i < this.held.length; i++) emitBytes(c, r, this.held[i]);
    this.held = [];
  }

  end(c: Context): void {
    const r = new Record();
    const key = String.UTF8.encode("ended");
    r.timestamp = NO_TIMESTAMP;
    r.key.set(key);
    emit(c, r, this.processed.toString());
  }
}

register(new Guest());
