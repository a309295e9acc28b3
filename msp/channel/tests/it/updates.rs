//! Configuration updates: what an orderer of Fabric 3.1.5 accepts, what it makes of it, and its reasons to refuse.

use crate::vectors::{lines, message, text};
use carecord_channel::config::compute;
use carecord_channel::config::update::{UpdateError, apply_unchecked};
use carecord_channel::{Bundle, CapabilityError};
use carecord_proto::common::{Config, ConfigGroup, ConfigUpdate, Envelope};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// The stages that are the channel's; the others belong to the consensus protocol.
const STAGES: [&str; 4] = ["configtx", "new_bundle", "check_resources", "validate_new"];

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
    refused_later: usize,
    old_validator: usize,
    words: Vec<String>,
    differences: Vec<String>,
}

fn check(bundle: &Bundle, vector: &Value, count: &mut Count) {
    let name = format!("{} {}", vector["id"], vector["name"]);
    let result = bundle.propose_update(&message::<Envelope>(&vector["envelope"]));
    if let Err(UpdateError::Capability(CapabilityError::OldValidator)) = result {
        // ours alone refuses that; Fabric goes on to look at the change
        let stages = vector["errors"].as_array().into_iter().flatten().map(|e| text(&e["stage"]));
        let early = stages.filter(|stage| ["configtx", "new_bundle"].contains(stage)).count();
        assert_eq!(early, 0, "{name}");
        count.old_validator += 1;
        return;
    }
    if vector["accepted"].as_bool().expect("a verdict") {
        match result {
            Ok((envelope, _)) => {
                let expected: Config = message(&vector["config"]);
                if envelope.config.as_ref() != Some(&expected) {
                    count.differences.push(format!("{name}: another result"));
                }
                bundle.next_bundle(&envelope).unwrap_or_else(|e| panic!("{name}: follows: {e}"));
                count.accepted += 1;
            }
            Err(error) => count.differences.push(format!("{name}: {} {error}", stage(&error))),
        }
        return;
    }
    let errors = vector["errors"].as_array().expect("a list");
    if !errors.iter().any(|error| STAGES.contains(&text(&error["stage"]))) {
        // what the consensus protocol refuses is fine here, or refused earlier for a reason of its own
        count.refused_later += 1;
        return;
    }
    match result {
        Ok(_) => count.differences.push(format!("{name}: accepted, expected {errors:?}")),
        Err(error) => {
            count.refused += 1;
            let ours = error.to_string();
            let at_stage = |e: &&Value| text(&e["stage"]) == stage(&error);
            if !errors.iter().any(|e| at_stage(&e)) {
                count
                    .differences
                    .push(format!("{name}: {} {ours}, expected {errors:?}", stage(&error)));
            } else if !errors.iter().filter(at_stage).any(|e| same(&ours, text(&e["error"]))) {
                count.words.push(format!("{name}: {ours}\n  expected {errors:?}"));
            }
        }
    }
}

#[test]
fn updates_are_judged_as_fabric_judges_them() {
    let Some(bases) = lines("config-verdicts/bases.jsonl") else { return };
    let Some(vectors) = lines("config-verdicts/vectors.jsonl.gz") else { return };
    let bases: BTreeMap<String, Bundle> = bases
        .iter()
        .map(|base| {
            let config: Config = message(&base["config"]);
            let bundle = Bundle::compile(text(&base["channel"]), &config);
            (base["id"].to_string(), bundle.expect("a base"))
        })
        .collect();
    let mut count = Count::default();
    for vector in &vectors {
        check(&bases[&vector["base"].to_string()], vector, &mut count);
    }
    println!(
        "config verdicts: {} vectors, {} accepted with the same result, {} refused at the same stage, {} refused by \
         the consensus protocol, {} for an old validator, {} in other words, {} differences",
        vectors.len(),
        count.accepted,
        count.refused,
        count.refused_later,
        count.old_validator,
        count.words.len(),
        count.differences.len()
    );
    assert!(count.differences.is_empty(), "{:#?}", count.differences);
    assert!(count.words.is_empty(), "{}", count.words.join("\n"));
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
