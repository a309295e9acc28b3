//! Two hospitals, an insurer and a research institute, with people in each.

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use carecord_chaincode::{
    serde_json::{self, Value, json},
    test_util::{Committed, KeyKind, MemoryLedger, TestIdentity, Verdict},
};
use carecord_health::{events::RecordAccess, ids::Id, keys};
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

/// The year, as long as it needs to last.
pub(crate) const YEAR: i64 = 365 * 24 * 3600;

/// A person: who signs, and the pseudonym.
pub(crate) struct Person {
    pub(crate) identity: TestIdentity,
    pub(crate) id: String,
}

/// The channel and everyone on it.
pub(crate) struct Town {
    pub(crate) ledger: MemoryLedger,
    pub(crate) admin_a: TestIdentity,
    pub(crate) admin_b: TestIdentity,
    pub(crate) admin_i: TestIdentity,
    pub(crate) patient: Person,
    pub(crate) other_patient: Person,
    pub(crate) author: Person,
    pub(crate) doctor: Person,
    pub(crate) other_doctor: Person,
    pub(crate) insurer: Person,
    pub(crate) researcher: Person,
    pub(crate) auditor: Person,
}

/// 128 random bits in hex.
pub(crate) fn random_id() -> String {
    hex::encode(random_bytes::<16>())
}

/// Random bytes.
pub(crate) fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).unwrap();
    bytes
}

/// A content id of random content.
pub(crate) fn random_cid() -> String {
    let digest = Sha256::digest(random_bytes::<16>());
    let hash = cid::multihash::Multihash::<64>::wrap(0x12, &digest).unwrap();
    cid::Cid::new_v1(0x55, hash).to_string()
}

/// The arguments of `identity:RegisterKey` or `RotateKey`, signed by `signer`.
pub(crate) fn key_registration(
    signer: &TestIdentity,
    subject: &str,
    channel: &str,
    seq: u64,
    previous: Option<&str>,
) -> Value {
    signed_registration(&|statement| signer.sign(statement), subject, channel, seq, previous)
}

/// See [`key_registration`]; `sign` makes the signature.
pub(crate) fn signed_registration(
    sign: &dyn Fn(&[u8]) -> Vec<u8>,
    subject: &str,
    channel: &str,
    seq: u64,
    previous: Option<&str>,
) -> Value {
    registration_of(&random_bytes(), sign, subject, channel, seq, previous)
}

/// See [`signed_registration`]; with a key of the caller's choice.
pub(crate) fn registration_of(
    key: &[u8; 32],
    sign: &dyn Fn(&[u8]) -> Vec<u8>,
    subject: &str,
    channel: &str,
    seq: u64,
    previous: Option<&str>,
) -> Value {
    use base64::{Engine, engine::general_purpose::STANDARD};
    let kid = keys::kid(keys::SUITE_X25519_AES256GCM, key);
    let previous_kid = previous.map(|p| carecord_health::ids::Kid::new(p).unwrap());
    let statement = keys::statement(
        channel,
        &Id::new(subject).unwrap(),
        &kid,
        keys::SUITE_X25519_AES256GCM,
        key,
        seq,
        previous_kid.as_ref(),
    );
    let signature = STANDARD.encode(sign(&statement));
    json!({"kid": kid, "suite": 1, "key": STANDARD.encode(key), "seq": seq,
           "previous": previous, "signature": signature})
}

/// The argument of `records:Add`.
pub(crate) fn new_record(patient: &str) -> Value {
    json!({"id": random_id(), "patient": patient, "cid": random_cid(), "size": 1000, "suite": 1,
           "dataKey": random_id(), "commitment": hex::encode(random_bytes::<32>())})
}

impl Town {
    /// Everyone registered, with encryption keys; no record, no grant.
    pub(crate) fn new() -> Self {
        let admin = |msp| TestIdentity::new(msp, "hospital-admin");
        let mut ledger = MemoryLedger::new(carecord_health::chaincode());
        let admins = ["HospitalAMSP", "HospitalBMSP", "InsurerMSP", "ResearchMSP"].map(admin);
        for (admin, kind) in admins.iter().zip(["hospital", "hospital", "insurer", "research"]) {
            assert_valid(&ledger.submit("health", admin, &["identity:RegisterOrg", kind]));
        }
        let [admin_a, admin_b, admin_i, admin_r] = admins;
        let mut person = |admin: &TestIdentity, role: &str, kind: KeyKind| {
            register(&mut ledger, admin, role, kind)
        };
        let patient = person(&admin_a, "patient", KeyKind::P256);
        let other_patient = person(&admin_b, "patient", KeyKind::Ed25519);
        let author = person(&admin_a, "practitioner", KeyKind::P256);
        let doctor = person(&admin_b, "practitioner", KeyKind::P256);
        let other_doctor = person(&admin_b, "practitioner", KeyKind::P256);
        let insurer = person(&admin_i, "insurer", KeyKind::P256);
        let researcher = person(&admin_r, "researcher", KeyKind::P256);
        let auditor = person(&admin_a, "auditor", KeyKind::P256);
        Self {
            ledger,
            admin_a,
            admin_b,
            admin_i,
            patient,
            other_patient,
            author,
            doctor,
            other_doctor,
            insurer,
            researcher,
            auditor,
        }
    }

