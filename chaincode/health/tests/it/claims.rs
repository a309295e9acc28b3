//! Plans, claims, appeals and flags.

use std::collections::BTreeSet;

use carecord_chaincode::{
    serde_json::{self, Value, json},
    test_util::Verdict,
};
use carecord_health::{
    claims::{
        Authorisation, Claim, Eligibility, Encounter,
        opening::{self, AuthorisedService, Kind, MemberSecret},
        outcome::{ClaimLines, EncounterFacts},
        terms::{Service, Terms},
    },
    ids::Id,
    page::Page,
    vocabulary::{ClaimStatus, Flag, Unscheduled},
};

use crate::{
    cover::{Cover, DAY, Fields, Held, cover, fields, id, lines, service, terms},
    people,
    town::{Person, Town, YEAR, add_record, assert_valid, random_id},
};

#[test]
fn a_claim_is_handed_in_and_decided_as_both_parties_compute_it() {
    let mut town = Town::new();
    people!(town: patient, author, insurer);
    let tags = [id(), id()];
    let services = vec![service(&tags[0], 10_000), service(&tags[1], 5_000)];
    let terms = Terms { deductible: 2_000, out_of_pocket_max: Some(5_000), ..terms() };
    let mut cover = cover(&mut town, &insurer, &patient, terms, services);
    let held = cover.submit(&mut town, &author, &patient, lines(&[(&tags[0], 12_000)]));
    let outcome = cover.adjudicate(&mut town, &insurer, &held, None);
    let totals = &outcome.totals;
    assert_eq!((totals.insurer, totals.patient, totals.write_off), (6_400, 3_600, 2_000));
    // The second claim of the year knows what the first one used up.
    let held = cover.submit(&mut town, &author, &patient, lines(&[(&tags[1], 5_000)]));
    let outcome = cover.adjudicate(&mut town, &insurer, &held, None);
    assert_eq!((outcome.totals.insurer, outcome.totals.patient), (4_000, 1_000));
    let held = cover.submit(&mut town, &author, &patient, lines(&[(&id(), 9_000)]));
    let outcome = cover.adjudicate(&mut town, &insurer, &held, None);
    assert_eq!((outcome.totals.insurer, outcome.totals.patient), (8_600, 400));
}

#[test]
fn what_was_used_up_cannot_be_left_out_or_made_up() {
    let mut town = Town::new();
    people!(town: patient, author, insurer);
    let terms = Terms { deductible: 2_000, ..terms() };
    let mut cover = cover(&mut town, &insurer, &patient, terms, vec![]);
    let first = cover.submit(&mut town, &author, &patient, lines(&[(&id(), 1_500)]));
    cover.adjudicate(&mut town, &insurer, &first, None);
    let second = cover.submit(&mut town, &author, &patient, lines(&[(&id(), 1_500)]));
    let args = ["claims:Adjudicate", second.id.as_str()];
    let (good, _) = cover.decision(&second, None);
    let mut forgotten = good.clone();
    forgotten.remove("accumulators");
    town.refused_with(&insurer.identity, &args, &forgotten, "CR-CC-010");
    let mut paid = cover.paid.values().next().unwrap().clone();
    paid.deductible = 0;
    let mut forged = good.clone();
    forged.insert("accumulators".to_owned(), serde_json::to_vec(&paid).unwrap().into());
    town.refused_with(&insurer.identity, &args, &forged, "CR-CC-075");
    // Nor the lines, nor the schedule.
    let other = opening::seal(Kind::Claim, &lines(&[(&id(), 1)])).unwrap().0;
    for (field, bytes) in [("claim", other), ("schedule", b"{}".to_vec())] {
        let mut forged = good.clone();
        forged.insert(field.to_owned(), bytes.into());
        town.refused_with(&insurer.identity, &args, &forged, "CR-CC-075");
    }
    let mut unknown = good.clone();
    unknown.insert("note".to_owned(), "x".into());
    town.refused_with(&insurer.identity, &args, &unknown, "CR-CC-006");
    let outcome = cover.adjudicate(&mut town, &insurer, &second, None);
    assert_eq!(outcome.lines[0].deductible, 500);
}

