//! The update engine against a slow model written from the rules alone: the same verdict on every random update, the same
//! result where it is accepted, and among the model's reasons the one that the engine gives.
//!
//! `CARECORD_UPDATES` sets how many, `CARECORD_SEED` the seed.

use crate::model_trees::{CHANNEL, Dice};
use carecord_channel::config::update::apply_with;
use carecord_proto::common::{Config, ConfigGroup, ConfigUpdate};
use prost::Message;
use std::collections::BTreeMap;

const UPDATES: u64 = 10_000;
const MIN_SHARE: u64 = 20;

/// One element: what it says without what is below, and the names of what it lists.
#[derive(Clone, PartialEq, Debug)]
struct Piece {
    version: u64,
    mod_policy: String,
    content: Vec<u8>,
    lists: Vec<(char, String)>,
}

/// Every element of a tree by the way that leads to it: kind and key at each step.
type Pieces = Vec<(Vec<(char, String)>, Piece)>;

fn pieces(root: Option<&ConfigGroup>) -> Pieces {
    let mut found = Vec::new();
    // A stack instead of recursion, and no full names: not the engine's way of doing it.
    let mut todo: Vec<(Vec<(char, String)>, &ConfigGroup)> = Vec::new();
    todo.extend(root.map(|root| (vec![('g', "Channel".to_owned())], root)));
    while let Some((way, group)) = todo.pop() {
        let mut lists = Vec::new();
        for (key, value) in &group.values {
            lists.push(('v', key.clone()));
            let piece = Piece {
                version: value.version,
                mod_policy: value.mod_policy.clone(),
                content: value.value.to_vec(),
                lists: Vec::new(),
            };
            found.push((step(&way, 'v', key), piece));
        }
        for (key, policy) in &group.policies {
            lists.push(('p', key.clone()));
            let piece = Piece {
                version: policy.version,
                mod_policy: policy.mod_policy.clone(),
                content: policy.policy.as_ref().map(Message::encode_to_vec).unwrap_or_default(),
                lists: Vec::new(),
            };
            found.push((step(&way, 'p', key), piece));
        }
        for (key, below) in &group.groups {
            lists.push(('g', key.clone()));
            todo.push((step(&way, 'g', key), below));
        }
        let piece = Piece {
            version: group.version,
            mod_policy: group.mod_policy.clone(),
            content: Vec::new(),
            lists,
        };
        found.push((way, piece));
    }
    found
}

fn step(way: &[(char, String)], kind: char, key: &str) -> Vec<(char, String)> {
    let mut way = way.to_vec();
    way.push((kind, key.to_owned()));
    way
}

fn find<'a>(pieces: &'a Pieces, way: &[(char, String)]) -> Option<&'a Piece> {
    pieces.iter().find(|(other, _)| other == way).map(|(_, piece)| piece)
}

/// The name that texts have for an element.
fn named(way: &[(char, String)]) -> String {
    let kind = match way.last().map(|(kind, _)| kind) {
        Some('v') => "[Value]  ",
        Some('p') => "[Policy] ",
        _ => "[Group]  ",
    };
    let path: Vec<&str> = way.iter().map(|(_, key)| key.as_str()).collect();
    format!("{kind}/{}", path.join("/"))
}

fn bad_key(key: &str) -> bool {
    key.is_empty() || !key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.')
}

/// The model: the result, or every reason of the first stage that has any.
fn model(
    original: &Config,
    update: &ConfigUpdate,
    agreed: &dyn Fn(&str) -> bool,
) -> Result<Pieces, Vec<String>> {
    if update.channel_id != CHANNEL {
        return Err(vec![format!(
            "ConfigUpdate for channel '{}' but envelope for channel '{CHANNEL}'",
            update.channel_id
        )]);
    }
    let current = pieces(original.channel_group.as_ref());
    let (read, write) = (pieces(update.read_set.as_ref()), pieces(update.write_set.as_ref()));
    for (set, pieces) in [("ReadSet", &read), ("WriteSet", &write)] {
        if pieces.iter().any(|(way, _)| way.iter().any(|(_, key)| bad_key(key))) {
            return Err(vec![format!("error mapping {set}: illegal characters in key")]);
        }
        if set == "ReadSet" {
            refuse(read_mistakes(&current, &read))?;
        }
    }
    let delta: Pieces = write
        .iter()
        .filter(|(way, piece)| find(&read, way).is_none_or(|read| read.version != piece.version))
        .cloned()
        .collect();
    if delta.is_empty() {
        return Err(vec!["delta set was empty -- update would have no effect".to_owned()]);
    }
    refuse(delta_mistakes(&current, &delta, agreed))?;
    let find_new = |way: &[(char, String)]| find(&delta, way).or_else(|| find(&current, way));
    let unlisted = write.iter().filter(|(way, _)| find_new(way).is_none());
    refuse(unlisted.map(|(way, _)| format!("writeset contained key {}", named(way))).collect())?;
    build(&find_new)
}

fn refuse(reasons: Vec<String>) -> Result<(), Vec<String>> {
    if reasons.is_empty() { Ok(()) } else { Err(reasons) }
}

