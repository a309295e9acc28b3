//! The rules of the house (ARCHITECTURE.md), held over our own source and dependencies.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// The rooms from left to right: a folder imports only from folders to its left.
const ROOMS: [&str; 8] =
    ["monitoring", "proto", "msp", "chaincode", "sdk", "orderer", "peer", "network"];

/// Rooms further left that are closed all the same, with the one door that is open, if any.
const CLOSED: [(&str, &str, &[&str]); 4] = [
    ("peer", "orderer", &["orderer/blocks"]), // a block is a thing an orderer makes and a peer reads
    ("peer", "sdk", &[]),                     // clients speak to a peer over the wire
    ("orderer", "sdk", &[]),
    ("orderer", "chaincode", &[]),
];

/// What must be pure: no clock, no randomness of its own, no I/O, no tokio, no floats.
const PURE: [&str; 9] = [
    "proto/src",
    "msp/src",
    "msp/channel/src",
    "orderer/core/src",
    "orderer/blocks/src/verify.rs",
    "orderer/blocks/src/deliver.rs",
    "peer/ledger/src/validator",
    "peer/ledger/src/mvcc.rs",
    "chaincode/health/src",
];

/// Files in pure folders that touch files on purpose: they load what the pure parts are given.
const READS_FILES: [&str; 3] =
    ["proto/src/testdata.rs", "proto/src/fabric_file.rs", "msp/src/keystore"];

const IMPURE_WORDS: [&str; 13] = [
    "tokio",
    "SystemTime",
    "Instant::now",
    "thread_rng",
    "rand::rng(",
    "OsRng",
    "std::fs",
    "std::net",
    "std::env",
    "std::process",
    "async fn",
    "f32",
    "f64",
];

const IMPURE_CRATES: [&str; 6] = ["tokio", "tonic", "rocksdb", "hyper", "axum", "getrandom"];
const PURE_CRATES: [&str; 5] =
    ["carecord-proto", "carecord-msp", "carecord-channel", "carecord-consensus", "carecord-health"];