#[test]
fn a_service_is_claimed_once_whoever_words_the_claim() {
    let mut town = Town::new();
    people!(town: patient, author, insurer);
    let cover = cover(&mut town, &insurer, &patient, terms(), vec![]);
    let tag = id();
    cover.submit(&mut town, &author, &patient, lines(&[(&tag, 100), (&id(), 5)]));
    let again = |town: &mut Town, again: ClaimLines, code: &str| {
        let (new, held) = cover.draft(town, &author, &patient, again);
        let args = ["claims:Submit", &new.to_string()];
        let transient = cover.submission(&held.bytes);
        town.refused_with(&author.identity, &args, &transient, code);
    };
    // Another charge, other salt, other lines beside it: still the same service.
    again(&mut town, lines(&[(&id(), 7), (&tag, 90)]), "CR-CC-040");
    let twice = id();
    again(&mut town, lines(&[(&twice, 7), (&twice, 7)]), "CR-CC-010");
    // The next day it is another service.
    let mut next = lines(&[(&tag, 100)]);
    (next.from, next.until) = (DAY + 1, DAY + 1);
    cover.submit(&mut town, &author, &patient, next);
    // A provider that knows the member under another secret is noticed.
    let (new, held) = cover.draft(&mut town, &author, &patient, lines(&[(&id(), 1)]));
    let other = opening::seal(Kind::Member, &MemberSecret { secret: id() }).unwrap().0;
    let mut transient = cover.submission(&held.bytes);
    transient.insert("member".to_owned(), other.into());
    let args = ["claims:Submit", &new.to_string()];
    town.refused_with(&author.identity, &args, &transient, "CR-CC-075");
}

#[test]
fn of_two_claims_for_a_service_in_one_block_the_first_counts() {
    let mut town = Town::new();
    people!(town: patient, author, insurer);
    let cover = cover(&mut town, &insurer, &patient, terms(), vec![]);
    let tag = id();
    let drafts = [100, 120]
        .map(|charge| cover.draft(&mut town, &author, &patient, lines(&[(&tag, charge)])));
    let simulated = drafts.map(|(new, held)| {
        town.ledger.transient = cover.submission(&held.bytes);
        let args = ["claims:Submit", &new.to_string()];
        town.ledger.simulate("health", &author.identity, &args)
    });
    town.ledger.transient.clear();
    let verdicts = simulated.map(|simulation| town.ledger.commit(simulation).verdict);
    assert_eq!(verdicts, [Verdict::Valid, Verdict::ReadConflict]);
}

#[test]
fn of_two_decisions_in_one_block_the_first_counts_and_the_second_is_repeated() {
    for order in [[0, 1], [1, 0]] {
        let mut town = Town::new();
        people!(town: patient, author, insurer);
        let terms = Terms { deductible: 1_000, ..terms() };
        let mut cover = cover(&mut town, &insurer, &patient, terms, vec![]);
        let held: Vec<Held> = [900, 700]
            .map(|charge| cover.submit(&mut town, &author, &patient, lines(&[(&id(), charge)])))
            .into();
        let mut simulated = Vec::new();
        for at in order {
            let (transient, salts) = cover.decision(&held[at], None);
            town.ledger.transient = transient;
            let args = ["claims:Adjudicate", held[at].id.as_str()];
            simulated.push((town.ledger.simulate("health", &insurer.identity, &args), at, salts));
            town.ledger.transient.clear();
        }
        let (second, first) = (simulated.pop().unwrap(), simulated.pop().unwrap());
        let before: Claim = {
            let held = &held[first.1];
            town.ok(&insurer.identity, &["claims:Get", held.id.as_str()])
        };
        assert_valid(&town.ledger.commit(first.0));
        cover.recompute(&before, &held[first.1], first.2, None, BTreeSet::new());
        assert_eq!(town.ledger.commit(second.0).verdict, Verdict::ReadConflict);
        let outcome = cover.adjudicate(&mut town, &insurer, &held[second.1], None);
        // Whichever came second finds the deductible nearly used up: never twice, never forgotten.
        assert_eq!(outcome.lines[0].deductible, [300, 100][second.1]);
    }
}

