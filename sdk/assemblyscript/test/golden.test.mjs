// The golden vectors of runtime/record, through a guest that reads and writes every record.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { open } from "../harness.mjs";

const wasm = await readFile(new URL("../example/pass.wasm", import.meta.url));
const golden = JSON.parse(await readFile(new URL("../../../runtime/record/testdata/golden.json", import.meta.url)));

test("describes itself", async () => {
  assert.equal((await open(wasm)).describe().name, "pass");
});

for (const { name, hex } of golden.valid) {
  test(`valid: ${name}`, async () => {
    const h = await open(wasm);
    assert.equal(h.process(0, Buffer.from(hex, "hex")), 0);
    const got = Buffer.concat((h.outputs[0] ?? []).map((e) => e.batch));
    assert.equal(got.toString("hex"), hex);
  });
}

for (const { name, hex, reason } of golden.malformed) {
  test(`malformed: ${name} (${reason})`, async () => {
    const h = await open(wasm);
    assert.throws(() => h.process(0, Buffer.from(hex, "hex")), /malformed|timestamp/);
  });
}
