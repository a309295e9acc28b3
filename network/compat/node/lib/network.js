// What network.json tells about the network under test.
import { readFileSync } from "node:fs";
import { join } from "node:path";

const dir = process.env.CARECORD_NETWORK;
if (!dir) throw new Error("CARECORD_NETWORK names no network; run the tests with `npm test`");

export const network = JSON.parse(readFileSync(join(dir, "network.json"), "utf8"));
export const CHANNEL = "care";
export const BENCH = "bench";
export const HEALTH = "health";

/** The entry of `list` ("nodes", "users", …) with that name. */
export function named(list, name) {
  const found = network[list].find((entry) => entry.name === name);
  if (!found) throw new Error(`network.json has no ${name} among its ${list}`);
  return found;
}

/** A person who is in no list: the administrator of an organisation. */
export function administrator(organisation) {
  return network.users.find((user) => user.admin && user.organisation === organisation);
}

/** The peer that a person's own organisation runs; outsiders go to the first peer. */
export function peerOf(user) {
  const peers = network.nodes.filter((node) => node.role === "peer");
  return peers.find((peer) => peer.organisation === user.organisation) ?? peers[0];
}
