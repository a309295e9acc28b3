// What explorers ask through the gateway: qscc about the chain, cscc about its configuration.
import assert from "node:assert/strict";
import { test } from "node:test";
import { StatusCode } from "@hyperledger/fabric-gateway";
import { common, peer } from "@hyperledger/fabric-protos";
import { gatewayOf } from "../lib/connect.js";
import { unique } from "../lib/expect.js";
import { BENCH, CHANNEL } from "../lib/network.js";

/** A committed transaction, and a way to ask a system chaincode. */
async function committed(t) {
  const channel = gatewayOf(t, "client-p256").getNetwork(CHANNEL);
  const submitted = await channel.getContract(BENCH).submitAsync("put", { arguments: [unique("system"), "x"] });
  const { blockNumber, transactionId } = await submitted.getStatus();
  const ask = (chaincode, name, ...args) => channel.getContract(chaincode).evaluateTransaction(name, CHANNEL, ...args);
  return { ask, blockNumber, transactionId };
}

test("qscc tells the height and the hashes of the chain", async (t) => {
  const { ask, blockNumber } = await committed(t);
  const info = common.BlockchainInfo.deserializeBinary(await ask("qscc", "GetChainInfo"));
  assert.ok(BigInt(info.getHeight()) > blockNumber);
  assert.equal(info.getCurrentblockhash_asU8().length, 32);
  assert.equal(info.getPreviousblockhash_asU8().length, 32);
});

test("qscc finds a block by number, by hash and by transaction", async (t) => {
  const { ask, blockNumber, transactionId } = await committed(t);
  const number = (bytes) => BigInt(common.Block.deserializeBinary(bytes).getHeader().getNumber());
  assert.equal(number(await ask("qscc", "GetBlockByNumber", blockNumber.toString())), blockNumber);
  assert.equal(number(await ask("qscc", "GetBlockByTxID", transactionId)), blockNumber);
  const info = common.BlockchainInfo.deserializeBinary(await ask("qscc", "GetChainInfo"));
  const byHash = await ask("qscc", "GetBlockByHash", info.getCurrentblockhash_asU8());
  assert.ok(number(byHash) >= blockNumber);
});

test("qscc finds a transaction with its validation code", async (t) => {
  const { ask, transactionId } = await committed(t);
  const found = peer.ProcessedTransaction.deserializeBinary(await ask("qscc", "GetTransactionByID", transactionId));
  assert.equal(found.getValidationcode(), StatusCode.VALID);
  assert.ok(found.getTransactionenvelope().getPayload_asU8().length > 0);
});

test("cscc tells the channel's configuration", async (t) => {
  const { ask } = await committed(t);
  const config = common.Config.deserializeBinary(await ask("cscc", "GetChannelConfig"));
  const application = config.getChannelGroup().getGroupsMap().get("Application");
  const members = application.getGroupsMap().getEntryList().map(([name]) => name);
  assert.deepEqual(members.sort(), ["HospitalA", "HospitalB"]);
});
