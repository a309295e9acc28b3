//! Row K9: whether a name exists cannot be read off the clock.

use std::time::{Duration, Instant};

use carecord_ca::Cost;
use carecord_ca::service::Login;

use super::support::{ADMIN, Fixture};

/// Tries of each kind.
const TRIES: usize = 200;
/// Most difference of the means.
const DIFFERENCE_MAX: f64 = 0.10;

/// Rounds of measuring: a difference that is always there shows in each, what else this machine does does not.
const ROUNDS: usize = 3;

#[test]
fn k9_a_wrong_secret_and_a_name_that_nobody_has_take_the_same_time() {
    let fixture = Fixture::with(|config| {
        config.limits.password_attempts = 0;
        // What counts is the cost in use: the hash outweighs the few reads by which the two ways differ.
        config.secret_cost = Cost::default();
    });
    let smallest = (0..ROUNDS).map(|_| difference(&fixture)).find(|found| *found < DIFFERENCE_MAX);
    assert!(smallest.is_some(), "more than {DIFFERENCE_MAX} in each of {ROUNDS} rounds");
}

/// By how much the two kinds differ. They take turns, so that whatever else this machine does falls on both alike; the
/// slower half of either, where other work was in between, is left out.
fn difference(fixture: &Fixture) -> f64 {
    let mut taken = [Vec::with_capacity(TRIES), Vec::with_capacity(TRIES)];
    for number in 0..TRIES {
        let mut pair = [(0, ADMIN.to_owned()), (1, format!("nobody{}", number % 7))];
        // Which comes first follows no period that a disk's writes might have, too (Thue and Morse's sequence).
        if number.count_ones() % 2 == 1 {
            pair.reverse();
        }
        for (kind, id) in pair {
            let login = Login { id, secret: "wrong".to_owned().into() };
            let begun = Instant::now();
            let refusal = fixture.ca.login(&login).unwrap_err();
            taken[kind].push(begun.elapsed());
            assert_eq!((refusal.status, refusal.message.as_str()), (401, "Authentication failure"));
        }
    }
    let [known, unknown] = taken.map(mean);
    let difference = (known - unknown).abs() / known;
    println!(
        "wrong secret {:.0} us, unknown name {:.0} us, difference {:.1} %",
        known * 1e6,
        unknown * 1e6,
        difference * 100.0
    );
    difference
}

/// The mean of the faster half, in seconds.
fn mean(mut taken: Vec<Duration>) -> f64 {
    taken.sort();
    let kept = &taken[..taken.len() / 2];
    kept.iter().map(Duration::as_secs_f64).sum::<f64>() / kept.len() as f64
}
