//! Studies: terms that consent covers, rewards that are paid once, and an end that takes effect at once.

use carecord_chaincode::{
    serde_json::{Value, json},
    test_util::{KeyKind, TestIdentity, Verdict},
};
use carecord_health::{
    ids::Id,
    page::Page,
    research::{
        Answer, Contribution, OFFER_SECONDS, Party, PartyStatus, SEARCHES_MAX, Study, StudyStatus,
        duo::{Condition, Consented, Intended, Permission, covers},
    },
    vocabulary::Decision,
};

use crate::{
    money::{Bank, assert_conserved, held},
    town::{Person, YEAR, assert_valid, new_record, nobody, open, random_id, register},
};

const REWARD: u128 = 25;

/// A researcher with money, an ethics board, and patients at hospital A.
struct Lab {
    bank: Bank,
    researcher: Person,
    ethics: Person,
    author: Person,
}

impl Lab {
    fn new() -> Self {
        let mut bank = Bank::new();
        let researcher = std::mem::replace(&mut bank.town.researcher, nobody());
        let author = std::mem::replace(&mut bank.town.author, nobody());
        let ethics = register(&mut bank.town.ledger, &bank.admin_b, "regulator", KeyKind::P256);
        bank.mint(&researcher.id, "CARE", 10_000);
        Self { bank, researcher, ethics, author }
    }

    fn draft(&self, change: Value) -> Value {
        let mut study = json!({"id": random_id(), "ethics": "HospitalBMSP",
            "protocol": "c".repeat(64), "use": {"purpose": "DUO:0000006", "keeps": []},
            "currency": "CARE", "reward": REWARD.to_string(), "places": 4,
            "until": self.bank.town.ledger.now + YEAR});
        for (name, value) in change.as_object().unwrap() {
            study[name] = value.clone();
        }
        study
    }

    fn approved(&mut self, change: Value) -> String {
        let study = self.draft(change);
        let args = ["research:PublishStudy", &study.to_string()];
        let _: Study = self.bank.town.ok(&self.researcher.identity, &args);
        let id = study["id"].as_str().unwrap().to_owned();
        let args = ["research:Approve", &id, "permit"];
        let study: Study = self.bank.town.ok(&self.ethics.identity, &args);
        assert_eq!(study.status, StudyStatus::Approved);
        id
    }

    fn offer(&mut self, study: &str, patient: &str, place: u32) -> Party {
        let args = ["research:Offer", study, patient, &place.to_string()];
        self.bank.town.ok(&self.author.identity, &args)
    }

    fn joined(&mut self, study: &str, place: u32) -> Party {
        let patient = self.bank.patient.id.clone();
        self.offer(study, &patient, place);
        let args = ["research:Accept", &acceptance(study, json!({}))];
        self.bank.town.ok(&self.bank.patient.identity, &args)
    }
}

fn acceptance(study: &str, change: Value) -> String {
    let mut terms = json!({"permission": "DUO:0000006", "diseases": [], "conditions": []});
    for (name, value) in change.as_object().unwrap() {
        terms[name] = value.clone();
    }
    json!({"study": study, "use": terms, "grant": random_id()}).to_string()
}

#[test]
fn a_study_is_published_with_all_its_rewards_set_apart() {
    let mut lab = Lab::new();
    let study = lab.draft(json!({"places": 100}));
    let args = ["research:PublishStudy", &study.to_string()];
    let _: Study = lab.bank.town.ok(&lab.researcher.identity, &args);
    assert_eq!(lab.bank.balance(&lab.researcher.id.clone()), 10_000 - 100 * REWARD);
    let apart: u128 = held(&lab.bank.town.ledger, "CARE")
        .iter()
        .filter(|(account, _)| account.starts_with("e:research:"))
        .map(|(_, amount)| amount)
        .sum();
    assert_eq!(apart, 100 * REWARD);
    assert_conserved(&lab.bank.town.ledger);
    // More than is there, or the same id again.
    let large = lab.draft(json!({"places": 301})).to_string();
    let who = &lab.researcher.identity;
    lab.bank.town.refused(who, &["research:PublishStudy", &large], "CR-CC-062");
    let again = lab.draft(json!({"id": study["id"]})).to_string();
    lab.bank.town.refused(who, &["research:PublishStudy", &again], "CR-CC-040");
}

