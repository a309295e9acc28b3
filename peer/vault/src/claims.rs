//! Contents that no committed record names yet: whose they are, how much they may be, and when they are removed.
//!
//! Who stores a content says which version of which record will name it. Until the vault sees that version on its own
//! ledger, the content counts against the person and their organisation; after a time without it, it is removed. A content
//! without a row here is named, and stays.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use carecord_health::ids::{ContentId, Id, KeyHash};
use rocksdb::WriteBatch;

use crate::copies::Kept;
use crate::limits::{BATCH_KEYS, Limits};
use crate::{Error, Store};

const PREFIX: &str = "p/";

/// Somebody's promise that a version of a record will name a content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Claim {
    pub(crate) cid: ContentId,
    pub(crate) caller: KeyHash,
    pub(crate) channel: String,
    pub(crate) record: Id,
    pub(crate) version: u64,
    pub(crate) size: u64,
    /// When the content came, by the vault's clock.
    pub(crate) at: i64,
    /// The caller's organisation.
    pub(crate) msp_id: String,
}

/// What one person or one organisation has stored unnamed.
#[derive(Clone, Copy, Debug, Default)]
struct Amount {
    bytes: u64,
    contents: u64,
}

/// What everybody has stored unnamed, and what is on its way in.
#[derive(Debug, Default)]
pub(crate) struct Usage {
    people: HashMap<KeyHash, Amount>,
    organisations: HashMap<String, Amount>,
    coming_bytes: u64,
}

/// Room for a content on its way in; free again when dropped.
pub(crate) struct Room {
    store: Arc<Store>,
    claim: Claim,
    /// Whether it counts: what the same claim has stored already is not counted twice.
    counts: bool,
}

// === impl Claim ===

impl Claim {
    pub(crate) fn key(&self) -> String {
        let Self { cid, caller, channel, record, version, .. } = self;
        format!("{PREFIX}{cid}/{caller}/{channel}/{record}/{version}")
    }

    fn value(&self) -> String {
        format!("{}/{}/{}", self.size, self.at, self.msp_id)
    }

    fn parse(key: &str, value: &[u8]) -> Option<Self> {
        let mut parts = key.strip_prefix(PREFIX)?.split('/');
        let mut part = || parts.next();
        let (cid, caller) = (ContentId::new(part()?)?, KeyHash::new(part()?)?);
        let (channel, record) = (part()?.to_owned(), Id::new(part()?)?);
        let version = part()?.parse().ok()?;
        let mut values = std::str::from_utf8(value).ok()?.splitn(3, '/');
        let size = values.next()?.parse().ok()?;
        let at = values.next()?.parse().ok()?;
        let msp_id = values.next()?.to_owned();
        Some(Self { cid, caller, channel, record, version, size, at, msp_id })
    }
}

// === impl Usage ===

