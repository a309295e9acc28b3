//! Every interleaving of what an honest side, a cheat and the clock can do to one small channel.
//!
//! The cheat may do anything at any time with every state that was ever signed: close with old ones, close twice,
//! challenge, finish, end it. The honest side follows the protocol of the SDK: it never signs two states of one number,
//! signs nothing new while an answer or a top-up is outstanding, keeps what it signed before it sends it, and objects
//! while the window lasts. It may crash once at any point and come back at any other. In the end it must have at least
//! what the newest state that it knows gives it, or what the one gives it that it signed and never got back.

mod explorer;
mod faults;
mod world;

use carecord_health::channels::{Mode, Side};

use explorer::Explorer;
use faults::*;

/// States of one funding.
const SEQ_MAX: u64 = 3;
/// The window in steps of the clock, and in blocks.
const WINDOW: (i64, u32) = (2, 1);
const EXPIRES: i64 = 2;
const NOW_MAX: i64 = 6;
const TOP_UP: u128 = 2;

/// Every mode, honest side and penalty; counts situations and steps.
fn explore(rules: &dyn Rules) -> Result<(usize, usize), String> {
    let (mut situations, mut steps) = (0, 0);
    for mode in [Mode::Bi, Mode::Uni] {
        for honest in [Side::Payer, Side::Payee] {
            for penalty in [10_000, 2_500] {
                let mut explorer = Explorer::new(rules, honest);
                let run = explorer.run(world::start(mode, penalty));
                run.map_err(|broken| format!("{mode:?}, {penalty}: {broken}"))?;
                situations += explorer.parents.len();
                steps += explorer.steps;
            }
        }
    }
    Ok((situations, steps))
}

#[test]
fn no_interleaving_hurts_who_follows_the_protocol() {
    let (situations, steps) = explore(&Sound).unwrap();
    println!("channels: {situations} situations, {steps} steps, every one as it must be");
    assert!(situations > 5_000, "{situations}");
}

#[test]
fn each_planted_fault_is_found() {
    let faults: [(&str, &dyn Rules, &str); 7] = [
        ("no sequence check", &NoSequence, "the honest"),
        ("no funding number", &NoFunding, "the honest"),
        ("late challenge accepted", &LateChallenge, "after the window"),
        ("double payment", &DoublePayment, "was paid"),
        ("time without blocks", &TimeOnly, "before its window"),
        ("numbers believed in one-way channels", &NumbersOneWay, "the honest"),
        ("a peer that forgets", &Forgetful, "a crash lost"),
    ];
    for (name, rules, expected) in faults {
        let broken = explore(rules).expect_err(name);
        println!("channels: {name}: found");
        assert!(broken.contains(expected), "{name}: {broken}");
    }
}