#[test]
fn a_study_that_makes_no_sense_is_refused() {
    let mut lab = Lab::new();
    let now = lab.bank.town.ledger.now;
    for (change, code) in [
        (json!({"places": 0}), "CR-CC-010"),
        (json!({"places": 501}), "CR-CC-010"),
        (json!({"smallest": 10}), "CR-CC-010"),
        (json!({"until": now}), "CR-CC-010"),
        (json!({"until": now + 11 * YEAR}), "CR-CC-010"),
        (json!({"currency": "USD"}), "CR-CC-010"),
        (json!({"ethics": "ResearchMSP"}), "CR-CC-010"),
        (json!({"ethics": "NobodyMSP"}), "CR-CC-030"),
        (json!({"reward": "-1"}), "CR-CC-003"),
        (json!({"researcher": random_id()}), "CR-CC-003"),
        (json!({"title": "diabetes"}), "CR-CC-003"),
        (json!({"use": {"purpose": "DUO:0000004", "keeps": []}}), "CR-CC-010"),
        (json!({"use": {"purpose": "DUO:0000007", "keeps": []}}), "CR-CC-010"),
        (
            json!({"use": {"purpose": "DUO:0000006", "disease": random_id(), "keeps": []}}),
            "CR-CC-010",
        ),
        (json!({"use": {"purpose": "DUO:9999999", "keeps": []}}), "CR-CC-003"),
    ] {
        let study = lab.draft(change).to_string();
        let args = ["research:PublishStudy", &study];
        lab.bank.town.refused(&lab.researcher.identity, &args, code);
    }
}

#[test]
fn the_ethics_board_of_the_other_organisation_decides_and_nobody_else() {
    let mut lab = Lab::new();
    let study = lab.draft(json!({}));
    let args = ["research:PublishStudy", &study.to_string()];
    let _: Study = lab.bank.town.ok(&lab.researcher.identity, &args);
    let id = study["id"].as_str().unwrap();
    // Nobody joins before.
    let patient = lab.bank.patient.id.clone();
    let offer = ["research:Offer", id, &patient, "0"];
    lab.bank.town.refused(&lab.author.identity, &offer, "CR-CC-050");
    let approve = ["research:Approve", id, "permit"];
    lab.bank.town.refused(&lab.researcher.identity, &approve, "CR-CC-020");
    let elsewhere =
        register(&mut lab.bank.town.ledger, &lab.bank.admin_a, "regulator", KeyKind::P256);
    lab.bank.town.refused(&elsewhere.identity, &approve, "CR-CC-030");
    let deny = ["research:Approve", id, "deny"];
    let study: Study = lab.bank.town.ok(&lab.ethics.identity, &deny);
    assert_eq!(study.status, StudyStatus::Rejected);
    lab.bank.town.refused(&lab.ethics.identity, &approve, "CR-CC-050");
    lab.bank.town.refused(&lab.author.identity, &offer, "CR-CC-050");
    // A rejected study gives its money back at once.
    let _: Study = lab.bank.town.ok(&lab.researcher.identity, &["research:Settle", id]);
    assert_eq!(lab.bank.balance(&lab.researcher.id.clone()), 10_000);
    // Each change of a study is endorsed by the peer of the ethics board's organisation, too.
    let msp = |name: &str| carecord_health::ids::MspId::new(name).unwrap();
    let both =
        carecord_health::policy::home_and_one_other(&msp("ResearchMSP"), &[msp("HospitalBMSP")]);
    let state = lab.bank.town.ledger.state();
    let found = state.iter().find(|((_, key), _)| key.starts_with("\0study\0") && key.contains(id));
    assert_eq!(found.unwrap().1.policy, both);
}

/// The truth of data-use terms, a second time: as sets of purposes and bits.
fn reference(consent: &Consented, study: &Intended) -> bool {
    let purposes: &[Permission] = match consent.permission {
        Permission::Unrestricted | Permission::General => {
            &[Permission::General, Permission::Health, Permission::Disease, Permission::Ancestry]
        }
        Permission::Health => &[Permission::Health, Permission::Disease],
        Permission::Disease => &[Permission::Disease],
        Permission::Ancestry => &[Permission::Ancestry],
    };
    if !purposes.contains(&study.purpose) {
        return false;
    }
    if consent.permission == Permission::Disease
        && !consent.diseases.iter().any(|d| Some(d) == study.disease.as_ref())
    {
        return false;
    }
    let mut kept: std::collections::BTreeSet<&str> =
        study.keeps.iter().map(|c| c.as_str()).collect();
    kept.insert("DUO:0000021");
    if kept.contains("DUO:0000018") {
        kept.extend(["DUO:0000045", "DUO:0000046"]);
    }
    if kept.contains("DUO:0000045") && kept.contains("DUO:0000046") {
        kept.insert("DUO:0000018");
    }
    if study.purpose != Permission::Ancestry {
        kept.insert("DUO:0000044");
    }
    consent.conditions.iter().all(|c| kept.contains(c.as_str()))
}

