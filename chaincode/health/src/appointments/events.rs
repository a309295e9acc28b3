//! The events of appointments: ids, numbers and words only. Who it concerns is told by the thing, not by the event.

use carecord_chaincode::json_object;

use crate::{appointments::words::MatchStatus, ids::Id};

/// Slots were published: [`SlotChange`].
pub const SLOTS_PUBLISHED: &str = "SlotsPublished";
/// A slot was taken back: [`SlotChange`].
pub const SLOT_WITHDRAWN: &str = "SlotWithdrawn";
/// A request was made: [`RequestChange`].
pub const APPOINTMENT_REQUESTED: &str = "AppointmentRequested";
/// A request was taken back by its patient: [`RequestChange`].
pub const REQUEST_CLOSED: &str = "RequestClosed";
/// A batch was frozen: [`BatchChange`].
pub const BATCH_FROZEN: &str = "BatchFrozen";
/// A batch was run; its matches wait for their practitioners: [`BatchChange`].
pub const BATCH_RUN: &str = "BatchRun";
/// A match came about or changed its state: [`MatchChange`].
pub const MATCH_CHANGED: &str = "MatchChanged";

json_object! {
    /// Slots appeared or went.
    pub struct SlotChange {
        /// Whose.
        pub practitioner: Id,
        /// The first of them.
        pub slot: Id,
        /// How many.
        pub count: u32,
    }
}

json_object! {
    /// A request appeared or ended.
    pub struct RequestChange {
        /// The request.
        pub request: Id,
        /// How often practitioners let it down.
        pub bumps: u32,
    }
}

json_object! {
    /// A batch was frozen or run.
    pub struct BatchChange {
        /// The batch.
        pub batch: Id,
        /// The matches that it made.
        pub pairs: u32,
    }
}

json_object! {
    /// A match changed.
    pub struct MatchChange {
        /// The match.
        pub matched: Id,
        /// Its state.
        pub status: MatchStatus,
    }
}
