import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { StatusCode, checkpointers } from "@hyperledger/fabric-gateway";
import { common } from "@hyperledger/fabric-protos";
import { benchOf, gatewayOf } from "../lib/connect.js";
import { streamFailure, take, unique } from "../lib/expect.js";
import { CHANNEL, HEALTH } from "../lib/network.js";
import { EVENT, register, registration } from "../lib/people.js";

const STATUS_NOT_FOUND = 404;
const STATUS_FORBIDDEN = 403;
const METADATA_SLOTS = 5;

const number = (block) => BigInt(block.getHeader().getNumber());

/** Submits one transaction; answers its id and block. */
async function put(t) {
  const submitted = await benchOf(t, "client-p256").submitAsync("put", { arguments: [unique("block"), "x"] });
  const { blockNumber, transactionId } = await submitted.getStatus();
  return { blockNumber, transactionId };
}

function transactionIds(block) {
  return block.getData().getDataList_asU8().map((bytes) => {
    const payload = common.Payload.deserializeBinary(common.Envelope.deserializeBinary(bytes).getPayload_asU8());
    return common.ChannelHeader.deserializeBinary(payload.getHeader().getChannelHeader_asU8()).getTxId();
  });
}

/** SHA-256 over the DER form of a header: SEQUENCE { INTEGER, OCTET STRING, OCTET STRING }. */
function headerHash(header) {
  const octets = (bytes) => Buffer.concat([Buffer.from([0x04, bytes.length]), bytes]);
  let digits = header.getNumber().toString(16);
  if (digits.length % 2) digits = `0${digits}`;
  if (parseInt(digits.slice(0, 2), 16) > 0x7f) digits = `00${digits}`;
  const integer = Buffer.from(digits, "hex");
  const body = Buffer.concat([
    Buffer.from([0x02, integer.length]),
    integer,
    octets(Buffer.from(header.getPreviousHash_asU8())),
    octets(Buffer.from(header.getDataHash_asU8())),
  ]);
  return createHash("sha256").update(Buffer.from([0x30, body.length])).update(body).digest();
}

test("blocks from the first on are numbered, hashed and chained as Fabric's are", async (t) => {
  const { blockNumber } = await put(t);
  const channel = gatewayOf(t, "client-p256").getNetwork(CHANNEL);
  const blocks = await take(await channel.getBlockEvents({ startBlock: 0n }), Number(blockNumber) + 1);
  blocks.forEach((block, index) => {
    assert.equal(number(block), BigInt(index));
    const data = createHash("sha256");
    for (const envelope of block.getData().getDataList_asU8()) data.update(envelope);
    assert.deepEqual(Buffer.from(block.getHeader().getDataHash_asU8()), data.digest());
    const previous = index === 0 ? Buffer.alloc(0) : headerHash(blocks[index - 1].getHeader());
    assert.deepEqual(Buffer.from(block.getHeader().getPreviousHash_asU8()), previous);
    assert.equal(block.getMetadata().getMetadataList().length, METADATA_SLOTS);
  });
});

test("a block event tells the transaction with its validation code", async (t) => {
  const { blockNumber, transactionId } = await put(t);
  const channel = gatewayOf(t, "client-p256").getNetwork(CHANNEL);
  const [block] = await take(await channel.getBlockEvents({ startBlock: blockNumber }), 1);
  const place = transactionIds(block).indexOf(transactionId);
  assert.ok(place >= 0);
  const filter = block.getMetadata().getMetadataList_asU8()[common.BlockMetadataIndex.TRANSACTIONS_FILTER];
  assert.equal(filter[place], StatusCode.VALID);
});

test("a live block stream and a live filtered one tell the next blocks", async (t) => {
  const channel = gatewayOf(t, "client-p256").getNetwork(CHANNEL);
  for (const live of [await channel.getBlockEvents(), await channel.getFilteredBlockEvents()]) {
    let hasCome = false;
    const block = take(live, 1).finally(() => (hasCome = true));
    while (!hasCome) await put(t);
    assert.equal((await block).length, 1);
  }
});

