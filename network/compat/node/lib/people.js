// Registers people with the health chaincode: each registration sets one chaincode event.
import { randomBytes } from "node:crypto";
import { EndorseError } from "@hyperledger/fabric-gateway";
import { CHANNEL, HEALTH } from "./network.js";

export const EVENT = "SubjectRegistered";

/** The identity contract, with the registrar's organisation registered. */
export async function registration(gateway) {
  const contract = gateway.getNetwork(CHANNEL).getContract(HEALTH, "identity");
  try {
    await contract.submitTransaction("RegisterOrg", "hospital");
  } catch (error) {
    const isTaken = (detail) => detail.message.includes("ALREADY_EXISTS");
    if (!(error instanceof EndorseError && error.details.some(isTaken))) throw error;
  }
  return contract;
}

/** Registers `count` practitioners at once; answers their transactions in the order of the ledger, with the person's id. */
export async function register(contract, count) {
  const one = async () => {
    const subject = randomBytes(16).toString("hex");
    const keyHash = randomBytes(32).toString("hex");
    const submitted = await contract.submitAsync("RegisterPractitioner", { arguments: [subject, keyHash] });
    const status = await submitted.getStatus();
    if (!status.successful) throw new Error(`registration ended with code ${status.code}`);
    return { subject, transactionId: submitted.getTransactionId(), blockNumber: status.blockNumber };
  };
  const registered = await Promise.all(Array.from({ length: count }, one));
  return registered.sort((a, b) => Number(a.blockNumber - b.blockNumber));
}
