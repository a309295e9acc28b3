//! What a batch is made of: everything that matching looks at, frozen, and nothing else.

use carecord_chaincode::{Schema, json_object, serde_json};

use crate::{
    appointments::words::{Language, Mode, Specialty},
    ids::{Id, MspId},
};

json_object! {
    /// A stretch of time, seconds since 1970.
    pub struct Period {
        /// Its first second.
        pub start: i64,
        /// The second after its last.
        pub end: i64,
    }
}

/// How a visit is to be paid.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub enum Pay {
    /// By an insurer, with practitioners of its network.
    Insurance {
        /// The insurer.
        insurance: MspId,
    },
    /// By the patient.
    Budget {
        /// At most this much, minor units.
        budget: u64,
    },
}

impl Schema for Pay {
    fn schema() -> serde_json::Value {
        let object = |properties: serde_json::Value| serde_json::json!({"type": "object", "properties": properties, "additionalProperties": false});
        serde_json::json!({"oneOf": [
            object(serde_json::json!({"insurance": MspId::schema()})),
            object(serde_json::json!({"budget": u64::schema()})),
        ]})
    }
}

json_object! {
    /// How far an organisation is from a patient, as the patient's own client says; the patient's place stays with them.
    pub struct Reach {
        /// The organisation.
        pub org: MspId,
        /// 0 next door, 1 near, 2 reachable; everything else is not listed.
        pub bucket: u32,
    }
}

json_object! {
    /// One request of a batch.
    pub struct Demand {
        /// The request.
        pub id: Id,
        /// What it needs.
        pub specialty: Specialty,
        /// 1 most urgent, to 4.
        pub urgency: u32,
        /// How long it has waited when the batch was frozen, seconds.
        pub waited: u64,
        /// How often others let it down.
        pub bumps: u32,
        /// When the patient can come.
        pub periods: Vec<Period>,
        /// What the patient speaks.
        pub languages: Vec<Language>,
        /// How the patient wants to meet.
        pub mode: Mode,
        /// How long the visit takes, minutes.
        pub minutes: u32,
        /// How it is paid.
        pub pay: Pay,
        /// Practitioners in the patient's order of preference.
        pub prefs: Vec<Id>,
        /// Distances.
        pub reach: Vec<Reach>,
        /// Practitioners who have seen the patient before.
        pub seen: Vec<Id>,
        /// Practitioners with whom a match failed.
        pub excluded: Vec<Id>,
    }
}

json_object! {
    /// One slot of a batch.
    pub struct Supply {
        /// The slot.
        pub id: Id,
        /// Whose it is.
        pub practitioner: Id,
        /// Their organisation.
        pub org: MspId,
        /// When it begins, seconds since 1970.
        pub start: i64,
        /// When it ends.
        pub end: i64,
        /// How one meets.
        pub mode: Mode,
        /// What the practitioner is vouched for.
        pub specialties: Vec<Specialty>,
        /// What the practitioner speaks.
        pub languages: Vec<Language>,
        /// Insurers whose network the practitioner is in.
        pub in_network: Vec<MspId>,
        /// Price of a minute, minor units.
        pub rate: u64,
        /// How full the practitioner's day was when the batch was frozen: 0 empty, 200 at the cap.
        pub load: u32,
    }
}

/// A frozen batch, sorted by id on either side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    demands: Vec<Demand>,
    supplies: Vec<Supply>,
}

impl Batch {
    /// Sorts both sides, so that the order in which they were found cannot matter.
    pub fn new(mut demands: Vec<Demand>, mut supplies: Vec<Supply>) -> Self {
        demands.sort_by(|a, b| a.id.cmp(&b.id));
        supplies.sort_by(|a, b| a.id.cmp(&b.id));
        Self { demands, supplies }
    }

    /// The requests, by id.
    pub fn demands(&self) -> &[Demand] {
        &self.demands
    }

    /// The slots, by id.
    pub fn supplies(&self) -> &[Supply] {
        &self.supplies
    }
}