#[test]
fn a_folder_imports_only_from_folders_to_its_left() {
    let mut wrong = Vec::new();
    for (package, folder, dependencies) in packages() {
        for dependency in dependencies {
            if let Some(reason) = forbidden(&folder, &dependency) {
                wrong.push(format!("{package} ({folder}) imports {dependency}: {reason}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_rule_refuses_what_it_should() {
    for (from, to) in [
        ("proto", "msp"),
        ("orderer", "peer"),
        ("peer", "orderer/core"),
        ("peer", "orderer"),
        ("peer", "sdk/rust"),
        ("msp/channel", "chaincode"),
    ] {
        assert!(forbidden(from, to).is_some(), "{from} → {to}");
    }
    for (from, to) in [("peer", "orderer/blocks"), ("network", "peer"), ("msp/ca", "msp")] {
        assert_eq!(forbidden(from, to), None, "{from} → {to}");
    }
}

#[test]
fn pure_crates_name_no_impure_crate() {
    let metadata = metadata();
    let mut wrong = Vec::new();
    for package in metadata["packages"].as_array().expect("packages") {
        let name = package["name"].as_str().expect("name");
        if !PURE_CRATES.contains(&name) {
            continue;
        }
        for dependency in package["dependencies"].as_array().expect("dependencies") {
            let normal = dependency["kind"].is_null();
            let other = dependency["name"].as_str().expect("name");
            if normal && IMPURE_CRATES.contains(&other) {
                wrong.push(format!("{name} depends on {other}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn pure_folders_hold_no_clock_no_randomness_and_no_io() {
    let mut wrong = Vec::new();
    for (path, text) in sources(&PURE) {
        let exempt = READS_FILES.iter().any(|file| path.starts_with(file));
        for (number, line) in code(&text) {
            let word = IMPURE_WORDS.iter().find(|word| has_word(line, word));
            if let (Some(word), false) = (word, exempt) {
                wrong.push(format!("{path}:{number}: {word}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_library_unwraps_input_or_leaves_work_undone() {
    let mut wrong = Vec::new();
    let sources = sources(&ROOMS);
    for (path, text) in sources.iter().filter(|(path, _)| !is_test(path, &sources)) {
        for (number, line) in code(text) {
            if let Some(word) = [".unwrap()", "todo!(", "unimplemented!(", "TODO", "FIXME", "dbg!("]
                .iter()
                .find(|word| line.contains(**word))
            {
                wrong.push(format!("{path}:{number}: {word}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn forbidden(from: &str, to: &str) -> Option<&'static str> {
    let (own, other) = (room(from), room(to));
    let closed = CLOSED.iter().find(|(a, b, _)| *a == ROOMS[own] && *b == ROOMS[other]);
    match closed {
        Some((_, _, doors)) if !doors.contains(&to) => Some("that room is closed to this one"),
        _ if other > own => Some("it lies to the right"),
        _ => None,
    }
}

fn room(folder: &str) -> usize {
    let top = folder.split('/').next().expect("split yields one part at least");
    ROOMS.iter().position(|room| *room == top).expect("every crate lies in a room")
}

/// Name, folder and the folders of our own crates that it imports outside tests.
fn packages() -> Vec<(String, String, Vec<String>)> {
    let metadata = metadata();
    let packages = metadata["packages"].as_array().expect("packages");
    let folder_of: BTreeMap<&str, String> = packages
        .iter()
        .map(|package| (package["name"].as_str().expect("name"), folder(package)))
        .collect();
    let ours = |dependency: &Value| {
        let normal = dependency["kind"].is_null();
        let name = dependency["name"].as_str().expect("name");
        folder_of.get(name).filter(|_| normal).cloned()
    };
    packages
        .iter()
        .map(|package| {
            let dependencies = package["dependencies"].as_array().expect("dependencies");
            let name = package["name"].as_str().expect("name").to_owned();
            (name, folder(package), dependencies.iter().filter_map(ours).collect())
        })
        .collect()
}

fn folder(package: &Value) -> String {
    let manifest = Path::new(package["manifest_path"].as_str().expect("manifest_path"));
    let folder = manifest.parent().expect("a manifest lies in a folder");
    folder.strip_prefix(root()).expect("inside the workspace").display().to_string()
}

fn metadata() -> Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(root())
        .output()
        .expect("cargo runs, since it runs this test");
    serde_json::from_slice(&output.stdout).expect("cargo metadata prints JSON")
}

fn root() -> PathBuf {
    let network = Path::new(env!("CARGO_MANIFEST_DIR"));
    network.parent().expect("network lies in the workspace").to_owned()
}

fn sources(places: &[&str]) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut open: Vec<PathBuf> = places.iter().map(|place| root().join(place)).collect();
    while let Some(path) = open.pop() {
        if path.is_dir() {
            let entries = std::fs::read_dir(&path).expect("a folder of ours can be read");
            let skipped = ["target", "node_modules", "compat"];
            open.extend(entries.map(|entry| entry.expect("readable").path()).filter(|path| {
                !skipped.iter().any(|name| path.file_name().is_some_and(|file| file == *name))
            }));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.strip_prefix(root()).expect("inside").display().to_string();
            found.push((name, std::fs::read_to_string(&path).expect("source is text")));
        }
    }
    found.sort();
    found
}

/// Whether a file holds tests only: by its place, or by how the module above declares it.
fn is_test(path: &str, sources: &[(String, String)]) -> bool {
    let name = Path::new(path).file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let declared = format!("#[cfg(test)]\nmod {name};");
    path.contains("/tests/")
        || path.contains("/benches/")
        || name == "test_util"
        || sources.iter().any(|(_, text)| text.contains(&declared))
}

/// The lines of a source that are code outside its test module.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = text.lines().enumerate().map(|(number, line)| (number + 1, line));
    lines
        .take_while(|(_, line)| !line.starts_with("#[cfg(test)]"))
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
}

fn has_word(line: &str, word: &str) -> bool {
    let boundary = |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric() && c != '_');
    line.match_indices(word).any(|(at, _)| {
        let ends_open = !word.ends_with(|c: char| c.is_alphanumeric());
        boundary(line[..at].chars().next_back())
            && (ends_open || boundary(line[at + word.len()..].chars().next()))
    })
}
