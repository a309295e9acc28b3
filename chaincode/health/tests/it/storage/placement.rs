//! The choice of providers as a pure function, over a simulated fleet.

use std::collections::{BTreeMap, BTreeSet};

use carecord_health::{
    ids::{ContentId, Id, MspId},
    storage::{
        score::{
            Candidate, FULL, NEW, REGIONS_MIN, Wanted, after_challenge, after_report, choose,
            points,
        },
        words::{Country, Region},
    },
};
use rand::{Rng, SeedableRng, seq::IndexedRandom};
use rand_chacha::ChaCha8Rng;

use crate::town::random_cid;

fn candidate(rng: &mut ChaCha8Rng, number: usize) -> Candidate {
    let (region, country) =
        *[("eu-west", "de"), ("eu-west", "fr"), ("eu-north", "se"), ("us-east", "us")]
            .choose(rng)
            .unwrap();
    Candidate {
        id: Id::new(format!("{:032x}", rng.random::<u128>())).unwrap(),
        org: MspId::new(format!("Org{}MSP", number / 2)).unwrap(),
        region: Region::new(region).unwrap(),
        jurisdiction: Country::new(country).unwrap(),
        reputation: rng.random_range(0..=FULL),
        latency_ms: rng.random_range(0..1500),
        free: rng.random_range(0..2000),
    }
}

fn cid() -> ContentId {
    ContentId::new(random_cid()).unwrap()
}

/// Every placement of three copies that keeps the rules.
fn triples<'a>(fits: &[&'a Candidate]) -> Vec<[&'a Candidate; 3]> {
    let mut found = Vec::new();
    for (i, a) in fits.iter().enumerate() {
        for (j, b) in fits[..i].iter().enumerate() {
            for c in &fits[..j] {
                let orgs = BTreeSet::from([&a.org, &b.org, &c.org]).len();
                let regions = BTreeSet::from([&a.region, &b.region, &c.region]).len();
                if orgs == 3 && regions >= REGIONS_MIN {
                    found.push([*a, *b, *c]);
                }
            }
        }
    }
    found
}

#[test]
fn every_placement_keeps_the_rules_and_every_refusal_has_a_reason() {
    let mut rng = ChaCha8Rng::seed_from_u64(41);
    let (mut placed, mut refused) = (0, 0);
    for _ in 0..5000 {
        let all: Vec<Candidate> =
            (0..rng.random_range(0..16)).map(|n| candidate(&mut rng, n)).collect();
        let residency: Vec<Country> = match rng.random_range(0..3) {
            0 => vec![],
            1 => vec![Country::new("de").unwrap(), Country::new("fr").unwrap()],
            _ => vec![Country::new("de").unwrap(), Country::new("se").unwrap()],
        };
        let cid = cid();
        let wanted = Wanted { cid: &cid, size: 1000, residency: &residency };
        let fits: Vec<&Candidate> = all
            .iter()
            .filter(|c| c.free >= 1000)
            .filter(|c| residency.is_empty() || residency.contains(&c.jurisdiction))
            .collect();
        let possible = triples(&fits);
        match choose(&wanted, &[], &all, 3) {
            Some(chosen) => {
                placed += 1;
                assert_eq!(chosen.len(), 3);
                assert_eq!(chosen.iter().map(|c| &c.org).collect::<BTreeSet<_>>().len(), 3);
                let chosen_regions =
                    chosen.iter().map(|c| &c.region).collect::<BTreeSet<_>>().len();
                assert!(chosen_regions >= REGIONS_MIN);
                assert!(chosen.iter().all(|c| fits.contains(c)));
                // The first one has the most points of all who can be in a placement.
                let best = possible.iter().flatten().map(|c| points(c, false)).max().unwrap();
                assert_eq!(points(chosen[0], false), best);
            }
            None => {
                refused += 1;
                assert!(possible.is_empty(), "{fits:?}");
            }
        }
    }
    println!("{placed} placed, {refused} refused");
    assert!(placed > 1000 && refused > 1000);
}

