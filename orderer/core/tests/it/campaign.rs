//! Many seeds, many faults: nothing that was promised is lost, and every run can be repeated.

use std::time::Instant;

use rand::Rng;

use crate::world::{Lie, Setting, Stats, World};

const SEEDS: u64 = 200;
const SIMULATED_MS: u64 = 60_000;

fn setting(seed: u64) -> Setting {
    Setting {
        nodes: if seed.is_multiple_of(4) { 5 } else { 3 },
        seed,
        loss: 20,
        delay_ms: 1 + seed % 40,
        write_ms: if seed % 5 == 1 { 250 } else { seed % 30 },
        lie: Lie::Never,
        max_append_lag: 5 + seed % 40,
        window_bytes: 500 * (seed as usize % 5),
    }
}

/// One run: load and mishaps, then calm, then the checks.
fn run(setting: Setting) -> World {
    let mut world = World::new(setting);
    let mut next_mishap = 3_000;
    let mut next_config = 20_000;
    while world.now < SIMULATED_MS {
        let ids: Vec<u64> = world.peers.keys().copied().collect();
        let to = ids[world.rng.random_range(0..ids.len())];
        for _ in 0..world.rng.random_range(1..4) {
            world.submit(to);
        }
        if world.now >= next_mishap {
            world.mishap();
            next_mishap = world.now + world.rng.random_range(200..3_000);
        }
        if world.now >= next_config {
            next_config = world.now + 20_000;
            world.submit_config(to);
        }
        let pause = world.rng.random_range(1..300);
        world.run(pause);
    }
    world.heal();
    world.run(15_000);
    let leader = world.leader();
    let last = leader.map(|leader| world.submit(leader));
    world.run(5_000);
    if last.and_then(|last| world.answer(last)).is_none() {
        world.violation("no commit after healing".to_owned());
    }
    world.verify();
    world
}

fn add(total: &mut Stats, one: &Stats) {
    total.events += one.events;
    total.messages += one.messages;
    total.crashes += one.crashes;
    total.acknowledged += one.acknowledged;
    total.refused += one.refused;
    total.caught_up += one.caught_up;
    total.elections += one.elections;
}

fn seeds() -> u64 {
    std::env::var("CARECORD_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(SEEDS)
}

#[test]
fn nothing_is_lost_or_doubled_under_faults_and_every_run_repeats() {
    let begin = Instant::now();
    let mut total = Stats::default();
    let mut blocks = 0;
    for seed in 0..seeds() {
        let first = run(setting(seed));
        assert_eq!(first.violations, Vec::<String>::new(), "seed {seed}");
        let second = run(setting(seed));
        assert_eq!(first.trace, second.trace, "seed {seed} gives two traces");
        blocks += first.agreed.len();
        add(&mut total, &first.stats);
    }
    let simulated = seeds() * SIMULATED_MS / 1000;
    println!(
        "{} seeds twice, {simulated} simulated s each way, {:.1} s: {blocks} blocks, {total:?}",
        seeds(),
        begin.elapsed().as_secs_f64(),
    );
    assert!(total.caught_up > 0, "no run came to fetching blocks");
}

/// How many of the first seeds show that a planted bug is there.
fn caught(lie: Lie) -> usize {
    (0..20).filter(|seed| !run(Setting { lie, ..setting(*seed) }).violations.is_empty()).count()
}

#[test]
fn leaving_out_an_fsync_is_noticed() {
    for lie in [Lie::Always, Lie::Entries] {
        let caught = caught(lie);
        println!("fsync left out for {lie:?}: noticed in {caught} of 20 runs");
        assert!(caught > 0, "nobody noticed the fsync left out for {lie:?}");
    }
}

/// A node dies the moment its vote has left, with everything that is not durable.
fn crash_after_a_vote(lie: Lie) -> Vec<String> {
    let mut world = World::new(Setting { write_ms: 5, lie, ..Setting::calm(3, 11) });
    assert!(world.run_until(10_000, |w| w.voter().is_some()), "nobody voted");
    let voter = world.voter().unwrap();
    world.crash_losing_all(voter);
    world.start(voter);
    world.violations
}

#[test]
fn a_vote_that_was_not_made_durable_is_noticed() {
    assert_eq!(crash_after_a_vote(Lie::Never), Vec::<String>::new());
    let violations = crash_after_a_vote(Lie::Votes);
    assert!(violations.iter().any(|text| text.contains("it had promised")), "{violations:?}");
}
