//! What is written: rows that belong together, by whoever has the right to.

use parking_lot::MutexGuard;
use rocksdb::WriteBatch;
use sha2::{Digest, Sha256};

use super::{Identity, Issued, LogEntry, Store, StoreError, json, keys, log, synced};

/// The right to change: from reading what a decision rests on until its rows are written there is no other.
pub struct Writer<'a> {
    pub(super) store: &'a Store,
    pub(super) _only: MutexGuard<'a, ()>,
}

/// Rows that belong together.
#[derive(Default)]
pub struct Change {
    pub(super) batch: WriteBatch,
    pub(super) logged: Vec<LogEntry>,
}

// === impl Change ===

impl Change {
    /// Keeps `identity`.
    pub fn put_identity(&mut self, identity: &Identity) {
        self.batch.put(keys::identity(&identity.id), json(identity));
    }

    /// Forgets an identity; its certificates stay.
    pub fn delete_identity(&mut self, id: &str) {
        self.batch.delete(keys::identity(id));
    }

    /// Keeps an affiliation.
    pub fn put_affiliation(&mut self, name: &str) {
        self.batch.put(keys::affiliation(name), b"");
    }

    /// Forgets an affiliation.
    pub fn delete_affiliation(&mut self, name: &str) {
        self.batch.delete(keys::affiliation(name));
    }

    /// Keeps a new certificate and logs it.
    pub fn issue(&mut self, issued: &Issued, der: &[u8], at: i64) {
        self.put_certificate(issued);
        self.batch.put(keys::owned_certificate(&issued.id, &issued.aki, &issued.serial), b"");
        self.logged.push(log::entry("issue", issued, hex::encode(Sha256::digest(der)), at));
    }

    /// Keeps that `issued`, which says so itself, was taken back, and logs it.
    pub fn revoke(&mut self, issued: &Issued, at: i64) {
        self.put_certificate(issued);
        self.logged.push(log::entry("revoke", issued, String::new(), at));
    }

    /// Keeps that the token with this hash has served; it is forgotten after `until`.
    pub fn use_token(&mut self, hash: &[u8; 32], until: i64) {
        self.batch.put(keys::token(hash), until.to_be_bytes());
    }

    fn put_certificate(&mut self, issued: &Issued) {
        self.batch.put(keys::certificate(&issued.aki, &issued.serial), json(issued));
    }
}

// === impl Writer ===

impl Writer<'_> {
    /// Writes `change` and syncs it.
    pub fn apply(&self, change: Change) -> Result<(), StoreError> {
        self.store.write(change)
    }

    /// The number of the next revocation list; no two have the same.
    pub fn next_crl_number(&self) -> Result<u64, StoreError> {
        let number = self.store.number(keys::CRL_NUMBER)? + 1;
        let mut batch = WriteBatch::default();
        batch.put(keys::CRL_NUMBER, number.to_be_bytes());
        self.store.db.write_opt(batch, &synced())?;
        Ok(number)
    }

    /// One more wrong secret for a name that nobody has; the same work as for one that somebody has.
    pub fn count_decoy(&self, id: &str, now: i64) -> Result<(), StoreError> {
        let mut decoy = Identity::named(id, "");
        decoy.failed_attempts = self.store.decoy_attempts(id)?.0.saturating_add(1);
        decoy.tried_at = now;
        let mut batch = WriteBatch::default();
        batch.put(keys::decoy(self.store.slot(id)), json(&decoy));
        self.store.db.write_opt(batch, &synced())?;
        Ok(())
    }
}