#[test]
fn consent_covers_a_study_as_the_table_says() {
    use rand::{Rng, SeedableRng};
    let (mut yes, mut no) = (0, 0);
    for seed in 0..100_000 {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
        let mut word = || Permission::ALL[rng.random_range(0..5)];
        let (permission, purpose) = (word(), word());
        let mut some = |odds: f64| -> Vec<Condition> {
            Condition::ALL.iter().copied().filter(|_| rng.random_bool(odds)).collect()
        };
        let (conditions, keeps) = (some(0.15), some(0.5));
        let disease = |n: u32| Id::new(format!("{n:032x}")).unwrap();
        let diseases = match permission {
            Permission::Disease => (0..rng.random_range(1..4)).map(disease).collect(),
            _ => vec![],
        };
        let consent = Consented { permission, diseases, conditions };
        let named = (purpose == Permission::Disease).then(|| disease(rng.random_range(0..4)));
        let study = Intended { purpose, disease: named, keeps };
        let found = covers(&consent, &study);
        assert_eq!(found, reference(&consent, &study), "seed {seed}: {consent:?} {study:?}");
        if found { yes += 1 } else { no += 1 }
    }
    assert!(yes > 10_000 && no > 10_000, "{yes} {no}");
}

#[test]
fn joining_is_consent_and_reward_in_one_and_once() {
    let mut lab = Lab::new();
    let disease = random_id();
    let terms = json!({"purpose": "DUO:0000007", "disease": disease, "keeps": ["DUO:0000045"]});
    let study = lab.approved(json!({"use": terms}));
    let patient = lab.bank.patient.id.clone();
    let accept = |change: Value| ["research:Accept".to_owned(), acceptance(&study, change)];
    // Not offered, not covered, not sensible: no grant, no money.
    let refused = |lab: &mut Lab, change: Value, code: &str| {
        let args = accept(change);
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        lab.bank.town.refused(&lab.bank.patient.identity, &args, code);
    };
    refused(&mut lab, json!({}), "CR-CC-030");
    lab.offer(&study, &patient, 2);
    for change in [
        json!({"permission": "DUO:0000011"}),
        json!({"permission": "DUO:0000007", "diseases": [random_id()]}),
        json!({"permission": "DUO:0000007"}),
        json!({"diseases": [disease]}),
        json!({"conditions": ["DUO:0000046"]}),
    ] {
        refused(&mut lab, change, "CR-CC-010");
    }
    let good = json!({"permission": "DUO:0000007", "diseases": [random_id(), disease],
                      "conditions": ["DUO:0000045", "DUO:0000021"]});
    let args = accept(good.clone());
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let party: Party = lab.bank.town.ok(&lab.bank.patient.identity, &args);
    assert_eq!((party.status, party.place), (PartyStatus::Accepted, 2));
    assert_eq!(lab.bank.balance(&patient), REWARD);
    let grants: Page<Value> =
        lab.bank.town.ok(&lab.bank.patient.identity, &["consent:ListMine", "", "10"]);
    assert_eq!(grants.items.len(), 1);
    assert_eq!(grants.items[0]["purposes"], json!(["HRESCH"]));
    assert_eq!(grants.items[0]["scope"]["tags"], json!([study]));
    refused(&mut lab, good, "CR-CC-050");
    assert_conserved(&lab.bank.town.ledger);
}

#[test]
fn a_hundred_accepts_at_once_pay_one_reward() {
    let mut lab = Lab::new();
    let study = lab.approved(json!({}));
    let patient = lab.bank.patient.id.clone();
    lab.offer(&study, &patient, 0);
    let who = &lab.bank.patient.identity;
    let accepts: Vec<_> = (0..100)
        .map(|_| {
            let args = ["research:Accept", &acceptance(&study, json!({}))];
            lab.bank.town.ledger.simulate("health", who, &args)
        })
        .collect();
    let verdicts: Vec<_> =
        accepts.into_iter().map(|a| lab.bank.town.ledger.commit(a).verdict).collect();
    assert_eq!(verdicts.iter().filter(|v| **v == Verdict::Valid).count(), 1);
    assert_eq!(lab.bank.balance(&patient), REWARD);
    assert_conserved(&lab.bank.town.ledger);
}

