//! The issuance log: what was issued and revoked, in order, each entry bound to the one before by its hash.

use rocksdb::WriteBatch;
use sha2::{Digest, Sha256};

use super::records::{Issued, LogEntry};
use super::{Store, StoreError, damaged, json, keys, read};

pub(super) const ISSUE: &str = "issue";

/// What the head row holds: the number of the last entry, then the hash of its bytes.
const HEAD_BYTES: usize = 8 + 32;

pub(super) fn entry(event: &str, issued: &Issued, fingerprint: String, at: i64) -> LogEntry {
    LogEntry {
        number: 0,
        at,
        event: event.to_owned(),
        id: issued.id.clone(),
        serial: issued.serial.clone(),
        aki: issued.aki.clone(),
        fingerprint,
        previous: String::new(),
    }
}

// === impl Store ===

impl Store {
    /// Puts `entries` behind the last one.
    pub(super) fn append(
        &self,
        batch: &mut WriteBatch,
        entries: Vec<LogEntry>,
    ) -> Result<(), StoreError> {
        if entries.is_empty() {
            return Ok(());
        }
        let (mut number, mut previous) = self.log_head()?;
        for mut entry in entries {
            number += 1;
            entry.number = number;
            entry.previous = hex::encode(previous);
            let bytes = json(&entry);
            previous = Sha256::digest(&bytes).into();
            batch.put(keys::log(number), bytes);
        }
        batch.put(keys::LOG_HEAD, [number.to_be_bytes().as_slice(), &previous].concat());
        Ok(())
    }

    /// The log from its start; the first entry that does not fit the one before is an error, and so is a missing end.
    pub fn log(&self) -> Result<Vec<LogEntry>, StoreError> {
        let mut entries: Vec<LogEntry> = Vec::new();
        let mut previous = [0; 32];
        for row in self.scan(keys::LOG.to_vec()) {
            let (key, value) = row?;
            let entry: LogEntry = read(&key, &value)?;
            let place = entries.len() as u64 + 1;
            if entry.number != place || entry.previous != hex::encode(previous) {
                return Err(damaged(
                    b"issuance log",
                    format!("entry {place} does not fit the one before"),
                ));
            }
            previous = Sha256::digest(&value).into();
            entries.push(entry);
        }
        if self.log_head()? != (entries.len() as u64, previous) {
            return Err(damaged(
                b"issuance log",
                format!("it ends too early, at {}", entries.len()),
            ));
        }
        Ok(entries)
    }

    fn log_head(&self) -> Result<(u64, [u8; 32]), StoreError> {
        let Some(head) = self.db.get(keys::LOG_HEAD)? else { return Ok((0, [0; 32])) };
        let wrong = || damaged(keys::LOG_HEAD, "it is no head");
        let head: [u8; HEAD_BYTES] = head.try_into().map_err(|_| wrong())?;
        let (number, hash) = head.split_at(8);
        let number = u64::from_be_bytes(number.try_into().map_err(|_| wrong())?);
        Ok((number, hash.try_into().map_err(|_| wrong())?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Change;

    fn issued(serial: &str) -> Issued {
        Issued {
            serial: serial.into(),
            aki: "a".into(),
            id: "ann".into(),
            profile: String::new(),
            pem: String::new(),
            not_before: 0,
            not_after: 9,
            revoked: None,
        }
    }

    #[test]
    fn the_log_is_a_chain_and_a_serial_is_given_once() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        for serial in ["1", "2", "3"] {
            let mut change = Change::default();
            change.issue(&issued(serial), serial.as_bytes(), 5);
            store.writer().apply(change).unwrap();
        }
        let mut again = Change::default();
        again.issue(&issued("2"), b"other", 6);
        assert!(matches!(store.writer().apply(again), Err(StoreError::SerialTaken(_))));
        let serials: Vec<_> = store.log().unwrap().into_iter().map(|entry| entry.serial).collect();
        assert_eq!(serials, ["1", "2", "3"]);
        assert_eq!(store.certificates_of("ann").unwrap().len(), 3);
        assert_eq!(store.certificates_of("an").unwrap(), []);
    }

    #[test]
    fn an_entry_that_was_changed_or_taken_out_is_seen() {
        for damage in [
            (|store: &Store| store.db.delete(keys::log(3)).unwrap()) as fn(&Store),
            |store| store.db.delete(keys::log(2)).unwrap(),
            |store| {
                let text = String::from_utf8(store.db.get(keys::log(2)).unwrap().unwrap()).unwrap();
                store.db.put(keys::log(2), text.replace("ann", "bob")).unwrap();
            },
        ] {
            let dir = tempfile::tempdir().unwrap();
            let store = Store::open(dir.path()).unwrap();
            for serial in ["1", "2", "3"] {
                let mut change = Change::default();
                change.issue(&issued(serial), serial.as_bytes(), 5);
                store.writer().apply(change).unwrap();
            }
            store.log().unwrap();
            damage(&store);
            assert!(store.log().is_err());
        }
    }
}
