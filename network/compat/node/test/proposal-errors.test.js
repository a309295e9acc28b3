// How evaluating and endorsing fail: applications read the class, the gRPC code, and the details.
import assert from "node:assert/strict";
import { test } from "node:test";
import { status as Code } from "@grpc/grpc-js";
import { benchOf, gatewayOf, signerOf } from "../lib/connect.js";
import { assertDetail, assertGatewayError, failure, unique } from "../lib/expect.js";
import { BENCH, CHANNEL, administrator, named } from "../lib/network.js";

const SEE_DETAILS = /failed to endorse transaction, see attached details for more info/;
const past = () => ({ deadline: Date.now() - 1 });

function bench(t, { who = "client-p256", channel = CHANNEL, chaincode = BENCH, ...options } = {}) {
  return gatewayOf(t, who, options).getNetwork(channel).getContract(chaincode);
}

async function assertEvaluateFails(contract, expected) {
  const error = await failure(contract.evaluateTransaction("get", unique("absent")));
  assertGatewayError(error, { kind: "GatewayError", ...expected });
  return error;
}

async function assertEndorseFails(contract, expected) {
  const proposal = contract.newProposal("put", { arguments: [unique("refused"), "x"] });
  const error = await failure(proposal.endorse());
  assertGatewayError(error, { kind: "EndorseError", ...expected });
  assert.equal(error.transactionId, proposal.getTransactionId());
  return error;
}

test("a chaincode's refusal reaches the evaluating client as UNKNOWN with its text", async (t) => {
  const error = await assertEvaluateFails(bench(t), {
    code: Code.UNKNOWN,
    message: /evaluate call to endorser returned error: chaincode response 500, CR-CC-031 NOT_FOUND/,
  });
  assertDetail(error, { mspId: "HospitalAMSP", message: /^chaincode response 500, CR-CC-031 NOT_FOUND/ });
});

test("a chaincode's refusal reaches the endorsing client as ABORTED with its text in the details", async (t) => {
  const proposal = bench(t).newProposal("transfer", { arguments: [unique("none"), unique("none"), "1"] });
  const error = await failure(proposal.endorse());
  assertGatewayError(error, { kind: "EndorseError", code: Code.ABORTED, message: SEE_DETAILS });
  assert.equal(error.transactionId, proposal.getTransactionId());
  assertDetail(error, { mspId: "HospitalAMSP", message: /^chaincode response 500, CR-CC-031 NOT_FOUND/ });
});

test("an unknown function is the chaincode's refusal too", async (t) => {
  const error = await failure(bench(t).submitTransaction("nosuch"));
  assertGatewayError(error, { kind: "EndorseError", code: Code.ABORTED, message: SEE_DETAILS });
  assertDetail(error, { mspId: "HospitalAMSP", message: /^chaincode response 500, CR-CC-/ });
});

test("a deadline that has passed ends evaluating and endorsing with DEADLINE_EXCEEDED", async (t) => {
  const late = benchOf(t, "client-p256", { evaluateOptions: past, endorseOptions: past });
  await assertEvaluateFails(late, { code: Code.DEADLINE_EXCEEDED, message: /DEADLINE_EXCEEDED/ });
  await assertEndorseFails(late, { code: Code.DEADLINE_EXCEEDED, message: /DEADLINE_EXCEEDED/ });
});

test("an unknown chaincode is a failed precondition", async (t) => {
  const contract = bench(t, { chaincode: "nosuch" });
  await assertEvaluateFails(contract, {
    code: Code.FAILED_PRECONDITION,
    message: /no peers available to evaluate chaincode nosuch in channel care/,
  });
  await assertEndorseFails(contract, {
    code: Code.FAILED_PRECONDITION,
    message: /no combination of peers can be derived which satisfy the endorsement policy/,
  });
});

test("an unknown channel is a failed precondition", async (t) => {
  const contract = bench(t, { channel: "nowhere" });
  await assertEvaluateFails(contract, {
    code: Code.FAILED_PRECONDITION,
    message: /no peers available to evaluate chaincode bench in channel nowhere/,
  });
  await assertEndorseFails(contract, {
    code: Code.FAILED_PRECONDITION,
    message: /no combination of peers can be derived which satisfy the endorsement policy/,
  });
});

test("an endorsing organisation without peers is unavailable", async (t) => {
  const proposal = bench(t).newProposal("put", {
    arguments: [unique("outside"), "x"],
    endorsingOrganizations: ["HospitalAMSP", "OutsideMSP"],
  });
  assertGatewayError(await failure(proposal.endorse()), {
    kind: "EndorseError",
    code: Code.UNAVAILABLE,
    message: /failed to find any endorsing peers for org\(s\): OutsideMSP/,
  });
});

test("an identity of an organisation outside the channel is denied", async (t) => {
  const contract = bench(t, { who: "outsider" });
  const denied = /access denied/;
  await assertEvaluateFails(contract, { code: Code.FAILED_PRECONDITION, message: denied });
  const error = await assertEndorseFails(contract, { code: Code.ABORTED, message: SEE_DETAILS });
  assertDetail(error, { mspId: "HospitalAMSP", message: denied });
});

test("an orderer organisation's administrator is no writer of the application", async (t) => {
  const contract = bench(t, { who: administrator("Orderer") });
  await assertEvaluateFails(contract, { code: Code.FAILED_PRECONDITION, message: /evaluate call to endorser returned error/ });
  const error = await assertEndorseFails(contract, { code: Code.ABORTED, message: SEE_DETAILS });
  assertDetail(error, { mspId: "HospitalAMSP", message: /Writers|access denied/ });
});

test("a proposal signed with another key is denied", async (t) => {
  const contract = bench(t, { signer: signerOf(named("users", "registrar")) });
  const denied = /access denied/;
  await assertEvaluateFails(contract, { code: Code.FAILED_PRECONDITION, message: denied });
  const error = await assertEndorseFails(contract, { code: Code.ABORTED, message: SEE_DETAILS });
  assertDetail(error, { mspId: "HospitalAMSP", message: denied });
});

test("a committed proposal cannot be endorsed again", async (t) => {
  const contract = bench(t);
  const proposal = contract.newProposal("put", { arguments: [unique("twice"), "x"] });
  await (await (await proposal.endorse()).submit()).getStatus();
  const error = await failure(proposal.endorse());
  assertGatewayError(error, { kind: "EndorseError", code: Code.ABORTED, message: SEE_DETAILS });
  assertDetail(error, { mspId: "HospitalAMSP", message: /duplicate transaction found/ });
});