#[test]
fn a_hundred_patients_who_accept_at_once_are_each_paid_once() {
    let mut lab = Lab::new();
    let study = lab.approved(json!({"places": 100}));
    let patients: Vec<Person> = (0..100)
        .map(|_| register(&mut lab.bank.town.ledger, &lab.bank.admin_a, "patient", KeyKind::P256))
        .collect();
    for (place, patient) in (0u32..).zip(&patients) {
        lab.offer(&study, &patient.id, place);
    }
    // There is no place for one more, and none of these is given twice.
    let args = ["research:Offer", &study, &lab.bank.patient.id, "100"];
    lab.bank.town.refused(&lab.author.identity, &args, "CR-CC-010");
    let args = ["research:Offer", &study, &lab.bank.patient.id, "99"];
    lab.bank.town.refused(&lab.author.identity, &args, "CR-CC-040");
    let twice: Vec<_> = patients
        .iter()
        .chain(&patients)
        .map(|patient| {
            let args = ["research:Accept", &acceptance(&study, json!({}))];
            lab.bank.town.ledger.simulate("health", &patient.identity, &args)
        })
        .collect();
    let verdicts: Vec<_> =
        twice.into_iter().map(|a| lab.bank.town.ledger.commit(a).verdict).collect();
    assert!(verdicts[..100].iter().all(|v| *v == Verdict::Valid), "{verdicts:?}");
    assert!(verdicts[100..].iter().all(|v| *v != Verdict::Valid), "{verdicts:?}");
    for patient in &patients {
        assert_eq!(lab.bank.balance(&patient.id), REWARD);
    }
    assert_conserved(&lab.bank.town.ledger);
}

#[test]
fn a_place_that_nobody_took_in_time_goes_to_somebody_else() {
    let mut lab = Lab::new();
    let study = lab.approved(json!({}));
    let (patient, other) = (lab.bank.patient.id.clone(), {
        let other =
            register(&mut lab.bank.town.ledger, &lab.bank.admin_a, "patient", KeyKind::P256);
        other
    });
    lab.offer(&study, &patient, 0);
    let second = ["research:Offer", &study, &other.id, "0"];
    lab.bank.town.refused(&lab.author.identity, &second, "CR-CC-040");
    let again = ["research:Offer", &study, &patient, "1"];
    lab.bank.town.refused(&lab.author.identity, &again, "CR-CC-040");
    lab.bank.town.ledger.now += OFFER_SECONDS;
    let accept = ["research:Accept", &acceptance(&study, json!({}))];
    lab.bank.town.refused(&lab.bank.patient.identity, &accept, "CR-CC-050");
    let _: Party = lab.bank.town.ok(&lab.author.identity, &second);
    lab.bank.town.refused(&lab.bank.patient.identity, &accept, "CR-CC-050");
    // Who declines frees the place at once, and may be asked again.
    let _: Party = lab.bank.town.ok(&other.identity, &["research:Decline", &study]);
    lab.bank.town.refused(&other.identity, &["research:Decline", &study], "CR-CC-050");
    assert_eq!(lab.joined(&study, 0).status, PartyStatus::Accepted);
    let _: Party =
        lab.bank.town.ok(&lab.author.identity, &["research:Offer", &study, &other.id, "1"]);
}

#[test]
fn a_place_is_offered_by_the_patients_home_or_taken_by_the_patient() {
    let mut lab = Lab::new();
    let study = lab.approved(json!({}));
    let patient = lab.bank.patient.id.clone();
    let offer = ["research:Offer", &study, &patient, "0"];
    lab.bank.town.refused(&lab.bank.doctor.identity, &offer, "CR-CC-030");
    let other = std::mem::replace(&mut lab.bank.town.other_patient, nobody());
    lab.bank.town.refused(&other.identity, &offer, "CR-CC-030");
    lab.bank.town.refused(&lab.researcher.identity, &offer, "CR-CC-020");
    let unknown = ["research:Offer", &study, &random_id(), "0"];
    lab.bank.town.refused(&lab.author.identity, &unknown, "CR-CC-030");
    let _: Party = lab.bank.town.ok(&lab.bank.patient.identity, &offer);
    for (who, args) in [
        (&other, ["research:Decline", study.as_str()]),
        (&other, ["research:Withdraw", study.as_str()]),
    ] {
        lab.bank.town.refused(&who.identity, &args, "CR-CC-030");
    }
    let mine: Page<Party> =
        lab.bank.town.ok(&lab.bank.patient.identity, &["research:ListMine", "", "10"]);
    assert_eq!(mine.items.len(), 1);
}

