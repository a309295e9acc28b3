// How submitting and committing fail.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as grpc from "@grpc/grpc-js";
import { CommitError, StatusCode } from "@hyperledger/fabric-gateway";
import { gateway as messages, msp } from "@hyperledger/fabric-protos";
import { benchOf, gatewayOf, identityOf, soon } from "../lib/connect.js";
import { assertGatewayError, failure, text, unique } from "../lib/expect.js";
import { BENCH, CHANNEL, named } from "../lib/network.js";

const Code = grpc.status;
const UNSUBMITTED = "ab".repeat(32);

/** Two accounts with 100 each. */
async function accounts(bench) {
  const names = [unique("alice"), unique("bob")];
  for (const name of names) await bench.submitTransaction("put", name, "100");
  return names;
}

/** Call options that run `action` after endorsing, before the envelope leaves the client. */
function afterEndorsing(action) {
  const interceptor = (options, next) =>
    new grpc.InterceptingCall(next(options), {
      start: (metadata, listener, start) => void action().then(() => start(metadata, listener)),
    });
  return () => ({ ...soon(), interceptors: [interceptor] });
}

/** A question for the commit status of a transaction that was never submitted. */
function commitOf(gateway, who, channel) {
  const creator = new msp.SerializedIdentity();
  const { mspId, credentials } = identityOf(named("users", who));
  creator.setMspid(mspId);
  creator.setIdBytes(credentials);
  const request = new messages.CommitStatusRequest();
  request.setChannelId(channel);
  request.setTransactionId(UNSUBMITTED);
  request.setIdentity(creator.serializeBinary());
  const signed = new messages.SignedCommitStatusRequest();
  signed.setRequest(request.serializeBinary());
  return gateway.newCommit(signed.serializeBinary());
}

test("of two transfers endorsed on the same state the second is an MVCC conflict", async (t) => {
  const bench = benchOf(t, "client-p256");
  const [from, to] = await accounts(bench);
  const endorse = (amount) => bench.newProposal("transfer", { arguments: [from, to, amount] }).endorse();
  const [first, second] = await Promise.all([endorse("10"), endorse("20")]);
  const winner = await (await first.submit()).getStatus();
  assert.equal(winner.code, StatusCode.VALID);
  const loser = await (await second.submit()).getStatus();
  assert.equal(loser.code, StatusCode.MVCC_READ_CONFLICT);
  assert.equal(loser.successful, false);
  assert.equal(text(await bench.evaluateTransaction("get", from)), "90");
  assert.equal(text(await bench.evaluateTransaction("get", to)), "110");
});

test("a submit that loses an MVCC conflict throws a CommitError with the code and the transaction's id", async (t) => {
  const quick = benchOf(t, "client-p256");
  const [from, to] = await accounts(quick);
  const overtake = () => quick.submitTransaction("transfer", from, to, "10");
  const slow = benchOf(t, "client-p384", { submitOptions: afterEndorsing(overtake) });
  const error = await failure(slow.submitTransaction("transfer", from, to, "20"));
  assert.ok(error instanceof CommitError, String(error.stack));
  assert.equal(error.code, StatusCode.MVCC_READ_CONFLICT);
  assert.match(error.transactionId, /^[0-9a-f]{64}$/);
  assert.match(error.message, /MVCC_READ_CONFLICT/);
});

test("many transfers on the same accounts at once: each is committed or a conflict, and no money is lost", async (t) => {
  const bench = benchOf(t, "client-p256");
  const [from, to] = await accounts(bench);
  const results = await Promise.allSettled(
    Array.from({ length: 20 }, () => bench.submitTransaction("transfer", from, to, "1")),
  );
  const refused = results.filter((result) => result.status === "rejected").map((result) => result.reason);
  for (const error of refused) {
    assert.ok(error instanceof CommitError, String(error.stack));
    assert.equal(error.code, StatusCode.MVCC_READ_CONFLICT);
  }
  const moved = results.length - refused.length;
  assert.ok(moved >= 1);
  assert.equal(text(await bench.evaluateTransaction("get", from)), String(100 - moved));
  assert.equal(text(await bench.evaluateTransaction("get", to)), String(100 + moved));
});