#[test]
fn only_the_parties_act_and_each_in_its_own_part() {
    let mut town = Town::new();
    people!(town: patient, other_patient, author, doctor, other_doctor, insurer, researcher);
    let cover = cover(&mut town, &insurer, &patient, terms(), vec![]);
    let held = cover.submit(&mut town, &author, &patient, lines(&[(&id(), 100)]));
    let (decision, _) = cover.decision(&held, None);
    let adjudicate = ["claims:Adjudicate", held.id.as_str()];
    for who in [&author, &patient, &researcher] {
        town.refused_with(&who.identity, &adjudicate, &decision, "CR-CC-020");
    }
    for who in [&doctor, &other_patient] {
        town.refused(&who.identity, &["claims:Get", held.id.as_str()], "CR-CC-030");
    }
    // A claim with somebody else's record, or with a record of another hospital, is for no record at all.
    let foreign = add_record(&mut town, &other_doctor, &other_patient.id);
    let (mut new, held) = cover.draft(&mut town, &author, &patient, lines(&[(&id(), 1)]));
    let own = new["record"].as_str().unwrap().to_owned();
    for (who, record) in [(&author, &foreign), (&author, &random_id()), (&doctor, &own)] {
        new["record"] = json!(record);
        let args = ["claims:Submit", &new.to_string()];
        town.refused_with(&who.identity, &args, &cover.submission(&held.bytes), "CR-CC-030");
    }
}

#[test]
fn without_the_patients_consent_to_payment_nothing_is_claimed() {
    let mut town = Town::new();
    people!(town: patient, author, insurer);
    let cover = cover(&mut town, &insurer, &patient, terms(), vec![]);
    let mine: Page<Value> = town.ok(&patient.identity, &["consent:ListMine", "", "10"]);
    let grant = mine.items[0]["id"].as_str().unwrap().to_owned();
    let (new, held) = cover.draft(&mut town, &author, &patient, lines(&[(&id(), 1)]));
    let args = ["claims:Submit", &new.to_string()];
    let transient = cover.submission(&held.bytes);
    // A claim that did not see the withdrawal which was ordered before it does not count.
    town.ledger.transient = transient.clone();
    let early = town.ledger.simulate("health", &author.identity, &args);
    town.ledger.transient.clear();
    let _: Value = town.ok(&patient.identity, &["consent:Revoke", &grant]);
    assert_ne!(town.ledger.commit(early).verdict, Verdict::Valid);
    town.refused_with(&author.identity, &args, &transient, "CR-CC-030");
}

#[test]
fn cover_holds_from_its_first_to_its_last_day_and_claims_are_due_in_time() {
    let mut town = Town::new();
    people!(town: patient, author, insurer);
    let terms = Terms { filing_days: 30, ..terms() };
    let mut cover = cover(&mut town, &insurer, &patient, terms, vec![]);
    let day = |day: i64| ClaimLines { from: day, until: day, ..lines(&[(&id(), 100)]) };
    for (of, code) in [(19_357, "CR-CC-050"), (20_089, "CR-CC-050")] {
        let (new, held) = cover.draft(&mut town, &author, &patient, day(of));
        let args = ["claims:Submit", &new.to_string()];
        town.refused_with(&author.identity, &args, &cover.submission(&held.bytes), code);
    }
    // The last day in time is the thirtieth after the service.
    let now = town.ledger.now / 86_400;
    for (of, insurer_pays) in [(now - 30, 80), (now - 31, 0)] {
        let held = cover.submit(&mut town, &author, &patient, day(of));
        let outcome = cover.adjudicate(&mut town, &insurer, &held, None);
        assert_eq!(outcome.totals.insurer, insurer_pays);
    }
    let eligible = |town: &mut Town, who: &Person| -> Eligibility {
        town.ok(&who.identity, &["claims:CheckEligibility", cover.enrolment.as_str()])
    };
    let today = eligible(&mut town, &author);
    assert!(today.covered && today.in_network);
    people!(town: doctor);
    assert!(!eligible(&mut town, &doctor).in_network);
    town.ledger.now += 3 * YEAR;
    assert!(!eligible(&mut town, &author).covered);
}