/// A de-identified record for a study, contributed by its author.
fn contribute(lab: &mut Lab, study: &str) -> String {
    let mut record = new_record(&lab.bank.patient.id);
    record["tags"] = json!([study]);
    let args = ["records:Add", &record.to_string()];
    let _: Value = lab.bank.town.ok(&lab.author.identity, &args);
    let id = record["id"].as_str().unwrap().to_owned();
    let _: Contribution =
        lab.bank.town.ok(&lab.author.identity, &["research:Contribute", study, &id]);
    id
}

fn collected(lab: &mut Lab, study: &str) -> Vec<String> {
    let args = ["research:Collect", study, "", "100"];
    let page: Page<Contribution> = lab.bank.town.ok(&lab.researcher.identity, &args);
    page.items.into_iter().map(|c| c.record.to_string()).collect()
}

#[test]
fn what_is_collected_is_what_those_who_take_part_have_given() {
    let mut lab = Lab::new();
    let study = lab.approved(json!({}));
    let mut plain = new_record(&lab.bank.patient.id);
    plain["tags"] = json!([study]);
    let args = ["records:Add", &plain.to_string()];
    let _: Value = lab.bank.town.ok(&lab.author.identity, &args);
    let early = plain["id"].as_str().unwrap();
    // Before the patient joins, nothing is given.
    let args = ["research:Contribute", &study, early];
    lab.bank.town.refused(&lab.author.identity, &args, "CR-CC-030");
    lab.joined(&study, 0);
    let record = contribute(&mut lab, &study);
    let args = ["research:Contribute", &study, &record];
    lab.bank.town.refused(&lab.author.identity, &args, "CR-CC-040");
    let foreign = crate::town::new_record(&lab.bank.patient.id);
    let args = ["records:Add", &foreign.to_string()];
    let _: Value = lab.bank.town.ok(&lab.author.identity, &args);
    // A record without the study's tag is not covered by the grant, and is not collected.
    let args = ["research:Contribute", &study, foreign["id"].as_str().unwrap()];
    lab.bank.town.refused(&lab.author.identity, &args, "CR-CC-030");
    assert_eq!(collected(&mut lab, &study), std::slice::from_ref(&record));
    let opened = open(&mut lab.bank.town, &lab.researcher, &record, "HRESCH");
    assert_eq!(opened.decision, Decision::Permit);
    let other = foreign["id"].as_str().unwrap();
    let opened = open(&mut lab.bank.town, &lab.researcher, other, "HRESCH");
    assert_eq!(opened.decision, Decision::Deny);
    let stranger = TestIdentity::new("HospitalBMSP", "researcher");
    lab.bank.town.refused(&stranger, &["research:Collect", &study, "", "10"], "CR-CC-022");
}

#[test]
fn a_withdrawal_ends_collection_with_its_block() {
    let mut lab = Lab::new();
    let study = lab.approved(json!({}));
    lab.joined(&study, 0);
    let record = contribute(&mut lab, &study);
    // An open under way that did not see the withdrawal does not count.
    let args = ["records:Open", &record, "HRESCH"];
    let under_way = lab.bank.town.ledger.simulate("health", &lab.researcher.identity, &args);
    let args = ["research:Withdraw", study.as_str()];
    let party: Party = lab.bank.town.ok(&lab.bank.patient.identity, &args);
    assert_eq!(party.status, PartyStatus::Withdrawn);
    assert_eq!(lab.bank.town.ledger.commit(under_way).verdict, Verdict::ReadConflict);
    assert!(collected(&mut lab, &study).is_empty());
    let opened = open(&mut lab.bank.town, &lab.researcher, &record, "HRESCH");
    assert_eq!(opened.decision, Decision::Deny);
    lab.bank.town.refused(&lab.bank.patient.identity, &args, "CR-CC-050");
    // The reward stays, and is not earned again.
    let patient = lab.bank.patient.id.clone();
    let again = ["research:Offer", &study, &patient, "1"];
    lab.bank.town.refused(&lab.author.identity, &again, "CR-CC-040");
    let accept = ["research:Accept", &acceptance(&study, json!({}))];
    lab.bank.town.refused(&lab.bank.patient.identity, &accept, "CR-CC-050");
    assert_eq!(lab.bank.balance(&patient), REWARD);
}

