//! Adjudication against a reference written a second time in another way, and by its own rules.

use std::collections::BTreeSet;

use carecord_health::{
    claims::{
        adjudication::{Facts, Plan, accumulate, adjudicate, take_back},
        outcome::{Accumulators, Line, LineOutcome},
        rounding::split,
        terms::{Schedule, Service, Terms},
    },
    ids::Id,
    token::Currency,
    vocabulary::{Reason, Unscheduled},
};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

const PLANS: u64 = 10_000;

fn id(n: u64) -> Id {
    Id::new(format!("{n:032x}")).unwrap()
}

fn zero() -> Accumulators {
    Accumulators { salt: id(0), deductible: 0, out_of_pocket: 0 }
}

fn facts() -> Facts {
    Facts {
        claim: id(1),
        round: 1,
        salt: id(2),
        in_network: true,
        late: false,
        authorised: BTreeSet::new(),
    }
}

fn terms() -> Terms {
    Terms {
        currency: Currency::UsDollar,
        deductible: 0,
        coinsurance_bps: 2_000,
        outside_bps: None,
        out_of_pocket_max: None,
        unscheduled: Unscheduled::Charge,
        filing_days: 365,
    }
}

fn no_schedule() -> Schedule {
    Schedule { salt: id(3), services: vec![], excluded: vec![] }
}

fn service(n: u64, allowed: u64) -> Service {
    Service {
        tag: id(n),
        allowed,
        copay: 0,
        deductible: true,
        authorisation: false,
        excluded: false,
    }
}

fn line(n: u64, charge: u64) -> Line {
    Line { tag: id(n), diagnoses: vec![], charge, units: 1, minutes: 0 }
}

/// The reference: money lies on the table coin by coin, and each coin is given to somebody.
mod reference {
    use super::*;

    /// Whose hands a coin can end in.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub(super) enum Hand {
        Copay,
        Deductible,
        Coinsurance,
        Uncovered,
        Insurer,
        WrittenOff,
    }

    /// Where each coin of each line ends.
    pub(super) fn deal(
        terms: &Terms,
        schedule: &Schedule,
        facts: &Facts,
        lines: &[Line],
        before: &Accumulators,
    ) -> Vec<Vec<Hand>> {
        let (mut deductible, mut pocket) = (before.deductible, before.out_of_pocket);
        let mut all = Vec::new();
        for line in lines {
            let coins = deal_line(terms, schedule, facts, line, deductible, pocket);
            deductible += count(&coins, Hand::Deductible);
            pocket += count(&coins, Hand::Deductible)
                + count(&coins, Hand::Copay)
                + count(&coins, Hand::Coinsurance);
            all.push(coins);
        }
        all
    }

    pub(super) fn count(coins: &[Hand], hand: Hand) -> u64 {
        coins.iter().filter(|h| **h == hand).count() as u64
    }

    fn deal_line(
        terms: &Terms,
        schedule: &Schedule,
        facts: &Facts,
        line: &Line,
        deductible_before: u64,
        pocket_before: u64,
    ) -> Vec<Hand> {
        let service = schedule.services.iter().find(|s| s.tag == line.tag);
        let bad_diagnosis = schedule.excluded.iter().any(|x| line.diagnoses.contains(x));
        let whole = |hand| vec![hand; line.charge as usize];
        if facts.late {
            return whole(Hand::WrittenOff);
        }
        match service {
            _ if bad_diagnosis => return whole(Hand::Uncovered),
            Some(s) if s.excluded => return whole(Hand::Uncovered),
            None if terms.unscheduled == Unscheduled::None => return whole(Hand::Uncovered),
            _ if !facts.in_network && terms.outside_bps.is_none() => return whole(Hand::Uncovered),
            Some(s) if s.authorisation && !facts.authorised.contains(&s.tag) => {
                return whole(Hand::WrittenOff);
            }
            _ => {}
        }
        let mut coins = whole(Hand::Insurer);
        // Coins above the allowed amount are pushed aside one after the other.
        let mut recognised = 0;
        for unit in 0..line.units {
            let _ = unit;
            recognised += service.map_or(line.charge, |s| s.allowed);
        }
        let aside = if facts.in_network { Hand::WrittenOff } else { Hand::Uncovered };
        for (position, coin) in coins.iter_mut().enumerate() {
            if position as u64 >= recognised {
                *coin = aside;
            }
        }
        let mut copay_left = service.map_or(0, |s| s.copay);
        let mut missing = terms.deductible.saturating_sub(deductible_before);
        if service.is_some_and(|s| !s.deductible) {
            missing = 0;
        }
        for coin in &mut coins {
            if *coin != Hand::Insurer {
                continue;
            }
            if copay_left > 0 {
                *coin = Hand::Copay;
                copay_left -= 1;
            } else if missing > 0 {
                *coin = Hand::Deductible;
                missing -= 1;
            }
        }
        let bps = if facts.in_network { terms.coinsurance_bps } else { terms.outside_bps.unwrap() };
        let shared = count(&coins, Hand::Insurer);
        let mut patient = nearest_even(shared, bps);
        for coin in &mut coins {
            if *coin == Hand::Insurer && patient > 0 {
                *coin = Hand::Coinsurance;
                patient -= 1;
            }
        }
        give_back(terms, &mut coins, pocket_before);
        coins
    }

    /// The whole number nearest to `amount * bps / 10000`: found by trying each, the even one of two that are as near.
    fn nearest_even(amount: u64, bps: u32) -> u64 {
        let exact = i128::from(amount) * i128::from(bps);
        let distance = |n: u64| (i128::from(n) * 10_000 - exact).abs();
        let mut best = 0;
        for candidate in 1..=amount {
            let (a, b) = (distance(candidate), distance(best));
            if a < b || (a == b && candidate % 2 == 0) {
                best = candidate;
            }
        }
        best
    }

    /// While the patient has paid more than the maximum, one coin goes back to the insurer.
    fn give_back(terms: &Terms, coins: &mut [Hand], pocket_before: u64) {
        let Some(max) = terms.out_of_pocket_max else { return };
        let parts = [Hand::Coinsurance, Hand::Deductible, Hand::Copay];
        let most = max.saturating_sub(pocket_before);
        let mut paid: u64 = parts.iter().map(|part| count(coins, *part)).sum();
        for part in parts {
            for coin in coins.iter_mut().filter(|coin| **coin == part) {
                if paid <= most {
                    return;
                }
                *coin = Hand::Insurer;
                paid -= 1;
            }
        }
    }
}

