// The imports as sdk/abi.md has them.
import { Bytes, Context } from "../../../assemblyscript/index";
import { number, say, words } from "./main";

@external("wasmill", "get") declare function hostGet(table: i32, key: usize, keyLen: u32, sub: usize, subLen: u32, out: usize, room: u32): i64;
@external("wasmill", "put") declare function hostPut(table: i32, key: usize, keyLen: u32, sub: usize, subLen: u32, value: usize, valueLen: u32): void;
@external("wasmill", "append") declare function hostAppend(table: i32, key: usize, keyLen: u32, sub: usize, subLen: u32, value: usize, valueLen: u32): void;
@external("wasmill", "delete") declare function hostDelete(table: i32, key: usize, keyLen: u32, sub: usize, subLen: u32): void;
@external("wasmill", "scan") declare function hostScan(table: i32, key: usize, keyLen: u32, from: usize, fromLen: u32, to: usize, toLen: u32, out: usize, room: u32): i64;
@external("wasmill", "state") declare function hostState(request: usize, len: u32, out: usize, room: u32): i64;
@external("wasmill", "timer_set") declare function hostTimerSet(domain: i32, at: i64, key: usize, keyLen: u32, tag: usize, tagLen: u32): void;
@external("wasmill", "timer_delete") declare function hostTimerDelete(domain: i32, at: i64, key: usize, keyLen: u32, tag: usize, tagLen: u32): void;
@external("wasmill", "reply") declare function hostReply(ptr: usize, len: u32): void;

function room(size: Bytes): ArrayBuffer {
  const out = new ArrayBuffer(<i32>number(size));
  memory.fill(changetype<usize>(out), 46, out.byteLength);
  return out;
}

function answer(c: Context, result: i64, out: ArrayBuffer): void {
  const head = String.UTF8.encode(result.toString() + " ");
  const all = new ArrayBuffer(head.byteLength + out.byteLength), text = new Bytes();
  memory.copy(changetype<usize>(all), changetype<usize>(head), head.byteLength);
  memory.copy(changetype<usize>(all) + head.byteLength, changetype<usize>(out), out.byteLength);
  text.set(all);
  say(c, text);
}

/** Calls an import, as the words behind raw say. */
export function raw(c: Context, command: Bytes): void {
  const word = words(command, 6), what = word[1].toString();
  const k = c.key, s = word[3], v = word[4];
  if (what == "state") {
    const w = words(command, 4), out = room(w[2]);
    return answer(c, hostState(w[3].ptr, w[3].len, changetype<usize>(out), out.byteLength), out);
  }
  if (what == "wild") return wild(word[2].toString());
  if (what == "reply") return hostReply(s.ptr, s.len);
  if (what == "overlap") {
    const both = new ArrayBuffer(32), at = changetype<usize>(both);
    hostState(at, 17, at + 16, 16);
    return;
  }
  const table = <i32>number(word[2]);
  if (what == "get") {
    const out = room(v);
    answer(c, hostGet(table, k.ptr, k.len, s.ptr, s.len, changetype<usize>(out), out.byteLength), out);
  } else if (what == "put") hostPut(table, k.ptr, k.len, s.ptr, s.len, v.ptr, v.len);
  else if (what == "append") hostAppend(table, k.ptr, k.len, s.ptr, s.len, v.ptr, v.len);
  else if (what == "delete") hostDelete(table, k.ptr, k.len, s.ptr, s.len);
  else if (what == "scan") {
    const out = room(word[5]), to = v.is("*") ? u32.MAX_VALUE : v.len;
    answer(c, hostScan(table, k.ptr, k.len, s.ptr, s.len, v.ptr, to, changetype<usize>(out), out.byteLength), out);
  }
}

/** Calls an import whose last pointer is outside of memory. */
function wild(name: string): void {
  const far: usize = 0xfffffff0, len: u32 = 32;
  if (name == "get") hostGet(0, 0, 0, 0, 0, far, len);
  else if (name == "put") hostPut(0, 0, 0, 0, 0, far, len);
  else if (name == "append") hostAppend(0, 0, 0, 0, 0, far, len);
  else if (name == "delete") hostDelete(0, 0, 0, far, len);
  else if (name == "scan") hostScan(0, 0, 0, 0, 0, 0, 0, far, len);
  else if (name == "state") hostState(0, 0, far, len);
  else if (name == "timer_set") hostTimerSet(0, 1, 0, 0, far, len);
  else if (name == "timer_delete") hostTimerDelete(0, 1, 0, 0, far, len);
  else if (name == "reply") hostReply(far, len);
}
