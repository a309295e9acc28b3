// What the tests expect of errors and streams.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { GatewayError } from "@hyperledger/fabric-gateway";

const PATIENCE_MS = 30_000;

export const text = (bytes) => Buffer.from(bytes).toString("utf8");
export const unique = (prefix) => `${prefix}-${randomBytes(6).toString("hex")}`;

/** The error that `promise` is rejected with. */
export async function failure(promise) {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  assert.fail("this should have failed");
}

/** A gateway error of exactly that class, by name since the package exports SubmitError as a type only, code and text. */
export function assertGatewayError(error, { kind, code, message }) {
  assert.ok(error instanceof GatewayError, String(error.stack));
  assert.equal(error.constructor.name, kind, error.message);
  assert.equal(error.code, code, error.message);
  assert.match(error.message, message);
}

/** Details name the node that refused: its address, its organisation, and its reason. */
export function assertDetail(error, { mspId, message }) {
  assert.ok(error.details.length > 0, `no details: ${error.message}`);
  for (const detail of error.details) {
    assert.equal(detail.mspId, mspId);
    assert.match(detail.address, /:\d+$/);
    assert.match(detail.message, message);
  }
}

/** The first `count` of `events` that `wanted` likes; then the stream is closed. */
export async function take(events, count, wanted = () => true) {
  const taken = [];
  const timeout = new AbortController();
  const read = async () => {
    for await (const event of events) {
      if (wanted(event)) taken.push(event);
      if (taken.length === count) return;
    }
  };
  const late = sleep(PATIENCE_MS, undefined, { signal: timeout.signal }).then(() => {
    throw new Error(`only ${taken.length} of ${count} events came in ${PATIENCE_MS / 1000} s`);
  });
  late.catch(() => {});
  try {
    await Promise.race([read(), late]);
  } finally {
    timeout.abort();
    events.close();
  }
  return taken;
}

/** The error that ends a stream. */
export async function streamFailure(events) {
  return failure(take(events, 1));
}
