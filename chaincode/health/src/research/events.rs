//! The events of this contract.

use carecord_chaincode::json_object;

use crate::ids::Id;

/// A study appeared or changed: [`StudyChange`].
pub const STUDY_CHANGED: &str = "StudyChanged";
/// Somebody takes part; whoever keeps their data de-identifies and contributes it: [`PlaceChange`].
pub const STUDY_ACCEPTED: &str = "StudyAccepted";
/// A place was offered, declined or left; what was left is not collected any more: [`PlaceChange`].
pub const STUDY_PLACE_CHANGED: &str = "StudyPlaceChanged";

json_object! {
    /// Something happened to a study.
    pub struct StudyChange {
        /// The study.
        pub study: Id,
    }
}

json_object! {
    /// Something happened to a place of a study; whose it is, those concerned read.
    pub struct PlaceChange {
        /// The study.
        pub study: Id,
        /// Which place.
        pub place: u32,
    }
}
