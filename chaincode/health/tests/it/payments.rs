//! Remittances and payment plans: exactly what is owed, exactly once, and late when it is late.

use carecord_chaincode::{
    serde_json::{self, Value, json},
    test_util::{Simulation, Verdict},
};
use carecord_health::{
    channels::ChannelId,
    claims::{
        Claim, PaymentPlan, Remittance,
        opening::{self, Kind},
        outcome::{EncounterFacts, Outcome},
        terms::Terms,
    },
    ids::Id,
    token::{Currency, NewReceipt, network_name, receipt_statement},
    vocabulary::{Flag, PlanStatus},
};

use crate::{
    cover::{Cover, Fields, Held, cover, fields, id, lines, terms},
    money::{Bank, assert_conserved},
    town::{Person, assert_valid, nobody, random_id},
};

const DAY: i64 = 86_400;

/// A patient with insurance, everybody with 10,000 CARE.
struct Desk {
    bank: Bank,
    author: Person,
    cover: Cover,
}

impl Desk {
    fn new(currency: Currency) -> Self {
        let mut bank = Bank::with(10_000);
        let author = std::mem::replace(&mut bank.town.author, nobody());
        let terms = Terms { currency, ..terms() };
        let cover = cover(&mut bank.town, &bank.insurer, &bank.patient, terms, vec![]);
        Self { bank, author, cover }
    }

    /// A decided claim without flags: 80 % of the charge is the insurer's.
    fn decided(&mut self, charge: u64) -> (Held, Outcome) {
        let town = &mut self.bank.town;
        let lines = lines(&[(&id(), charge)]);
        let held = self.cover.submit(town, &self.author, &self.bank.patient, lines);
        let args = ["claims:ClearFlags", held.id.as_str()];
        let _: Value = town.ok(&self.bank.insurer.identity, &args);
        let outcome = self.cover.adjudicate(town, &self.bank.insurer, &held, None);
        (held, outcome)
    }

    fn remit(&mut self, claims: &[&Held], receipt: Option<&str>, transient: &Fields) -> Simulation {
        let new = remittance(claims, receipt);
        self.bank.town.ledger.transient = transient.clone();
        let args = ["claims:Remit", &new];
        let simulation =
            self.bank.town.ledger.simulate("health", &self.bank.insurer.identity, &args);
        self.bank.town.ledger.transient.clear();
        simulation
    }

    fn remitted(&mut self, claims: &[&Held], transient: &Fields) -> Remittance {
        let simulation = self.remit(claims, None, transient);
        let done = self.bank.town.ledger.commit(simulation);
        assert_valid(&done);
        serde_json::from_slice(&done.response.payload).unwrap()
    }

    /// A receipt that both have signed; answers its id.
    fn receipt(&mut self, payer: &Person, payee: &Person, amount: u64, paid: i64) -> String {
        use base64::{Engine, engine::general_purpose::STANDARD};
        let amount = amount.to_string();
        let mut receipt = json!({"id": random_id(), "payer": payer.id, "payee": payee.id,
            "currency": "USD", "amount": amount, "reference": "a".repeat(64), "paid": paid,
            "payerSignature": "", "payeeSignature": ""});
        let parsed: NewReceipt = serde_json::from_value(receipt.clone()).unwrap();
        let network = network_name("care", &Id::new(self.bank.network.clone()).unwrap());
        let statement = receipt_statement(&network, &parsed);
        receipt["payerSignature"] = json!(STANDARD.encode(payer.identity.sign(&statement)));
        receipt["payeeSignature"] = json!(STANDARD.encode(payee.identity.sign(&statement)));
        let args = ["token:RecordReceipt", &receipt.to_string()];
        let _: Value = self.bank.town.ok(&payer.identity, &args);
        receipt["id"].as_str().unwrap().to_owned()
    }

