import assert from "node:assert/strict";
import { test } from "node:test";
import { CommitError, StatusCode } from "@hyperledger/fabric-gateway";
import { benchOf } from "../lib/connect.js";
import { failure, text, unique } from "../lib/expect.js";
import { named } from "../lib/network.js";

test("what is submitted can be evaluated, at the submitting and at the other organisation", async (t) => {
  const key = unique("submit");
  const bench = benchOf(t, "client-p256");
  assert.equal(text(await bench.submitTransaction("put", key, "value")), "");
  assert.equal(text(await bench.evaluateTransaction("get", key)), "value");
  // The other organisation's peer may be a block behind: a submit through it waits for its own commit.
  const other = benchOf(t, "client-ed25519");
  await other.submitTransaction("put", unique("wait"), "x");
  assert.equal(text(await other.evaluateTransaction("get", key)), "value");
});

test("an async submit answers the result at once, and its commit status later", async (t) => {
  const bench = benchOf(t, "client-p256");
  const [from, to] = [unique("from"), unique("to")];
  await bench.submitTransaction("put", from, "10");
  await bench.submitTransaction("put", to, "0");
  const submitted = await bench.submitAsync("transfer", { arguments: [from, to, "4"] });
  assert.equal(text(submitted.getResult()), "");
  assert.match(submitted.getTransactionId(), /^[0-9a-f]{64}$/);
  const status = await submitted.getStatus();
  assert.equal(status.code, StatusCode.VALID);
  assert.equal(status.successful, true);
  assert.equal(status.transactionId, submitted.getTransactionId());
  assert.ok(status.blockNumber > 0n);
  assert.equal(text(await bench.evaluateTransaction("get", from)), "6");
  assert.equal(text(await bench.evaluateTransaction("get", to)), "4");
});

test("transactions that each build on the last one's commit are endorsed, though the other peer may lag", async (t) => {
  const bench = benchOf(t, "client-p256");
  const [from, to] = [unique("from"), unique("to")];
  await bench.submitTransaction("put", from, "40");
  await bench.submitTransaction("put", to, "0");
  for (let step = 0; step < 40; step += 1) await bench.submitTransaction("transfer", from, to, "1");
  assert.equal(text(await bench.evaluateTransaction("get", to)), "40");
});

test("the commit status of an old transaction is answered at once, and again", async (t) => {
  const bench = benchOf(t, "client-p256");
  const submitted = await bench.submitAsync("put", { arguments: [unique("old"), "x"] });
  const first = await submitted.getStatus();
  const again = await submitted.getStatus({ deadline: Date.now() + 2_000 });
  assert.deepEqual(again, first);
});

test("a transaction's result is known before it is ordered", async (t) => {
  const bench = benchOf(t, "client-p256");
  const key = unique("result");
  await bench.submitTransaction("put", key, "endorsed");
  const transaction = await bench.newProposal("get", { arguments: [key] }).endorse();
  assert.equal(text(transaction.getResult()), "endorsed");
});

test("arguments are bytes, and a value comes back as it went in", async (t) => {
  const bench = benchOf(t, "client-p256");
  const key = unique("bytes");
  const value = Uint8Array.from({ length: 256 }, (_, byte) => byte);
  await bench.submit("put", { arguments: [key, value] });
  assert.deepEqual(new Uint8Array(await bench.evaluate("get", { arguments: [key] })), value);
});

test("transient data goes along with a proposal and does not reach the ledger's transaction", async (t) => {
  const bench = benchOf(t, "client-p256");
  const secret = unique("secret");
  const proposal = bench.newProposal("put", {
    arguments: [unique("transient"), "x"],
    transientData: { secret },
    endorsingOrganizations: ["HospitalAMSP", "HospitalBMSP"],
  });
  assert.ok(Buffer.from(proposal.getBytes()).includes(secret));
  const transaction = await proposal.endorse();
  assert.ok(!Buffer.from(transaction.getBytes()).includes(secret));
  const status = await (await transaction.submit()).getStatus();
  assert.equal(status.code, StatusCode.VALID);
});

test("the client chooses the endorsing organisations, and too few of them do not commit", async (t) => {
  const bench = benchOf(t, "client-p256");
  const put = (endorsingOrganizations) =>
    bench.submit("put", { arguments: [unique("orgs"), "x"], endorsingOrganizations });
  await put(["HospitalAMSP", "HospitalBMSP"]);
  const error = await failure(put(["HospitalBMSP"]));
  assert.ok(error instanceof CommitError, String(error.stack));
  assert.equal(error.code, StatusCode.ENDORSEMENT_POLICY_FAILURE);
});

test("a client may show a TLS certificate of its own", async (t) => {
  const bench = benchOf(t, "client-p256", { tlsUser: named("users", "client-p256") });
  await bench.submitTransaction("put", unique("mutual"), "x");
});