#[test]
fn what_nobody_earned_goes_back_when_the_study_is_over() {
    let mut lab = Lab::new();
    let study = lab.approved(json!({}));
    lab.joined(&study, 3);
    let settle = ["research:Settle", study.as_str()];
    lab.bank.town.refused(&lab.researcher.identity, &settle, "CR-CC-050");
    let late = register(&mut lab.bank.town.ledger, &lab.bank.admin_a, "patient", KeyKind::P256);
    lab.bank.town.ledger.now += YEAR - 10;
    lab.offer(&study, &late.id, 0);
    let args = ["research:Accept", &acceptance(&study, json!({}))];
    let last_second = lab.bank.town.ledger.simulate("health", &late.identity, &args);
    lab.bank.town.ledger.now += 10;
    lab.bank.town.refused(&late.identity, &args, "CR-CC-050");
    let settled = lab.bank.town.ledger.simulate("health", &lab.researcher.identity, &settle);
    // Whichever is ordered first counts; together they would pay the place twice.
    assert_valid(&lab.bank.town.ledger.commit(settled));
    assert_ne!(lab.bank.town.ledger.commit(last_second).verdict, Verdict::Valid);
    assert_eq!(lab.bank.balance(&lab.researcher.id.clone()), 10_000 - REWARD);
    lab.bank.town.refused(&lab.researcher.identity, &settle, "CR-CC-050");
    assert_conserved(&lab.bank.town.ledger);
}

#[test]
fn counts_below_the_smallest_are_never_told_and_searches_are_counted() {
    let mut lab = Lab::new();
    let study = lab.approved(json!({"smallest": 20}));
    let search = |study: &str| json!({"id": random_id(), "study": study, "query": "d".repeat(64)});
    let new = search(&study);
    let args = ["research:Search", &new.to_string()];
    let _: Value = lab.bank.town.ok(&lab.researcher.identity, &args);
    lab.bank.town.refused(&lab.researcher.identity, &args, "CR-CC-040");
    let id = new["id"].as_str().unwrap();
    for count in ["1", "11", "19"] {
        let args = ["research:AnswerSearch", id, count];
        lab.bank.town.refused(&lab.author.identity, &args, "CR-CC-010");
    }
    for (who, count) in [(&lab.author, "0"), (&lab.bank.doctor, "20")] {
        let args = ["research:AnswerSearch", id, count];
        let _: Answer = lab.bank.town.ok(&who.identity, &args);
        lab.bank.town.refused(&who.identity, &args, "CR-CC-040");
    }
    let args = ["research:Answers", id, "", "10"];
    let answers: Page<Answer> = lab.bank.town.ok(&lab.researcher.identity, &args);
    let counts: Vec<u64> = answers.items.iter().map(|answer| answer.count).collect();
    assert_eq!(counts, [0, 20]);
    let unknown = search(&random_id()).to_string();
    let args = ["research:Search", &unknown];
    lab.bank.town.refused(&lab.researcher.identity, &args, "CR-CC-030");
    for _ in 1..SEARCHES_MAX {
        let args = ["research:Search", &search(&study).to_string()];
        let _: Value = lab.bank.town.ok(&lab.researcher.identity, &args);
    }
    let args = ["research:Search", &search(&study).to_string()];
    lab.bank.town.refused(&lab.researcher.identity, &args, "CR-CC-060");
}

#[test]
fn events_of_a_study_do_not_say_who_takes_part() {
    let mut lab = Lab::new();
    let study = lab.approved(json!({}));
    let patient = lab.bank.patient.id.clone();
    lab.offer(&study, &patient, 1);
    let args = ["research:Accept", &acceptance(&study, json!({}))];
    let done = lab.bank.town.ledger.submit("health", &lab.bank.patient.identity, &args);
    let (name, payload) = done.event.unwrap();
    assert_eq!(name, "StudyAccepted");
    let text = String::from_utf8(payload.to_vec()).unwrap();
    assert!(text.contains(&study) && !text.contains(&patient), "{text}");
}