    /// Proposes a plan for these claims (or none), which the patient accepts.
    fn plan(&mut self, claims: &[(&Held, &Outcome)], change: Value) -> PaymentPlan {
        let plan = self.draft_plan(claims, change);
        let outcomes: Vec<&Outcome> = claims.iter().map(|(_, outcome)| *outcome).collect();
        let transient = outcomes_field("outcomes", &outcomes);
        let transient = if claims.is_empty() { Fields::new() } else { transient };
        let args = ["claims:CreatePlan", &plan.to_string()];
        let town = &mut self.bank.town;
        assert_valid(&town.submit_with(&self.bank.insurer.identity, &args, &transient));
        let id = plan["id"].as_str().unwrap();
        town.ok(&self.bank.patient.identity, &["claims:AcceptPlan", id])
    }

    fn draft_plan(&self, claims: &[(&Held, &Outcome)], change: Value) -> Value {
        let ids: Vec<&Id> = claims.iter().map(|(held, _)| &held.id).collect();
        let owed: u64 = claims.iter().map(|(_, outcome)| outcome.totals.patient).sum();
        let mut plan = json!({"id": id(), "patient": self.bank.patient.id, "claims": ids,
            "currency": self.cover.plan.terms.currency, "principal": owed, "fee": 0, "lateFee": 7,
            "graceDays": 5, "firstDue": self.bank.town.ledger.now + 30 * DAY, "intervalDays": 30,
            "count": 3});
        for (name, value) in change.as_object().unwrap() {
            plan[name] = value.clone();
        }
        plan
    }

    fn pay(&mut self, plan: &PaymentPlan, number: usize, amount: u64) -> PaymentPlan {
        let payment = payment(plan, number, amount, None);
        self.bank.town.ok(&self.bank.patient.identity, &["claims:PayInstallment", &payment])
    }

    fn pay_refused(&mut self, payment: &str, code: &str) {
        let args = ["claims:PayInstallment", payment];
        self.bank.town.refused(&self.bank.patient.identity, &args, code);
    }
}

fn remittance(claims: &[&Held], receipt: Option<&str>) -> String {
    let ids: Vec<&Id> = claims.iter().map(|held| &held.id).collect();
    json!({"id": id(), "claims": ids, "receipt": receipt}).to_string()
}

fn payment(plan: &PaymentPlan, number: usize, amount: u64, receipt: Option<&str>) -> String {
    json!({"plan": plan.terms.id, "number": number, "amount": amount, "receipt": receipt})
        .to_string()
}

fn outcomes_field(name: &str, outcomes: &[&Outcome]) -> Fields {
    let text = |outcome: &&Outcome| {
        let (bytes, _) = opening::seal(Kind::Outcome, *outcome).unwrap();
        String::from_utf8(bytes).unwrap()
    };
    let texts: Vec<String> = outcomes.iter().map(text).collect();
    fields([(name, &serde_json::to_vec(&texts).unwrap())])
}

#[test]
fn many_claims_are_paid_with_one_sum_and_each_once() {
    let mut desk = Desk::new(Currency::Care);
    let (a, a_outcome) = desk.decided(1_000);
    let (b, b_outcome) = desk.decided(503);
    let transient = outcomes_field("outcomes", &[&a_outcome, &b_outcome]);
    // Two remittances of the same claims in one block: only the first pays.
    let first = desk.remit(&[&a, &b], None, &transient);
    let second = desk.remit(&[&b], None, &outcomes_field("outcomes", &[&b_outcome]));
    assert_eq!(desk.bank.town.ledger.commit(first).verdict, Verdict::Valid);
    assert_eq!(desk.bank.town.ledger.commit(second).verdict, Verdict::ReadConflict);
    let paid = u128::from(a_outcome.totals.insurer + b_outcome.totals.insurer);
    assert_eq!(paid, 800 + 402);
    let (insurer, author) = (desk.bank.insurer.id.clone(), desk.author.id.clone());
    assert_eq!(desk.bank.balance(&insurer), 10_000 - paid);
    assert_eq!(desk.bank.balance(&author), paid);
    let args = ["claims:Remit", &remittance(&[&b], None)];
    let transient = outcomes_field("outcomes", &[&b_outcome]);
    let who = &desk.bank.insurer.identity;
    desk.bank.town.refused_with(who, &args, &transient, "CR-CC-050");
    assert_conserved(&desk.bank.town.ledger);
}