fn read_mistakes(current: &Pieces, read: &Pieces) -> Vec<String> {
    let mistake = |(way, piece): &(Vec<(char, String)>, Piece)| match find(current, way) {
        None => Some(format!("existing config does not contain element for {}", named(way))),
        Some(existing) if existing.version != piece.version => Some(format!(
            "requires that key {} be at version {}, but it is currently at version {}",
            named(way),
            piece.version,
            existing.version
        )),
        Some(_) => None,
    };
    read.iter().filter_map(mistake).collect()
}

fn delta_mistakes(current: &Pieces, delta: &Pieces, agreed: &dyn Fn(&str) -> bool) -> Vec<String> {
    let mut mistakes = Vec::new();
    for (way, piece) in delta {
        let name = named(way);
        let path = piece.mod_policy.strip_prefix('/').unwrap_or(&piece.mod_policy);
        if piece.mod_policy.is_empty() || path.split('/').any(bad_key) {
            mistakes.push(format!("invalid mod_policy for element {name}: "));
        }
        match find(current, way).map(|existing| existing.version) {
            None if piece.version > 0 => mistakes.push(format!(
                "attempted to set key {name} to version {}, but key does not exist",
                piece.version
            )),
            Some(version) if piece.version != version + 1 => mistakes.push(format!(
                "attempt to set key {name} to version {}, but key is at version {version}",
                piece.version
            )),
            Some(_) if !agreed(&name) => mistakes.push(format!("policy for {name} not satisfied")),
            _ => {}
        }
    }
    mistakes
}

/// What is reached from the root along the lists.
fn build<'a>(
    find_new: &dyn Fn(&[(char, String)]) -> Option<&'a Piece>,
) -> Result<Pieces, Vec<String>> {
    let capabilities: Vec<(char, String)> =
        [('g', "Channel"), ('g', "Orderer"), ('v', "Capabilities")]
            .map(|(kind, key)| (kind, key.to_owned()))
            .into();
    let mend = find_new(&capabilities).is_some();
    let (mut built, mut todo, mut lost) =
        (Vec::new(), vec![vec![('g', "Channel".to_owned())]], vec![]);
    while let Some(way) = todo.pop() {
        let Some(piece) = find_new(&way) else {
            lost.push(format!("missing element at path: {}", named(&way)));
            continue;
        };
        let mut piece = piece.clone();
        if mend && piece.mod_policy.is_empty() {
            piece.mod_policy = "Admins".to_owned();
        }
        todo.extend(piece.lists.iter().map(|(kind, key)| step(&way, *kind, key)));
        built.push((way, piece));
    }
    refuse(lost)?;
    Ok(built)
}

fn by_name(pieces: Pieces) -> BTreeMap<String, Piece> {
    pieces.into_iter().map(|(way, piece)| (named(&way), piece)).collect()
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

#[test]
fn the_engine_decides_as_the_model_does() {
    let (updates, seed) =
        (number("CARECORD_UPDATES", UPDATES), number("CARECORD_SEED", 20_261_121));
    let (mut accepted, mut reasons) = (0_u64, BTreeMap::<String, u64>::new());
    for case in 0..updates {
        let mut dice = Dice::new(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(case));
        let original = dice.config();
        let update = dice.update(&original);
        let strict = dice.one_in(3);
        // Who agrees to what is arbitrary and known to both.
        let agreed =
            |name: &str| !strict || name.bytes().map(u64::from).sum::<u64>() % 5 != case % 5;
        let engine = apply_with(CHANNEL, &original, &update, &agreed);
        let at = format!("CARECORD_SEED={seed}, update {case}");
        match (engine, model(&original, &update, &agreed)) {
            (Ok(config), Ok(expected)) => {
                assert_eq!(config.sequence, original.sequence + 1, "{at}");
                let config = by_name(pieces(config.channel_group.as_ref()));
                assert_eq!(config, by_name(expected), "{at}");
                accepted += 1;
            }
            (Err(error), Err(expected)) => {
                let error = error.to_string();
                let known = expected.iter().find(|reason| error.contains(reason.as_str()));
                assert!(known.is_some(), "{at}: {error:?} is none of {expected:#?}");
                *reasons.entry(kind(&error)).or_default() += 1;
            }
            (engine, expected) => panic!("{at}: {engine:?}, the model says {expected:#?}"),
        }
    }
    println!(
        "config model: {updates} random updates of seed {seed}, {accepted} accepted with the same result, {} refused for \
         the same reasons of {} kinds, 0 differences",
        updates - accepted,
        reasons.len()
    );
    assert!(
        accepted > updates / MIN_SHARE && accepted < updates - updates / MIN_SHARE,
        "{accepted}"
    );
    assert!(reasons.len() >= 8, "{reasons:?}");
}

/// A text without names and numbers.
fn kind(text: &str) -> String {
    let known = [
        "ConfigUpdate for channel",
        "error mapping ReadSet",
        "error mapping WriteSet",
        "does not contain element",
        "requires that key",
        "delta set was empty",
        "mod_policy not set",
        "path element",
        "but key does not exist",
        "but key is at version",
        "not satisfied",
        "writeset contained key",
        "missing element",
    ];
    known.into_iter().find(|part| text.contains(part)).unwrap_or(text).to_owned()
}
