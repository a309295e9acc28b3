// The official fabric-ca-client, unmodified, against the membership service of an organisation.
import assert from "node:assert/strict";
import { createPrivateKey, randomBytes, X509Certificate } from "node:crypto";
import { test } from "node:test";
import * as grpc from "@grpc/grpc-js";
import { connect, signers } from "@hyperledger/fabric-gateway";
import { BENCH, CHANNEL, network, named, peerOf } from "../lib/network.js";
import { attributesOf, caOf, enrolled, registrarOf, serialsOf, servicesOf, userOf } from "../lib/membership.js";
import { soon } from "../lib/connect.js";
import { text, unique } from "../lib/expect.js";
import { readFileSync } from "node:fs";

const ORGANISATION = "HospitalA";
const organisation = network.organisations.find((one) => one.name === ORGANISATION);
const withCa = network.nodes.some((node) => node.role === "ca");
const options = { skip: withCa ? false : "the network runs no CA" };

/** Somebody new, registered with these fields, with the secret. */
async function registered(services, registrar, fields = {}) {
  const enrollmentID = unique("person");
  const request = { enrollmentID, affiliation: "", role: "client", maxEnrollments: 1, ...fields };
  return { enrollmentID, enrollmentSecret: await services.register(request, registrar) };
}

async function refusal(promise) {
  try {
    await promise;
  } catch (error) {
    return { message: error.message, ...(error.errors?.[0] ?? {}) };
  }
  assert.fail("this should have been refused");
}

test("the CA tells its name, its chain and its version", options, async () => {
  const services = servicesOf(ORGANISATION);
  const info = await services.getCaInfo(await registrarOf(services, ORGANISATION));
  assert.equal(info.caName, caOf(ORGANISATION).name);
  assert.match(info.caChain, /^-----BEGIN CERTIFICATE-----/);
  assert.ok(info.version);
});

test("who is registered enrols, with attributes, type and affiliation in the certificate", options, async () => {
  const services = servicesOf(ORGANISATION);
  const registrar = await registrarOf(services, ORGANISATION);
  await services.newAffiliationService().create({ name: `ward${randomBytes(3).toString("hex")}`, force: true }, registrar);
  const person = await registered(services, registrar, {
    attrs: [{ name: "carecord.role", value: "practitioner", ecert: true }, { name: "desk", value: "7" }],
  });
  const { certificate, rootCertificate } = await services.enroll(person);
  const parsed = new X509Certificate(certificate);
  assert.ok(parsed.verify(new X509Certificate(rootCertificate).publicKey));
  assert.match(parsed.subject, /OU=client/);
  assert.match(parsed.subject, new RegExp(`CN=${person.enrollmentID}`));
  const attributes = attributesOf(certificate);
  assert.equal(attributes["carecord.role"], "practitioner");
  assert.equal(attributes["hf.EnrollmentID"], person.enrollmentID);
  assert.equal(attributes["hf.Type"], "client");
  assert.equal(attributes.desk, undefined);
  // The secret has served.
  assert.equal((await refusal(services.enroll(person))).code, 20);
});

test("an attribute that is asked for stands in the certificate", options, async () => {
  const services = servicesOf(ORGANISATION);
  const registrar = await registrarOf(services, ORGANISATION);
  const person = await registered(services, registrar, { attrs: [{ name: "desk", value: "7" }] });
  const { certificate } = await services.enroll({ ...person, attr_reqs: [{ name: "desk" }] });
  assert.deepEqual(attributesOf(certificate), { desk: "7" });
});

test("an identity enrolled so submits through the gateway client", options, async (t) => {
  const services = servicesOf(ORGANISATION);
  const registrar = await registrarOf(services, ORGANISATION);
  const person = await registered(services, registrar, {
    attrs: [{ name: "carecord.role", value: "practitioner", ecert: true }],
  });
  const { certificate, key } = await services.enroll(person);
  const peer = peerOf({ organisation: ORGANISATION });
  const credentials = grpc.credentials.createSsl(readFileSync(peer.tls_ca_file));
  const client = new grpc.Client(peer.address, credentials, { "grpc.ssl_target_name_override": peer.tls_server_name });
  const gateway = connect({
    client,
    identity: { mspId: organisation.msp_id, credentials: Buffer.from(certificate) },
    signer: signers.newPrivateKeySigner(createPrivateKey(key.toBytes())),
    evaluateOptions: soon, endorseOptions: soon, submitOptions: soon, commitStatusOptions: soon,
  });
  t.after(() => {
    gateway.close();
    client.close();
  });
  const contract = gateway.getNetwork(CHANNEL).getContract(BENCH);
  const [name, value] = [unique("key"), unique("value")];
  await contract.submitTransaction("put", name, value);
  assert.equal(text(await contract.evaluateTransaction("get", name)), value);
});

