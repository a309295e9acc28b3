import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { checkpointers } from "@hyperledger/fabric-gateway";
import { status as Code } from "@grpc/grpc-js";
import { gatewayOf } from "../lib/connect.js";
import { assertGatewayError, streamFailure, take, text, unique } from "../lib/expect.js";
import { BENCH, CHANNEL, HEALTH } from "../lib/network.js";
import { EVENT, register, registration } from "../lib/people.js";

const ids = (events) => events.map((event) => event.transactionId);

/** A registrar's gateway and channel, and `count` registrations with their events as a replay tells them. */
async function registered(t, count) {
  const gateway = gatewayOf(t, "registrar");
  const channel = gateway.getNetwork(CHANNEL);
  const people = await register(await registration(gateway), count);
  const own = new Set(ids(people));
  const startBlock = people[0].blockNumber;
  const replay = await channel.getChaincodeEvents(HEALTH, { startBlock });
  const events = await take(replay, count, (event) => own.has(event.transactionId));
  return { channel, people, events, startBlock };
}

test("a live stream tells an event with its block, transaction, name and payload", async (t) => {
  const gateway = gatewayOf(t, "registrar");
  const channel = gateway.getNetwork(CHANNEL);
  const contract = await registration(gateway);
  const live = await channel.getChaincodeEvents(HEALTH);
  // A stream begins at the height that the peer has when it gets the request, so the first registration may be too early.
  const events = take(live, 1, (event) => event.eventName === EVENT);
  const people = [];
  let hasCome = false;
  events.then(() => (hasCome = true), () => (hasCome = true));
  while (!hasCome) people.push(...(await register(contract, 1)));
  const [event] = await events;
  const person = people.find((candidate) => candidate.transactionId === event.transactionId);
  assert.ok(person, "the event is of a transaction of ours");
  assert.equal(event.blockNumber, person.blockNumber);
  assert.equal(event.chaincodeName, HEALTH);
  assert.deepEqual(JSON.parse(text(event.payload)), { subject: person.subject, active: true });
});

test("a replay from a block tells the same events in the order of the ledger", async (t) => {
  const { channel, people, events, startBlock } = await registered(t, 5);
  assert.deepEqual(new Set(ids(events)), new Set(ids(people)));
  for (const event of events) {
    const person = people.find((candidate) => candidate.transactionId === event.transactionId);
    assert.equal(event.blockNumber, person.blockNumber);
  }
  const again = await take(await channel.getChaincodeEvents(HEALTH, { startBlock }), 5);
  assert.deepEqual(ids(again), ids(events));
});

test("a stream goes on after any checkpointed event, also in the middle of a block", async (t) => {
  const { channel, events } = await registered(t, 6);
  for (const [index, event] of events.entries()) {
    const rest = events.slice(index + 1);
    if (rest.length === 0) continue;
    const checkpoint = checkpointers.inMemory();
    await checkpoint.checkpointChaincodeEvent(event);
    const resumed = await take(await channel.getChaincodeEvents(HEALTH, { checkpoint }), rest.length);
    assert.deepEqual(ids(resumed), ids(rest));
  }
});

test("a stream goes on after a checkpointed block", async (t) => {
  const { channel, events } = await registered(t, 1);
  await register(await registration(gatewayOf(t, "registrar")), 1);
  const checkpoint = checkpointers.inMemory();
  await checkpoint.checkpointBlock(events[0].blockNumber);
  const [next] = await take(await channel.getChaincodeEvents(HEALTH, { checkpoint }), 1);
  assert.ok(next.blockNumber > events[0].blockNumber);
});

test("a file checkpointer lets another process go on where the first one stopped", async (t) => {
  const { channel, events, startBlock } = await registered(t, 4);
  const folder = await mkdtemp(join(tmpdir(), "carecord-checkpoint-"));
  t.after(() => rm(folder, { recursive: true }));
  const file = join(folder, "checkpoint.json");
  const read = [];
  for (let left = events.length; left > 0; left -= 1) {
    const checkpoint = await checkpointers.file(file);
    const [event] = await take(await channel.getChaincodeEvents(HEALTH, { checkpoint, startBlock }), 1);
    await checkpoint.checkpointChaincodeEvent(event);
    read.push(event);
  }
  assert.deepEqual(ids(read), ids(events));
});

test("a transaction without event counts as passed, so a checkpoint on it does not silence the stream", async (t) => {
  const gateway = gatewayOf(t, "registrar");
  const channel = gateway.getNetwork(CHANNEL);
  const contract = await registration(gateway);
  const silent = await channel.getContract(BENCH).submitAsync("put", { arguments: [unique("silent"), "x"] });
  const { blockNumber } = await silent.getStatus();
  const [person] = await register(contract, 1);
  const checkpoint = checkpointers.inMemory();
  await checkpoint.checkpointTransaction(blockNumber, silent.getTransactionId());
  const [event] = await take(await channel.getChaincodeEvents(HEALTH, { checkpoint }), 1);
  assert.equal(event.transactionId, person.transactionId);
});

test("events of an unknown channel are refused", async (t) => {
  const events = await gatewayOf(t, "registrar").getNetwork("nowhere").getChaincodeEvents(HEALTH);
  const error = await streamFailure(events);
  assertGatewayError(error, { kind: "GatewayError", code: Code.PERMISSION_DENIED, message: /nowhere/ });
});

test("events are refused to an identity outside the channel", async (t) => {
  const events = await gatewayOf(t, "outsider").getNetwork(CHANNEL).getChaincodeEvents(HEALTH);
  const error = await streamFailure(events);
  assertGatewayError(error, { kind: "GatewayError", code: Code.PERMISSION_DENIED, message: /PERMISSION_DENIED/ });
});