/// A random plan, what is known of a claim, its lines, and what the member had paid.
fn draw(rng: &mut ChaCha8Rng) -> (Terms, Schedule, Facts, Vec<Line>, Accumulators) {
    let deductible = if rng.random_bool(0.6) { rng.random_range(0..400) } else { 0 };
    let max = deductible + rng.random_range(0..500);
    let terms = Terms {
        deductible,
        coinsurance_bps: *[0, 1, 1_000, 1_250, 2_000, 3_333, 5_000, 10_000]
            .get(rng.random_range(0..8))
            .unwrap(),
        outside_bps: rng.random_bool(0.5).then(|| rng.random_range(0..=10_000)),
        out_of_pocket_max: rng.random_bool(0.6).then_some(max),
        unscheduled: if rng.random_bool(0.7) { Unscheduled::Charge } else { Unscheduled::None },
        ..terms()
    };
    let services = (0..8)
        .filter(|_| true)
        .map(|n| Service {
            tag: id(n),
            allowed: rng.random_range(0..300),
            copay: if rng.random_bool(0.5) { rng.random_range(0..60) } else { 0 },
            deductible: rng.random_bool(0.8),
            authorisation: rng.random_bool(0.2),
            excluded: rng.random_bool(0.1),
        })
        .collect();
    let schedule = Schedule { salt: id(3), services, excluded: vec![id(900), id(901)] };
    let facts = Facts {
        in_network: rng.random_bool(0.7),
        late: rng.random_bool(0.05),
        authorised: (0..10).filter(|_| rng.random_bool(0.5)).map(id).collect(),
        ..facts()
    };
    let lines = (0..rng.random_range(1..7))
        .map(|_| Line {
            tag: id(rng.random_range(0..11)),
            diagnoses: (0..rng.random_range(0..3))
                .map(|_| id(rng.random_range(880..903)))
                .collect(),
            charge: rng.random_range(0..500),
            units: rng.random_range(1..4),
            minutes: 0,
        })
        .collect();
    let paid = rng.random_range(0..300);
    let of_it = rng.random_range(0..=paid);
    let before = Accumulators { salt: id(4), deductible: of_it, out_of_pocket: paid };
    (terms, schedule, facts, lines, before)
}

#[test]
fn ten_thousand_random_plans_decide_as_the_reference_does() {
    let mut seen = BTreeSet::new();
    for seed in 0..PLANS {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let (terms, schedule, facts, lines, before) = draw(&mut rng);
        let plan = Plan { terms: &terms, schedule: &schedule };
        let expected = reference::deal(&terms, &schedule, &facts, &lines, &before);
        let found = adjudicate(plan, facts, &lines, &before).unwrap();
        for (line, coins) in found.lines.iter().zip(&expected) {
            assert_same(line, coins, seed);
            seen.extend(line.reasons.iter().map(|reason| reason.as_str()));
        }
        assert_eq!(found.lines.len(), expected.len());
        let sum = |part: fn(&LineOutcome) -> u64| found.lines.iter().map(part).sum::<u64>();
        assert_eq!(found.totals.submitted, lines.iter().map(|l| l.charge).sum::<u64>());
        assert_eq!(found.totals.insurer, sum(|l| l.insurer));
        assert_eq!(
            found.totals.insurer + found.totals.patient + found.totals.write_off,
            found.totals.submitted,
            "seed {seed}"
        );
        // What was paid only grows, and adjudicating anew begins from where the claim began.
        let after = accumulate(&before, &found, id(5)).unwrap();
        assert!(after.deductible >= before.deductible);
        assert!(after.out_of_pocket - before.out_of_pocket >= after.deductible - before.deductible);
        let back = take_back(&after, &found).unwrap();
        assert_eq!(
            (back.deductible, back.out_of_pocket),
            (before.deductible, before.out_of_pocket)
        );
    }
    // Every rule of the table has decided something.
    assert_eq!(seen.len(), Reason::ALL.len(), "{seen:?}");
}

