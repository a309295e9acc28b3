//! What the ledger holds of storage: who keeps which ciphertext, and what it costs.

use carecord_chaincode::json_object;

use crate::{
    ids::{ContentId, Id, MspId},
    merkle::Hash,
    storage::words::{ChallengeStatus, Country, ProviderStatus, Region, ReplicaStatus},
    token::Amount,
};

json_object! {
    /// A provider as it registers itself.
    pub struct NewProvider {
        /// Where it stores.
        pub region: Region,
        /// Whose law holds there.
        pub jurisdiction: Country,
        /// How much it takes, bytes.
        pub capacity: u64,
        /// Price of a begun MiB for an epoch, minor units of CARE.
        pub price: u64,
    }
}

json_object! {
    /// Somebody who keeps ciphertexts for others.
    pub struct Provider {
        /// The person of the provider.
        pub id: Id,
        /// Its organisation.
        pub org: MspId,
        /// As it registered.
        pub terms: NewProvider,
        /// How much of it is taken, bytes.
        pub used: u64,
        /// Exponentially weighted success, millionths; see [`super::score`].
        pub reputation: u32,
        /// Exponentially weighted latency as readers report it, milliseconds.
        pub latency_ms: u32,
        /// Whether it takes objects.
        pub status: ProviderStatus,
    }
}

json_object! {
    /// A quota as it is bought.
    pub struct NewQuota {
        /// Chosen by the client.
        pub id: Id,
        /// How much can be placed, bytes.
        pub bytes: u64,
        /// For how many epochs, the current one included.
        pub epochs: u32,
        /// What is put in for it, minor units of CARE.
        pub deposit: Amount,
    }
}

json_object! {
    /// A quota.
    pub struct Quota {
        /// Its id.
        pub id: Id,
        /// Whose it is.
        pub owner: Id,
        /// How much can be placed, bytes.
        pub bytes: u64,
        /// How much of it is taken.
        pub used: u64,
        /// The first epoch that is no longer covered.
        pub until: u64,
        /// What was put in.
        pub deposit: Amount,
        /// How much of it is promised to providers or paid.
        pub committed: Amount,
        /// How much of it is paid.
        pub paid: Amount,
        /// Whether the rest was given back.
        pub closed: bool,
    }
}

json_object! {
    /// An object as its owner places it.
    pub struct NewObject {
        /// Chosen by the client.
        pub id: Id,
        /// The quota.
        pub quota: Id,
        /// The content id of the ciphertext.
        pub cid: ContentId,
        /// Its length in bytes.
        pub size: u64,
        /// The Merkle root over its blocks of [`super::BLOCK_BYTES`].
        pub root: Hash,
        /// How many providers keep it.
        pub copies: u32,
        /// In which jurisdictions it may lie; in any if empty.
        pub residency: Vec<Country>,
    }
}

json_object! {
    /// One copy.
    pub struct Replica {
        /// Who keeps it.
        pub provider: Id,
        /// What it costs for an epoch, minor units.
        pub cost: Amount,
        /// The first epoch that is paid.
        pub payable: u64,
        /// How far it has come.
        pub status: ReplicaStatus,
        /// Since when, seconds since 1970.
        pub since: i64,
        /// Challenges failed since the last one passed.
        pub failed: u32,
    }
}

json_object! {
    /// An object and its copies.
    pub struct Object {
        /// As it was placed.
        pub placed: NewObject,
        /// Whose it is.
        pub owner: Id,
        /// Its copies.
        pub replicas: Vec<Replica>,
    }
}

json_object! {
    /// A challenge as its challenger opens it.
    pub struct NewChallenge {
        /// Chosen by the client.
        pub id: Id,
        /// The object.
        pub object: Id,
        /// The provider.
        pub provider: Id,
        /// [`super::seed::commitment`] to the challenger's random bits.
        pub commitment: Hash,
    }
}

json_object! {
    /// A challenge: whether a provider still has the bytes.
    pub struct Challenge {
        /// As it was opened.
        pub opened: NewChallenge,
        /// Who opened it.
        pub challenger: Id,
        /// Their organisation.
        pub org: MspId,
        /// Who drew.
        pub drawer: Option<Id>,
        /// What they drew.
        pub drawn: Option<Id>,
        /// The block that is asked for.
        pub block: Option<u64>,
        /// The epoch that it proves.
        pub epoch: u64,
        /// How far it has come.
        pub status: ChallengeStatus,
        /// Until when the next step has to be done, seconds since 1970.
        pub due: i64,
    }
}

json_object! {
    /// That a provider proved an object in an epoch.
    pub struct Proven {
        /// The challenge.
        pub challenge: Id,
        /// The quota that pays it.
        pub quota: Id,
        /// What it costs.
        pub cost: Amount,
        /// Whether the epoch is paid.
        pub paid: bool,
    }
}