#[test]
fn another_outcome_than_the_decided_one_pays_nothing() {
    let mut desk = Desk::new(Currency::Care);
    let (held, outcome) = desk.decided(1_000);
    let mut more = outcome.clone();
    more.totals.insurer = 9_000;
    let args = ["claims:Remit", &remittance(&[&held], None)];
    for (transient, code) in [
        (outcomes_field("outcomes", &[&more]), "CR-CC-075"),
        (outcomes_field("outcomes", &[&outcome, &outcome]), "CR-CC-010"),
        (Fields::new(), "CR-CC-010"),
    ] {
        desk.bank.town.refused_with(&desk.bank.insurer.identity, &args, &transient, code);
    }
    let good = outcomes_field("outcomes", &[&outcome]);
    let twice = ["claims:Remit", &remittance(&[&held, &held], None)];
    let both = outcomes_field("outcomes", &[&outcome, &outcome]);
    desk.bank.town.refused_with(&desk.bank.insurer.identity, &twice, &both, "CR-CC-010");
    // More than the insurer has.
    let (large, outcome) = desk.decided(20_000);
    let args = ["claims:Remit", &remittance(&[&large], None)];
    let transient = outcomes_field("outcomes", &[&outcome]);
    desk.bank.town.refused_with(&desk.bank.insurer.identity, &args, &transient, "CR-CC-062");
    assert_eq!(desk.remitted(&[&held], &good).total.0, 800);
}

#[test]
fn a_flagged_or_undecided_claim_is_not_paid() {
    let mut desk = Desk::new(Currency::Care);
    let town = &mut desk.bank.town;
    let lines = lines(&[(&id(), 1_000)]);
    let held = desk.cover.submit(town, &desk.author, &desk.bank.patient, lines);
    let args = ["claims:Remit", &remittance(&[&held], None)];
    town.refused(&desk.bank.insurer.identity, &args, "CR-CC-050");
    let outcome = desk.cover.adjudicate(town, &desk.bank.insurer, &held, None);
    let transient = outcomes_field("outcomes", &[&outcome]);
    town.refused_with(&desk.bank.insurer.identity, &args, &transient, "CR-CC-050");
    let _: Value = town.ok(&desk.bank.insurer.identity, &["claims:ClearFlags", held.id.as_str()]);
    assert_eq!(desk.remitted(&[&held], &transient).total.0, 800);
}

