//! A patient with an insurance: what insurer and provider hold of it, beside the ledger.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use carecord_chaincode::{
    serde_json::{self, Value, json},
    test_util::{Committed, TestIdentity, Verdict},
};
use carecord_health::{
    claims::{
        self, Claim, Plan,
        adjudication::{self, accumulate, take_back},
        opening::{self, Kind, MemberSecret, Salts},
        outcome::{Accumulators, ClaimLines, Line, Outcome},
        terms::{Schedule, Service, Terms},
    },
    ids::Id,
    token::Currency,
    vocabulary::Unscheduled,
};

use crate::town::{Person, Town, add_record, assert_valid, grant, random_id};

/// A day of service, and the moment at which claims for it are handed in.
pub(crate) const DAY: i64 = 19_675;

/// The transient fields of a call.
pub(crate) type Fields = BTreeMap<String, Bytes>;

/// A fresh id.
pub(crate) fn id() -> Id {
    Id::new(random_id()).unwrap()
}

/// Transient fields by name.
pub(crate) fn fields<const N: usize>(all: [(&str, &[u8]); N]) -> Fields {
    all.into_iter().map(|(name, bytes)| (name.to_owned(), Bytes::copy_from_slice(bytes))).collect()
}

impl Town {
    /// Submits with transient fields.
    pub(crate) fn submit_with(
        &mut self,
        who: &TestIdentity,
        args: &[&str],
        transient: &Fields,
    ) -> Committed {
        self.ledger.transient = transient.clone();
        let done = self.ledger.submit("health", who, args);
        self.ledger.transient.clear();
        done
    }

    /// Submits with transient fields and expects a refusal with this code that changes nothing.
    pub(crate) fn refused_with(
        &mut self,
        who: &TestIdentity,
        args: &[&str],
        transient: &Fields,
        code: &str,
    ) {
        let before = self.ledger.state().clone();
        let done = self.submit_with(who, args, transient);
        assert_eq!(done.verdict, Verdict::NotEndorsed, "{args:?} was not refused");
        assert!(done.response.message.starts_with(code), "{args:?}: {}", done.response.message);
        assert!(*self.ledger.state() == before, "a refusal changed the state");
    }
}

/// What the parties of one insurance hold.
pub(crate) struct Cover {
    pub(crate) plan: Plan,
    pub(crate) enrolment: Id,
    pub(crate) schedule: Vec<u8>,
    pub(crate) secret: MemberSecret,
    /// What the member has paid, by benefit year.
    pub(crate) paid: BTreeMap<i64, Accumulators>,
}

/// A claim as its provider holds it.
pub(crate) struct Held {
    pub(crate) id: Id,
    pub(crate) lines: ClaimLines,
    pub(crate) bytes: Vec<u8>,
}

/// Terms with 20 % coinsurance and nothing else.
pub(crate) fn terms() -> Terms {
    Terms {
        currency: Currency::UsDollar,
        deductible: 0,
        coinsurance_bps: 2_000,
        outside_bps: Some(4_000),
        out_of_pocket_max: None,
        unscheduled: Unscheduled::Charge,
        filing_days: 365,
    }
}

/// A service of the schedule.
pub(crate) fn service(tag: &Id, allowed: u64) -> Service {
    Service {
        tag: tag.clone(),
        allowed,
        copay: 0,
        deductible: true,
        authorisation: false,
        excluded: false,
    }
}

/// Lines of one unit each, on [`DAY`].
pub(crate) fn lines(charges: &[(&Id, u64)]) -> ClaimLines {
    let line = |(tag, charge): &(&Id, u64)| Line {
        tag: (*tag).clone(),
        diagnoses: vec![],
        charge: *charge,
        units: 1,
        minutes: 0,
    };
    ClaimLines {
        salt: id(),
        from: DAY,
        until: DAY,
        lines: charges.iter().map(line).collect(),
        encounter: None,
    }
}

/// Registers a plan and makes the patient a member, who lets the insurer read to pay.
pub(crate) fn cover(
    town: &mut Town,
    insurer: &Person,
    patient: &Person,
    terms: Terms,
    mut services: Vec<Service>,
) -> Cover {
    services.sort_by(|a, b| a.tag.cmp(&b.tag));
    let schedule = Schedule { salt: id(), services, excluded: vec![] };
    let (schedule, commitment) = opening::seal(Kind::Schedule, &schedule).unwrap();
    let plan = json!({"id": id(), "terms": terms, "schedule": commitment,
                      "network": ["HospitalAMSP"]});
    let plan: Plan = town.ok(&insurer.identity, &["claims:RegisterPlan", &plan.to_string()]);
    let secret = MemberSecret { secret: id() };
    let (_, commitment) = opening::seal(Kind::Member, &secret).unwrap();
    let enrolment = id();
    let new = json!({"id": enrolment, "plan": plan.id, "member": patient.id,
                     "secret": commitment, "from": 19_358, "until": 20_088});
    let _: Value = town.ok(&insurer.identity, &["claims:Enroll", &new.to_string()]);
    let grantee = json!({"role": "insurer", "org": "InsurerMSP"});
    grant(town, patient, &grantee, "HPAYMT");
    Cover { plan, enrolment, schedule, secret, paid: BTreeMap::new() }
}