#[test]
fn a_service_that_needs_authorisation_is_paid_only_with_one() {
    let mut town = Town::new();
    people!(town: patient, author, insurer);
    let tag = id();
    let services = vec![Service { authorisation: true, ..service(&tag, 1_000) }];
    let mut cover = cover(&mut town, &insurer, &patient, terms(), services);
    let day = |n: i64| ClaimLines { from: DAY + n, until: DAY + n, ..lines(&[(&tag, 1_000)]) };
    let held = cover.submit(&mut town, &author, &patient, day(0));
    assert_eq!(cover.adjudicate(&mut town, &insurer, &held, None).totals.write_off, 1_000);
    for (decision, until, pays) in
        [("permit", DAY + 1, 800), ("permit", DAY + 1, 0), ("deny", DAY + 9, 0)]
    {
        let asked = AuthorisedService { salt: id(), tag: tag.clone() };
        let (bytes, service) = opening::seal(Kind::Authorisation, &asked).unwrap();
        let new = json!({"id": id(), "enrolment": cover.enrolment, "service": service});
        let new: Authorisation = town.ok(&author.identity, &["claims:PriorAuth", &new.to_string()]);
        let until = until.to_string();
        let args = ["claims:DecidePriorAuth", new.id.as_str(), decision, &until];
        let _: Value = town.ok(&insurer.identity, &args);
        town.refused(&insurer.identity, &args, "CR-CC-050");
        let offset = if pays > 0 { 1 } else { 2 + i64::from(decision == "deny") };
        let (mut claim, held) = cover.draft(&mut town, &author, &patient, day(offset));
        claim["authorisations"] = json!([new.id]);
        let args = ["claims:Submit", &claim.to_string()];
        assert_valid(&town.submit_with(&author.identity, &args, &cover.submission(&held.bytes)));
        let (mut transient, salts) = cover.decision(&held, None);
        let openings = json!([String::from_utf8(bytes).unwrap()]).to_string();
        transient.insert("authorisations".to_owned(), openings.into());
        let before: Claim = town.ok(&insurer.identity, &["claims:Get", held.id.as_str()]);
        let args = ["claims:Adjudicate", held.id.as_str()];
        let done = town.submit_with(&insurer.identity, &args, &transient);
        assert_valid(&done);
        let authorised = if pays > 0 { [tag.clone()].into() } else { BTreeSet::new() };
        let outcome = cover.recompute(&before, &held, salts, None, authorised);
        assert_eq!(outcome.totals.insurer, pays);
        let after: Claim = serde_json::from_slice(&done.response.payload).unwrap();
        assert_eq!(after.outcome, Some(opening::seal(Kind::Outcome, &outcome).unwrap().1));
    }
}

