//! What the ledger holds of studies: terms, places, who takes part, and where contributions lie.

use carecord_chaincode::json_object;

use super::duo::{Consented, Intended};
use crate::{
    ids::{Commitment, Id, MspId},
    token::{Amount, Currency},
    vocabulary::vocabulary,
};

vocabulary! {
    /// How far a study has come.
    StudyStatus {
        /// Waits for the ethics board.
        Proposed = "proposed",
        /// Patients may take part.
        Approved = "approved",
        /// The ethics board does not want it.
        Rejected = "rejected",
        /// Over; what nobody earned went back.
        Settled = "settled",
    }
}

vocabulary! {
    /// What a patient has to do with a study.
    PartyStatus {
        /// May take part.
        Offered = "offered",
        /// Takes part, and was paid.
        Accepted = "accepted",
        /// Does not want to.
        Declined = "declined",
        /// Did not answer in time.
        Expired = "expired",
        /// Took part, and does no more.
        Withdrawn = "withdrawn",
    }
}

json_object! {
    /// A study.
    pub struct Study {
        /// Its id; contributions are records that have it as a tag.
        pub id: Id,
        /// Who leads it, and pays for it.
        pub researcher: Id,
        /// Their organisation.
        pub sponsor: MspId,
        /// The organisation whose ethics board decides on it.
        pub ethics: MspId,
        /// The commitment to the protocol, which is kept elsewhere.
        pub protocol: Commitment,
        /// What it uses data for.
        pub r#use: Intended,
        /// In which currency patients are paid.
        pub currency: Currency,
        /// What each gets.
        pub reward: Amount,
        /// How many can take part.
        pub places: u32,
        /// Counts below this are told as 0, at least 11.
        pub smallest: u32,
        /// Until when, not including, patients may join and data is collected, seconds since 1970.
        pub until: i64,
        /// How far it has come.
        pub status: StudyStatus,
        /// When it was published, seconds since 1970.
        pub published: i64,
    }
}

json_object! {
    /// A patient's part in a study.
    pub struct Party {
        /// The study.
        pub study: Id,
        /// The patient.
        pub patient: Id,
        /// Which of the study's places.
        pub place: u32,
        /// Who offered it.
        pub by: Id,
        /// Until when, not including, it can be accepted, seconds since 1970.
        pub until: i64,
        /// How it stands.
        pub status: PartyStatus,
        /// What the patient consented to.
        pub r#use: Option<Consented>,
        /// The grant by which the sponsor's researchers read contributions.
        pub grant: Option<Id>,
        /// When the patient accepted, seconds since 1970.
        pub accepted: Option<i64>,
        /// When the patient declined or withdrew, seconds since 1970.
        pub ended: Option<i64>,
    }
}

json_object! {
    /// One place of a study; its reward lies in an escrow of its own.
    pub struct Place {
        /// For whom it is.
        pub patient: Id,
        /// Whether its reward was paid.
        pub paid: bool,
    }
}

json_object! {
    /// A de-identified record for a study.
    pub struct Contribution {
        /// The study.
        pub study: Id,
        /// The record: sealed in the vault, opened for `HRESCH`.
        pub record: Id,
        /// Whose it is.
        pub patient: Id,
        /// When it was contributed, seconds since 1970.
        pub at: i64,
    }
}

json_object! {
    /// A question how many patients fit a study.
    pub struct Search {
        /// Its id.
        pub id: Id,
        /// For which study.
        pub study: Id,
        /// The commitment to the question, which hospitals are sent sealed.
        pub query: Commitment,
        /// When it was asked, seconds since 1970.
        pub at: i64,
    }
}

json_object! {
    /// A hospital's answer.
    pub struct Answer {
        /// The hospital.
        pub msp: MspId,
        /// How many of its patients fit; 0 also if they are fewer than the study's smallest count.
        pub count: u64,
        /// When it was given, seconds since 1970.
        pub at: i64,
    }
}