#[test]
fn a_claim_for_more_minutes_than_its_channel_invoiced_is_flagged() {
    let mut desk = Desk::new(Currency::Care);
    let town = &mut desk.bank.town;
    let new = json!({"payee": desk.author.id, "mode": "uni", "currency": "CARE", "rate": "60",
                     "depositPayer": "2000", "depositPayee": "0",
                     "expires": town.ledger.now + 100 * DAY});
    let args = ["channels:Open", &new.to_string()];
    let channel: Value = town.ok(&desk.bank.patient.identity, &args);
    let channel = channel["id"].as_str().unwrap().to_owned();
    town.ledger.now += 3_600;
    let flags = |desk: &mut Desk, channel: &str, minutes: u32| {
        let town = &mut desk.bank.town;
        let facts = EncounterFacts {
            salt: id(),
            practitioner: Id::new(desk.author.id.clone()).unwrap(),
            patient: Id::new(desk.bank.patient.id.clone()).unwrap(),
            from: 1_699_900_000,
            until: 1_699_900_000 + 30 * 60,
            channel: ChannelId::new(channel),
        };
        let (_, commitment) = opening::seal(Kind::Encounter, &facts).unwrap();
        let encounter = id();
        let patient = desk.bank.patient.id.clone();
        let args = ["claims:SignEncounter", encounter.as_str(), &patient, commitment.as_str()];
        let _: Value = town.ok(&desk.author.identity, &args);
        let args = ["claims:ConfirmEncounter", encounter.as_str()];
        let _: Value = town.ok(&desk.bank.patient.identity, &args);
        let mut lines = lines(&[(&id(), 100)]);
        lines.lines[0].minutes = minutes;
        lines.encounter = Some(facts);
        let (mut new, held) = desk.cover.draft(town, &desk.author, &desk.bank.patient, lines);
        new["encounter"] = json!(encounter);
        let args = ["claims:Submit", &new.to_string()];
        let transient = desk.cover.submission(&held.bytes);
        let done = town.submit_with(&desk.author.identity, &args, &transient);
        assert_valid(&done);
        let claim: Claim = serde_json::from_slice(&done.response.payload).unwrap();
        claim.flags
    };
    // Nothing is invoiced yet, and 30 minutes of the encounter are no excuse.
    assert_eq!(flags(&mut desk, &channel, 1), [Flag::Meter]);
    let invoice = json!({"hash": "e".repeat(64), "meterSeconds": 1_001, "extras": "0",
                         "total": (17 * 60).to_string()});
    let args = ["channels:Invoice", &channel, &invoice.to_string()];
    let _: Value = desk.bank.town.ok(&desk.author.identity, &args);
    for (minutes, expected) in [(17, vec![]), (18, vec![Flag::Meter])] {
        assert_eq!(flags(&mut desk, &channel, minutes), expected, "{minutes} minutes");
    }
    // A channel that does not exist, or pays somebody else, has metered nothing.
    assert_eq!(flags(&mut desk, &"f".repeat(64), 1), [Flag::Meter]);
}

#[test]
fn after_an_appeal_only_the_rest_is_paid() {
    let mut desk = Desk::new(Currency::Care);
    let (held, first) = desk.decided(1_000);
    desk.remitted(&[&held], &outcomes_field("outcomes", &[&first]));
    let corrected = {
        let mut lines = held.lines.clone();
        lines.lines[0].charge = 1_500;
        lines
    };
    let (bytes, commitment) = opening::seal(Kind::Claim, &corrected).unwrap();
    let appeal = json!({"claim": held.id, "grounds": "b".repeat(64), "lines": commitment});
    let mut transient = desk.cover.submission(&bytes);
    transient.insert("before".to_owned(), held.bytes.clone().into());
    let town = &mut desk.bank.town;
    let args = ["claims:Appeal", &appeal.to_string()];
    assert_valid(&town.submit_with(&desk.author.identity, &args, &transient));
    let held = Held { id: held.id, lines: corrected, bytes };
    let args = ["claims:ClearFlags", held.id.as_str()];
    let _: Value = town.ok(&desk.bank.insurer.identity, &args);
    let second = desk.cover.adjudicate(town, &desk.bank.insurer, &held, Some(&first));
    let mut transient = outcomes_field("outcomes", &[&second]);
    let args = ["claims:Remit", &remittance(&[&held], None)];
    // What was paid before cannot be forgotten.
    desk.bank.town.refused_with(&desk.bank.insurer.identity, &args, &transient, "CR-CC-010");
    transient.extend(outcomes_field("paid", &[&first]));
    assert_eq!(desk.remitted(&[&held], &transient).total.0, 400);
}

