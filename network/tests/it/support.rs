//! Running the binary.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Runs `carecord` with these arguments.
pub(crate) fn carecord(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_carecord"))
        .args(arguments)
        .env_remove("CARECORD_DIR")
        .env_remove("CARECORD_OUTPUT")
        .output()
        .unwrap()
}

/// Exit code and standard error.
pub(crate) fn failure(arguments: &[&str]) -> (i32, String) {
    let output = carecord(arguments);
    (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
}

/// Standard output as JSON; the command must succeed.
pub(crate) fn json(arguments: &[&str]) -> serde_json::Value {
    let output = carecord(&[arguments, &["-o", "json", "--quiet"]].concat());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{arguments:?}: {said}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// A path as an argument.
pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A running network; its processes end with it.
pub(crate) struct Running {
    dir: PathBuf,
    root: tempfile::TempDir,
}

impl Running {
    /// Brings up one of our own topologies.
    pub(crate) fn up(topology: &str) -> Self {
        let topology = Path::new(env!("CARGO_MANIFEST_DIR")).join("topologies").join(topology);
        Self::of_text(&std::fs::read_to_string(topology).unwrap())
    }

    /// Brings up the network that a topology file would describe with `content`.
    pub(crate) fn of_text(content: &str) -> Self {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("net");
        let topology = root.path().join("topology.toml");
        std::fs::write(&topology, content).unwrap();
        let running = Self { dir, root };
        let (topology, dir) = (text(&topology), running.dir());
        json(&["network", "up", "--topology", topology, "--dir", dir, "--detach"]);
        running
    }

    /// Its folder.
    pub(crate) fn dir(&self) -> &str {
        text(&self.dir)
    }

    /// A file of the test's own, which goes with the network.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        carecord(&["network", "down", "--dir", self.dir(), "--quiet"]);
    }
}