impl Cover {
    /// The transient fields of `Submit`.
    pub(crate) fn submission(&self, bytes: &[u8]) -> Fields {
        let (member, _) = opening::seal(Kind::Member, &self.secret).unwrap();
        fields([("claim", bytes), ("member", &member)])
    }

    /// The argument of `Submit`, and what the provider holds.
    pub(crate) fn draft(
        &self,
        town: &mut Town,
        author: &Person,
        patient: &Person,
        lines: ClaimLines,
    ) -> (Value, Held) {
        let record = add_record(town, author, &patient.id);
        let (bytes, commitment) = opening::seal(Kind::Claim, &lines).unwrap();
        let held = Held { id: id(), lines, bytes };
        let new = json!({"id": held.id, "enrolment": self.enrolment, "record": record,
                         "lines": commitment});
        (new, held)
    }

    /// Hands a claim in.
    pub(crate) fn submit(
        &self,
        town: &mut Town,
        author: &Person,
        patient: &Person,
        lines: ClaimLines,
    ) -> Held {
        let (new, held) = self.draft(town, author, patient, lines);
        let args = ["claims:Submit", &new.to_string()];
        assert_valid(&town.submit_with(&author.identity, &args, &self.submission(&held.bytes)));
        held
    }

    /// The transient fields of `Adjudicate`.
    pub(crate) fn decision(&self, held: &Held, earlier: Option<&Outcome>) -> (Fields, Salts) {
        let salts = Salts { outcome: id(), accumulators: id() };
        let mut all = fields([
            ("claim", &held.bytes),
            ("schedule", &self.schedule),
            ("salts", &serde_json::to_vec(&salts).unwrap()),
        ]);
        if let Some(paid) = self.paid.get(&held.lines.year()) {
            let (bytes, _) = opening::seal(Kind::Accumulators, paid).unwrap();
            all.insert("accumulators".to_owned(), bytes.into());
        }
        if let Some(earlier) = earlier {
            let (bytes, _) = opening::seal(Kind::Outcome, earlier).unwrap();
            all.insert("outcome".to_owned(), bytes.into());
        }
        (all, salts)
    }

    /// Adjudicates a claim on the ledger, and again as each party does for itself: both must come to the same.
    pub(crate) fn adjudicate(
        &mut self,
        town: &mut Town,
        insurer: &Person,
        held: &Held,
        earlier: Option<&Outcome>,
    ) -> Outcome {
        let before: Claim = town.ok(&insurer.identity, &["claims:Get", held.id.as_str()]);
        let (transient, salts) = self.decision(held, earlier);
        let args = ["claims:Adjudicate", held.id.as_str()];
        let done = town.submit_with(&insurer.identity, &args, &transient);
        assert_valid(&done);
        let after: Claim = serde_json::from_slice(&done.response.payload).unwrap();
        let outcome = self.recompute(&before, held, salts, earlier, BTreeSet::new());
        let (_, commitment) = opening::seal(Kind::Outcome, &outcome).unwrap();
        assert_eq!(after.outcome, Some(commitment));
        outcome
    }

    /// What a party comes to by itself; the sums are then those after the claim.
    pub(crate) fn recompute(
        &mut self,
        claim: &Claim,
        held: &Held,
        salts: Salts,
        earlier: Option<&Outcome>,
        authorised: BTreeSet<Id>,
    ) -> Outcome {
        let schedule: Schedule = serde_json::from_slice(&self.schedule).unwrap();
        let plan = adjudication::Plan { terms: &self.plan.terms, schedule: &schedule };
        let zero = Accumulators { salt: id(), deductible: 0, out_of_pocket: 0 };
        let year = held.lines.year();
        let mut before = self.paid.get(&year).cloned().unwrap_or(zero);
        if let Some(earlier) = earlier {
            before = take_back(&before, earlier).unwrap();
        }
        let facts = claims::facts(claim, &self.plan, &held.lines, salts.outcome, authorised);
        let outcome = adjudication::adjudicate(plan, facts, &held.lines.lines, &before).unwrap();
        self.paid.insert(year, accumulate(&before, &outcome, salts.accumulators).unwrap());
        outcome
    }
}
