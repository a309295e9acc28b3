//! A network in a folder of its own, and the binary as an operator runs it.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

/// Runs `carecord`; what it printed, and whether it succeeded.
pub(crate) fn run(arguments: &[&str]) -> (bool, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_carecord"))
        .args(arguments)
        .arg("--quiet")
        .env_remove("CARECORD_DIR")
        .env_remove("CARECORD_OUTPUT")
        .env_remove("CARECORD_TOPOLOGY")
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(said).unwrap())
}

/// What a command says that must fail.
pub(crate) fn refused(arguments: &[&str]) -> String {
    let (done, said) = run(arguments);
    assert!(!done, "{arguments:?} succeeded: {said}");
    said
}

/// A folder for a network; its processes end with it.
pub(crate) struct Place {
    root: TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self { root: tempfile::tempdir().unwrap() }
    }

    /// A running network of this topology, with CAs.
    pub(crate) fn up(topology: &str) -> Self {
        let place = Self::new();
        let topology = place.file("topology.toml", &format!("ca = true\n{topology}"));
        place.must(&["network", "up", "--detach", "--topology", &topology]);
        place
    }

    pub(crate) fn dir(&self) -> String {
        self.path("net")
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.root.path().join(name).display().to_string()
    }

    pub(crate) fn file(&self, name: &str, content: &str) -> String {
        let path = self.path(name);
        fs::write(&path, content).unwrap();
        path
    }

    /// What a command says that fails on this network.
    pub(crate) fn refused(&self, arguments: &[&str]) -> String {
        refused(&[arguments, &["--dir", &self.dir()]].concat())
    }

    /// A command that must succeed on this network.
    pub(crate) fn must(&self, arguments: &[&str]) {
        let (done, said) = run(&[arguments, &["--dir", &self.dir()]].concat());
        assert!(done, "{arguments:?}: {said}");
    }

    /// Another folder whose `network.json` has been edited: the same network, seen by somebody who is wrong about it.
    pub(crate) fn seen(&self, name: &str, edit: impl FnOnce(&mut Value)) -> String {
        let text = fs::read(PathBuf::from(self.dir()).join("network.json")).unwrap();
        let mut file = serde_json::from_slice(&text).unwrap();
        edit(&mut file);
        let dir = self.path(name);
        fs::create_dir(&dir).unwrap();
        fs::write(format!("{dir}/network.json"), file.to_string()).unwrap();
        dir
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if fs::exists(format!("{}/network.json", self.dir())).unwrap_or_default() {
            run(&["network", "down", "--dir", &self.dir()]);
        }
    }
}

/// The entry of this name in a list of `network.json`.
pub(crate) fn entry<'a>(file: &'a mut Value, list: &str, name: &str) -> &'a mut Value {
    let entries = file[list].as_array_mut().unwrap();
    entries.iter_mut().find(|entry| entry["name"] == name).unwrap()
}
