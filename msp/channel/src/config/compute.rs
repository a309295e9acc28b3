//! From what a configuration is and what it should be to the update that leads there.
//!
//! Place in the flow: an administrator edits a configuration; the smallest update that says so is made here, signed and
//! sent. It is what Fabric's `configtxlator compute_update` makes.

use carecord_proto::common::{Config, ConfigGroup, ConfigPolicy, ConfigUpdate, ConfigValue};
use std::collections::BTreeMap;

/// Why there is no update.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ComputeError {
    /// Nothing to compare.
    #[error("no channel group included for {0} config")]
    NoChannelGroup(&'static str),
    /// Nothing to do.
    #[error("no differences detected between original and updated config")]
    Same,
}

/// The update that makes `updated` out of `original`; versions in `updated` are not looked at.
pub fn update(
    channel_id: &str,
    original: &Config,
    updated: &Config,
) -> Result<ConfigUpdate, ComputeError> {
    let root = |config: &'_ Config, which| {
        config.channel_group.clone().ok_or(ComputeError::NoChannelGroup(which))
    };
    let difference = compare(&root(original, "original")?, &root(updated, "updated")?);
    if !difference.changed {
        return Err(ComputeError::Same);
    }
    Ok(ConfigUpdate {
        channel_id: channel_id.to_owned(),
        read_set: Some(difference.read),
        write_set: Some(difference.write),
        isolated_data: BTreeMap::new(),
    })
}

/// A group as it must be read and as it is to be written.
struct Difference {
    read: ConfigGroup,
    write: ConfigGroup,
    changed: bool,
}

fn compare(original: &ConfigGroup, updated: &ConfigGroup) -> Difference {
    let values = compare_entries(&original.values, &updated.values);
    let policies = compare_entries(&original.policies, &updated.policies);
    let groups = compare_groups(&original.groups, &updated.groups);
    let (read, write) = (at(original.version), at(original.version));
    let mut read = ConfigGroup { groups: groups.read, ..read };
    let mut write = ConfigGroup {
        values: values.changed,
        policies: policies.changed,
        groups: groups.write,
        ..write
    };
    let members = values.members || policies.members || groups.members;
    if !members && original.mod_policy == updated.mod_policy {
        let changed = write != at(original.version);
        return Difference { read, write, changed };
    }
    // The list of members is written anew, so those that stay as they are must be in it, by version.
    for set in [&mut read, &mut write] {
        set.values.extend(values.same.clone());
        set.policies.extend(policies.same.clone());
        set.groups.extend(groups.same.clone());
    }
    write.version = original.version.wrapping_add(1);
    write.mod_policy = updated.mod_policy.clone();
    Difference { read, write, changed: true }
}

fn at(version: u64) -> ConfigGroup {
    ConfigGroup { version, ..Default::default() }
}

struct Groups {
    read: BTreeMap<String, ConfigGroup>,
    write: BTreeMap<String, ConfigGroup>,
    same: BTreeMap<String, ConfigGroup>,
    members: bool,
}

fn compare_groups(
    original: &BTreeMap<String, ConfigGroup>,
    updated: &BTreeMap<String, ConfigGroup>,
) -> Groups {
    let (mut read, mut write, mut same) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    for (name, updated) in updated {
        match original.get(name) {
            Some(original) => {
                let difference = compare(original, updated);
                if difference.changed {
                    read.insert(name.clone(), difference.read);
                    write.insert(name.clone(), difference.write);
                } else {
                    same.insert(name.clone(), difference.read);
                }
            }
            None => {
                let new = compare(&ConfigGroup::default(), updated).write;
                let mod_policy = updated.mod_policy.clone();
                write.insert(name.clone(), ConfigGroup { version: 0, mod_policy, ..new });
            }
        }
    }
    Groups { read, write, same, members: !original.keys().eq(updated.keys()) }
}

/// A value or a policy: something with a version and nothing below.
trait Entry: Clone {
    fn version(&self) -> u64;
    fn at(version: u64) -> Self;
    fn with_version(&self, version: u64) -> Self;
    fn says_the_same(&self, other: &Self) -> bool;
}

struct Entries<T> {
    changed: BTreeMap<String, T>,
    same: BTreeMap<String, T>,
    members: bool,
}

fn compare_entries<T: Entry>(
    original: &BTreeMap<String, T>,
    updated: &BTreeMap<String, T>,
) -> Entries<T> {
    let (mut changed, mut same) = (BTreeMap::new(), BTreeMap::new());
    for (name, updated) in updated {
        match original.get(name) {
            Some(original) if original.says_the_same(updated) => {
                same.insert(name.clone(), T::at(original.version()));
            }
            Some(original) => {
                let next = original.version().wrapping_add(1);
                changed.insert(name.clone(), updated.with_version(next));
            }
            None => {
                changed.insert(name.clone(), updated.with_version(0));
            }
        }
    }
    Entries { changed, same, members: !original.keys().eq(updated.keys()) }
}

// === impl Entry ===

impl Entry for ConfigValue {
    fn version(&self) -> u64 {
        self.version
    }

    fn at(version: u64) -> Self {
        Self { version, ..Default::default() }
    }

    fn with_version(&self, version: u64) -> Self {
        Self { version, ..self.clone() }
    }

    fn says_the_same(&self, other: &Self) -> bool {
        self.value == other.value && self.mod_policy == other.mod_policy
    }
}

impl Entry for ConfigPolicy {
    fn version(&self) -> u64 {
        self.version
    }

    fn at(version: u64) -> Self {
        Self { version, ..Default::default() }
    }

    fn with_version(&self, version: u64) -> Self {
        Self { version, ..self.clone() }
    }

    fn says_the_same(&self, other: &Self) -> bool {
        self.policy == other.policy && self.mod_policy == other.mod_policy
    }
}
