//! Why a transaction is not valid, in words: which key conflicted with which transaction, whose endorsement lacks.
//!
//! Place in the flow: validator and MVCC note it beside the code, the peer tells it to whoever submitted the transaction.
//! It decides nothing and is stored nowhere. It may name a key, so it goes into an answer to a member, never into a log.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use carecord_channel::policy::{Policy, lacking_orgs};
use carecord_msp::Identity;
use prost::Message;

use crate::state::Version;
use crate::updates::Place;

/// Bytes of a key or a name that are told; the rest is cut off.
const MAX_KEY_BYTES: usize = 256;
/// The largest signature policy that is kept to work out what it lacks.
const MAX_POLICY_BYTES: usize = 4096;

/// Why a transaction is not valid.
#[derive(Debug, Clone)]
pub enum Cause {
    /// What it read is no longer so.
    Conflict(Conflict),
    /// Its endorsements are not enough.
    Endorsement(Lack),
}

/// A read that another transaction has overtaken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// The key or range that was read, as text: namespace, collection, key.
    pub read: String,
    /// The transaction that wrote or deleted it since, where that is known.
    pub writer: Option<Version>,
    /// Whether it is deleted now.
    pub is_deleted: bool,
}

/// Endorsements that a policy does not accept.
#[derive(Debug, Clone)]
pub struct Lack {
    /// Whose policy it is, as text.
    pub asked: String,
    /// The organisations whose endorsement is good.
    pub endorsed: BTreeSet<String>,
    /// The policy, unless it is too large to be kept.
    policy: Option<Arc<Policy>>,
}

// === impl Cause ===

impl Cause {
    /// The transaction that was faster, if this is a conflict with a known one.
    pub fn writer(&self) -> Option<Version> {
        match self {
            Cause::Conflict(conflict) => conflict.writer,
            Cause::Endorsement(_) => None,
        }
    }

    /// In one line of ASCII; `writer_tx_id` is the id of the transaction at [`Cause::writer`], if the caller knows it.
    pub fn told(&self, writer_tx_id: Option<&str>) -> String {
        match self {
            Cause::Conflict(conflict) => conflict.told(writer_tx_id),
            Cause::Endorsement(lack) => lack.to_string(),
        }
    }
}

// === impl Conflict ===

impl Conflict {
    pub(crate) fn of_key(place: Place<'_>, writer: Option<Version>, is_deleted: bool) -> Self {
        Self { read: of_place(place), writer, is_deleted }
    }

    /// A range of public keys that cannot be told key by key; `newest` is the newest write in it.
    pub(crate) fn of_range(
        namespace: &str,
        (start, end): (&str, &str),
        newest: Option<Version>,
    ) -> Self {
        let (start, end) = (shown(start.as_bytes()), shown(end.as_bytes()));
        let namespace = shown(namespace.as_bytes());
        let read = format!("the range \"{start}\" to \"{end}\" of namespace {namespace}");
        Self { read, writer: newest, is_deleted: false }
    }

    fn told(&self, writer_tx_id: Option<&str>) -> String {
        let Self { read, writer, is_deleted } = self;
        let done = if *is_deleted { "deleted" } else { "written" };
        match (writer, writer_tx_id) {
            (Some(Version { block, .. }), Some(tx_id)) => {
                format!("{read} was {done} by transaction {tx_id} in block {block}")
            }
            (Some(Version { block, tx }), None) => {
                format!("{read} was {done} by transaction {tx} (counted from 0) of block {block}")
            }
            (None, _) if *is_deleted => format!("{read} is not there any more"),
            (None, _) => format!("{read} is not as it was read"),
        }
    }
}

// === impl Lack ===

impl Lack {
    pub(crate) fn new(
        asked: String,
        endorsers: &[Arc<Identity>],
        policy: Option<&Arc<Policy>>,
    ) -> Self {
        let endorsed = endorsers.iter().map(|endorser| endorser.msp_id().to_owned()).collect();
        Self { asked, endorsed, policy: policy.filter(|policy| is_small(policy)).cloned() }
    }
}

impl fmt::Display for Lack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let endorsed: Vec<&str> = self.endorsed.iter().map(String::as_str).collect();
        let endorsed = if endorsed.is_empty() { "nobody".into() } else { endorsed.join(", ") };
        write!(f, "{} is not met: endorsed by {endorsed}", self.asked)?;
        let Some(policy) = &self.policy else { return Ok(()) };
        let ways = lacking_orgs(policy, &self.endorsed);
        let ways = ways.into_iter().map(|way| way.into_iter().collect::<Vec<_>>().join(" and "));
        match ways.collect::<Vec<_>>().join(", or ") {
            none if none.is_empty() => Ok(()),
            lacking => write!(f, ", not by {lacking}"),
        }
    }
}

fn is_small(policy: &Policy) -> bool {
    match policy {
        Policy::Signature(policy) => policy.envelope().encoded_len() <= MAX_POLICY_BYTES,
        Policy::ImplicitMeta(_) | Policy::Reject(_) => true,
    }
}

/// A key as text: the namespace, the collection if it is of one, the key or its hash.
pub(crate) fn of_place(Place { namespace, collection, key }: Place<'_>) -> String {
    let namespace = shown(namespace.as_bytes());
    match collection {
        None => format!("key \"{}\" of namespace {namespace}", shown(key)),
        Some(collection) => {
            let collection = shown(collection.as_bytes());
            let hash = hex::encode(&key[..key.len().min(MAX_KEY_BYTES)]);
            format!("key hash {hash} of collection {collection} of namespace {namespace}")
        }
    }
}

/// A key in ASCII; composite keys have control characters between their parts.
pub(crate) fn shown(key: &[u8]) -> String {
    let cut = &key[..key.len().min(MAX_KEY_BYTES)];
    let rest = if cut.len() < key.len() { "..." } else { "" };
    match std::str::from_utf8(cut) {
        Ok(text) => format!("{}{rest}", text.escape_default()),
        Err(_) => format!("{}{rest}", cut.escape_ascii()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_told_in_ascii_and_not_beyond_its_limit() {
        assert_eq!(shown("\0rec\u{10ffff}é\"".as_bytes()), "\\u{0}rec\\u{10ffff}\\u{e9}\\\"");
        assert_eq!(shown(&[b'k'; 300]), format!("{}...", "k".repeat(MAX_KEY_BYTES)));
        assert!(shown("é".repeat(200).as_bytes()).is_ascii());
    }

    #[test]
    fn a_conflict_names_key_and_transaction() {
        let place = Place { namespace: "bench", collection: None, key: b"k" };
        let at = Some(Version { block: 7, tx: 1 });
        let check = |conflict: Conflict, tx_id, expected: &str| {
            assert_eq!(Cause::Conflict(conflict).told(tx_id), expected);
        };
        let key = "key \"k\" of namespace bench";
        let faster = Conflict::of_key(place, at, false);
        check(
            faster.clone(),
            Some("ab"),
            &format!("{key} was written by transaction ab in block 7"),
        );
        let counted = "was written by transaction 1 (counted from 0) of block 7";
        check(faster, None, &format!("{key} {counted}"));
        let gone = Conflict::of_key(place, None, true);
        check(gone, None, &format!("{key} is not there any more"));
        let hashed = Place { collection: Some("col"), key: &[0xab], ..place };
        let told = "key hash ab of collection col of namespace bench is not as it was read";
        check(Conflict::of_key(hashed, None, false), None, told);
    }
}