#[test]
fn the_order_of_candidates_does_not_matter_and_equal_points_are_spread() {
    let mut rng = ChaCha8Rng::seed_from_u64(42);
    let mut all: Vec<Candidate> = (0..12).map(|n| candidate(&mut rng, n * 2)).collect();
    for one in &mut all {
        (one.reputation, one.latency_ms, one.free) = (NEW, 100, 5000);
        one.region = Region::new("eu-west").unwrap();
    }
    all[0].region = Region::new("eu-north").unwrap();
    let mut first: BTreeMap<Id, u32> = BTreeMap::new();
    for _ in 0..600 {
        let cid = cid();
        let wanted = Wanted { cid: &cid, size: 1, residency: &[] };
        let mut turned = all.clone();
        turned.rotate_left(rng.random_range(0..12));
        let ids = |chosen: Vec<&Candidate>| chosen.iter().map(|c| c.id.clone()).collect::<Vec<_>>();
        let chosen = ids(choose(&wanted, &[], &all, 3).unwrap());
        assert_eq!(ids(choose(&wanted, &[], &turned, 3).unwrap()), chosen);
        for id in chosen {
            *first.entry(id).or_default() += 1;
        }
    }
    // Each of the eleven in one region gets its part; a fixed order would give two of them everything.
    assert_eq!(first.len(), 12);
    assert!(first.values().all(|&times| times > 50), "{first:?}");
}

#[test]
fn a_dead_provider_sinks_and_a_slow_one_is_passed_over() {
    let mut reputation = NEW;
    for round in 1..=20 {
        let after = after_challenge(reputation, false);
        assert!(after < reputation, "{round}");
        reputation = after;
    }
    assert!(reputation < FULL / 20, "{reputation}");
    for _ in 0..40 {
        let after = after_challenge(reputation, true);
        assert!((reputation..=FULL).contains(&after));
        reputation = after;
    }
    assert!(reputation > FULL - FULL / 50, "{reputation}");
    let latency = (0..60).fold(500, |latency, _| after_report(latency, 40));
    assert!((40..100).contains(&latency), "{latency}");
    let mut rng = ChaCha8Rng::seed_from_u64(43);
    let mut one = candidate(&mut rng, 0);
    (one.reputation, one.latency_ms) = (FULL, 0);
    assert_eq!((points(&one, false), points(&one, true)), (1000, 600));
    (one.reputation, one.latency_ms) = (0, 5000);
    assert_eq!((points(&one, false), points(&one, true)), (400, 0));
}

#[test]
fn a_simulated_fleet_moves_away_from_dead_nodes() {
    let mut rng = ChaCha8Rng::seed_from_u64(44);
    let mut fleet: Vec<Candidate> = (0..12).map(|n| candidate(&mut rng, n * 2)).collect();
    for (at, one) in fleet.iter_mut().enumerate() {
        (one.reputation, one.latency_ms, one.free) = (NEW, 100, u64::MAX);
        one.region = Region::new(["eu-west", "eu-north", "us-east"][at % 3]).unwrap();
    }
    let dead = [1, 4, 9].map(|at| fleet[at].id.clone());
    let mut given = Vec::new();
    for round in 0..40 {
        let mut to_dead = 0;
        for _ in 0..20 {
            let cid = cid();
            let wanted = Wanted { cid: &cid, size: 1, residency: &[] };
            let chosen: Vec<Id> =
                choose(&wanted, &[], &fleet, 3).unwrap().iter().map(|c| c.id.clone()).collect();
            to_dead += chosen.iter().filter(|id| dead.contains(id)).count();
        }
        given.push(to_dead);
        for one in &mut fleet {
            one.reputation = after_challenge(one.reputation, !dead.contains(&one.id));
        }
        assert!(round < 2 || given[round] == 0, "round {round}: {given:?}");
    }
    println!("copies given to three dead of twelve providers, round by round: {:?}", &given[..4]);
    assert!(given[0] > 0);
}