#[test]
fn an_appeal_is_decided_from_where_the_claim_began() {
    let mut town = Town::new();
    people!(town: patient, other_patient, author, insurer);
    let terms = Terms { deductible: 1_000, unscheduled: Unscheduled::None, ..terms() };
    let (known, unknown) = (id(), id());
    let services = vec![service(&known, 5_000)];
    let mut cover = cover(&mut town, &insurer, &patient, terms, services);
    let first =
        cover.submit(&mut town, &author, &patient, lines(&[(&known, 2_000), (&unknown, 500)]));
    let earlier = cover.adjudicate(&mut town, &insurer, &first, None);
    assert_eq!((earlier.totals.insurer, earlier.totals.patient), (800, 1_700));
    let grounds = opening::commitment(Kind::Claim, b"a letter").to_string();
    let appeal = |more: Value| {
        let mut appeal = json!({"claim": first.id, "grounds": grounds});
        for (name, value) in more.as_object().unwrap() {
            appeal[name] = value.clone();
        }
        appeal.to_string()
    };
    let corrected = lines(&[(&known, 2_600)]);
    let (bytes, commitment) = opening::seal(Kind::Claim, &corrected).unwrap();
    let with_lines = appeal(json!({"lines": commitment}));
    let mut transient = cover.submission(&bytes);
    transient.insert("before".to_owned(), first.bytes.clone().into());
    // Strangers cannot, patients do not correct lines.
    town.refused(&other_patient.identity, &["claims:Appeal", &appeal(json!({}))], "CR-CC-030");
    town.refused_with(&patient.identity, &["claims:Appeal", &with_lines], &transient, "CR-CC-010");
    let args = ["claims:Appeal", &with_lines];
    assert_valid(&town.submit_with(&author.identity, &args, &transient));
    town.refused_with(&author.identity, &args, &transient, "CR-CC-050");
    let held = Held { id: first.id.clone(), lines: corrected, bytes };
    let mut without = cover.decision(&held, Some(&earlier)).0;
    without.remove("outcome");
    let adjudicate = ["claims:Adjudicate", held.id.as_str()];
    town.refused_with(&insurer.identity, &adjudicate, &without, "CR-CC-010");
    let outcome = cover.adjudicate(&mut town, &insurer, &held, Some(&earlier));
    // The deductible of 1,000 counts once: 1,000 + 20 % of 1,600.
    assert_eq!((outcome.round, outcome.totals.patient, outcome.totals.insurer), (2, 1_320, 1_280));
    assert_eq!(cover.paid.values().next().unwrap().deductible, 1_000);
    // The service that was dropped can be claimed properly, the other one cannot.
    cover.submit(&mut town, &author, &patient, lines(&[(&unknown, 500)]));
    // After 180 days a decision stands.
    town.ledger.now += 180 * 86_400 + 1;
    town.refused(&patient.identity, &["claims:Appeal", &appeal(json!({}))], "CR-CC-050");
}

/// Signs and confirms an encounter of so many seconds; answers its id and facts.
fn encounter(
    town: &mut Town,
    author: &Person,
    patient: &Person,
    seconds: (i64, i64),
    confirmed: bool,
) -> (Id, EncounterFacts) {
    let facts = EncounterFacts {
        salt: id(),
        practitioner: Id::new(author.id.clone()).unwrap(),
        patient: Id::new(patient.id.clone()).unwrap(),
        from: 1_699_900_000 + seconds.0,
        until: 1_699_900_000 + seconds.1,
        channel: None,
    };
    let (_, commitment) = opening::seal(Kind::Encounter, &facts).unwrap();
    let encounter = id();
    let args = ["claims:SignEncounter", encounter.as_str(), &patient.id, commitment.as_str()];
    let _: Encounter = town.ok(&author.identity, &args);
    if confirmed {
        let _: Encounter =
            town.ok(&patient.identity, &["claims:ConfirmEncounter", encounter.as_str()]);
    }
    (encounter, facts)
}

/// Hands a claim in for an encounter; answers its flags.
fn flags_of(
    town: &mut Town,
    cover: &Cover,
    author: &Person,
    patient: &Person,
    encounter: &(Id, EncounterFacts),
    minutes: u32,
) -> (Held, Vec<Flag>) {
    let mut lines = lines(&[(&id(), 100)]);
    lines.lines[0].minutes = minutes;
    lines.encounter = Some(encounter.1.clone());
    let (mut new, held) = cover.draft(town, author, patient, lines);
    new["encounter"] = json!(encounter.0);
    let args = ["claims:Submit", &new.to_string()];
    let done = town.submit_with(&author.identity, &args, &cover.submission(&held.bytes));
    assert_valid(&done);
    let claim: Claim = serde_json::from_slice(&done.response.payload).unwrap();
    (held, claim.flags)
}

