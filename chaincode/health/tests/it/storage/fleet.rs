//! A patient with money, and providers in several organisations and regions.

use carecord_chaincode::{
    serde_json::{self, Value, json},
    test_util::{KeyKind, TestIdentity},
};
use carecord_health::{
    ids::Id,
    merkle::{self, Bytes32, Hash},
    storage::{BLOCK, BLOCK_BYTES, EPOCH_SECONDS, seed},
};

use crate::{
    money::Bank,
    town::{Person, nobody, random_bytes, random_cid, random_id, register},
};

/// The bank's people, and providers.
pub(super) struct Fleet {
    pub(super) bank: Bank,
    pub(super) patient: Person,
    pub(super) auditor: Person,
    pub(super) providers: Vec<Person>,
}

/// An object with its bytes.
pub(super) struct Stored {
    pub(super) id: String,
    pub(super) bytes: Vec<u8>,
    pub(super) object: Value,
}

/// Price of a MiB for an epoch.
pub(super) const PRICE: u64 = 10;

impl Fleet {
    /// Providers of five organisations in three regions: hospital A and B, insurer, research, and a fifth.
    pub(super) fn new() -> Self {
        let mut bank = Bank::with(100_000);
        let patient = std::mem::replace(&mut bank.patient, nobody());
        let auditor = std::mem::replace(&mut bank.auditor, nobody());
        let fifth = TestIdentity::new("FifthMSP", "hospital-admin");
        let sixth = TestIdentity::new("SixthMSP", "hospital-admin");
        for admin in [&fifth, &sixth] {
            let _: Value = bank.town.ok(admin, &["identity:RegisterOrg", "hospital"]);
        }
        let admins =
            [bank.admin_a.clone(), bank.admin_b.clone(), bank.town.admin_i.clone(), fifth, sixth];
        let places = [
            ("eu-west", "de"),
            ("eu-west", "fr"),
            ("eu-north", "se"),
            ("us-east", "us"),
            ("eu-west", "de"),
        ];
        let mut fleet = Self { bank, patient, auditor, providers: Vec::new() };
        for (admin, (region, jurisdiction)) in admins.iter().zip(places) {
            let kind = KeyKind::P256;
            let person = register(&mut fleet.bank.town.ledger, admin, "storage-provider", kind);
            fleet.offer(&person, region, jurisdiction);
            fleet.providers.push(person);
        }
        fleet
    }

    fn offer(&mut self, person: &Person, region: &str, jurisdiction: &str) {
        let terms = json!({"region": region, "jurisdiction": jurisdiction, "capacity": 1 << 30,
                           "price": PRICE})
        .to_string();
        let args = ["storage:RegisterProvider", &terms];
        let _: Value = self.bank.town.ok(&person.identity, &args);
    }

    pub(super) fn quota(&mut self, epochs: u32, deposit: u64) -> String {
        let quota = json!({"id": random_id(), "bytes": 1 << 24, "epochs": epochs,
                           "deposit": deposit.to_string()});
        let args = ["storage:BuyQuota", &quota.to_string()];
        let _: Value = self.bank.town.ok(&self.patient.identity, &args);
        quota["id"].as_str().unwrap().to_owned()
    }

    /// An object of so many bytes under a quota, as it would be placed.
    pub(super) fn draft(&self, quota: &str, size: usize, residency: &[&str]) -> Stored {
        let mut bytes = vec![0_u8; size];
        for chunk in bytes.chunks_mut(32) {
            chunk.copy_from_slice(&random_bytes::<32>()[..chunk.len()]);
        }
        let root = Hash::of(&merkle::root(&leaves(&bytes)));
        let id = random_id();
        let object = json!({"id": id, "quota": quota, "cid": random_cid(), "size": size,
                            "root": root, "copies": 3, "residency": residency});
        Stored { id, bytes, object }
    }

    /// Places an object and lets its providers keep it; answers it and its providers' places in the fleet.
    pub(super) fn place(&mut self, quota: &str, size: usize) -> (Stored, Vec<usize>) {
        let stored = self.draft(quota, size, &[]);
        let args = ["storage:Place", &stored.object.to_string()];
        let placed: Value = self.bank.town.ok(&self.patient.identity, &args);
        let keepers = self.keepers(&placed);
        for &at in &keepers {
            let keep = ["storage:Keep", stored.id.as_str()];
            let _: Value = self.bank.town.ok(&self.providers[at].identity, &keep);
        }
        (stored, keepers)
    }