test("a block stream goes on behind a checkpointed block", async (t) => {
  const first = await put(t);
  await put(t);
  const channel = gatewayOf(t, "client-p256").getNetwork(CHANNEL);
  const checkpoint = checkpointers.inMemory();
  await checkpoint.checkpointBlock(first.blockNumber);
  const [block] = await take(await channel.getBlockEvents({ checkpoint }), 1);
  assert.equal(number(block), first.blockNumber + 1n);
  const [filtered] = await take(await channel.getFilteredBlockEvents({ checkpoint }), 1);
  assert.equal(BigInt(filtered.getNumber()), first.blockNumber + 1n);
});

test("a filtered block tells ids, codes and event names, but no payload", async (t) => {
  const gateway = gatewayOf(t, "registrar");
  const [person] = await register(await registration(gateway), 1);
  const events = await gateway.getNetwork(CHANNEL).getFilteredBlockEvents({ startBlock: person.blockNumber });
  const [block] = await take(events, 1);
  assert.equal(block.getChannelId(), CHANNEL);
  assert.equal(BigInt(block.getNumber()), person.blockNumber);
  const transactions = block.getFilteredTransactionsList();
  const transaction = transactions.find((candidate) => candidate.getTxid() === person.transactionId);
  assert.equal(transaction.getType(), common.HeaderType.ENDORSER_TRANSACTION);
  assert.equal(transaction.getTxValidationCode(), StatusCode.VALID);
  const [action] = transaction.getTransactionActions().getChaincodeActionsList();
  const event = action.getChaincodeEvent();
  assert.equal(event.getChaincodeId(), HEALTH);
  assert.equal(event.getEventName(), EVENT);
  assert.equal(event.getTxId(), person.transactionId);
  assert.equal(event.getPayload_asU8().length, 0);
});

test("a filtered block tells the code of an invalid transaction", async (t) => {
  const submitted = await benchOf(t, "client-p256").submitAsync("put", {
    arguments: [unique("invalid"), "x"],
    endorsingOrganizations: ["HospitalAMSP"],
  });
  const { blockNumber, transactionId, code } = await submitted.getStatus();
  assert.equal(code, StatusCode.ENDORSEMENT_POLICY_FAILURE);
  const channel = gatewayOf(t, "client-p256").getNetwork(CHANNEL);
  const [block] = await take(await channel.getFilteredBlockEvents({ startBlock: blockNumber }), 1);
  const transaction = block.getFilteredTransactionsList().find((candidate) => candidate.getTxid() === transactionId);
  assert.equal(transaction.getTxValidationCode(), StatusCode.ENDORSEMENT_POLICY_FAILURE);
});

test("a block with private data is the same block, and has none where no collection is written", async (t) => {
  const { blockNumber } = await put(t);
  const channel = gatewayOf(t, "client-p256").getNetwork(CHANNEL);
  const [both] = await take(await channel.getBlockAndPrivateDataEvents({ startBlock: blockNumber }), 1);
  const [block] = await take(await channel.getBlockEvents({ startBlock: blockNumber }), 1);
  assert.deepEqual(both.getBlock().serializeBinary(), block.serializeBinary());
  assert.equal(both.getPrivateDataMapMap().getLength(), 0);
});

test("a start far behind the end is refused with NOT_FOUND", async (t) => {
  const channel = gatewayOf(t, "client-p256").getNetwork(CHANNEL);
  const error = await streamFailure(await channel.getBlockEvents({ startBlock: 1_000_000n }));
  assert.match(error.message, new RegExp(`Unexpected status response: ${STATUS_NOT_FOUND}`));
});

test("an unknown channel is refused with NOT_FOUND", async (t) => {
  const error = await streamFailure(await gatewayOf(t, "client-p256").getNetwork("nowhere").getBlockEvents());
  assert.match(error.message, new RegExp(`Unexpected status response: ${STATUS_NOT_FOUND}`));
});

test("blocks and filtered blocks are forbidden to an identity outside the channel", async (t) => {
  const channel = gatewayOf(t, "outsider").getNetwork(CHANNEL);
  for (const events of [await channel.getBlockEvents(), await channel.getFilteredBlockEvents()]) {
    const error = await streamFailure(events);
    assert.match(error.message, new RegExp(`Unexpected status response: ${STATUS_FORBIDDEN}`));
  }
});
