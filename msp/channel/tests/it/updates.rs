//! Configuration updates: what an orderer of Fabric 3.1.5 accepts, what it makes of it, and its reasons to refuse.

use crate::vectors::{lines, message, text};
use carecord_channel::Bundle;
use carecord_channel::config::compute;
use carecord_channel::config::update::{UpdateError, apply_unchecked};
use carecord_channel::raft::ConsensusError;
use carecord_proto::common::{Config, ConfigEnvelope, ConfigGroup, ConfigUpdate, Envelope};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// A refusal: at which stage of Fabric's orderer, and the text there.
type Refusal = (&'static str, String);

fn stage(error: &UpdateError) -> &'static str {
    match error {
        UpdateError::Envelope(_) | UpdateError::Authorize(_) | UpdateError::Missing(_) => {
            "configtx"
        }
        UpdateError::Result(_) => "new_bundle",
        UpdateError::Capability(_) => "check_resources",
        UpdateError::Change(_) => "validate_new",
    }
}

/// All stages in Fabric's order, with its orderer's prefixes.
fn judge(base: &Base, update: &Envelope, active: &[u64]) -> Result<ConfigEnvelope, Refusal> {
    let (config, next) =
        base.bundle.propose_update(update).map_err(|error| (stage(&error), error.to_string()))?;
    let ids: Vec<u64> = (1..=base.consenters).collect();
    let consenters = base.bundle.check_consensus(&next, &ids, NOW);
    let checked = consenters.and_then(|next| next.check_quorum(ids.len(), active));
    checked.map_err(|error| {
        let prefix = "consensus metadata update for channel config update is invalid";
        match error {
            ConsensusError::Type(_) => (TYPE, error.to_string()),
            error => ("consensus_metadata", format!("{prefix}: {error}")),
        }
    })?;
    base.bundle.check_maintenance(&next, update).map_err(|error| {
        let prefix = "config update for existing channel did not pass maintenance checks";
        ("maintenance", format!("{prefix}: config transaction inspection failed: {error}"))
    })?;
    Ok(config)
}

/// Our own stage: a consensus type that we do not run. Fabric panics at `solo` and looks further at `BFT`.
const TYPE: &str = "consensus type";
/// When the vectors were made, which the texts over expired certificates name.
const NOW: i64 = 1_795_221_626;

/// Accepted by Fabric, whose orderers then stop or have no consenters any more. We refuse them.
const HARMFUL: [&str; 2] = ["options: negative tick interval", "metadata empty"];

struct Base {
    bundle: Bundle,
    consenters: u64,
}

/// Texts end differently where a decoder, a map in Go's order or a printed message speaks.
fn same(ours: &str, expected: &str) -> bool {
    let decoder = [": proto: ", ": error unmarshalling", "Disallowed channel group: "];
    let cut = decoder.iter().filter_map(|mark| expected.find(mark)).min();
    ours == expected
        || cut.is_some_and(|at| ours.starts_with(&expected[..at]))
        || (expected.starts_with("config update is not compatible: ") && expected.starts_with(ours))
}

#[derive(Default)]
struct Count {
    accepted: usize,
    refused: usize,
    by_type: usize,
    harmful: usize,
    old_validator: usize,
    differences: Vec<String>,
}

fn check(base: &Base, vector: &Value, count: &mut Count) {
    let name = format!("{} {}", vector["id"], vector["name"]);
    let all: Vec<u64> = (1..=base.consenters).collect();
    let active = vector["active_nodes"].as_array();
    let active = active.map_or(all, |ids| ids.iter().filter_map(Value::as_u64).collect());
    let result = judge(base, &message(&vector["envelope"]), &active);
    let errors: Vec<_> = vector["errors"].as_array().into_iter().flatten().collect();
    let expects = |part: &str| errors.iter().any(|error| text(&error["error"]).contains(part));
    match (result, vector["accepted"].as_bool().expect("a verdict")) {
        (Ok(envelope), true) => {
            let expected: Config = message(&vector["config"]);
            if envelope.config.as_ref() != Some(&expected) {
                count.differences.push(format!("{name}: another result"));
            }
            base.bundle.next_bundle(&envelope).unwrap_or_else(|e| panic!("{name}: follows: {e}"));
            count.accepted += 1;
        }
        (Err((_, ours)), _) if ours.contains("validator older than V2_0") => {
            // ours alone refuses that; what Fabric refuses before would be refused before here too
            let early = ["configtx", "new_bundle"];
            assert!(!errors.iter().any(|e| early.contains(&text(&e["stage"]))), "{name}");
            count.old_validator += 1;
        }
        (Err(("consensus_metadata", _)), true) if HARMFUL.contains(&text(&vector["name"])) => {
            count.harmful += 1;
        }
        (Err((TYPE, _)), false) if expects("consensus type") || expects("BFT") => {
            count.by_type += 1;
        }
        (Err((stage, ours)), false)
            if errors
                .iter()
                .any(|e| text(&e["stage"]) == stage && same(&ours, text(&e["error"]))) =>
        {
            count.refused += 1;
        }
        (result, _) => {
            let result = result.map(|_| "accepted");
            count.differences.push(format!("{name}: {result:?}, expected {errors:?}"));
        }
    }
}