    /// The places in the fleet of an object's providers.
    pub(super) fn keepers(&self, object: &Value) -> Vec<usize> {
        let replicas = object["replicas"].as_array().unwrap().iter();
        let place = |id: &Value| self.providers.iter().position(|p| *id == json!(p.id)).unwrap();
        replicas.map(|replica| place(&replica["provider"])).collect()
    }

    /// Opens, draws and reveals a challenge by the auditor of hospital A; answers the challenge and the block.
    pub(super) fn ask(&mut self, object: &str, provider: usize) -> (String, u64) {
        let (challenge, nonce) = (random_id(), random_id());
        self.open(&challenge, &nonce, object, provider);
        let drawer = self.drawer(provider);
        let _: Value = self.bank.town.ok(&drawer, &["storage:Draw", &challenge, &random_id()]);
        let reveal = ["storage:Reveal", challenge.as_str(), nonce.as_str()];
        let asked: Value = self.bank.town.ok(&self.auditor.identity, &reveal);
        (challenge, asked["block"].as_u64().unwrap())
    }

    pub(super) fn open(&mut self, challenge: &str, nonce: &str, object: &str, provider: usize) {
        let id = |text: &str| Id::new(text).unwrap();
        let new =
            json!({"id": challenge, "object": object, "provider": self.providers[provider].id,
                         "commitment": seed::commitment(&id(challenge), &id(nonce))})
            .to_string();
        let _: Value = self.bank.town.ok(&self.auditor.identity, &["storage:Challenge", &new]);
    }

    /// Somebody of neither hospital A nor the provider's organisation.
    pub(super) fn drawer(&self, provider: usize) -> TestIdentity {
        let insurer = &self.bank.insurer.identity;
        let doctor = &self.bank.doctor.identity;
        let taken = &self.providers[provider].identity.caller().msp_id;
        if insurer.caller().msp_id == *taken { doctor.clone() } else { insurer.clone() }
    }

    /// What a provider answers with: the block and the way to it.
    pub(super) fn answer(stored: &Stored, challenge: &str, block: u64) -> (Vec<u8>, String) {
        let path = merkle::path(&leaves(&stored.bytes), usize::try_from(block).unwrap()).unwrap();
        let path: Vec<Hash> = path.iter().map(Hash::of).collect();
        let start = usize::try_from(block * BLOCK_BYTES).unwrap();
        let end = (start + 1024).min(stored.bytes.len());
        let proof = json!({"challenge": challenge, "path": path}).to_string();
        (stored.bytes[start..end].to_vec(), proof)
    }

    /// A whole challenge that the provider passes.
    pub(super) fn pass(&mut self, stored: &Stored, provider: usize) {
        let (challenge, block) = self.ask(&stored.id, provider);
        let (bytes, proof) = Self::answer(stored, &challenge, block);
        let done: Value = self.with_block(bytes, |fleet| {
            let args = ["storage:Respond", proof.as_str()];
            fleet.bank.town.ok(&fleet.providers[provider].identity, &args)
        });
        assert_eq!(done["status"], "passed");
    }

    /// Something done while the transient field holds a block.
    pub(super) fn with_block<T>(&mut self, block: Vec<u8>, act: impl FnOnce(&mut Self) -> T) -> T {
        self.bank.town.ledger.transient.insert(BLOCK.to_owned(), block.into());
        let done = act(self);
        self.bank.town.ledger.transient.clear();
        done
    }

    pub(super) fn provider(&mut self, at: usize) -> Value {
        let args = ["storage:ListProviders", "", "100"];
        let page: Value = self.bank.town.ok(&self.auditor.identity, &args);
        let items = page["items"].as_array().unwrap();
        items.iter().find(|p| p["id"] == json!(self.providers[at].id)).unwrap().clone()
    }

    pub(super) fn object(&mut self, id: &str) -> Value {
        self.bank.town.ok(&self.patient.identity, &["storage:GetObject", id])
    }

    pub(super) fn next_epoch(&mut self) {
        self.bank.town.ledger.now += EPOCH_SECONDS;
    }

    pub(super) fn epoch(&self) -> String {
        carecord_health::storage::epoch(self.bank.town.ledger.now).to_string()
    }
}

/// The leaves over blocks of a KiB.
pub(super) fn leaves(bytes: &[u8]) -> Vec<Bytes32> {
    bytes.chunks(1024).map(merkle::leaf).collect()
}

/// Text as JSON.
pub(super) fn text(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).unwrap()
}
