//! Two doctors with slots, and patients who ask.

use carecord_chaincode::serde_json::{Value, json};
use carecord_health::appointments::model::Match;

use crate::{
    people,
    town::{Person, Town, random_id, register},
};

pub(super) const HOUR: i64 = 3600;
pub(super) const DAY: i64 = 24 * HOUR;

/// A town whose two doctors of hospital B serve internal medicine.
pub(super) struct Clinic {
    pub(super) town: Town,
    pub(super) patient: Person,
    pub(super) other_patient: Person,
    pub(super) doctor: Person,
    pub(super) other_doctor: Person,
}

impl Clinic {
    pub(super) fn new() -> Self {
        let mut town = Town::new();
        people!(town: patient, other_patient, doctor, other_doctor);
        let mut clinic = Self { town, patient, other_patient, doctor, other_doctor };
        clinic.found_token();
        for doctor in [clinic.doctor.id.clone(), clinic.other_doctor.id.clone()] {
            clinic.qualify(&doctor, "internal");
        }
        let profile = json!({"languages": ["en"], "inNetwork": ["InsurerMSP"], "rate": 2,
                             "dailyCap": 480});
        let args = ["appointments:SetProfile", &profile.to_string()];
        let _: Value = clinic.town.ok(&clinic.doctor.identity, &args);
        let _: Value = clinic.town.ok(&clinic.other_doctor.identity, &args);
        clinic
    }

    fn found_token(&mut self) {
        let settings = json!({"id": random_id(), "network": random_id(),
                              "careCap": "1000000000", "creditCap": "1"})
        .to_string();
        for admin in [self.town.admin_a.clone(), self.town.admin_b.clone()] {
            let _: Value = self.town.ok(&admin, &["token:Init", &settings]);
        }
    }

    /// Gives a person money.
    pub(super) fn mint(&mut self, to: &str, amount: u64) {
        let mint = json!({"id": random_id(), "to": to, "currency": "CARE",
                          "amount": amount.to_string()})
        .to_string();
        for admin in [self.town.admin_a.clone(), self.town.admin_b.clone()] {
            let _: Value = self.town.ok(&admin, &["token:Mint", &mint]);
        }
    }

    /// Confirms a match with money for it.
    pub(super) fn confirm(&mut self, patient: &Person, id: &str) -> Match {
        self.mint(&patient.id, 100);
        let deposit = json!({"mode": "uni", "amount": "60"}).to_string();
        self.town.ok(&patient.identity, &["appointments:Confirm", id, &deposit])
    }

    fn qualify(&mut self, doctor: &str, specialty: &str) {
        let specialties = json!([specialty]).to_string();
        let args = ["appointments:Qualify", doctor, &specialties];
        let _: Value = self.town.ok(&self.town_admin(), &args);
    }

    /// The administrator of the doctors' hospital, whose identity the town holds.
    pub(super) fn town_admin(&self) -> carecord_chaincode::test_util::TestIdentity {
        self.town.admin_b.clone()
    }

    pub(super) fn now(&self) -> i64 {
        self.town.ledger.now
    }

    pub(super) fn pass(&mut self, seconds: i64) {
        self.town.ledger.now += seconds;
    }

    /// One more patient of hospital A.
    pub(super) fn new_patient(&mut self) -> Person {
        let kind = carecord_chaincode::test_util::KeyKind::P256;
        let admin = self.town.admin_a.clone();
        register(&mut self.town.ledger, &admin, "patient", kind)
    }

    /// Publishes half-hour slots that begin after these seconds; answers their ids.
    pub(super) fn publish(&mut self, who: Who, after: &[i64]) -> Vec<String> {
        let slots: Vec<Value> = after
            .iter()
            .map(|after| {
                let start = self.now() + after;
                json!({"id": random_id(), "start": start, "end": start + 1800, "mode": "in-person"})
            })
            .collect();
        let args = ["appointments:PublishSlots", &json!(slots).to_string()];
        let doctor = self.doctor(who).identity.clone();
        let _: Value = self.town.ok(&doctor, &args);
        slots.iter().map(|slot| slot["id"].as_str().unwrap().to_owned()).collect()
    }

    pub(super) fn doctor(&self, who: Who) -> &Person {
        match who {
            Who::Doctor => &self.doctor,
            Who::Other => &self.other_doctor,
        }
    }

    /// The body of a request for internal medicine within ten days.
    pub(super) fn new_request(&self, urgency: u32) -> Value {
        json!({"id": random_id(), "specialty": "internal", "urgency": urgency,
               "terms": self.terms()})
    }

    pub(super) fn terms(&self) -> Value {
        let now = self.now();
        json!({"periods": [{"start": now, "end": now + 10 * DAY}], "languages": ["en"],
               "mode": "in-person", "minutes": 20, "pay": {"budget": 100}, "prefs": [],
               "reach": [{"org": "HospitalBMSP", "bucket": 1}]})
    }

    /// A patient's request; answers its id.
    pub(super) fn request(&mut self, patient: &Person, urgency: u32) -> String {
        let body = self.new_request(urgency);
        let args = ["appointments:Request", &body.to_string()];
        let _: Value = self.town.ok(&patient.identity, &args);
        body["id"].as_str().unwrap().to_owned()
    }

    /// Freezes and runs a batch of internal medicine; answers the batch and its result.
    pub(super) fn run(&mut self) -> (String, Value) {
        let batch = self.freeze();
        let admin = self.town_admin();
        let result: Value = self.town.ok(&admin, &["appointments:RunMatching", &batch]);
        (batch, result)
    }

    /// Freezes a batch of internal medicine.
    pub(super) fn freeze(&mut self) -> String {
        let (batch, now) = (random_id(), self.now().to_string());
        let admin = self.town_admin();
        let args = ["appointments:FreezeBatch", &batch, "internal", &now];
        let _: Value = self.town.ok(&admin, &args);
        batch
    }

    /// The newest match of a person.
    pub(super) fn last_match(&mut self, person: &Person) -> Match {
        let args = ["appointments:ListMatches", "", "100"];
        let page: carecord_health::page::Page<Match> = self.town.ok(&person.identity, &args);
        page.items.into_iter().max_by_key(|m| m.made).unwrap()
    }

    /// A function with one id, expected to work.
    pub(super) fn act(&mut self, person: &Person, function: &str, id: &str) -> Value {
        self.town.ok(&person.identity, &[&format!("appointments:{function}"), id])
    }

    /// A function with one id, expected to be refused.
    pub(super) fn refuse(&mut self, person: &Person, function: &str, id: &str, code: &str) {
        self.town.refused(&person.identity, &[&format!("appointments:{function}"), id], code);
    }

    /// The request as its patient sees it.
    pub(super) fn request_of(&mut self, patient: &Person, id: &str) -> Value {
        let args = ["appointments:ListMine", "", "100"];
        let page: Value = self.town.ok(&patient.identity, &args);
        let items = page["items"].as_array().unwrap();
        items.iter().find(|item| item["id"] == id).unwrap().clone()
    }
}

/// Which doctor.
#[derive(Clone, Copy)]
pub(super) enum Who {
    Doctor,
    Other,
}