#[test]
fn claims_without_a_signed_encounter_or_with_too_many_minutes_are_flagged() {
    let mut town = Town::new();
    people!(town: patient, author, insurer);
    let cover = cover(&mut town, &insurer, &patient, terms(), vec![]);
    let good = encounter(&mut town, &author, &patient, (0, 17 * 60 + 1), true);
    for (minutes, expected) in [(17, vec![]), (18, vec![]), (19, vec![Flag::Meter])] {
        let (_, flags) = flags_of(&mut town, &cover, &author, &patient, &good, minutes);
        assert_eq!(flags, expected, "{minutes} minutes");
    }
    let unsigned = encounter(&mut town, &author, &patient, (0, 60), false);
    let (_, flags) = flags_of(&mut town, &cover, &author, &patient, &unsigned, 0);
    assert_eq!(flags, [Flag::Unsigned]);
    let held = cover.submit(&mut town, &author, &patient, lines(&[(&id(), 1)]));
    let claim: Claim = town.ok(&patient.identity, &["claims:Get", held.id.as_str()]);
    assert_eq!(claim.flags, [Flag::Unsigned]);
    let args = ["claims:ClearFlags", held.id.as_str()];
    town.refused(&author.identity, &args, "CR-CC-020");
    let cleared: Claim = town.ok(&insurer.identity, &args);
    assert!(cleared.flags.is_empty());
    town.refused(&insurer.identity, &args, "CR-CC-050");
}

#[test]
fn facts_that_nobody_signed_and_encounters_of_others_are_refused() {
    let mut town = Town::new();
    people!(town: patient, other_patient, author, insurer);
    let cover = cover(&mut town, &insurer, &patient, terms(), vec![]);
    let (signed, facts) = encounter(&mut town, &author, &patient, (0, 600), true);
    let with_other = encounter(&mut town, &author, &other_patient, (0, 600), true);
    let longer = EncounterFacts { until: facts.until + 600, ..facts.clone() };
    for (encounter, facts, code) in [
        (&signed, Some(longer), "CR-CC-075"),
        (&signed, None, "CR-CC-010"),
        (&with_other.0, Some(with_other.1.clone()), "CR-CC-030"),
        (&id(), Some(facts.clone()), "CR-CC-030"),
    ] {
        let lines = ClaimLines { encounter: facts, ..lines(&[(&id(), 100)]) };
        let (mut new, held) = cover.draft(&mut town, &author, &patient, lines);
        new["encounter"] = json!(encounter);
        let args = ["claims:Submit", &new.to_string()];
        town.refused_with(&author.identity, &args, &cover.submission(&held.bytes), code);
    }
    let confirm = ["claims:ConfirmEncounter", signed.as_str()];
    town.refused(&other_patient.identity, &confirm, "CR-CC-030");
    town.refused(&patient.identity, &confirm, "CR-CC-050");
}

#[test]
fn an_overlap_is_flagged_when_it_is_shown_and_only_then() {
    let mut town = Town::new();
    people!(town: patient, other_patient, author, insurer);
    let cover = cover(&mut town, &insurer, &patient, terms(), vec![]);
    let own = encounter(&mut town, &author, &patient, (0, 600), true);
    let (held, _) = flags_of(&mut town, &cover, &author, &patient, &own, 0);
    for (seconds, found) in [((600, 900), false), ((-60, 0), false), ((599, 900), true)] {
        let (other, facts) = encounter(&mut town, &author, &other_patient, seconds, true);
        let (bytes, _) = opening::seal(Kind::Encounter, &facts).unwrap();
        let transient = fields([("claim", &held.bytes), ("other", &bytes)]);
        let args = ["claims:ReportOverlap", held.id.as_str(), other.as_str()];
        if !found {
            town.refused_with(&insurer.identity, &args, &transient, "CR-CC-075");
            continue;
        }
        let done = town.submit_with(&insurer.identity, &args, &transient);
        assert_valid(&done);
        let claim: Claim = serde_json::from_slice(&done.response.payload).unwrap();
        assert_eq!(claim.flags, [Flag::Overlap]);
    }
    // Of nobody else's encounter, and not of the claim's own.
    let (bytes, _) = opening::seal(Kind::Encounter, &own.1).unwrap();
    let transient = fields([("claim", &held.bytes), ("other", &bytes)]);
    let args = ["claims:ReportOverlap", held.id.as_str(), own.0.as_str()];
    town.refused_with(&insurer.identity, &args, &transient, "CR-CC-030");
}