#[test]
fn updates_are_judged_as_fabric_judges_them() {
    let Some(bases) = lines("config-verdicts/bases.jsonl") else { return };
    let Some(vectors) = lines("config-verdicts/vectors.jsonl.gz") else { return };
    let bases: BTreeMap<String, Base> = bases
        .iter()
        .map(|base| {
            let config: Config = message(&base["config"]);
            let bundle = Bundle::compile(text(&base["channel"]), &config).expect("a base");
            let consenters = base["consenters"].as_u64().expect("a number");
            (base["id"].to_string(), Base { bundle, consenters })
        })
        .collect();
    let mut count = Count::default();
    for vector in &vectors {
        check(&bases[&vector["base"].to_string()], vector, &mut count);
    }
    println!(
        "config verdicts: {} vectors, {} accepted with the same result, {} refused at the same stage in the same words, \
         {} refused for a consensus type that is not ours, {} for an old validator, {} refused by us alone as harmful, {} differences",
        vectors.len(),
        count.accepted,
        count.refused,
        count.by_type,
        count.old_validator,
        count.harmful,
        count.differences.len()
    );
    assert!(count.differences.is_empty(), "{:#?}", count.differences);
}

/// Versions of what changed or is new, and the names of what is gone.
fn effect(original: &Config, applied: &Config) -> (BTreeMap<String, u64>, BTreeSet<String>) {
    let (before, after) = (versions(original), versions(applied));
    let changed = after.iter().filter(|(name, version)| before.get(*name) != Some(version));
    let changed = changed.map(|(name, version)| (name.clone(), *version)).collect();
    let gone = before.into_keys().filter(|name| !after.contains_key(name)).collect();
    (changed, gone)
}

fn versions(config: &Config) -> BTreeMap<String, u64> {
    fn walk(group: &ConfigGroup, path: &str, into: &mut BTreeMap<String, u64>) {
        into.insert(format!("[Group] {path}"), group.version);
        let values = group.values.iter().map(|(k, v)| (format!("[Value] {path}/{k}"), v.version));
        into.extend(values);
        let policies =
            group.policies.iter().map(|(k, p)| (format!("[Policy] {path}/{k}"), p.version));
        into.extend(policies);
        for (key, group) in &group.groups {
            walk(group, &format!("{path}/{key}"), into);
        }
    }
    let mut into = BTreeMap::new();
    walk(config.channel_group.as_ref().expect("a root"), "/Channel", &mut into);
    into
}

#[test]
fn updates_are_computed_as_fabrics_tool_computes_them() {
    let Some(originals) = lines("config-updates/originals.jsonl") else { return };
    let Some(vectors) = lines("config-updates/vectors.jsonl.gz") else { return };
    let originals: BTreeMap<&str, Config> =
        originals.iter().map(|line| (text(&line["id"]), message(&line["config"]))).collect();
    let (mut computed, mut applied, mut refused, mut differences) = (0, 0, 0, Vec::new());
    for vector in &vectors {
        let name = format!("{} {}", vector["id"], vector["edits"]);
        let original = &originals[text(&vector["original"])];
        let update = match compute::update("goldchannel", original, &message(&vector["updated"])) {
            Ok(update) => update,
            Err(error) => {
                refused += 1;
                let error = format!("error computing config update: {error}");
                if vector["error"] != error {
                    differences.push(format!("{name}: {error}"));
                }
                continue;
            }
        };
        let expected = vector.get("config_update").map(message::<ConfigUpdate>);
        if expected.as_ref() != Some(&update) {
            differences.push(format!("{name}: another update"));
            continue;
        }
        computed += 1;
        match apply_unchecked("goldchannel", original, &update) {
            Ok(config) => {
                applied += 1;
                let (changed, gone) = effect(original, &config);
                let removed = serde_json::from_value(vector["applied_removed"].clone());
                let removed: Option<BTreeSet<String>> = removed.expect("names");
                let versions = serde_json::from_value(vector["applied_versions"].clone());
                let versions: BTreeMap<String, u64> = versions.expect("versions");
                if vector["applied_sequence"] != config.sequence
                    || versions != changed
                    || removed.unwrap_or_default() != gone
                {
                    differences.push(format!("{name}: {changed:?} {gone:?}"));
                }
            }
            Err(error) => {
                refused += 1;
                let errors = vector["apply_errors"].as_array().map_or(&[][..], Vec::as_slice);
                if !errors.iter().any(|expected| *expected == error.to_string()) {
                    differences.push(format!("{name}: {error}, expected {errors:?}"));
                }
            }
        }
    }
    println!(
        "config updates: {} vectors, {computed} computed, {applied} applied, {refused} refused, {} differences",
        vectors.len(),
        differences.len()
    );
    assert!(differences.is_empty(), "{differences:#?}");
}
