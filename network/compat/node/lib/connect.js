// Connects the official client to a peer, exactly as an application would.
import { createPrivateKey } from "node:crypto";
import { readFileSync } from "node:fs";
import * as grpc from "@grpc/grpc-js";
import { connect, hash, signers } from "@hyperledger/fabric-gateway";
import { BENCH, CHANNEL, named, peerOf } from "./network.js";

const PATIENCE_MS = 30_000;

export const soon = () => ({ deadline: Date.now() + PATIENCE_MS });

/** A connection with server TLS; with `tlsUser` the client shows that person's certificate too. */
export function dial(peer, tlsUser) {
  const read = (file) => readFileSync(file);
  const credentials = tlsUser
    ? grpc.credentials.createSsl(read(peer.tls_ca_file), read(tlsUser.tls_key_file), read(tlsUser.tls_certificate_file))
    : grpc.credentials.createSsl(read(peer.tls_ca_file));
  return new grpc.Client(peer.address, credentials, { "grpc.ssl_target_name_override": peer.tls_server_name });
}

export function identityOf(user) {
  return { mspId: user.msp_id, credentials: readFileSync(user.certificate_file) };
}

export function signerOf(user) {
  return signers.newPrivateKeySigner(createPrivateKey(readFileSync(user.key_file)));
}

/** Ed25519 signs the message itself; the others its SHA-256, whatever their curve. */
export function hashOf(user) {
  return user.key_kind === "ed25519" ? hash.none : hash.sha256;
}

/**
 * A gateway as `who` (a name or an entry of network.json), closed when the test ends.
 *
 * `options` override what `connect` is given; `tlsUser` shows a client certificate.
 */
export function gatewayOf(test, who, { tlsUser, ...options } = {}) {
  const user = typeof who === "string" ? named("users", who) : who;
  const client = dial(peerOf(user), tlsUser);
  const gateway = connect({
    client,
    identity: identityOf(user),
    signer: signerOf(user),
    hash: hashOf(user),
    evaluateOptions: soon,
    endorseOptions: soon,
    submitOptions: soon,
    commitStatusOptions: soon,
    ...options,
  });
  test.after(() => {
    gateway.close();
    client.close();
  });
  return gateway;
}

/** The key-value chaincode as `who` sees it. */
export function benchOf(test, who, options) {
  return gatewayOf(test, who, options).getNetwork(CHANNEL).getContract(BENCH);
}