#[test]
fn each_party_lists_its_claims_page_by_page() {
    let mut town = Town::new();
    people!(town: patient, other_patient, author, insurer, doctor);
    let cover = cover(&mut town, &insurer, &patient, terms(), vec![]);
    for _ in 0..3 {
        cover.submit(&mut town, &author, &patient, lines(&[(&id(), 100)]));
    }
    for (who, count) in
        [(&patient, 3), (&insurer, 3), (&author, 3), (&other_patient, 0), (&doctor, 0)]
    {
        let page: Page<Claim> = town.ok(&who.identity, &["claims:Statement", "", "2"]);
        let rest: usize = if page.next.is_empty() {
            0
        } else {
            let args = ["claims:Statement", &page.next, "2"];
            town.ok::<Page<Claim>>(&who.identity, &args).items.len()
        };
        assert_eq!(page.items.len() + rest, count);
        assert!(page.items.iter().all(|claim| claim.status == ClaimStatus::Submitted));
    }
}

#[test]
fn neither_codes_nor_amounts_of_a_claim_are_on_the_ledger() {
    let mut town = Town::new();
    people!(town: patient, author, insurer);
    let (tag, diagnosis) = (id(), id());
    let services = vec![service(&tag, 987_654_321)];
    let mut cover = cover(&mut town, &insurer, &patient, terms(), services);
    let mut private = lines(&[(&tag, 123_456_789)]);
    private.lines[0].diagnoses = vec![diagnosis.clone()];
    let held = cover.submit(&mut town, &author, &patient, private);
    let outcome = cover.adjudicate(&mut town, &insurer, &held, None);
    let mut text = String::new();
    for ((_, key), value) in town.ledger.state() {
        text.push_str(key);
        text.push_str(&String::from_utf8_lossy(&value.value));
    }
    for secret in [
        tag.to_string(),
        diagnosis.to_string(),
        "123456789".to_owned(),
        "987654321".to_owned(),
        outcome.totals.insurer.to_string(),
        held.lines.salt.to_string(),
        outcome.salt.to_string(),
        cover.secret.secret.to_string(),
    ] {
        assert!(!text.contains(&secret), "{secret} is on the ledger");
    }
}

#[test]
fn both_sides_of_a_claim_must_endorse_what_becomes_of_it() {
    let mut town = Town::new();
    people!(town: patient, author, insurer);
    let cover = cover(&mut town, &insurer, &patient, terms(), vec![]);
    let held = cover.submit(&mut town, &author, &patient, lines(&[(&id(), 100)]));
    let msp = |name: &str| carecord_health::ids::MspId::new(name).unwrap();
    let both =
        carecord_health::policy::home_and_one_other(&msp("InsurerMSP"), &[msp("HospitalAMSP")]);
    let policies: Vec<_> = town
        .ledger
        .state()
        .iter()
        .filter(|((_, key), _)| {
            key.starts_with("\0claimonce\0")
                || (key.starts_with("\0claim\0") && key.contains(held.id.as_str()))
        })
        .map(|(_, value)| value.policy.clone())
        .collect();
    assert_eq!(policies, [both.clone(), both]);
}

