// The smallest operator: what comes in goes out.
import { Context, Operator, Record, register } from "../../index";
export { wasmill_describe, wasmill_alloc, wasmill_open, wasmill_process } from "../../index";

class Pass extends Operator {
  describe(): string { return '{"abi":1,"name":"pass","shape":"process","inputs":["in"],"outputs":["out"]}'; }
  process(c: Context, r: Record): void { c.emit(r); }
}

register(new Pass());
