//! Random configurations and random updates of them, repeated by their seed.

use carecord_channel::config::compute;
use carecord_proto::common::{Config, ConfigGroup, ConfigPolicy, ConfigUpdate, ConfigValue};
use carecord_proto::testdata::Flips;

pub(crate) const CHANNEL: &str = "care";
const GROUPS: [&str; 4] = ["Orderer", "Application", "A", "b.c"];
const VALUES: [&str; 4] = ["Capabilities", "MSP", "A", "x-1"];
const POLICIES: [&str; 3] = ["Admins", "Readers", "A"];
const MOD_POLICIES: [&str; 7] =
    ["Admins", "Admins", "Admins", "/Channel/Admins", "A/Readers", "", "no_such"];
const DEPTH: usize = 3;

/// A source of choices.
pub(crate) struct Dice(Flips);

// === impl Dice ===

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Flips::new(seed))
    }

    pub(crate) fn one_in(&mut self, n: usize) -> bool {
        self.0.below(n) == 0
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.0.below(from.len())]
    }

    fn version(&mut self) -> u64 {
        self.0.below(4) as u64
    }

    fn mod_policy(&mut self) -> String {
        self.pick(&MOD_POLICIES).to_owned()
    }

    fn value(&mut self) -> ConfigValue {
        let value = vec![self.0.below(3) as u8].into();
        ConfigValue { version: self.version(), value, mod_policy: self.mod_policy() }
    }

    fn policy(&mut self) -> ConfigPolicy {
        let policy = Some(carecord_proto::common::Policy {
            r#type: self.0.below(3) as i32,
            ..Default::default()
        });
        ConfigPolicy { version: self.version(), policy, mod_policy: self.mod_policy() }
    }

    fn group(&mut self, depth: usize) -> ConfigGroup {
        let mut group = ConfigGroup {
            version: self.version(),
            mod_policy: self.mod_policy(),
            ..Default::default()
        };
        for key in VALUES {
            if self.one_in(2) {
                group.values.insert(key.to_owned(), self.value());
            }
        }
        for key in POLICIES {
            if self.one_in(2) {
                group.policies.insert(key.to_owned(), self.policy());
            }
        }
        for key in GROUPS {
            if depth > 1 && self.one_in(2) {
                group.groups.insert(key.to_owned(), self.group(depth - 1));
            }
        }
        group
    }

    /// A configuration.
    pub(crate) fn config(&mut self) -> Config {
        Config { sequence: self.version(), channel_group: Some(self.group(DEPTH)) }
    }

    /// An update of `config`: one that makes sense, one that is spoilt a little, or nonsense.
    pub(crate) fn update(&mut self, config: &Config) -> ConfigUpdate {
        let root = config.channel_group.clone().unwrap_or_default();
        let mut update = match self.0.below(4) {
            0 => ConfigUpdate {
                read_set: self.maybe(root.clone()),
                write_set: self.maybe(root),
                ..Default::default()
            },
            _ => self.computed(config),
        };
        CHANNEL.clone_into(&mut update.channel_id);
        for _ in 0..[0, 0, 0, 1, 2, 6][self.0.below(6)] {
            self.spoil(&mut update);
        }
        update
    }

    fn computed(&mut self, config: &Config) -> ConfigUpdate {
        let mut edited = config.clone();
        let root = edited.channel_group.get_or_insert_default();
        for _ in 0..=self.0.below(3) {
            self.edit(root, DEPTH);
        }
        compute::update(CHANNEL, config, &edited).unwrap_or_default()
    }

    fn maybe(&mut self, root: ConfigGroup) -> Option<ConfigGroup> {
        (!self.one_in(8)).then(|| self.thinned(root))
    }

    /// A part of a tree, some of it at other versions.
    fn thinned(&mut self, mut group: ConfigGroup) -> ConfigGroup {
        group.values.retain(|_, _| !self.one_in(3));
        group.policies.retain(|_, _| !self.one_in(3));
        group.groups.retain(|_, _| !self.one_in(3));
        if self.one_in(5) {
            group.version += 1;
        }
        for value in group.values.values_mut() {
            if self.one_in(5) {
                value.version += 1;
            }
        }
        for below in group.groups.values_mut() {
            *below = self.thinned(std::mem::take(below));
        }
        group
    }

    /// One change of a group or of one below.
    fn edit(&mut self, group: &mut ConfigGroup, depth: usize) {
        if depth > 1 && !group.groups.is_empty() && !self.one_in(3) {
            let at = self.0.below(group.groups.len());
            if let Some(below) = group.groups.values_mut().nth(at) {
                return self.edit(below, depth - 1);
            }
        }
        match self.0.below(8) {
            0 => drop(group.values.insert(self.pick(&VALUES).to_owned(), self.value())),
            1 => drop(group.policies.insert(self.pick(&POLICIES).to_owned(), self.policy())),
            2 if depth > 1 => {
                drop(group.groups.insert(self.pick(&GROUPS).to_owned(), self.group(depth - 1)));
            }
            3 => drop(group.values.pop_first()),
            4 => drop(group.policies.pop_last()),
            5 => drop(group.groups.pop_first()),
            6 => group.mod_policy = self.mod_policy(),
            _ => {
                if let Some(mut value) = group.values.last_entry() {
                    value.get_mut().value = vec![9].into();
                }
            }
        }
    }

    /// Breaks a rule somewhere, or none by luck.
    fn spoil(&mut self, update: &mut ConfigUpdate) {
        match self.0.below(9) {
            0 => "other".clone_into(&mut update.channel_id),
            1 => update.read_set = None,
            2 => {
                drop(self.somewhere(update).values.insert("a_b".to_owned(), ConfigValue::default()))
            }
            3 => self.somewhere(update).version += 1,
            4 => {
                let at = self.somewhere(update);
                at.version = at.version.saturating_sub(1);
            }
            5 => {
                let value = self.value();
                drop(self.somewhere(update).values.insert("new".to_owned(), value));
            }
            6 => drop(self.somewhere(update).values.pop_first()),
            7 => drop(self.somewhere(update).groups.pop_last()),
            _ => {
                let mod_policy = self.mod_policy();
                if let Some(mut value) = self.somewhere(update).values.first_entry() {
                    value.get_mut().mod_policy = mod_policy;
                }
            }
        }
    }

    fn somewhere<'a>(&mut self, update: &'a mut ConfigUpdate) -> &'a mut ConfigGroup {
        let set = if self.one_in(3) { &mut update.read_set } else { &mut update.write_set };
        let mut at = set.get_or_insert_default();
        while !at.groups.is_empty() && !self.one_in(3) {
            let below = self.0.below(at.groups.len());
            at = at.groups.values_mut().nth(below).expect("below the length");
        }
        at
    }
}