test("re-enrolment gives another certificate to the same identity", options, async () => {
  const services = servicesOf(ORGANISATION);
  const registrar = await registrarOf(services, ORGANISATION);
  const person = await registered(services, registrar);
  const first = await services.enroll(person);
  const second = await services.reenroll(await userOf(person.enrollmentID, first, organisation.msp_id));
  const [one, other] = [first, second].map((each) => new X509Certificate(each.certificate));
  assert.equal(one.subject, other.subject);
  assert.notEqual(one.serialNumber, other.serialNumber);
});

test("a registrar may not give what it has not, and an id is given once", options, async () => {
  const services = servicesOf(ORGANISATION);
  const registrar = await registrarOf(services, ORGANISATION);
  const person = await registered(services, registrar);
  const user = await enrolled(services, person, organisation.msp_id);
  const again = { enrollmentID: person.enrollmentID, affiliation: "", maxEnrollments: 1 };
  assert.equal((await refusal(services.register(again, registrar))).code, 74);
  const other = { enrollmentID: unique("person"), affiliation: "", maxEnrollments: 1 };
  assert.equal((await refusal(services.register(other, user))).code, 71);
  const insurer = { ...other, attrs: [{ name: "carecord.role", value: "insurer", ecert: true }] };
  assert.equal((await refusal(services.register(insurer, registrar))).code, 71);
});

test("identities are seen, changed and listed", options, async () => {
  const services = servicesOf(ORGANISATION);
  const registrar = await registrarOf(services, ORGANISATION);
  const identities = services.newIdentityService();
  const id = unique("person");
  const secret = await identities.create({ enrollmentID: id, affiliation: ".", type: "client" }, registrar);
  assert.ok(secret);
  await identities.update(id, { attrs: [{ name: "floor", value: "2" }] }, registrar);
  const { result } = await identities.getOne(id, registrar);
  assert.ok(result.attrs.some((attribute) => attribute.name === "floor" && attribute.value === "2"));
  const all = await identities.getAll(registrar);
  assert.ok(all.result.identities.some((identity) => identity.id === id));
  assert.equal((await refusal(identities.delete(id, registrar))).code, 56, "the operator has not allowed it");
});

test("who is revoked stands in the revocation list and is nobody any more", options, async () => {
  const services = servicesOf(ORGANISATION);
  const registrar = await registrarOf(services, ORGANISATION);
  const person = await registered(services, registrar, { maxEnrollments: 5 });
  const enrollment = await services.enroll(person);
  const user = await userOf(person.enrollmentID, enrollment, organisation.msp_id);
  const serial = new X509Certificate(enrollment.certificate).serialNumber.toLowerCase();
  assert.ok(!serialsOf(await services.generateCRL({}, registrar)).includes(serial));

  const { result } = await services.revoke({ enrollmentID: person.enrollmentID, reason: "keycompromise", gencrl: true }, registrar);
  assert.equal(result.RevokedCerts.length, 1);
  assert.equal(result.RevokedCerts[0].Serial, serial);
  assert.ok(serialsOf(result.CRL).includes(serial));
  const yesterday = new Date(Date.now() - 86_400_000);
  assert.ok(serialsOf(await services.generateCRL({ revokedAfter: yesterday }, registrar)).includes(serial));
  assert.ok(!serialsOf(await services.generateCRL({ revokedBefore: yesterday }, registrar)).includes(serial));

  assert.equal((await refusal(services.enroll(person))).code, 20);
  assert.equal((await refusal(services.reenroll(user))).code, 20);
  const certificates = await services.newCertificateService().getCertificates({ id: person.enrollmentID }, registrar);
  assert.equal(certificates.result.certs.length, 1);
});