#[test]
fn fiat_money_counts_with_a_receipt_of_both_sides_and_once() {
    let mut desk = Desk::new(Currency::UsDollar);
    let (a, a_outcome) = desk.decided(1_000);
    let (b, b_outcome) = desk.decided(1_000);
    let now = desk.bank.town.ledger.now;
    let insurer = std::mem::replace(&mut desk.bank.insurer, nobody());
    let author = std::mem::replace(&mut desk.author, nobody());
    let good = desk.receipt(&insurer, &author, 800, now);
    let less = desk.receipt(&insurer, &author, 799, now);
    let back = desk.receipt(&author, &insurer, 800, now);
    let transient = outcomes_field("outcomes", &[&a_outcome]);
    for (receipt, code) in [
        (None, "CR-CC-010"),
        (Some(less.as_str()), "CR-CC-030"),
        (Some(back.as_str()), "CR-CC-030"),
        (Some(&random_id()), "CR-CC-030"),
    ] {
        let args = ["claims:Remit", &remittance(&[&a], receipt)];
        desk.bank.town.refused_with(&insurer.identity, &args, &transient, code);
    }
    let args = ["claims:Remit", &remittance(&[&a], Some(&good))];
    assert_valid(&desk.bank.town.submit_with(&insurer.identity, &args, &transient));
    // The same receipt does not pay another claim of the same amount.
    let args = ["claims:Remit", &remittance(&[&b], Some(&good))];
    let transient = outcomes_field("outcomes", &[&b_outcome]);
    desk.bank.town.refused_with(&insurer.identity, &args, &transient, "CR-CC-050");
}

#[test]
fn a_plan_asks_for_the_patients_part_and_its_fee_and_nothing_else() {
    let mut desk = Desk::new(Currency::Care);
    let (a, a_outcome) = desk.decided(1_000);
    let (b, b_outcome) = desk.decided(501);
    let claims = [(&a, &a_outcome), (&b, &b_outcome)];
    let transient = outcomes_field("outcomes", &[&a_outcome, &b_outcome]);
    for (change, code) in [
        (json!({"principal": 301}), "CR-CC-010"),
        (json!({"principal": 0}), "CR-CC-010"),
        (json!({"count": 0}), "CR-CC-010"),
        (json!({"count": 121}), "CR-CC-010"),
        (json!({"graceDays": 0}), "CR-CC-010"),
        (json!({"firstDue": desk.bank.town.ledger.now}), "CR-CC-010"),
        (json!({"currency": "USD"}), "CR-CC-010"),
        (json!({"currency": "CREDIT"}), "CR-CC-010"),
        (json!({"patient": random_id()}), "CR-CC-030"),
        (json!({"creditor": random_id()}), "CR-CC-003"),
    ] {
        let plan = desk.draft_plan(&claims, change).to_string();
        let args = ["claims:CreatePlan", &plan];
        desk.bank.town.refused_with(&desk.bank.insurer.identity, &args, &transient, code);
    }
    let plan = desk.plan(&claims, json!({"fee": 11}));
    let amounts: Vec<u64> = plan.instalments.iter().map(|i| i.amount).collect();
    assert_eq!(amounts, [104, 104, 103]);
    assert_eq!(amounts.iter().sum::<u64>(), 300 + 11);
    assert_eq!(plan.status, PlanStatus::Active);
    // What is in one plan is in no other.
    let again = desk.draft_plan(&claims, json!({})).to_string();
    let args = ["claims:CreatePlan", &again];
    desk.bank.town.refused_with(&desk.bank.insurer.identity, &args, &transient, "CR-CC-050");
}

#[test]
fn a_declined_plan_leaves_the_claims_for_another() {
    let mut desk = Desk::new(Currency::Care);
    let (held, outcome) = desk.decided(1_000);
    let transient = outcomes_field("outcomes", &[&outcome]);
    let plan = desk.draft_plan(&[(&held, &outcome)], json!({}));
    let args = ["claims:CreatePlan", &plan.to_string()];
    let town = &mut desk.bank.town;
    assert_valid(&town.submit_with(&desk.bank.insurer.identity, &args, &transient));
    let id = plan["id"].as_str().unwrap();
    let payment = json!({"plan": id, "number": 1, "amount": 67}).to_string();
    town.refused(&desk.bank.patient.identity, &["claims:PayInstallment", &payment], "CR-CC-050");
    let _: Value = town.ok(&desk.bank.patient.identity, &["claims:DeclinePlan", id]);
    town.refused(&desk.bank.patient.identity, &["claims:AcceptPlan", id], "CR-CC-050");
    let plan = desk.plan(&[(&held, &outcome)], json!({}));
    let claim: Claim = {
        let args = ["claims:Get", held.id.as_str()];
        desk.bank.town.ok(&desk.bank.patient.identity, &args)
    };
    assert_eq!(claim.billed, claim.outcome);
    assert_eq!(plan.status, PlanStatus::Active);
}

