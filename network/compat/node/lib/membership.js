// The official fabric-ca-client, with what network.json tells about an organisation's CA.
import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import FabricCAServices from "fabric-ca-client";
import { User } from "fabric-common";
import jsrsasign from "jsrsasign";
import { network } from "./network.js";

const REGISTRAR = "admin";
const registrars = new Map();

/** The CA node of an organisation. */
export function caOf(organisation) {
  const node = network.nodes.find((one) => one.role === "ca" && one.organisation === organisation);
  if (!node) throw new Error(`${organisation} runs no CA; bring the network up with --ca`);
  return node;
}

/** The client of an organisation's CA, with its TLS verified. */
export function servicesOf(organisation) {
  const ca = caOf(organisation);
  const trustedRoots = [readFileSync(ca.tls_ca_file)];
  return new FabricCAServices(`https://${ca.address}`, { trustedRoots, verify: true }, ca.name);
}

/** Somebody whom the client library can sign as. */
export async function userOf(name, { certificate, key }, mspId) {
  const user = new User(name);
  await user.setEnrollment(key, certificate, mspId);
  return user;
}

/** Enrols and makes a user of it. */
export async function enrolled(services, { enrollmentID, enrollmentSecret }, mspId) {
  return userOf(enrollmentID, await services.enroll({ enrollmentID, enrollmentSecret }), mspId);
}

/** The registrar that bring-up made, enrolled once for all tests of a file. */
export async function registrarOf(services, organisation) {
  if (!registrars.has(organisation)) {
    const ca = caOf(organisation);
    const enrollmentSecret = readFileSync(join(dirname(ca.config_file), "registrar.secret"), "utf8").trim();
    registrars.set(organisation, enrolled(services, { enrollmentID: REGISTRAR, enrollmentSecret }, ca.msp_id));
  }
  return registrars.get(organisation);
}

/** What a certificate's attribute extension says. */
export function attributesOf(certificate) {
  const der = new X509Certificate(certificate).raw.toString("latin1");
  return JSON.parse(der.match(/\{"attrs":\{[^}]*\}\}/)[0]).attrs;
}

/** Numbers of the certificates in a revocation list (base64 of PEM), read by a library that is not ours. */
export function serialsOf(list) {
  const parsed = new jsrsasign.X509CRL(Buffer.from(list, "base64").toString("utf8"));
  return (parsed.getRevCertArray() ?? []).map((entry) => entry.sn.hex.replace(/^0+/, "").toLowerCase());
}
