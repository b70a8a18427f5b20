// Tables, timers and windows, through the examples.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { group, open, parts, record } from "../harness.mjs";

const load = (name) => readFile(new URL(`../example/${name}.wasm`, import.meta.url));
const [running, alarm, stats] = await Promise.all(["running", "alarm", "stats"].map(load));
const batch = (...list) => Buffer.concat(list.map(record));
const values = (h) => h.records().map((r) => r.value);
const HOUR = 3600_000n;

test("tables are described", async () => {
  const { tables, stateVersion } = (await open(alarm)).describe();
  assert.equal(stateVersion, 2);
  assert.deepEqual(tables, [
    { name: "last", scope: "key" }, { name: "log", scope: "key", ttl: "48h" },
    { name: "kinds", scope: "key" }, { name: "totals", scope: "split" },
  ]);
});

test("a value is fetched ahead and written back", async () => {
  const h = await open(running);
  const words = ["b", "a", "b", "a", "b"].map((key) => ({ key, value: "" }));
  h.process(0, batch(...words));
  const after = await open(running, { state: h.state, restored: true });
  after.process(0, batch(...words, { value: "a record without a key" }));
  assert.deepEqual(values(h), ["1", "1", "2", "2", "3"]);
  assert.deepEqual(values(after), ["4", "3", "5", "4", "6"]);
  assert.equal(after.state.get(0, "b").readBigInt64LE(), 6n);
  assert.deepEqual(after.rejected, [{ index: 5, reason: "no key" }]);
});

test("many keys", async () => {
  const h = await open(running);
  const keys = Array.from({ length: 5000 }, (_, i) => ({ key: `key ${i}`, value: "" }));
  for (let round = 1; round <= 2; round++) {
    h.outputs = [];
    h.process(0, batch(...keys));
    assert.ok(h.records().every((r) => r.value === String(round)));
  }
});

test("timers, lists and maps", async () => {
  const h = await open(alarm);
  h.process(0, batch({ key: "a", value: "x", timestamp: 0n }, { key: "b", value: "y", timestamp: 1n }, { key: "a", value: "w", timestamp: 2n }));
  assert.equal(h.state.timers.length, 2);
  h.watermark(HOUR + 1n);
  h.watermark(HOUR + 2n);
  h.watermark(1n << 60n);
  assert.deepEqual(h.records().map((r) => [r.key, r.value, r.timestamp]), [
    ["b", "silent after y of y", HOUR + 1n], ["a", "silent after x w of w x", HOUR + 2n],
  ]);
  assert.equal(h.state.get(1, "a"), undefined);
});

test("an older version's values", async () => {
  const h = await open(alarm);
  h.state.put(0, "a", "", "5", 1);
  h.state.setTimer(0, 5n + HOUR, Buffer.from("a"), Buffer.from("silent"));
  h.process(0, batch({ key: "a", value: "x", timestamp: 6n }));
  assert.deepEqual(h.state.timers.map((t) => t.at), [6n + HOUR]);
});

test("what is kept elsewhere is written at a barrier", async () => {
  const h = await open(alarm);
  h.process(0, batch({ key: "a", value: "x", timestamp: 0n }));
  assert.equal(h.state.get(3, "", "seen"), undefined);
  h.barrier(7n);
  assert.equal(h.state.get(3, "", "seen").toString(), "1");
});

test("accumulators", async () => {
  const h = await open(stats);
  const body = batch(...["3", "", "-1"].map((value) => ({ key: "k", value })));
  const [acc] = h.accumulate(group({ key: "k", body }));
  assert.deepEqual(h.rejected, [{ index: 1, reason: "no number" }]);
  const [more, other] = h.accumulate(Buffer.concat([group({ key: "k", acc, body: batch({ value: "10" }) }), group({ key: "l", body: batch({ value: "7" }) })]));
  const [both] = h.merge(group({ key: "k", body: parts([more, other, acc]) }));
  h.finish(Buffer.concat([group({ key: "k", acc: both }), group({ key: "l", acc: other })]));
  assert.deepEqual(values(h), ["6 21 10", "1 7 7"]);
  assert.throws(() => h.finish(group({ key: "k", acc: Buffer.from("short") })), /another version/);
});