#[test]
fn each_instalment_is_paid_once_in_its_order_and_exactly() {
    let mut desk = Desk::new(Currency::Care);
    let plan = desk.plan(&[], json!({"principal": 100, "fee": 1}));
    for (number, amount, code) in [
        (2, 34, "CR-CC-050"),
        (0, 34, "CR-CC-050"),
        (1, 33, "CR-CC-010"),
        (1, 35, "CR-CC-010"),
        (1, 0, "CR-CC-010"),
    ] {
        desk.pay_refused(&payment(&plan, number, amount, None), code);
    }
    let args = ["claims:PayInstallment", &payment(&plan, 1, 34, None)];
    let who = &desk.bank.patient.identity;
    let twice = [(); 2].map(|()| desk.bank.town.ledger.simulate("health", who, &args));
    let verdicts = twice.map(|simulation| desk.bank.town.ledger.commit(simulation).verdict);
    assert_eq!(verdicts, [Verdict::Valid, Verdict::ReadConflict]);
    desk.pay_refused(&payment(&plan, 1, 34, None), "CR-CC-050");
    desk.pay(&plan, 2, 34);
    let plan = desk.pay(&plan, 3, 33);
    assert_eq!(plan.status, PlanStatus::Paid);
    desk.pay_refused(&payment(&plan, 4, 1, None), "CR-CC-050");
    let (patient, insurer) = (desk.bank.patient.id.clone(), desk.bank.insurer.id.clone());
    assert_eq!(desk.bank.balance(&patient), 10_000 - 101);
    assert_eq!(desk.bank.balance(&insurer), 10_000 + 101);
    assert_conserved(&desk.bank.town.ledger);
}

#[test]
fn a_payment_is_late_from_the_second_after_its_grace() {
    let mut desk = Desk::new(Currency::Care);
    let plan = desk.plan(&[], json!({"principal": 90}));
    let id = plan.terms.id.to_string();
    let end = plan.instalments[0].due + 5 * DAY;
    desk.bank.town.ledger.now = end;
    let mark = ["claims:MarkLate", &id, "1"];
    desk.bank.town.refused(&desk.bank.insurer.identity, &mark, "CR-CC-050");
    desk.pay_refused(&payment(&plan, 1, 37, None), "CR-CC-010");
    // Nobody marked it, and still a late payment costs the fee.
    desk.bank.town.ledger.now = end + 1;
    desk.pay_refused(&payment(&plan, 1, 30, None), "CR-CC-010");
    let plan = desk.pay(&plan, 1, 37);
    assert!(plan.instalments[0].late);
    // In time costs nothing, and what is paid cannot be marked.
    let plan = desk.pay(&plan, 2, 30);
    assert!(!plan.instalments[1].late);
    desk.bank.town.ledger.now += 90 * DAY;
    let mark = ["claims:MarkLate", &id, "2"];
    desk.bank.town.refused(&desk.bank.insurer.identity, &mark, "CR-CC-050");
    for (number, code) in [("0", "CR-CC-010"), ("4", "CR-CC-010")] {
        let mark = ["claims:MarkLate", &id, number];
        desk.bank.town.refused(&desk.bank.insurer.identity, &mark, code);
    }
    let mark = ["claims:MarkLate", &id, "3"];
    let _: Value = desk.bank.town.ok(&desk.bank.insurer.identity, &mark);
    desk.bank.town.refused(&desk.bank.insurer.identity, &mark, "CR-CC-050");
    desk.pay_refused(&payment(&plan, 3, 30, None), "CR-CC-010");
    assert_eq!(desk.pay(&plan, 3, 37).status, PlanStatus::Paid);
}

