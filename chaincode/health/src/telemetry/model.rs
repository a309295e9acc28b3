//! What the ledger holds of telemetry: chains of roots. Samples, codes and thresholds are in nobody's clear.

use carecord_chaincode::json_object;

use crate::{
    ids::{Commitment, ContentId, Id, MspId},
    merkle::Hash,
    telemetry::words::{GapReason, LinkStatus, Severity},
};

json_object! {
    /// A link as a patient proposes it.
    pub struct NewLink {
        /// Chosen by the client.
        pub id: Id,
        /// The device.
        pub device: Id,
        /// Until when, seconds since 1970.
        pub until: i64,
    }
}

json_object! {
    /// A device that measures a patient for some time.
    pub struct Link {
        /// Its id.
        pub id: Id,
        /// The device.
        pub device: Id,
        /// The patient.
        pub patient: Id,
        /// The patient's home organisation.
        pub home: MspId,
        /// Since when, seconds since 1970.
        pub from: i64,
        /// Until when, not including.
        pub until: i64,
        /// Its state.
        pub status: LinkStatus,
    }
}

json_object! {
    /// A batch of samples as a device anchors it; its signature covers [`super::statement::batch`].
    pub struct NewBatch {
        /// The link.
        pub link: Id,
        /// Its number in the link's chain, from 1.
        pub seq: u64,
        /// The hash of the batch before it, or of the link for the first.
        pub prev_hash: Hash,
        /// The time of its first sample, milliseconds since 1970.
        pub from: i64,
        /// The time after its last sample.
        pub to: i64,
        /// Number of samples.
        pub samples: u32,
        /// The Merkle root over [`super::statement::sample`]s.
        pub root: Hash,
        /// The content id of the sealed samples.
        pub cid: ContentId,
        /// Why time is missing before it.
        pub gap: Option<GapReason>,
        /// The device's signature, base64.
        pub signature: String,
    }
}

json_object! {
    /// An anchored batch.
    pub struct Batch {
        /// As the device anchored it.
        pub batch: NewBatch,
        /// When, seconds since 1970, by the transaction.
        pub at: i64,
        /// Whether it came later than a quarter of an hour after its last sample.
        pub late: bool,
    }
}

json_object! {
    /// The end of a link's chain.
    pub struct Tip {
        /// The number of the last batch; 0 for none.
        pub seq: u64,
        /// Its hash, or that of the link.
        pub hash: Hash,
        /// The time after its last sample, milliseconds since 1970.
        pub to: i64,
        /// How often time was missing.
        pub gaps: u64,
    }
}

json_object! {
    /// A rule as a practitioner sets it: what it watches is sealed, for the patient's edge to evaluate.
    pub struct NewRule {
        /// Chosen by the client.
        pub id: Id,
        /// The link that it watches.
        pub link: Id,
        /// The content id of the sealed code, limits and duration.
        pub cid: ContentId,
        /// A salted commitment to them.
        pub commitment: Commitment,
        /// How bad it is.
        pub severity: Severity,
    }
}

json_object! {
    /// A rule.
    pub struct Rule {
        /// As it was set.
        pub rule: NewRule,
        /// By whom.
        pub practitioner: Id,
        /// When, seconds since 1970.
        pub at: i64,
        /// When it ended.
        pub ended: Option<i64>,
        /// Its alert that nobody has acknowledged yet.
        pub waiting: Option<Id>,
    }
}

json_object! {
    /// An alert as a device raises it: the sample at which the rule fired, proven to be in an anchored batch.
    pub struct NewAlert {
        /// Chosen by the client.
        pub id: Id,
        /// The rule.
        pub rule: Id,
        /// The batch.
        pub seq: u64,
        /// The sample's place in it.
        pub index: u32,
        /// The sample's leaf hash.
        pub leaf: Hash,
        /// The hashes beside its way to the root, from below.
        pub path: Vec<Hash>,
    }
}

json_object! {
    /// An alert.
    pub struct Alert {
        /// Its id.
        pub id: Id,
        /// The rule.
        pub rule: Id,
        /// The link.
        pub link: Id,
        /// How bad it is.
        pub severity: Severity,
        /// The batch.
        pub seq: u64,
        /// The sample's place in it.
        pub index: u32,
        /// The sample's leaf hash.
        pub leaf: Hash,
        /// When it was raised, seconds since 1970.
        pub at: i64,
        /// How often it was escalated.
        pub level: u32,
        /// Who acknowledged it.
        pub by: Option<Id>,
        /// When.
        pub acknowledged: Option<i64>,
    }
}
