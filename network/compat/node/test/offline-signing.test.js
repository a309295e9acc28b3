// The application that talks to the peer has no key; another one signs digests.
import assert from "node:assert/strict";
import { test } from "node:test";
import { StatusCode } from "@hyperledger/fabric-gateway";
import { gatewayOf, signerOf } from "../lib/connect.js";
import { take, text, unique } from "../lib/expect.js";
import { BENCH, CHANNEL, HEALTH, named } from "../lib/network.js";
import { register, registration } from "../lib/people.js";

/** A gateway without a key, and the signature of its absent owner over anything that can be signed. */
function offline(t, who) {
  const sign = signerOf(named("users", who));
  const gateway = gatewayOf(t, who, { signer: undefined });
  return { gateway, signature: (signable) => sign(signable.getDigest()) };
}

for (const who of ["client-p256", "client-p384", "client-ed25519"]) {
  test(`proposal, transaction and commit status of ${who} are signed elsewhere`, async (t) => {
    const { gateway, signature } = offline(t, who);
    const contract = gateway.getNetwork(CHANNEL).getContract(BENCH);
    const key = unique("offline");

    const unsignedProposal = contract.newProposal("put", { arguments: [key, "signed elsewhere"] });
    const proposal = gateway.newSignedProposal(unsignedProposal.getBytes(), await signature(unsignedProposal));
    const unsignedTransaction = await proposal.endorse();
    const transaction = gateway.newSignedTransaction(
      unsignedTransaction.getBytes(),
      await signature(unsignedTransaction),
    );
    const unsignedCommit = await transaction.submit();
    const commit = gateway.newSignedCommit(unsignedCommit.getBytes(), await signature(unsignedCommit));
    const status = await commit.getStatus();
    assert.equal(status.code, StatusCode.VALID);
    assert.equal(status.transactionId, proposal.getTransactionId());

    const unsignedQuery = contract.newProposal("get", { arguments: [key] });
    const query = gateway.newSignedProposal(unsignedQuery.getBytes(), await signature(unsignedQuery));
    assert.equal(text(await query.evaluate()), "signed elsewhere");
  });
}

test("requests for chaincode events are signed elsewhere", async (t) => {
  const [person] = await register(await registration(gatewayOf(t, "registrar")), 1);
  const { gateway, signature } = offline(t, "client-p256");
  const channel = gateway.getNetwork(CHANNEL);
  const unsigned = channel.newChaincodeEventsRequest(HEALTH, { startBlock: person.blockNumber });
  const request = gateway.newSignedChaincodeEventsRequest(unsigned.getBytes(), await signature(unsigned));
  const [event] = await take(await request.getEvents(), 1);
  assert.equal(event.transactionId, person.transactionId);
});

test("requests for blocks and filtered blocks are signed elsewhere", async (t) => {
  const { gateway, signature } = offline(t, "client-p256");
  const channel = gateway.getNetwork(CHANNEL);
  const unsigned = channel.newBlockEventsRequest({ startBlock: 0n });
  const request = gateway.newSignedBlockEventsRequest(unsigned.getBytes(), await signature(unsigned));
  const [block] = await take(await request.getEvents(), 1);
  assert.equal(block.getHeader().getNumber(), 0);

  const unsignedFiltered = channel.newFilteredBlockEventsRequest({ startBlock: 0n });
  const filtered = gateway.newSignedFilteredBlockEventsRequest(
    unsignedFiltered.getBytes(),
    await signature(unsignedFiltered),
  );
  const [filteredBlock] = await take(await filtered.getEvents(), 1);
  assert.equal(filteredBlock.getChannelId(), CHANNEL);
});
