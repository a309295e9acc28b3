import assert from "node:assert/strict";
import { test } from "node:test";
import { StatusCode } from "@hyperledger/fabric-gateway";
import { benchOf } from "../lib/connect.js";
import { text, unique } from "../lib/expect.js";
import { named } from "../lib/network.js";

for (const kind of ["p256", "p384", "ed25519"]) {
  test(`a client with a key of kind ${kind} evaluates, submits and follows its commit`, async (t) => {
    const who = `client-${kind}`;
    assert.equal(named("users", who).key_kind, kind);
    const bench = benchOf(t, who);
    const key = unique(kind);
    const submitted = await bench.submitAsync("put", { arguments: [key, kind] });
    assert.equal((await submitted.getStatus()).code, StatusCode.VALID);
    assert.equal(text(await bench.evaluateTransaction("get", key)), kind);
  });
}

test("clients of all three kinds act at the same time", async (t) => {
  const submits = ["p256", "p384", "ed25519"].flatMap((kind) => {
    const bench = benchOf(t, `client-${kind}`);
    return Array.from({ length: 8 }, () => bench.submitTransaction("put", unique(kind), "x"));
  });
  await Promise.all(submits);
});
