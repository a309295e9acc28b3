//! Every state key of this contract, in one table.
//!
//! | key | value |
//! |---|---|
//! | `study` id | [`super::Study`] |
//! | `studyparty` study, patient | [`super::Party`] |
//! | `studyplace` study, number | [`super::Place`] |
//! | `studyof` patient, study | a mark |
//! | `studydata` study, record | [`super::Contribution`] |
//! | `search` id | [`super::Search`] |
//! | `searched` study | how many searches were made |
//! | `answer` search, msp | [`super::Answer`] |

use crate::{
    ids::{Id, MspId},
    store::build,
};

pub(super) const STUDY: &str = "study";
pub(super) const PLACE: &str = "studyplace";
pub(super) const OF: &str = "studyof";
pub(super) const DATA: &str = "studydata";
pub(super) const ANSWER: &str = "answer";

pub(super) fn study(id: &Id) -> String {
    build(STUDY, &[id.as_str()])
}

pub(super) fn party(study: &Id, patient: &Id) -> String {
    build("studyparty", &[study.as_str(), patient.as_str()])
}

pub(super) fn place(study: &Id, number: u32) -> String {
    build(PLACE, &[study.as_str(), &format!("{number:06}")])
}

pub(super) fn of(patient: &Id, study: &Id) -> String {
    build(OF, &[patient.as_str(), study.as_str()])
}

pub(super) fn data(study: &Id, record: &Id) -> String {
    build(DATA, &[study.as_str(), record.as_str()])
}

pub(super) fn search(id: &Id) -> String {
    build("search", &[id.as_str()])
}

pub(super) fn searched(study: &Id) -> String {
    build("searched", &[study.as_str()])
}

pub(super) fn answer(search: &Id, msp: &MspId) -> String {
    build(ANSWER, &[search.as_str(), msp.as_str()])
}