#[test]
fn three_late_instalments_make_the_rest_due() {
    let mut desk = Desk::new(Currency::Care);
    let plan = desk.plan(&[], json!({"principal": 500, "count": 5}));
    let id = plan.terms.id.to_string();
    let default = ["claims:Default", &id];
    for number in 1..=3usize {
        desk.bank.town.refused(&desk.bank.insurer.identity, &default, "CR-CC-050");
        desk.bank.town.ledger.now = plan.instalments[number - 1].due + 5 * DAY + 1;
        let mark = ["claims:MarkLate", &id, &number.to_string()];
        let _: Value = desk.bank.town.ok(&desk.bank.insurer.identity, &mark);
    }
    let now = desk.bank.town.ledger.now;
    let plan: PaymentPlan = desk.bank.town.ok(&desk.bank.insurer.identity, &default);
    assert_eq!(plan.status, PlanStatus::Defaulted);
    assert!(plan.instalments.iter().all(|i| i.due <= now));
    desk.bank.town.refused(&desk.bank.insurer.identity, &default, "CR-CC-050");
    for number in 1..=3 {
        desk.pay(&plan, number, 107);
    }
    // The others had no days of grace yet.
    desk.pay(&plan, 4, 100);
    assert_eq!(desk.pay(&plan, 5, 100).status, PlanStatus::Paid);
}

#[test]
fn a_receipt_says_when_fiat_money_was_paid() {
    let mut desk = Desk::new(Currency::UsDollar);
    let plan = desk.plan(&[], json!({"principal": 90}));
    let end = plan.instalments[0].due + 5 * DAY;
    desk.bank.town.ledger.now = end + 100;
    let id = plan.terms.id.to_string();
    let mark = ["claims:MarkLate", &id, "1"];
    let _: Value = desk.bank.town.ok(&desk.bank.insurer.identity, &mark);
    let patient = std::mem::replace(&mut desk.bank.patient, nobody());
    let insurer = std::mem::replace(&mut desk.bank.insurer, nobody());
    let in_time = desk.receipt(&patient, &insurer, 30, end);
    let late = desk.receipt(&patient, &insurer, 30, end + 1);
    let refused = payment(&plan, 1, 30, Some(&late));
    desk.bank.town.refused(&patient.identity, &["claims:PayInstallment", &refused], "CR-CC-010");
    let good = payment(&plan, 1, 30, Some(&in_time));
    let plan: PaymentPlan = desk.bank.town.ok(&patient.identity, &["claims:PayInstallment", &good]);
    assert_eq!((plan.instalments[0].late, plan.instalments[0].paid), (false, Some(end)));
    let again = payment(&plan, 2, 30, Some(&in_time));
    desk.bank.town.refused(&patient.identity, &["claims:PayInstallment", &again], "CR-CC-050");
}

#[test]
fn a_plan_concerns_its_two_sides_only() {
    let mut desk = Desk::new(Currency::Care);
    let plan = desk.plan(&[], json!({"principal": 90}));
    let id = plan.terms.id.to_string();
    let town = &mut desk.bank.town;
    let other = std::mem::replace(&mut town.other_patient, nobody());
    let pay = payment(&plan, 1, 30, None);
    for args in [
        vec!["claims:PayInstallment", &pay],
        vec!["claims:PaymentPlan", &id],
        vec!["claims:AcceptPlan", &id],
        vec!["claims:DeclinePlan", &id],
    ] {
        town.refused(&other.identity, &args, "CR-CC-030");
    }
    for args in [vec!["claims:MarkLate", &id, "1"], vec!["claims:Default", &id]] {
        town.refused(&desk.bank.patient.identity, &args, "CR-CC-020");
    }
    for (who, count) in [(&desk.bank.patient, 1), (&desk.bank.insurer, 1), (&other, 0)] {
        let page: carecord_health::page::Page<PaymentPlan> =
            town.ok(&who.identity, &["claims:PaymentPlans", "", "10"]);
        assert_eq!(page.items.len(), count);
    }
}