impl Usage {
    /// What the database tells.
    pub(crate) fn read(store: &Store) -> Result<Self, Error> {
        let mut read = Self::default();
        store.each(PREFIX, |key, value| {
            read.add(&Claim::parse(key, value).ok_or(Error::Damaged)?);
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(read)
    }

    /// Bytes on their way in.
    pub(crate) fn coming_bytes(&self) -> u64 {
        self.coming_bytes
    }

    fn has_room(&self, claim: &Claim, limits: &Limits) -> bool {
        let person = self.people.get(&claim.caller).copied().unwrap_or_default();
        let organisation = self.organisations.get(&claim.msp_id).copied().unwrap_or_default();
        person.contents < limits.unnamed_contents_per_person
            && person.bytes.saturating_add(claim.size) <= limits.unnamed_bytes_per_person
            && organisation.bytes.saturating_add(claim.size)
                <= limits.unnamed_bytes_per_organisation
    }

    fn add(&mut self, claim: &Claim) {
        let organisation = self.organisations.entry(claim.msp_id.clone()).or_default();
        for amount in [self.people.entry(claim.caller.clone()).or_default(), organisation] {
            amount.bytes += claim.size;
            amount.contents += 1;
        }
    }

    fn take(&mut self, claim: &Claim) {
        take(&mut self.people, &claim.caller, claim.size);
        take(&mut self.organisations, &claim.msp_id, claim.size);
    }
}

fn take<K: std::hash::Hash + Eq>(amounts: &mut HashMap<K, Amount>, whose: &K, bytes: u64) {
    if let Some(amount) = amounts.get_mut(whose) {
        amount.bytes = amount.bytes.saturating_sub(bytes);
        amount.contents = amount.contents.saturating_sub(1);
        if amount.contents == 0 {
            amounts.remove(whose);
        }
    }
}

// === impl Room ===

impl Drop for Room {
    fn drop(&mut self) {
        let mut usage = self.store.usage.lock();
        if self.counts {
            usage.take(&self.claim);
        }
        usage.coming_bytes = usage.coming_bytes.saturating_sub(self.claim.size);
    }
}

// === impl Store ===

impl Store {
    /// Room for one more content of this caller.
    pub(crate) fn reserve(self: &Arc<Self>, claim: &Claim, limits: &Limits) -> Result<Room, Error> {
        let counts = !self.has(&claim.key())?;
        let mut usage = self.usage.lock();
        if counts {
            if !usage.has_room(claim, limits) {
                return Err(Error::Quota);
            }
            usage.add(claim);
        }
        usage.coming_bytes += claim.size;
        Ok(Room { store: Arc::clone(self), claim: claim.clone(), counts })
    }

    /// Puts a content in its `place`, noted as unnamed unless it is there and named already. The note comes first: what a
    /// crash leaves is a note without content, which the sweep removes.
    pub(crate) fn keep(
        &self,
        claim: &Claim,
        is_there: impl FnOnce() -> bool,
        place: impl FnOnce() -> Result<(), Error>,
    ) -> Result<(), Error> {
        let _writing = self.writing();
        let is_named = is_there() && self.claims_of(&claim.cid)?.is_empty();
        if !is_named {
            let earlier = self.db.get(claim.key())?;
            let earlier = earlier.and_then(|value| Claim::parse(&claim.key(), &value));
            let mut batch = WriteBatch::default();
            batch.put(claim.key(), claim.value());
            self.write(batch)?;
            let mut usage = self.usage.lock();
            if let Some(earlier) = earlier {
                usage.take(&earlier);
            }
            usage.add(claim);
        }
        place()
    }

    /// The content is named by a committed record: it stays, and counts against nobody.
    /// What names it is noted, so that its copies are looked after, and answered.
    pub(crate) fn settle(
        &self,
        cid: &ContentId,
        is_named: impl Fn(&Claim) -> bool,
    ) -> Result<Vec<Kept>, Error> {
        let _writing = self.writing();
        let mut kept = Vec::new();
        for claim in self.claims_of(cid)? {
            let claim = &claim;
            let mut batch = WriteBatch::default();
            if is_named(claim) {
                kept.push(Kept::of(claim));
                Self::note_kept(&Kept::of(claim), &mut batch);
            }
            batch.delete(claim.key());
            self.write(batch)?;
            self.usage.lock().take(claim);
        }
        Ok(kept)
    }

    /// Ends a claim whose time is over, and calls `remove` for the content if it was the last one. The note goes last: what
    /// a crash leaves is once more a note without content. Answers whether the content was removed.
    pub(crate) fn expire(
        &self,
        claim: &Claim,
        remove: impl FnOnce() -> Result<(), Error>,
    ) -> Result<bool, Error> {
        let _writing = self.writing();
        let claims = self.claims_of(&claim.cid)?;
        if !claims.contains(claim) {
            return Ok(false); // settled or renewed meanwhile
        }
        let last = claims.len() == 1;
        if last {
            remove()?;
        }
        self.drop_claim(claim)?;
        Ok(last)
    }

    /// Up to a batch of claims behind the key `after`.
    pub(crate) fn claims_after(&self, after: &str) -> Result<Vec<Claim>, Error> {
        let mut claims = Vec::new();
        let from = if after.is_empty() { PREFIX } else { after };
        self.each_from(PREFIX, from, &mut |key, value| {
            if key != after {
                claims.push(Claim::parse(key, value).ok_or(Error::Damaged)?);
            }
            let full = claims.len() >= BATCH_KEYS;
            Ok(if full { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        Ok(claims)
    }

    fn claims_of(&self, cid: &ContentId) -> Result<Vec<Claim>, Error> {
        let mut claims = Vec::new();
        self.each(&format!("{PREFIX}{cid}/"), |key, value| {
            claims.push(Claim::parse(key, value).ok_or(Error::Damaged)?);
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(claims)
    }

    fn drop_claim(&self, claim: &Claim) -> Result<(), Error> {
        let mut batch = WriteBatch::default();
        batch.delete(claim.key());
        self.write(batch)?;
        self.usage.lock().take(claim);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
