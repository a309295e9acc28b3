//! The events of this contract.

use carecord_chaincode::json_object;

use crate::{ids::Id, vocabulary::ClaimStatus};

/// A claim was handed in, adjudicated, appealed, flagged or paid: [`ClaimChange`].
pub const CLAIM_CHANGED: &str = "ClaimChanged";
/// A plan, enrolment, encounter or authorisation appeared or was decided: [`ThingChange`].
pub const CLAIM_PLAN_CHANGED: &str = "ClaimPlanChanged";
/// A remittance was made, or a payment plan appeared or moved on: [`ThingChange`].
pub const CLAIM_PAYMENT: &str = "ClaimPayment";

json_object! {
    /// A claim moved on.
    pub struct ClaimChange {
        /// The claim.
        pub claim: Id,
        /// Where it stands.
        pub status: ClaimStatus,
        /// How often it was adjudicated.
        pub round: u32,
    }
}

json_object! {
    /// Something appeared or changed; who is concerned reads it.
    pub struct ThingChange {
        /// Its id.
        pub id: Id,
    }
}