fn assert_same(line: &LineOutcome, coins: &[reference::Hand], seed: u64) {
    use reference::{Hand, count};
    let of = |hand| count(coins, hand);
    let found = [
        line.copay,
        line.deductible,
        line.coinsurance,
        line.uncovered,
        line.insurer,
        line.write_off,
    ];
    let expected = [
        of(Hand::Copay),
        of(Hand::Deductible),
        of(Hand::Coinsurance),
        of(Hand::Uncovered),
        of(Hand::Insurer),
        of(Hand::WrittenOff),
    ];
    assert_eq!(found, expected, "seed {seed}: {line:?}");
    assert_eq!(line.patient, found[..4].iter().sum::<u64>(), "seed {seed}");
    assert_eq!(line.insurer + line.patient + line.write_off, line.submitted, "seed {seed}");
}

#[test]
fn a_year_of_claims_reaches_the_deductible_and_the_maximum_once() {
    let terms = Terms { deductible: 500, out_of_pocket_max: Some(900), ..terms() };
    let schedule = no_schedule();
    let plan = Plan { terms: &terms, schedule: &schedule };
    let mut paid = zero();
    let mut patients = Vec::new();
    for _ in 0..4 {
        let outcome = adjudicate(plan, facts(), &[line(7, 1_000)], &paid).unwrap();
        patients.push(outcome.totals.patient);
        paid = accumulate(&paid, &outcome, id(9)).unwrap();
    }
    // 500 + 20 % of 500; 20 % of 1000; 20 % of 1000 cut to what is left of 900; nothing.
    assert_eq!(patients, [600, 200, 100, 0]);
    assert_eq!((paid.deductible, paid.out_of_pocket), (500, 900));
}

#[test]
fn the_remainder_of_each_rounding_is_the_insurers_on_each_line() {
    let (terms, schedule) = (terms(), no_schedule());
    let plan = Plan { terms: &terms, schedule: &schedule };
    let lines: Vec<Line> = (0..3).map(|n| line(n, 14_052)).collect();
    let outcome = adjudicate(plan, facts(), &lines, &zero()).unwrap();
    for line in &outcome.lines {
        assert_eq!((line.coinsurance, line.insurer), (2_810, 11_242));
    }
    // 20 % of the sum would be 8,431: lines are rounded, sums are not.
    assert_eq!(outcome.totals.patient, 8_430);
    let half = Terms { coinsurance_bps: 5_000, ..terms.clone() };
    let plan = Plan { terms: &half, schedule: &schedule };
    let outcome = adjudicate(plan, facts(), &[line(1, 5), line(2, 7)], &zero()).unwrap();
    let pairs: Vec<_> = outcome.lines.iter().map(|l| (l.coinsurance, l.insurer)).collect();
    assert_eq!(pairs, [(2, 3), (4, 3)]);
}

#[test]
fn the_first_row_of_the_table_that_fits_decides() {
    let services = vec![
        Service { excluded: true, authorisation: true, ..service(1, 10) },
        Service { authorisation: true, ..service(2, 10) },
        service(3, 10),
    ];
    let schedule = Schedule { services, excluded: vec![id(99)], ..no_schedule() };
    let strict = Terms { unscheduled: Unscheduled::None, ..terms() };
    let plan = Plan { terms: &strict, schedule: &schedule };
    let sick = Line { diagnoses: vec![id(98), id(99)], ..line(2, 20) };
    let lines = [line(1, 20), sick, line(4, 20), line(2, 20), line(3, 20)];
    let reasons = |facts: Facts| -> Vec<Reason> {
        let outcome = adjudicate(plan, facts, &lines, &zero()).unwrap();
        outcome.lines.iter().map(|l| l.reasons[0]).collect()
    };
    use Reason::{Covered, Excluded, Late, NotCovered, Outside, Unauthorised};
    assert_eq!(reasons(facts()), [Excluded, Excluded, NotCovered, Unauthorised, Covered]);
    let outside = Facts { in_network: false, ..facts() };
    assert_eq!(reasons(outside), [Excluded, Excluded, NotCovered, Outside, Outside]);
    assert_eq!(reasons(Facts { late: true, ..facts() }), [Late; 5]);
    let authorised = Facts { authorised: [id(2)].into(), ..facts() };
    assert_eq!(reasons(authorised), [Excluded, Excluded, NotCovered, Covered, Covered]);
}

#[test]
fn instalments_add_up_to_the_whole() {
    for seed in 0..PLANS {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let (total, count) = (rng.random_range(0..1_000_000_000_000), rng.random_range(1..=120));
        let parts = split(total, count).unwrap();
        assert_eq!(parts.len(), count as usize);
        assert_eq!(parts.iter().sum::<u64>(), total, "seed {seed}");
        assert!(parts[0] - parts[parts.len() - 1] <= 1);
    }
}
