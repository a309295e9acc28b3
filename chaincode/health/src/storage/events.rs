//! The events of storage: ids and words only.

use carecord_chaincode::json_object;

use crate::{ids::Id, storage::words::ChallengeStatus};

/// A provider registered, changed its terms or leaves: [`ProviderChange`].
pub const PROVIDER_CHANGED: &str = "ProviderChanged";
/// A quota was bought or closed: [`QuotaChange`].
pub const QUOTA_CHANGED: &str = "QuotaChanged";
/// An object was placed, kept, repaired or removed; its providers look it up: [`ObjectChange`].
pub const OBJECT_CHANGED: &str = "ObjectChanged";
/// A challenge went on: [`ChallengeChange`].
pub const CHALLENGE_CHANGED: &str = "ChallengeChanged";

json_object! {
    /// A provider changed.
    pub struct ProviderChange {
        /// The provider.
        pub provider: Id,
    }
}

json_object! {
    /// A quota changed.
    pub struct QuotaChange {
        /// The quota.
        pub quota: Id,
    }
}

json_object! {
    /// An object changed.
    pub struct ObjectChange {
        /// The object.
        pub object: Id,
        /// Number of its copies.
        pub copies: u32,
    }
}

json_object! {
    /// A challenge changed.
    pub struct ChallengeChange {
        /// The challenge.
        pub challenge: Id,
        /// How far it has come.
        pub status: ChallengeStatus,
    }
}
