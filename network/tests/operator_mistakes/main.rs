//! Mistakes that operators make, one after the other, against real processes: does what the caller sees name the cause?
//!
//! `texts.txt` beside this file holds every mistake with its text, names of places and numbers that differ from run to
//! run replaced. `CARECORD_SNAPSHOT=write` writes it anew; look at the difference before you commit it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should fail")]

mod agreement;
mod before;
mod credentials;
mod data;
mod names;
mod place;
mod table;
mod weather;
mod wire;

#[allow(dead_code, reason = "the tests of peer_cli use the rest")]
#[path = "../it/peer_cli/tool.rs"]
mod tool;

use place::Place;
use table::Table;

/// How many mistakes there are at least, and how many of them must be named.
const MISTAKES_MIN: usize = 45;
const UNNAMED_MAX: usize = 2;

#[test]
fn the_message_that_the_caller_sees_names_the_cause() {
    let mut table = Table::default();
    before::mistakes(&mut table);
    let place = Place::up(include_str!("../../compat/topology.toml"));
    names::mistakes(&place, &mut table);
    credentials::mistakes(&place, &mut table);
    wire::mistakes(&place, &mut table);
    data::mistakes(&place, &mut table);
    agreement::mistakes(&place, &mut table);
    // The last: these leave the network worse than it was.
    weather::mistakes(&place, &mut table);

    let total = table.mistakes.len();
    let unnamed = table.unnamed();
    println!("{} of {total} operator mistakes are named", total - unnamed.len());
    assert!(total >= MISTAKES_MIN, "{total} mistakes");
    assert!(unnamed.len() <= UNNAMED_MAX, "not named: {unnamed:#?}");
    table.compare();
}