    /// Submits and expects a valid transaction; answers its payload.
    pub(crate) fn ok<T: DeserializeOwned>(&mut self, who: &TestIdentity, args: &[&str]) -> T {
        let done = self.ledger.submit("health", who, args);
        assert_valid(&done);
        let payload: &[u8] =
            if done.response.payload.is_empty() { b"null" } else { &done.response.payload };
        serde_json::from_slice(payload).unwrap()
    }

    /// Submits and expects a refusal with this code that leaves the state as it was.
    pub(crate) fn refused(&mut self, who: &TestIdentity, args: &[&str], code: &str) {
        let before = self.ledger.state().clone();
        let done = self.ledger.submit("health", who, args);
        assert_eq!(done.verdict, Verdict::NotEndorsed, "{args:?} was not refused");
        assert!(done.response.message.starts_with(code), "{args:?}: {}", done.response.message);
        assert!(done.response.message.contains("(hint: "), "{}", done.response.message);
        assert_eq!(done.event, None);
        assert!(*self.ledger.state() == before, "a refusal changed the state");
    }
}

/// A registered person with an encryption key.
pub(crate) fn register(
    ledger: &mut MemoryLedger,
    admin: &TestIdentity,
    role: &str,
    kind: KeyKind,
) -> Person {
    let identity = TestIdentity::with(&admin.caller().msp_id, Some(role), kind);
    let id = random_id();
    let hash = identity.caller().key_hash.clone();
    let done = match role {
        "patient" => ledger.submit("health", admin, &["identity:RegisterPatient", &id, &hash]),
        "practitioner" => {
            ledger.submit("health", admin, &["identity:RegisterPractitioner", &id, &hash])
        }
        _ => ledger.submit("health", admin, &["identity:RegisterMember", &id, &hash, role]),
    };
    assert_valid(&done);
    let key = key_registration(&identity, &id, "care", 1, None).to_string();
    assert_valid(&ledger.submit("health", &identity, &["identity:RegisterKey", &key]));
    Person { identity, id }
}

/// The call became a valid transaction.
pub(crate) fn assert_valid(done: &Committed) {
    assert_eq!(done.verdict, Verdict::Valid, "{}", done.response.message);
}

/// Takes a town apart so that its people can call while its ledger changes.
#[macro_export]
macro_rules! people {
    ($town:ident: $($name:ident),+) => {
        $(let $name = std::mem::replace(&mut $town.$name, $crate::town::nobody());)+
    };
}

/// Stands where a person was taken from.
pub(crate) fn nobody() -> Person {
    Person { identity: TestIdentity::new("NobodyMSP", "nobody"), id: random_id() }
}

/// Adds a record for a patient; answers its id.
pub(crate) fn add_record(town: &mut Town, author: &Person, patient: &str) -> String {
    let record = new_record(patient);
    let _: Value = town.ok(&author.identity, &["records:Add", &record.to_string()]);
    record["id"].as_str().unwrap().to_owned()
}

/// A grant of the patient to one person to read for one purpose, for a year; answers its id.
pub(crate) fn grant_to(town: &mut Town, patient: &Person, grantee: &str, purpose: &str) -> String {
    let grantee = json!({"subject": grantee});
    grant(town, patient, &grantee, purpose)
}

/// A grant to read for one purpose, for a year; answers its id.
pub(crate) fn grant(town: &mut Town, patient: &Person, grantee: &Value, purpose: &str) -> String {
    let id = random_id();
    let until = town.ledger.now + YEAR;
    let grant = json!({"id": id, "grantee": grantee, "verbs": ["read"],
                       "purposes": [purpose], "until": until});
    let _: Value = town.ok(&patient.identity, &["consent:Grant", &grant.to_string()]);
    id
}

/// Opens a record; answers the evidence.
pub(crate) fn open(town: &mut Town, reader: &Person, record: &str, purpose: &str) -> RecordAccess {
    town.ok(&reader.identity, &["records:Open", record, purpose])
}