test("a transaction that is sent twice is a duplicate at its second place", async (t) => {
  const gateway = gatewayOf(t, "client-p256");
  const bench = gateway.getNetwork(CHANNEL).getContract(BENCH);
  const transaction = await bench.newProposal("put", { arguments: [unique("duplicate"), "x"] }).endorse();
  const first = await (await transaction.submit()).getStatus();
  assert.equal(first.code, StatusCode.VALID);
  await transaction.submit();
  await bench.submitTransaction("put", unique("behind"), "x");
  const again = await (await transaction.submit()).getStatus();
  assert.deepEqual(again, first);
});

test("an unsigned transaction is a SubmitError", async (t) => {
  const gateway = gatewayOf(t, "client-p256");
  const proposal = gateway.getNetwork(CHANNEL).getContract(BENCH).newProposal("put", {
    arguments: [unique("unsigned"), "x"],
  });
  const endorsed = await proposal.endorse();
  const silent = gatewayOf(t, "client-p256", { signer: async () => new Uint8Array(0) });
  const error = await failure(silent.newTransaction(endorsed.getBytes()).submit());
  assertGatewayError(error, {
    kind: "SubmitError",
    code: Code.INVALID_ARGUMENT,
    message: /prepared transaction must be signed/,
  });
  assert.equal(error.transactionId, proposal.getTransactionId());
});

test("a transaction with a wrong signature is refused by the orderer", async (t) => {
  const gateway = gatewayOf(t, "client-p256");
  const proposal = gateway.getNetwork(CHANNEL).getContract(BENCH).newProposal("put", {
    arguments: [unique("forged"), "x"],
  });
  const endorsed = await proposal.endorse();
  const forged = gateway.newSignedTransaction(endorsed.getBytes(), Buffer.from("not a signature"));
  const error = await failure(forged.submit());
  assertGatewayError(error, {
    kind: "SubmitError",
    code: Code.ABORTED,
    message: /received unsuccessful response from orderer: status=FORBIDDEN, info=/,
  });
  assert.equal(error.transactionId, proposal.getTransactionId());
  assert.deepEqual(error.details, []);
});

test("a submit whose deadline has passed is a SubmitError", async (t) => {
  const bench = benchOf(t, "client-p256", { submitOptions: () => ({ deadline: Date.now() - 1 }) });
  const error = await failure(bench.submitTransaction("put", unique("late"), "x"));
  assertGatewayError(error, { kind: "SubmitError", code: Code.DEADLINE_EXCEEDED, message: /DEADLINE_EXCEEDED/ });
});

test("waiting for a transaction that never comes is a CommitStatusError at the deadline", async (t) => {
  const gateway = gatewayOf(t, "client-p256");
  const commit = commitOf(gateway, "client-p256", CHANNEL);
  const error = await failure(commit.getStatus({ deadline: Date.now() + 1_000 }));
  assertGatewayError(error, { kind: "CommitStatusError", code: Code.DEADLINE_EXCEEDED, message: /DEADLINE_EXCEEDED/ });
  assert.equal(error.transactionId, UNSUBMITTED);
});

for (const [whom, who, channel] of [
  ["on an unknown channel", "client-p256", "nowhere"],
  ["for an identity outside the channel", "outsider", CHANNEL],
]) {
  test(`a commit status ${whom} is denied`, async (t) => {
    const commit = commitOf(gatewayOf(t, who), who, channel);
    const error = await failure(commit.getStatus());
    assertGatewayError(error, { kind: "CommitStatusError", code: Code.PERMISSION_DENIED, message: /PERMISSION_DENIED/ });
    assert.equal(error.transactionId, UNSUBMITTED);
  });
}