#[test]
fn plans_and_members_that_make_no_sense_are_refused() {
    let mut town = Town::new();
    people!(town: patient, insurer, author);
    let commitment = opening::commitment(Kind::Schedule, b"x").to_string();
    let good = json!({"id": id(), "terms": terms(), "schedule": commitment,
                      "network": ["HospitalAMSP", "HospitalBMSP"]});
    for (place, bad, code) in [
        ("/network", json!(["HospitalBMSP", "HospitalAMSP"]), "CR-CC-010"),
        ("/network", json!(["HospitalAMSP", "HospitalAMSP"]), "CR-CC-010"),
        ("/network", json!(["ResearchMSP"]), "CR-CC-030"),
        ("/network", json!(["NobodyMSP"]), "CR-CC-030"),
        ("/terms/coinsuranceBps", json!(10_001), "CR-CC-010"),
        ("/terms/coinsuranceBps", json!(-1), "CR-CC-003"),
        ("/terms/deductible", json!(1.5), "CR-CC-003"),
        ("/terms/outOfPocketMax", json!(1_000_000_000_001u64), "CR-CC-010"),
        ("/terms/filingDays", json!(0), "CR-CC-010"),
        ("/terms/currency", json!("dollars"), "CR-CC-003"),
        ("/schedule", json!("E11.9"), "CR-CC-003"),
        ("/insurer", json!("OtherMSP"), "CR-CC-003"),
    ] {
        let mut plan = good.clone();
        match plan.pointer_mut(place) {
            Some(at) => *at = bad,
            None => plan[&place[1..]] = bad,
        }
        town.refused(&insurer.identity, &["claims:RegisterPlan", &plan.to_string()], code);
    }
    let _: Value = town.ok(&insurer.identity, &["claims:RegisterPlan", &good.to_string()]);
    town.refused(&insurer.identity, &["claims:RegisterPlan", &good.to_string()], "CR-CC-040");
    let member = json!({"id": id(), "plan": good["id"], "member": patient.id,
                        "secret": commitment, "from": 10, "until": 20});
    for (field, bad, code) in [
        ("member", json!(author.id), "CR-CC-030"),
        ("member", json!(random_id()), "CR-CC-030"),
        ("plan", json!(random_id()), "CR-CC-030"),
        ("until", json!(9), "CR-CC-010"),
        ("until", json!(3_000_000), "CR-CC-010"),
    ] {
        let mut new = member.clone();
        new[field] = bad;
        town.refused(&insurer.identity, &["claims:Enroll", &new.to_string()], code);
    }
    let _: Value = town.ok(&insurer.identity, &["claims:Enroll", &member.to_string()]);
}

#[test]
fn lines_that_make_no_sense_are_refused_without_being_quoted() {
    let mut town = Town::new();
    people!(town: patient, author, insurer);
    let cover = cover(&mut town, &insurer, &patient, terms(), vec![]);
    let good = serde_json::to_value(lines(&[(&id(), 100)])).unwrap();
    for (place, bad, code) in [
        ("/lines", json!([]), "CR-CC-010"),
        ("/lines/0/charge", json!(1_000_000_000_001u64), "CR-CC-010"),
        ("/lines/0/charge", json!(-5), "CR-CC-003"),
        ("/lines/0/units", json!(0), "CR-CC-010"),
        ("/lines/0/tag", json!("E11.9 diabetes"), "CR-CC-003"),
        ("/lines/0/diagnoses", json!(["E11.9 diabetes"]), "CR-CC-003"),
        ("/until", json!(DAY - 1), "CR-CC-010"),
        ("/until", json!(DAY + 200), "CR-CC-010"),
        ("/note", json!("E11.9 diabetes"), "CR-CC-003"),
    ] {
        let mut value = good.clone();
        match value.pointer_mut(place) {
            Some(at) => *at = bad,
            None => value[&place[1..]] = bad,
        }
        let bytes = value.to_string().into_bytes();
        let (mut new, _) = cover.draft(&mut town, &author, &patient, lines(&[(&id(), 1)]));
        new["lines"] = json!(opening::commitment(Kind::Claim, &bytes));
        let args = ["claims:Submit", &new.to_string()];
        let transient: Fields = cover.submission(&bytes);
        town.refused_with(&author.identity, &args, &transient, code);
        town.ledger.transient = transient;
        let message = town.ledger.evaluate("health", &author.identity, &args).message;
        town.ledger.transient.clear();
        assert!(!message.contains("diabetes"), "{place}: {message}");
    }
}
