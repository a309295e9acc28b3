//! The chaincode events: the committed, pseudonymous traces that vaults, SDKs and portals act on.
//!
//! A transaction has one event. None holds anything but ids, hashes, numbers and words of [`crate::vocabulary`].

use carecord_chaincode::json_object;

use crate::{
    channels::{ChannelId, Status},
    ids::{Id, KeyHash, Kid, MspId},
    vocabulary::Decision,
};

pub use crate::appointments::events::*;
pub use crate::storage::events::*;
pub use crate::telemetry::events::*;

/// An attempt to open a record, permitted or denied: [`RecordAccess`].
pub const RECORD_ACCESS: &str = "RecordAccess";
/// A record or a version of one was added: [`RecordChange`].
pub const RECORD_ADDED: &str = "RecordAdded";
/// See [`RECORD_ADDED`].
pub const RECORD_VERSION_ADDED: &str = "RecordVersionAdded";
/// The patient hid a record from everyone else: [`RecordChange`].
pub const RECORD_HIDDEN: &str = "RecordHidden";
/// The patient took the hiding back: [`RecordChange`].
pub const RECORD_UNHIDDEN: &str = "RecordUnhidden";
/// A record was marked as entered in error: [`RecordChange`].
pub const RECORD_RETRACTED: &str = "RecordRetracted";
/// A grant was written: [`ConsentChange`].
pub const CONSENT_GRANTED: &str = "ConsentGranted";
/// A grant was revoked: [`ConsentChange`].
pub const CONSENT_REVOKED: &str = "ConsentRevoked";
/// A grant was changed: [`ConsentChange`].
pub const CONSENT_AMENDED: &str = "ConsentAmended";
/// Somebody asks a patient for a grant: [`ConsentChange`] with the id that the grant would have.
pub const CONSENT_REQUESTED: &str = "ConsentRequested";
/// The patient does not give what was asked for: [`ConsentChange`].
pub const CONSENT_REJECTED: &str = "ConsentRejected";
/// Somebody was put into a group of a patient's: [`ConsentChange`] with the group's id.
pub const CONSENT_LINKED: &str = "ConsentLinked";
/// Somebody was taken out of a group of a patient's: [`ConsentChange`] with the group's id.
pub const CONSENT_UNLINKED: &str = "ConsentUnlinked";
/// Somebody broke the glass: [`ConsentChange`] with the grant that came of it.
pub const EMERGENCY_ACCESS: &str = "EmergencyAccess";
/// A use of emergency access was reviewed: [`ConsentChange`].
pub const EMERGENCY_REVIEWED: &str = "EmergencyReviewed";
/// A right to emergency access was named, approved or ended: [`SubjectChange`], active while it holds.
pub const EMERGENCY_ROLE_CHANGED: &str = "EmergencyRoleChanged";
/// A referral was offered or ended: [`crate::consent::ReferralChange`].
pub const REFERRAL_CHANGED: &str = "ReferralChanged";
/// An organisation was registered: [`OrgChange`].
pub const ORG_REGISTERED: &str = "OrgRegistered";
/// A person was registered: [`SubjectChange`].
pub const SUBJECT_REGISTERED: &str = "SubjectRegistered";
/// A person was suspended or reinstated: [`SubjectChange`].
pub const SUBJECT_CHANGED: &str = "SubjectChanged";
/// A person's first encryption key was registered: [`KeyChange`].
pub const KEY_REGISTERED: &str = "KeyRegistered";
/// An encryption key was replaced; wraps under the old one need to be made anew: [`KeyChange`].
pub const REWRAP_NEEDED: &str = "RewrapNeeded";
/// An encryption key was revoked: [`KeyChange`].
pub const KEY_REVOKED: &str = "KeyRevoked";
/// Money moved, or an organisation agreed to a motion: [`TokenChange`].
pub const TOKEN_CHANGED: &str = "TokenChanged";
/// A payment channel was opened or changed: [`ChannelChange`].
pub const CHANNEL_CHANGED: &str = "ChannelChanged";

json_object! {
    /// The evidence of one attempt to open a record; a permit is what a vault releases a wrap against
    /// (see [`crate::access`]).
    pub struct RecordAccess {
        /// Version of this form: 1.
        pub form: u32,
        /// The record asked for.
        pub record: Id,
        /// Permit or deny.
        pub decision: Decision,
        /// The public key that signed the transaction.
        pub reader: KeyHash,
        /// The record's version at that time; 0 on a denial.
        pub version: u64,
        /// The data key of that version; absent on a denial.
        pub data_key: Option<Id>,
        /// The reader's encryption key, to which the wrap is made; absent on a denial.
        pub recipient: Option<Kid>,
        /// The owner's consent epoch that the decision saw; 0 on a denial.
        pub epoch: u64,
        /// The transaction's time, seconds since 1970.
        pub at: i64,
        /// Since when the consent behind the permit holds, 0 for the owner; equal to `at` on a denial.
        pub from: i64,
        /// Until when the permit counts; equal to `at` on a denial.
        pub expires: i64,
    }
}

json_object! {
    /// Something happened to a record.
    pub struct RecordChange {
        /// The record.
        pub record: Id,
        /// Its version afterwards.
        pub version: u64,
        /// The data key of that version.
        pub data_key: Id,
    }
}

json_object! {
    /// A grant appeared or ended.
    pub struct ConsentChange {
        /// The grant.
        pub grant: Id,
        /// The patient's consent epoch afterwards.
        pub epoch: u64,
    }
}

json_object! {
    /// An organisation appeared.
    pub struct OrgChange {
        /// Its MSP id.
        pub msp: MspId,
    }
}

json_object! {
    /// A person appeared, was suspended or reinstated.
    pub struct SubjectChange {
        /// The person.
        pub subject: Id,
        /// Whether they may act.
        pub active: bool,
    }
}

json_object! {
    /// A person's encryption key changed.
    pub struct KeyChange {
        /// The person.
        pub subject: Id,
        /// The key concerned: the new one, or the revoked one.
        pub kid: Kid,
        /// The key that it replaces.
        pub previous: Option<Kid>,
        /// Its number in the person's chain of keys.
        pub seq: u64,
    }
}

json_object! {
    /// Something happened to money; whose and how much, only the people concerned are told.
    pub struct TokenChange {
        /// The motion, if one was agreed to.
        pub motion: Option<Id>,
        /// Whether it took effect.
        pub done: bool,
    }
}

json_object! {
    /// Something happened to a payment channel; its sides and their watchtowers know it by its id.
    pub struct ChannelChange {
        /// The channel.
        pub channel: ChannelId,
        /// How far it has come.
        pub status: Status,
        /// How often it was topped up.
        pub funding: u64,
        /// The number of the state at which one side closes alone, so that the other sees whether it knows a newer one.
        pub closing_seq: Option<u64>,
    }
}
