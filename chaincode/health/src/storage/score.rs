//! Who is to keep an object: a pure choice by whole numbers.
//!
//! One copy after the other goes to the candidate with the most points: 400 for a region that has no copy yet, up to 350 for
//! reputation, up to 250 for latency. No organisation gets two copies, all lie in the allowed jurisdictions, in two regions
//! at least; a candidate after whom that could not be kept any more is passed over. Equal points are decided by SHA-256 over content id and provider, so nobody is
//! always first.

use std::collections::BTreeSet;

use sha2::{Digest, Sha256};

use crate::{
    ids::{ContentId, Id, MspId},
    storage::words::{Country, Region},
};

/// Points for a region without a copy.
pub const DIVERSITY: u32 = 400;
/// Most points for reputation.
pub const REPUTATION: u32 = 350;
/// Most points for latency.
pub const LATENCY: u32 = 250;
/// The latency from which on there are no points, milliseconds.
pub const LATENCY_MS_MAX: u32 = 1000;
/// Full reputation, millionths.
pub const FULL: u32 = 1_000_000;
/// The reputation of who is new.
pub const NEW: u32 = FULL / 2;
/// Fewest regions of an object's copies.
pub const REGIONS_MIN: usize = 2;

/// A provider as the choice sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The provider.
    pub id: Id,
    /// Its organisation.
    pub org: MspId,
    /// Its region.
    pub region: Region,
    /// Its jurisdiction.
    pub jurisdiction: Country,
    /// Its reputation, millionths.
    pub reputation: u32,
    /// Its latency, milliseconds.
    pub latency_ms: u32,
    /// What is free, bytes.
    pub free: u64,
}

/// What is to be placed.
#[derive(Clone, Debug)]
pub struct Wanted<'a> {
    /// The content.
    pub cid: &'a ContentId,
    /// Its size in bytes.
    pub size: u64,
    /// Where it may lie; anywhere if empty.
    pub residency: &'a [Country],
}

/// The points of a candidate, where `known` says whether its region has a copy.
pub fn points(candidate: &Candidate, known: bool) -> u32 {
    let share = |most: u32, part: u32, whole: u32| most * (part / 1000) / (whole / 1000);
    let reputation = share(REPUTATION, candidate.reputation.min(FULL), FULL);
    let left = LATENCY_MS_MAX.saturating_sub(candidate.latency_ms);
    let latency = LATENCY * left / LATENCY_MS_MAX;
    reputation + latency + if known { 0 } else { DIVERSITY }
}

/// Chooses `copies` providers beside those that keep the object already; none if the rules leave too few.
pub fn choose<'a>(
    wanted: &Wanted<'_>,
    kept: &[&'a Candidate],
    candidates: &'a [Candidate],
    copies: usize,
) -> Option<Vec<&'a Candidate>> {
    let open: Vec<&Candidate> = candidates.iter().filter(|c| fits(wanted, c)).collect();
    let mut all: Vec<&Candidate> = kept.to_vec();
    for left in (0..copies).rev() {
        let best = open
            .iter()
            .filter(|c| is_new(&all, c) && completable(&all, c, &open, left))
            .max_by_key(|c| {
                let known = all.iter().any(|other| other.region == c.region);
                (points(c, known), std::cmp::Reverse(draw(wanted.cid, &c.id)))
            })?;
        all.push(best);
    }
    Some(all.split_off(kept.len()))
}

/// Whether no copy is with the candidate's organisation.
fn is_new(all: &[&Candidate], candidate: &Candidate) -> bool {
    all.iter().all(|other| other.org != candidate.org)
}

/// Whether, with this candidate, `left` more copies can still be placed so that the rules hold in the end.
fn completable(
    all: &[&Candidate],
    candidate: &Candidate,
    open: &[&Candidate],
    left: usize,
) -> bool {
    let others = || open.iter().filter(|c| is_new(all, c) && c.org != candidate.org);
    let orgs: BTreeSet<&MspId> = others().map(|c| &c.org).collect();
    let regions: BTreeSet<&Region> =
        all.iter().copied().chain([candidate]).map(|c| &c.region).collect();
    let spread = regions.len() >= REGIONS_MIN
        || (left > 0 && others().any(|c| !regions.contains(&c.region)));
    orgs.len() >= left && spread
}

// One more region is all that can be missing once there is a copy.
const _: () = assert!(REGIONS_MIN == 2);

fn fits(wanted: &Wanted<'_>, candidate: &Candidate) -> bool {
    let allowed = wanted.residency.is_empty() || wanted.residency.contains(&candidate.jurisdiction);
    allowed && candidate.free >= wanted.size
}

fn draw(cid: &ContentId, provider: &Id) -> [u8; 32] {
    Sha256::new()
        .chain_update(cid.as_str().as_bytes())
        .chain_update(provider.as_str().as_bytes())
        .finalize()
        .into()
}

/// Reputation after a challenge: an eighth of it is the newest outcome.
pub fn after_challenge(reputation: u32, passed: bool) -> u32 {
    let kept = reputation - reputation / 8;
    if passed { (kept + FULL / 8).min(FULL) } else { kept }
}

/// Latency after a report: an eighth of it is the newest one.
pub fn after_report(latency_ms: u32, reported_ms: u32) -> u32 {
    latency_ms - latency_ms / 8 + reported_ms / 8
}
