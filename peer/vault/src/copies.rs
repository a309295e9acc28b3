//! Copies: which organisations keep a content, and the rows of what this vault keeps.
//!
//! A content that a committed record names lies in the vaults of at least [`COPIES`] organisations, if the channel has as many:
//! first the record's own, then the others in the order of SHA-256(content id ‖ MSP id), which nobody chooses.

use std::ops::ControlFlow;

use carecord_health::ids::{ContentId, Id};
use carecord_proto::hash::sha256;
use rocksdb::WriteBatch;

use crate::claims::Claim;
use crate::limits::BATCH_KEYS;
use crate::{Error, Store};

const PREFIX: &str = "k/";

/// How many organisations keep a content.
pub const COPIES: usize = 3;

/// A content that this vault keeps, and a version that names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Kept {
    pub(crate) cid: ContentId,
    pub(crate) channel: String,
    pub(crate) record: Id,
    pub(crate) version: u64,
    pub(crate) size: u64,
}

/// The organisations in the order in which they are to keep a content; `home` is the one whose people made it.
pub fn order<'a>(cid: &str, home: &str, organisations: &[&'a str]) -> Vec<&'a str> {
    let mut all = organisations.to_vec();
    all.sort_by_cached_key(|org| {
        (*org != home, sha256(&[cid.as_bytes(), org.as_bytes()]), (*org).to_owned())
    });
    all.dedup();
    all
}

// === impl Kept ===

impl Kept {
    pub(crate) fn of(claim: &Claim) -> Self {
        let Claim { cid, channel, record, version, size, .. } = claim.clone();
        Self { cid, channel, record, version, size }
    }

    pub(crate) fn key(&self) -> String {
        let Self { cid, channel, record, version, .. } = self;
        format!("{PREFIX}{cid}/{channel}/{record}/{version}")
    }

    fn parse(key: &str, value: &[u8]) -> Option<Self> {
        let mut parts = key.strip_prefix(PREFIX)?.split('/');
        let mut part = || parts.next();
        let (cid, channel) = (ContentId::new(part()?)?, part()?.to_owned());
        let (record, version) = (Id::new(part()?)?, part()?.parse().ok()?);
        let size = u64::from_be_bytes(value.try_into().ok()?);
        Some(Self { cid, channel, record, version, size })
    }
}

// === impl Store ===

impl Store {
    /// Adds the row of a kept content to a batch.
    pub(crate) fn note_kept(kept: &Kept, batch: &mut WriteBatch) {
        batch.put(kept.key(), kept.size.to_be_bytes());
    }

    /// Up to a batch of kept contents behind the key `after`.
    pub(crate) fn kept_after(&self, after: &str) -> Result<Vec<Kept>, Error> {
        let mut kept = Vec::new();
        let from = if after.is_empty() { PREFIX } else { after };
        self.each_from(PREFIX, from, &mut |key, value| {
            if key != after {
                kept.push(Kept::parse(key, value).ok_or(Error::Damaged)?);
            }
            let full = kept.len() >= BATCH_KEYS;
            Ok(if full { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        Ok(kept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_home_comes_first_and_the_others_by_a_hash_that_everybody_computes_alike() {
        let cid = "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku";
        let one = order(cid, "CMSP", &["AMSP", "BMSP", "CMSP", "DMSP"]);
        let other = order(cid, "CMSP", &["DMSP", "CMSP", "BMSP", "AMSP", "AMSP"]);
        assert_eq!(one, other);
        assert_eq!(one[0], "CMSP");
        assert_eq!(one.len(), 4);
    }

    #[test]
    fn contents_are_spread_over_the_organisations() {
        let organisations = ["AMSP", "BMSP", "CMSP", "DMSP", "EMSP"];
        let mut times = [0; 5];
        for number in 0..1_000_u32 {
            let keepers = order(&number.to_string(), "AMSP", &organisations);
            for keeper in &keepers[..COPIES] {
                times[organisations.iter().position(|org| org == keeper).unwrap()] += 1;
            }
        }
        assert_eq!(times[0], 1_000);
        assert!(times[1..].iter().all(|times| (400..600).contains(times)), "{times:?}");
    }
}
